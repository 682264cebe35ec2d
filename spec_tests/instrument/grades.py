"""The grades of claims, the strongest first: what kind of statement a claim is, and thereby how far
it can be trusted.  Read by the tests and by the pages, so that it imports nothing.
"""

GRADES = {
    "identity": "An exact statement: both sides are equal by algebra and agree to rounding, or an "
    "answer is exactly what is said.",
    "computed law": "The law or the number that the code produces is computed without sampling and "
    "compared with a closed form or another exact route.",
    "order": "An error falls at the stated rate as steps are added, and with the stated constant "
    "where one is known.",
    "bounded": "An inequality, whose proof the source names or gives.",
    "sampled": "Random draws are compared with their law, at a stated rate of false alarms.",
}
TRIVIAL = {"", "-", "here", "ours", "derived here", "measured", "measured here"}


def names_a_proof(source: str) -> bool:
    """Whether a source says more than that there is one."""
    return source.strip(" .").lower() not in TRIVIAL and len(source.split()) > 1


def objection(grade: str, kinds: set[str], false_alarm: float, dtype: str) -> str:
    """The reason why a grade does not fit the comparisons of a test; empty where it fits.

    kinds: names of the comparisons that ran.  false_alarm: the sum of the rates that they stated.
    dtype: that of the instance; slopes need float64, so that in float32 an order may go unmeasured.
    """
    if grade == "sampled" and not false_alarm > 0:
        return "a sampled claim states its rate of false alarms: holds(..., false_alarm=1e-9)"
    if grade != "sampled" and false_alarm > 0:
        return f"a rate of false alarms was stated, so that the claim is sampled, not {grade}"
    if grade == "order" and "slope" not in kinds and dtype != "float32":
        return "a claim about an order calls slope"
    if grade in ("identity", "computed law") and "slope" in kinds:
        return f"slope was called, so that the claim is at most an order, not {grade}"
    if grade == "identity" and "below" in kinds:
        return "below was called, which does not compare to rounding; the claim is not an identity"
    if grade == "bounded" and not kinds & {"below", "holds"}:
        return "a bounded claim calls below, or holds with an inequality"
    return ""
