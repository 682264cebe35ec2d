"""The questions of check_log_prob, each a function of a case that gives an Answer."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from diffx.check._ask import recognise
from diffx.check.finding import Answer
from diffx.check.likelihoods.networks import Level, LineNetwork, Parts, PlaneNetwork
from diffx.check.problems import PLANE, TWO

# near and far
POINTS = np.array([[0.6, -0.4], [0.0, 0.0], [1.4, 0.2], [-1.5, 0.9], [3.0, 2.0], [-4.0, -3.0]])
INTEGRAL = 1e-3  # how near to 1 the density integrates, where the tolerance is not wider
SIGMAS = 5.0  # of the mean over the draws
ON_THE_LINE = "It is right on Gaussian data, where the flow is affine, and wrong on a mixture."
EXACT_PLANE, EXACT_LINE = PlaneNetwork(PLANE), LineNetwork(TWO)


class Case(NamedTuple):
    """A log-likelihood under test; see check_log_prob."""

    log_prob: Callable
    start: Level
    end: Level
    tolerance: float
    prior: float | None

    def ask(self, network: PlaneNetwork | LineNetwork, x: np.ndarray) -> np.ndarray:
        given = x.copy()
        out = np.asarray(self.log_prob(network, given))
        if not np.array_equal(given, x):
            raise ValueError("log_prob writes into the array that it is given")
        if out.shape != (len(x),):
            raise ValueError(
                f"log_prob gave shape {out.shape} for {len(x)} rows, wanted {(len(x),)}"
            )
        if out.dtype.kind != "f":
            raise TypeError(f"log_prob gave {out.dtype}, wanted float64")
        return np.asarray(out, np.float64)

    def parts(
        self, network: PlaneNetwork | LineNetwork, x: np.ndarray
    ) -> tuple[Parts, np.ndarray, np.ndarray]:
        """The parts of log p(x), its expected value, and the error allowed for the library's
        prior.
        """
        (alpha, sigma), normal = self.start, lambda s: network.parts(x, self.start, self.end, s)
        if self.prior is not None:
            parts = normal(self.prior)
            return parts, parts.at_end + parts.stretch, np.zeros(len(x))
        likely = [normal(s) for s in (np.hypot(alpha, sigma), sigma)]
        allowed = np.max([np.abs(p.at_end + p.stretch - p.density) for p in likely], axis=0)
        return likely[0], likely[0].density, allowed


def is_the_density(case: Case) -> Answer:
    """LIK-01: log p on a Gaussian and on a mixture, and the integral of the latter."""
    x, line = case.end[0] * POINTS, EXACT_LINE.grid(case.end)
    got, again, on_line = (
        case.ask(EXACT_PLANE, x),
        case.ask(EXACT_PLANE, x),
        case.ask(EXACT_LINE, line),
    )
    if not np.array_equal(got, again, equal_nan=True):
        return (
            False,
            f"{np.abs(got - again).max():.3g} apart",
            "equal results",
            "Two calls with the same input differ: it draws noise.",
        )
    (parts, wanted, allowed), (_, wanted_line, allowed_line) = (
        case.parts(EXACT_PLANE, x),
        case.parts(EXACT_LINE, line),
    )
    on_plane = _excess(case, got, wanted, allowed) <= 0
    integral = float(np.exp(np.minimum(on_line, 50)).sum() * (line[1, 0] - line[0, 0]))
    whole = abs(integral - 1) <= max(INTEGRAL, 4 * case.tolerance)
    good = bool(on_plane and whole and _excess(case, on_line, wanted_line, allowed_line) <= 0)
    off, off_line = np.abs(got - wanted).max(), np.abs(on_line - wanted_line).max()
    measured = (
        f"off by {off:.2g} on a Gaussian, {off_line:.2g} on a mixture, integral {integral:.6g}"
    )
    words = (
        "Near and far the log-density is that of the data, and its density integrates to 1."
        if good
        else ON_THE_LINE
    )
    words = words if on_plane else _density_words(case, got, wanted, allowed, parts, x)
    return good, measured, f"log p(x) (to {allowed.max():.2g} for its prior), integral 1", words


def _excess(case: Case, got: np.ndarray, wanted: np.ndarray, allowed: np.ndarray) -> float:
    """The largest excess over what is allowed, positive where it is exceeded, infinite if not
    finite.
    """
    beyond = np.abs(got - wanted) - allowed - case.tolerance * (1 + np.abs(wanted))
    return float(np.where(np.isfinite(beyond), beyond, np.inf).max())


def _density_words(
    case: Case,
    got: np.ndarray,
    wanted: np.ndarray,
    allowed: np.ndarray,
    parts: Parts,
    x: np.ndarray,
) -> str:
    if not np.all(np.isfinite(got)):
        return f"It is not finite at x = {x[~np.isfinite(got)][0]}."
    worst, apart, size = (
        int(np.argmax(np.abs(got - wanted))),
        got - wanted,
        1 + np.abs(wanted).max(),
    )
    tolerance = max(1e-3, 10 * case.tolerance) + 2 * allowed.max() / size
    said = (
        f"At x = {np.array2string(x[worst], precision=3)} it is {got[worst]:.5g}, wanted "
        f"{wanted[worst]:.5g}."
    )
    name = recognise(got, _forms(parts, wanted, x), wanted, tolerance=tolerance)
    if name:
        return f"{said} It is {name}."
    if np.ptp(apart) <= tolerance * size < np.abs(apart).max():
        return (
            f"{said} It is off by {apart.mean():.5g} at every x, "
            f"{_constant(case, float(apart.mean()), allowed.max())}."
        )
    return said


def _forms(parts: Parts, wanted: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
    d, bits, move = x.shape[1], np.log(2), parts.stretch
    return {
        "the log-density without the divergence: the prior at x_T alone": wanted - move,
        "the log-density with the wrong sign of the divergence": wanted - 2 * move,
        "the log-density with twice the divergence": wanted + move,
        "the log-density with half of the divergence, or its mean over the two dimensions": wanted
        - move / 2,
        "the logarithm to base 2: bits, not nats": wanted / bits,
        "the mean over the dimensions, not the sum": wanted / d,
        "the prior as a mean over the dimensions": (wanted - move) / d + move,
        "bits per dimension, -log2 p/d": -wanted / (d * bits),
        "-log p, the wrong sign": -wanted,
    }


def _constant(case: Case, apart: float, allowed: float) -> str:
    half, d = np.log(2 * np.pi) / 2, POINTS.shape[1]
    deviation = case.prior or float(np.hypot(*case.start))
    known = {
        "d log(2 pi)/2: the normal's constant is missing": d * half,
        "-d log(2 pi)/2: the normal's constant counts twice": -d * half,
        "log(2 pi)/2: the normal's constant is that of one dimension": (d - 1) * half,
        "d log s: the deviation s of the prior is missing in its constant": d * np.log(deviation),
        "-d log s: the deviation s of the prior counts twice in its constant": -d
        * np.log(deviation),
    }
    if case.start[0] * case.end[0] > 0:
        drift = np.log(case.start[0] / case.end[0])
        known |= {
            "the divergence of f x, of one dimension only": -(d - 1) * drift,
            "the divergence of f x missing": -d * drift,
        }
    near = 1e-3 + 10 * case.tolerance
    return next(
        (name for name, c in known.items() if abs(apart - c) <= near * max(abs(c), 1)),
        "a term that does not depend on x",
    )


# --- probes -------------------------------------------------------------------------------------


def is_unbiased(case: Case, draws: int) -> Answer:
    """DEN-17: the mean over probes is the trace, to the deviation that two known variances
    allow.
    """
    x = case.end[0] * POINTS[[0, 0, 2, 4]]  # one of them twice: do rows share a probe?
    log_map = EXACT_PLANE.log_map(case.start, case.end)
    most = float(np.sqrt(2 * (log_map**2).sum()))
    out = np.stack([case.ask(EXACT_PLANE, x) for _ in range(draws)])
    parts, wanted, allowed = case.parts(EXACT_PLANE, x)
    off, spread = out.mean(0) - wanted, float(out.std(0, ddof=1).max())
    # Rademacher probes scatter less than the bound, and are held to that
    bound = min(most, spread) / np.sqrt(draws)
    beyond = np.abs(off) - allowed - case.tolerance * (1 + np.abs(wanted)) - SIGMAS * bound
    good = bool(np.all(beyond <= 0))
    measured = f"mean of {draws} off by {np.abs(off).max():.2g}, deviation of one {spread:.2g}"
    expected = f"within {SIGMAS * bound:.2g}, deviation of one at most {most:.2g}"
    return good, measured, expected, _probe_words(case, good, out, wanted, parts, x, bound)


def _probe_words(
    case: Case,
    good: bool,
    out: np.ndarray,
    wanted: np.ndarray,
    parts: Parts,
    x: np.ndarray,
    bound: float,
) -> str:
    mean, fixed = out.mean(0), bool(np.all(np.abs(out - out[0]) <= 1e-12 * (1 + np.abs(out[0]))))
    if good:
        shared = "; the rows of a batch share one probe" if np.all(out[:, 0] == out[:, 1]) else ""
        drawn = (
            "; every call gave the same value, so its probes are fixed or its trace is exact"
            if fixed
            else shared
        )
        return f"The mean over the probes is the log-density{drawn}."
    if fixed:
        return (
            f"Every call gave the same value, which is off by {np.abs(mean - wanted).max():.3g}: "
            "one probe is drawn, once."
        )
    near = 2 * SIGMAS * bound / (1 + np.abs(wanted).max())
    name = recognise(mean, _forms(parts, wanted, x), wanted, tolerance=min(near, 0.1))
    return f"The mean over the probes is biased by {(mean - wanted).mean():.3g}." + (
        f" It is {name}." if name else ""
    )
