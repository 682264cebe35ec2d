"""Failures of k-diffusion, reproduced with k-diffusion alone."""


def of(name: str, claim: str) -> str:
    return ""
