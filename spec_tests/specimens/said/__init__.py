"""What each check says, word for word: of right code first, then of each mistake the lines that
differ.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from diffx.check.finding import NOT_PROVIDED, Finding

HERE = Path(__file__).parent


def said(found: Mapping[str, Iterable[Finding]]) -> list[str]:
    """A heading for each implementation, and what is said of it alone: not of the first, the right
    one, too.
    """
    spoken = {name: [tiny(str(one)) for one in findings] for name, findings in found.items()}
    right, *wrong = spoken
    lines = [f"# {right}", *spoken[right]]
    for name in wrong:
        lines += [
            f"# {name}",
            *(
                line
                for line in spoken[name]
                if line not in spoken[right] and NOT_PROVIDED not in line
            ),
        ]
    return lines


def tiny(line: str) -> str:
    """The line with numbers of rounding, and exact zeros in their place, as one word."""
    return re.sub(r"\b\d(\.\d+)?e-(0[6-9]|[1-9]\d+)\b|\b0\.0e\+00\b", "tiny", line)


def of_file(name: str) -> list[str]:
    return (HERE / f"{name}.txt").read_text().splitlines()
