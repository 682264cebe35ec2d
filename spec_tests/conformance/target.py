"""What an adapter offers: a module with any of the functions of KINDS, each of which yields
Targets.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import diffx
from diffx.check import Finding


class Target(NamedTuple):
    """One class or function of a library, in one configuration.

    name: as a user of the library would write it, such as
    "DDIMScheduler(timestep_spacing='trailing')". arguments: for the check of its kind, by keyword.
    snippet: at most ten lines that show a failure with that library alone, no diffx; where one text
    does not fit every claim, claim -> text.
    """

    name: str
    arguments: dict[str, Any]
    snippet: str | Callable[[str], str] = ""


class Kind(NamedTuple):
    check: Callable[..., Iterable[Finding]]
    claims: tuple[str, ...]  # what is not provided where an adapter has no such function


def _check(name: str) -> Callable[..., Iterable[Finding]]:
    return lambda **arguments: getattr(diffx.check, name)(**arguments)


KINDS = {
    "samplers": Kind(
        _check("check_sampler"),
        ("API-01", "API-04", "REV-01", "REV-02", "REV-11", "REV-16", "REV-17", "REV-19"),
    ),
    "processes": Kind(
        _check("check_process"),
        ("FWD-01", "FWD-02", "FWD-05", "FWD-12", "FWD-19", "DEN-01", "FM-01"),
    ),
    "guidances": Kind(_check("check_guidance"), ("CFG-01", "CFG-07", "CFG-08", "CFG-09", "CFG-15")),
    "log_probs": Kind(_check("check_log_prob"), ("LIK-01", "DEN-17")),
    "losses": Kind(_check("check_contrastive_loss"), ("CLP-01", "CLP-02", "CLP-11", "CLP-12")),
}
