"""Sentences on a law that is not the expected one: guesses that fit, and nothing where none
fits.
"""

from collections.abc import Sequence

import numpy as np

from diffx.check._ask import TINY
from diffx.check.problems import PLANE, Gaussian
from diffx.check.samplers.first_order import Level, deviations, first_order, of_steps
from diffx.check.samplers.probe import Affine


def which_law(law: Gaussian, wanted: Gaussian, n: int) -> str:
    """The difference of a law from the wanted one, axis by axis."""
    if not np.all(np.isfinite(law.cov)):
        return f"At N = {n} some outputs are not finite."
    axes = np.linalg.eigh(wanted.cov)[1]
    spread = [np.diag(axes.T @ one.cov @ axes) for one in (law, wanted)]
    ratio, off = spread[0] / np.maximum(spread[1], TINY), np.abs(law.mean - wanted.mean).max()
    return (
        f"At N = {n} the variances are {ratio[0]:.4g} and {ratio[1]:.4g} times the right ones "
        f"along the two axes, and the mean is off by {off:.2g}."
    )


def what_came(got: Affine, levels: Sequence[Level], *, noise: bool) -> str:
    """A further sentence on a map that does not lead to the marginal at the last node, or
    nothing.
    """
    law, wanted = got.law(PLANE.marginal(*levels[0])), PLANE.marginal(*levels[-1])
    if not np.all(np.isfinite(law.cov)):
        return ""
    guesses = (
        _draws(got, len(levels) - 1) if noise else _power(got, levels),
        _marginal(law, levels[-1]),
        _mean(law, wanted),
    )
    return next((f" {text}" for text in guesses if text), "")


def _draws(got: Affine, n: int) -> str:
    """A sentence on the noise of a stochastic method."""
    count = len(got.noises)
    if count == 0:
        return "It draws no noise."
    if not np.any(got.noises):
        return "The noise that it draws has no effect."
    return (
        f"It draws {count} normal{'s' if count > 1 else ''} in {n} steps." if count < n / 2 else ""
    )


def _power(got: Affine, levels: Sequence[Level]) -> str:
    """A sentence on a wrong weight: in y = x/alpha the flow stretches by r, c times its drift by
    r^c.
    """
    (before, _), (after, _) = levels[0], levels[-1]
    stretch = [
        _diagonal(matrix) * before / after
        for matrix in (got.matrix, PLANE.flow(levels[0], levels[-1])[0])
    ]
    if before < 1e-6 or np.any(stretch[0] <= 0):
        return ""
    powers = np.log(stretch[0]) / np.log(stretch[1])
    power = powers.mean()
    if np.ptp(powers) > 0.05 * power or abs(power - 1) < 0.1:
        return ""
    hint = " (g^2 where the probability flow has g^2/2?)" if abs(power - 2) < 0.3 else ""
    return (
        f"Deviations shrink as the power {power:.2f} of what they should: the score is weighted "
        f"that many times too much{hint}."
    )


def _marginal(law: Gaussian, end: Level) -> str:
    """A sentence on the noise level whose marginal this is, from both variances; the mean must
    agree.
    """
    values, along = np.linalg.eigh(PLANE.cov)[0], _diagonal(law.cov)
    signal = (along[1] - along[0]) / (values[1] - values[0])
    noise = along[0] - signal * values[0]
    if min(signal, noise) <= 0:
        return ""
    alpha, sigma = signal**0.5, noise**0.5
    fits = np.abs(law.mean - alpha * PLANE.mean).max() <= 0.03 * alpha * np.abs(PLANE.mean).max()
    if not fits or abs(alpha - end[0]) + abs(sigma - end[1]) < 0.02:
        return ""
    return (
        f"It is approximately the law of the data noised to alpha = {alpha:.2g}, "
        f"sigma = {sigma:.2g}, where the last node has {end[0]:.2g} and {end[1]:.2g}."
    )


def _mean(law: Gaussian, wanted: Gaussian) -> str:
    """A sentence on right variances with a wrong mean."""
    if np.any(np.abs(_diagonal(law.cov) / _diagonal(wanted.cov) - 1) > 0.1):
        return ""
    size = np.abs(wanted.mean).max()
    if np.abs(law.mean).max() < 0.1 * size:
        return "Its mean is 0: the mean of the data is lost."
    return (
        "Its variances are right, but its mean is not."
        if np.abs(law.mean - wanted.mean).max() > 0.1 * size
        else ""
    )


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    """The diagonal in the axes of the data."""
    axes = np.linalg.eigh(PLANE.cov)[1]
    return np.diag(axes.T @ matrix @ axes)


def relatives(got: Affine, levels: list[Level], eta: float) -> dict[str, Affine]:
    """Maps of a first-order step with one mistake, each under the sentence that describes it."""
    right, spreads = first_order(PLANE, levels, eta), np.array(deviations(levels, eta))
    size = float((right.noises**2).sum())
    scale = float(((got.noises**2).sum() / size) ** 0.5) if size else 1.0
    skipped = list(zip(levels[:-1], [*levels[2:], levels[-1]], strict=True))
    centred = Gaussian(0 * PLANE.mean, PLANE.cov)
    return {
        "It is the law of eta = 0.": first_order(PLANE, levels, 0.0),
        "It is the law of eta = 1.": first_order(PLANE, levels, 1.0),
        (
            "It is the law of the posterior mean with the noise of the forward step, beta."
        ): first_order(PLANE, levels, 1.0, upper=True),
        "Each step has the right mean, but no noise.": right._replace(noises=0 * right.noises),
        "It is the law with one noise that all steps share.": right._replace(
            noises=right.noises.sum(0, keepdims=True)
        ),
        (
            "Its noise is multiplied by the variance instead of the standard deviation: a "
            "square root is missing."
        ): right._replace(noises=right.noises * spreads[:, None, None]),
        (
            f"It is the right law except for its noise, {scale:.3g} times the right one in each "
            "step."
        ): right._replace(noises=right.noises * scale),
        (
            f"It stops at the node before the last, at sigma = {levels[-2][1]:.3g} instead of "
            f"{levels[-1][1]:.3g}."
        ): first_order(PLANE, levels[:-1], eta),
        "Each step goes one node too far.": of_steps(PLANE, skipped, eta),
        (
            "It is the right law except for its mean: the mean of the data is taken to be 0."
        ): first_order(centred, levels, eta),
    }


def where_it_went(got: Affine, start: Level, end: Level) -> str:
    """The noise level of the output where all data are one point.

    x' = alpha' m + sigma' (x - alpha m)/sigma.
    """
    scale = got.matrix[0, 0]
    if not np.isfinite(scale) or np.abs(
        got.matrix - scale * np.eye(len(got.matrix))
    ).max() > 1e-6 * abs(scale):
        return ""
    alpha = float(got.offset @ PLANE.mean / (PLANE.mean @ PLANE.mean) + scale * start[0])
    return (
        f"goes to alpha = {alpha:.4g}, sigma = {scale * start[1]:.4g} instead of {end[0]:.4g} "
        f"and {end[1]:.4g}."
    )
