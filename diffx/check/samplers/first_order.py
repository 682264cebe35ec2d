"""Closed forms of the first-order family on Gaussian data: its law at any number of steps."""

import itertools
from typing import Any

import numpy as np

from diffx.check.problems import Gaussian
from diffx.check.samplers.probe import Affine

Level = tuple[float, float]  # (alpha, sigma)


def first_order(data: Gaussian, levels: list[Level], eta: float, *, upper: bool = False) -> Affine:
    """The affine map of DDIM(eta) on given noise levels: REV-11, REV-16.

    eta = 0 is deterministic and 1 ancestral. upper: the noise of the forward step, beta, where the
    posterior's is beta-tilde (REV-06).
    """
    return of_steps(data, list(itertools.pairwise(levels)), eta, upper=upper)


def of_steps(
    data: Gaussian, steps: list[tuple[Level, Level]], eta: float, *, upper: bool = False
) -> Affine:
    """The same for steps (from, to) that need not follow each other."""
    values, axes = np.linalg.eigh(data.cov)
    mean, matrix, noises = np.zeros_like(values), np.ones_like(values), []
    centre = data.mean @ axes
    for before, after in steps:
        gain, spread = _step(values, before, after, eta, upper)
        mean = after[0] * centre + gain * (mean - before[0] * centre)
        matrix, noises = matrix * gain, [gain * z for z in noises] + [spread * np.ones_like(values)]
    turn = lambda diagonal: (axes * diagonal) @ axes.T
    return Affine(turn(matrix), axes @ mean, np.array([turn(z) for z in noises]), 0.0)


def deviations(levels: list[Level], eta: float) -> list[float]:
    """The deviation of the noise that each step adds."""
    return [
        float(_step(1.0, before, after, eta, False)[1])
        for before, after in itertools.pairwise(levels)
    ]


def _step(values: Any, before: Level, after: Level, eta: float, upper: bool) -> tuple[Any, float]:
    """Gain of the deviation from the mean in each direction, and the deviation of a step's
    noise.
    """
    (a, s), (a1, s1) = before, after
    spread = np.sqrt(a**2 * values + s**2)
    # REV-11: a rotation by the angle between the two levels, then the exact stretch
    if eta == 0 and not upper:
        turned = np.arctan2(s, a * np.sqrt(values)) - np.arctan2(s1, a1 * np.sqrt(values))
        return np.sqrt(a1**2 * values + s1**2) / spread * np.cos(turned), 0.0
    fresh = s**2 - (a / a1) ** 2 * s1**2  # variance of the forward step from s to t
    noise = np.sqrt(fresh) * (eta * s1 / s if not upper else 1.0 if s1 > 0 else 0.0)
    kept = np.sqrt(s1**2 - eta**2 * fresh * s1**2 / s**2)  # what remains of the old noise
    denoised = a * values / spread**2
    return a1 * denoised + kept / s * (1 - a * denoised), noise
