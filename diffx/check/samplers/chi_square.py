r"""check_samples: draws against a Gaussian, with a stated false-alarm rate and a stated power."""

from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import TINY
from diffx.check.finding import Finding, finding

ALARM = 1e-9  # the chance that one comparison fails code that is right
MISS = 0.01  # the chance that an error of the stated size is overlooked


class Power(NamedTuple):
    """Bounds of one comparison at n rows, and the least errors found with probability 1 - MISS."""

    low: float  # of the sum of squares
    high: float
    z: float  # of the mean, in its own deviations
    variance: float  # relative
    mean: float  # in deviations of a row


def check_samples(samples: Any, mean: Any, cov: Any, *, claim: str = "REV-01") -> Finding:
    r"""Rows (n, d) as independent draws from N(mean, cov), tested by exact quantiles.

    Rows whitened by cov are N(0, I) along each axis, and along (e_i + e_j)/sqrt 2 and
    (e_i - e_j)/sqrt 2, which see the correlations: the sum of squares about the rows' mean is
    chi2_{n-1} exactly, the mean N(0, 1/n). Each of the d^2 variances and d means is compared
    two-sided at 1e-9: right samplers fail once in 1e9/(d^2 + d) calls. The finding states its
    power, the least relative error of a variance found with probability .99: hi/F^-1(.01) - 1 of F
    = chi2_{n-1}, or 1 - lo/F^-1(.99), whichever is larger. A direction of variance 0 must be met
    exactly, to 1e-6 of the largest deviation.

    Units: samples (n, d), mean (d,), cov (d, d), any unit.
    Raises: ValueError where mean and cov are not (d,) and (d, d) or not finite, or cov is not a
        covariance.
    Source: Fisher 1925, Statistical Methods for Research Workers.
    Also called: chi-squared test, hypothesis test of samples, false-alarm rate, power of a test.
    Claims: KIT-08.
    """
    mean, cov = np.asarray(mean, np.float64), np.asarray(cov, np.float64)
    values, axes = _spectrum(mean, cov)
    return finding(claim, lambda: _compare(_rows(samples, len(mean)) - mean, values, axes))


def _spectrum(mean: np.ndarray, cov: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if mean.ndim != 1 or not mean.size or cov.shape != mean.shape * 2:
        raise ValueError(f"mean must be (d,) and cov (d, d), got {mean.shape} and {cov.shape}")
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(cov))):
        raise ValueError("mean and cov must be finite")
    values, axes = np.linalg.eigh(cov)
    if np.abs(cov - cov.T).max() > 1e-9 * np.abs(cov).max() or values[0] < -1e-9 * max(
        values[-1], TINY
    ):
        raise ValueError("cov must be symmetric with eigenvalues >= 0")
    return np.maximum(values, 0), axes


def _rows(samples: Any, dimension: int) -> np.ndarray:
    rows = np.asarray(samples, np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension or len(rows) < 2:
        raise ValueError(
            f"samples must be at least two rows of {dimension}, got shape {rows.shape}"
        )
    if not np.all(np.isfinite(rows)):
        raise ValueError("some samples are NaN or infinite")
    return rows


def _compare(
    centred: np.ndarray, values: np.ndarray, axes: np.ndarray
) -> tuple[bool, str, str, str]:
    flat = values <= 1e-12 * max(values[-1], TINY)
    off = np.abs(centred @ axes[:, flat]).max(initial=0.0)
    if off > 1e-6 * values[-1] ** 0.5:
        return (
            False,
            f"{off:.2g} off",
            "0 off",
            "There is spread, or an offset, along an axis of variance 0.",
        )
    white = centred @ axes[:, ~flat] / np.sqrt(values[~flat])
    n, means, at = len(white), white.mean(0), power(len(white))
    ratios = _variances(np.cov(white, rowvar=False, ddof=1).reshape(white.shape[1:] * 2))
    good = bool(
        np.all((at.low <= ratios * (n - 1)) & (ratios * (n - 1) <= at.high))
        and np.all(np.abs(means) * n**0.5 <= at.z)
    )
    worst, mean = (
        ratios[np.argmax(np.abs(np.log(np.maximum(ratios, TINY))))] if len(ratios) else 1.0,
        np.abs(means).max(initial=0),
    )
    measured = f"worst variance {worst:.4g} times the expected, mean {mean:.2g} deviations off"
    expected = f"{at.low / (n - 1):.4g} to {at.high / (n - 1):.4g}, within {at.z / n**0.5:.2g}"
    return good, measured, expected, _say(good, worst, mean, n, at)


def _variances(cov: np.ndarray) -> np.ndarray:
    """Variances along the axes, and along the sums and differences of each two of them."""
    own, (i, j) = np.diag(cov), np.triu_indices(len(cov), 1)
    half, cross = (own[i] + own[j]) / 2, cov[i, j]
    return np.concatenate([own, half + cross, half - cross])


def _say(good: bool, worst: float, mean: float, n: int, at: Power) -> str:
    found = (
        f"With n = {n} a variance {100 * at.variance:.2g}% wrong, or a mean {at.mean:.2g} "
        f"deviations off, is found with probability {1 - MISS:.2g}; each comparison fails right "
        f"code once in {1 / ALARM:.0e} calls."
    )
    if good:
        return f"Variances and means are within what chance allows. {found}"
    spread = not at.low <= worst * (n - 1) <= at.high
    says = [f"a variance is {worst:.4g} times the expected"] if spread else []
    says += [f"the mean is {mean:.2g} deviations off"] if mean * n**0.5 > at.z else []
    return f"By more than chance, {' and '.join(says)}. {found}"


def power(n: int) -> Power:
    """The bounds and the power of one comparison at n rows, in closed form."""
    from scipy.stats import chi2, norm

    low, high = float(chi2.ppf(ALARM / 2, n - 1)), float(chi2.isf(ALARM / 2, n - 1))
    variance = max(high / float(chi2.ppf(MISS, n - 1)) - 1, 1 - low / float(chi2.isf(MISS, n - 1)))
    z = float(norm.isf(ALARM / 2))
    return Power(low, high, z, variance, (z + float(norm.isf(MISS))) / n**0.5)
