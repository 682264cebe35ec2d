"""Failures of skrample, reproduced with skrample alone."""


def of(name: str, claim: str) -> str:
    return ""
