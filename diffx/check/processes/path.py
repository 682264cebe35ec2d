"""A forward process under test, and the questions about its noise levels, each giving an Answer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import fit, number, recognise, rounding, rows, sum_text
from diffx.check.finding import Answer
from diffx.check.processes.slope import slope

NEAR = 1e-3  # what is this near to another formula, relatively, is that formula
START = 1e-3  # relative error of the deviation at the start: KL of about 1e-6 nats a dimension


class Path(NamedTuple):
    """A forward process under test; see check_process."""

    alpha_of: Callable
    sigma_of: Callable
    times: np.ndarray
    precision: str

    def alpha(self, t: float) -> float:
        return number("alpha", self.alpha_of(float(t)))

    def sigma(self, t: float) -> float:
        return number("sigma", self.sigma_of(float(t)))

    def levels(self, times: Any = None) -> np.ndarray:
        """(alpha, sigma) at times, (n, 2)."""
        levels = np.array(
            [(self.alpha(t), self.sigma(t)) for t in (self.times if times is None else times)]
        )
        if not np.all(np.isfinite(levels)):
            raise ValueError("alpha or sigma is not finite at one of the times")
        return levels

    def slopes(self) -> np.ndarray:
        """alpha', its error, sigma', its error, in the library's own time at the inner times, (n
        - 2, 4).
        """
        reach = np.minimum(np.abs(np.diff(self.times))[1:], np.abs(np.diff(self.times))[:-1])
        places = zip(self.times[1:-1], reach, *self.grains().T, strict=True)
        return np.array(
            [(*slope(self.alpha, t, h, a), *slope(self.sigma, t, h, s)) for t, h, a, s in places]
        )

    def grains(self) -> np.ndarray:
        """Rounding errors in alpha and sigma of correct code at the inner times, (n - 2, 2).

        alpha = 1 - t or cos(t) is rounded at the size of 1, and sigma = sqrt(1 - alpha^2) in its
        square.
        """
        eps, levels = float(np.finfo(self.precision).eps), self.levels(self.times[1:-1])
        size = np.hypot(*levels.T)
        return eps * np.stack([size, size**2 / levels[:, 1]], 1)

    @property
    def runs_to_data(self) -> bool:
        """Whether the library's time runs from noise to data."""
        return self.times[-1] < self.times[0]

    @property
    def rounding(self) -> float:
        return rounding(self.precision)


def check_times(times: Any) -> np.ndarray:
    times = np.asarray(times, np.float64)
    if times.ndim != 1 or len(times) < 3 or not np.all(np.isfinite(times)) or not _monotone(times):
        raise ValueError(
            "times must be three or more finite numbers, strictly monotone from data to noise, "
            f"got {times}"
        )
    return times


def _monotone(times: np.ndarray) -> bool:
    return bool(np.all(np.diff(times) > 0) or np.all(np.diff(times) < 0))


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.standard_normal((3, 2)), rng.standard_normal((3, 2))


# --- the path and its noise levels --------------------------------------------------------------


def perturbs(path: Path, perturb: Callable) -> Answer:
    """FWD-01: x_t = alpha x0 + sigma eps."""
    x0, eps = batch()
    levels = path.levels()
    out = [
        rows("perturb", perturb, x0, eps, float(t), precision=path.precision) for t in path.times
    ]
    fits = [fit(x, x0, eps) for x in out]
    got, bend = np.array([found for found, _ in fits]), max(left for _, left in fits)
    off = np.abs(np.stack(out) - levels[:, :1, None] * x0 - levels[:, 1:, None] * eps).max(
        (1, 2)
    ) / np.hypot(*levels.T)
    worst = int(np.argmax(off))
    good = bool(off[worst] <= path.rounding)
    return (
        good,
        f"off by {off[worst]:.1e}",
        "alpha x0 + sigma eps",
        _path_words(path, good, got, levels, bend, worst),
    )


def _path_words(
    path: Path, good: bool, got: np.ndarray, levels: np.ndarray, bend: float, worst: int
) -> str:
    if good:
        return "The noised data agree with alpha and sigma."
    (a, s), place = levels.T, f"At t = {path.times[worst]:.4g} "
    if bend > NEAR:
        return f"{place}x_t is not a linear combination of x0 and eps."
    forms = {
        "alpha x0 + sigma^2 eps: the variance instead of the standard deviation": (a, s**2),
        "alpha x0 + sqrt(sigma) eps: one square root too many": (a, np.sqrt(np.abs(s))),
        "alpha^2 x0 + sigma eps": (a**2, s),
        "sqrt(alpha) x0 + sigma eps": (np.sqrt(np.abs(a)), s),
        "sigma x0 + alpha eps: the two are swapped": (s, a),
        "alpha x0 + eps: sigma is missing": (a, np.ones_like(s)),
        "x0 + sigma eps: alpha is missing": (np.ones_like(a), s),
        "alpha x0: the noise is missing": (a, 0 * s),
        "alpha x0 - sigma eps: the noise has the wrong sign": (a, -s),
    }
    name = recognise(
        got, {form: np.stack(pair, 1) for form, pair in forms.items()}, levels, tolerance=NEAR
    )
    coefficients = (
        f"x_t is {sum_text(got[worst], ('x0', 'eps'))}, wanted {a[worst]:.4g} and {s[worst]:.4g}."
    )
    return f"{place}{coefficients}" + (f" It is {name}." if name else "")


def log_snr_falls(path: Path, log_snr: Callable | None) -> Answer:
    """FWD-05: log(alpha^2/sigma^2) falls, and log_snr agrees with it."""
    levels = path.levels()
    with np.errstate(divide="ignore"):  # alpha may be 0 at the last time
        wanted = 2 * np.log(levels[:, 0] / levels[:, 1])
    falls = bool(np.all(np.diff(wanted) < 0))
    if not falls:
        where = path.times[1:][~(np.diff(wanted) < 0)][0]
        return (
            False,
            f"rises at t = {where:.4g}",
            "falls",
            "The signal-to-noise ratio does not fall everywhere.",
        )
    if log_snr is None:
        return (
            True,
            "falls",
            "falls",
            "The signal-to-noise ratio falls; no log_snr was given to compare with.",
        )
    finite = np.isfinite(wanted)
    got, wanted = (
        np.array([number("log_snr", log_snr(float(t))) for t in path.times[finite]]),
        wanted[finite],
    )
    off = float((np.abs(got - wanted) / (1 + np.abs(wanted))).max())
    good = bool(off <= path.rounding)
    return (
        good,
        f"falls; log_snr off by {off:.1e}",
        "log(alpha^2/sigma^2)",
        _log_snr_words(good, got, wanted),
    )


def _log_snr_words(good: bool, got: np.ndarray, wanted: np.ndarray) -> str:
    if good:
        return "log_snr agrees with alpha and sigma, and falls."
    forms = {
        "log(alpha/sigma), half of log(alpha^2/sigma^2)": wanted / 2,
        "log(sigma^2/alpha^2), the wrong sign": -wanted,
        "log(sigma/alpha), half and with the wrong sign": -wanted / 2,
        "alpha^2/sigma^2, without the logarithm": np.exp(wanted),
        "a logarithm to base 10": wanted / np.log(10),
        "a logarithm to base 2": wanted / np.log(2),
        "twice log(alpha^2/sigma^2)": 2 * wanted,
    }
    name = recognise(got, forms, wanted, tolerance=NEAR)
    return f"At the first time log_snr is {got[0]:.4g}, wanted {wanted[0]:.4g}." + (
        f" It is {name}." if name else ""
    )


def starts(path: Path, start: float) -> Answer:
    """FWD-12: sampling starts with the deviation of the marginal, for data of unit variance."""
    got, (alpha, sigma) = number("start", start), path.levels(path.times[-1:])[0]
    wanted = float(np.hypot(alpha, sigma))
    share = got / wanted
    good = bool(abs(share - 1) <= START)
    kl = (share**2 - 1) / 2 - np.log(share) if share > 0 else float("inf")
    left = f"the terminal signal-to-noise ratio is {(alpha / sigma) ** 2:.3g}"
    detail = (
        f"The start is {share:.6g} times the marginal's deviation, KL {kl:.1e} nats per "
        f"dimension; {left}."
    )
    forms = {
        "sigma alone: the variance of the data is ignored": sigma,
        "1, whatever the process": 1.0,
        "sigma^2, the variance": sigma**2,
        "alpha^2 + sigma^2, the variance": wanted**2,
        "sigma/alpha": sigma / alpha if alpha else np.inf,
    }
    name = "" if good else recognise([got], forms, [wanted], tolerance=1e-6)
    return good, f"{got:.6g}", f"{wanted:.6g}", detail + (f" It is {name}." if name else "")
