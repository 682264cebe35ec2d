"""The score, and what to do about those that survived."""

import json
from collections import Counter
from pathlib import Path

from spec_tests.mutants.edits import Mutant
from spec_tests.mutants.engine import Engine
from spec_tests.mutants.trials import Verdict

KILLED = ("killed", "timeout", "crash")
WANTED = 0.97


def score(verdicts: list[Verdict]) -> float:
    """The share of killed edits among those that were run and are not equivalent."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    killed = sum(counts[kind] for kind in KILLED)
    judged = killed + counts["survived"] + counts["error"]
    return killed / judged if judged else float(not counts["not run"])


def summary(engine: Engine, generated: list[Mutant]) -> list[str]:
    """All that a reader needs, the survivors ready to be listed or killed."""
    verdicts = engine.verdicts
    survived = {verdict.mutant.where for verdict in verdicts if verdict.verdict == "survived"}
    unseen = sorted(survived - engine.executed)  # all that may execute them are traced
    stale = sorted(set(engine.plan.listed) - {mutant.key for mutant in generated})
    return [
        *(f"warning: {warning}" for warning in engine.warnings),
        *(f"no test executes {name}" for name in unseen),
        *(f"stale entry, there is no such edit: {key}" for key in stale),
        *(
            line
            for verdict in verdicts
            if verdict.verdict in ("survived", "error")
            for line in _diff(verdict)
        ),
        f"{len(generated)} generated, {_counts(verdicts)}",
        f"score {score(verdicts):.2%} of the edits that were run and change something, "
        f"{engine.minutes:.1f} minutes",
    ]


def write(path: Path, engine: Engine, generated: list[Mutant]) -> None:
    """The same as JSON."""
    content = {
        "generated": len(generated),
        "counts": dict(Counter(verdict.verdict for verdict in engine.verdicts)),
        "score": score(engine.verdicts),
        "minutes": round(engine.minutes, 2),
        "mutants": [_row(verdict) for verdict in engine.verdicts],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _counts(verdicts: list[Verdict]) -> str:
    counts = Counter(verdict.verdict for verdict in verdicts)
    run = len(verdicts) - counts["not run"]
    return ", ".join(
        [f"{run} chosen and judged", *(f"{n} {kind}" for kind, n in sorted(counts.items()))]
    )


def _diff(verdict: Verdict) -> list[str]:
    mutant = verdict.mutant
    place = (
        f"{mutant.module.replace('.', '/')}.py:{mutant.line} in {mutant.function}, "
        f"{mutant.operator}"
    )
    return [
        f"{verdict.verdict} ({verdict.note}): {place}",
        f"  - {mutant.before}",
        f"  + {mutant.after}",
    ]


def _row(verdict: Verdict) -> dict:
    mutant = verdict.mutant
    return {
        "key": mutant.key,
        "line": mutant.line,
        "verdict": verdict.verdict,
        "by": verdict.by,
        "note": verdict.note,
        "seconds": round(verdict.seconds, 2),
    }
