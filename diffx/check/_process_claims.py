"""What check_process asks, one function a claim: (path, what is asked) -> (holds, measured, expected, one sentence)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import far, fitted, in_words, number, ratio, recognised, rounding, rows
from diffx.check._slope import slope

Answer = tuple[bool, str, str, str]
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
        levels = np.array([(self.alpha(t), self.sigma(t)) for t in (self.times if times is None else times)])
        if not np.all(np.isfinite(levels)):
            raise ValueError("alpha or sigma is not finite at one of the times")
        return levels

    def slopes(self) -> np.ndarray:
        """alpha', its error, sigma', its error, in the library's own time at the inner times, (n - 2, 4)."""
        eps = float(np.finfo(self.precision).eps)
        reach = np.minimum(np.abs(np.diff(self.times))[1:], np.abs(np.diff(self.times))[:-1])
        places = zip(self.times[1:-1], reach, strict=True)
        return np.array([(*slope(self.alpha, t, h, eps), *slope(self.sigma, t, h, eps)) for t, h in places])

    @property
    def backwards(self) -> bool:
        """The library's time runs from noise to data."""
        return self.times[-1] < self.times[0]

    @property
    def rounding(self) -> float:
        return rounding(self.precision)


def checked_times(times: Any) -> np.ndarray:
    times = np.asarray(times, np.float64)
    if times.ndim != 1 or len(times) < 3 or not np.all(np.isfinite(times)) or not _monotone(times):
        raise ValueError(f"times must be three or more finite numbers, strictly monotone from data to noise, got {times}")
    return times


def _monotone(times: np.ndarray) -> bool:
    return bool(np.all(np.diff(times) > 0) or np.all(np.diff(times) < 0))


def nothing(given: Any) -> Any:
    """What a claim is asked of that needs no function: nothing, in a tuple."""
    return (given,)


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.standard_normal((3, 2)), rng.standard_normal((3, 2))


# --- the path and its noise levels -----------------------------------------------------------------------------------


def perturbs(path: Path, perturb: Callable) -> Answer:
    """FWD-01: x_t = alpha x0 + sigma eps."""
    x0, eps = _batch()
    levels = path.levels()
    out = [rows("perturb", perturb, x0, eps, float(t), precision=path.precision) for t in path.times]
    fits = [fitted(x, x0, eps) for x in out]
    got, bend = np.array([found for found, _ in fits]), max(left for _, left in fits)
    off = np.abs(np.stack(out) - levels[:, :1, None] * x0 - levels[:, 1:, None] * eps).max((1, 2)) / np.hypot(*levels.T)
    worst = int(np.argmax(off))
    good = bool(off[worst] <= path.rounding)
    return good, f"off by {off[worst]:.1e}", "alpha x0 + sigma eps", _path_words(path, good, got, levels, bend, worst)


def _path_words(path: Path, good: bool, got: np.ndarray, levels: np.ndarray, bend: float, worst: int) -> str:
    if good:
        return "The noised data are those of alpha and sigma."
    (a, s), place = levels.T, f"At t = {path.times[worst]:.4g} "
    if bend > NEAR:
        return f"{place}x_t is not a sum of multiples of x0 and eps."
    forms = {
        "alpha x0 + sigma^2 eps: the variance in the place of the deviation": (a, s**2),
        "alpha x0 + sqrt(sigma) eps: a root too many": (a, np.sqrt(np.abs(s))),
        "alpha^2 x0 + sigma eps": (a**2, s),
        "sqrt(alpha) x0 + sigma eps": (np.sqrt(np.abs(a)), s),
        "sigma x0 + alpha eps: the two are swapped": (s, a),
        "alpha x0 + eps: sigma is missing": (a, np.ones_like(s)),
        "x0 + sigma eps: alpha is missing": (np.ones_like(a), s),
        "alpha x0: the noise is missing": (a, 0 * s),
        "alpha x0 - sigma eps: the noise has the other sign": (a, -s),
    }
    name = recognised(got, {form: np.stack(pair, 1) for form, pair in forms.items()}, levels, tolerance=NEAR)
    coefficients = f"x_t is {got[worst, 0]:.4g} x0 + {got[worst, 1]:.4g} eps, wanted {a[worst]:.4g} and {s[worst]:.4g}."
    return f"{place}{coefficients}" + (f" It is {name}." if name else "")


def log_snr_falls(path: Path, given: tuple[Callable | None]) -> Answer:
    """FWD-05: log(alpha^2/sigma^2) falls, and log_snr says the same."""
    levels = path.levels()
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
    if given[0] is None:
        return True, "falls", "falls", "The signal-to-noise ratio falls; no log_snr was given to compare with."
    got = np.array([number("log_snr", given[0](float(t))) for t in path.times])
    off = float((np.abs(got - wanted) / (1 + np.abs(wanted))).max())
    good = bool(off <= path.rounding)
    return good, f"falls; log_snr off by {off:.1e}", "log(alpha^2/sigma^2)", _log_snr_words(good, got, wanted)


def _log_snr_words(good: bool, got: np.ndarray, wanted: np.ndarray) -> str:
    if good:
        return "log_snr is that of alpha and sigma, and falls."
    forms = {
        "log(alpha/sigma), half of log(alpha^2/sigma^2)": wanted / 2,
        "log(sigma^2/alpha^2), the other sign": -wanted,
        "log(sigma/alpha), half and of the other sign": -wanted / 2,
        "alpha^2/sigma^2, without the logarithm": np.exp(wanted),
        "a logarithm to base 10": wanted / np.log(10),
        "a logarithm to base 2": wanted / np.log(2),
        "twice log(alpha^2/sigma^2)": 2 * wanted,
    }
    name = recognised(got, forms, wanted, tolerance=NEAR)
    return f"At the first time log_snr is {got[0]:.4g}, wanted {wanted[0]:.4g}." + (f" It is {name}." if name else "")


def starts(path: Path, start: float) -> Answer:
    """FWD-12: sampling starts with the deviation of the marginal, for data of unit variance."""
    got, (alpha, sigma) = number("start", start), path.levels(path.times[-1:])[0]
    wanted = float(np.hypot(alpha, sigma))
    share = got / wanted
    good = bool(abs(share - 1) <= START)
    kl = (share**2 - 1) / 2 - np.log(share) if share > 0 else float("inf")
    detail = f"The start is {share:.6g} of the marginal's deviation: KL {kl:.1e} nats a dimension."
    forms = {
        "sigma alone: the variance of the data is neglected": sigma,
        "1, whatever the process": 1.0,
        "sigma^2, the variance": sigma**2,
        "alpha^2 + sigma^2, the variance": wanted**2,
        "sigma/alpha": sigma / alpha if alpha else np.inf,
    }
    name = "" if good else recognised([got], forms, [wanted], tolerance=1e-6)
    return good, f"{got:.6g}", f"{wanted:.6g}", detail + (f" It is {name}." if name else "")


# --- derivatives -----------------------------------------------------------------------------------------------------


def has_rates(path: Path, f: Callable | None, g: Callable | None) -> Answer:
    """FWD-02: f = alpha'/alpha and g^2 = (sigma^2)' - 2 f sigma^2, time growing towards noise."""
    times, (alpha, sigma) = path.times[1:-1], path.levels(path.times[1:-1]).T
    da, ea, ds, es = path.slopes().T * (-1 if path.backwards else 1)
    drift, spread = da / alpha, 2 * sigma * (ds - da / alpha * sigma)
    least = path.rounding / np.abs(path.times[-1] - path.times[0])
    errors = np.abs(ea / alpha) + path.rounding * np.abs(drift) + least
    errors_g = 2 * sigma * (np.abs(es) + np.abs(ea) * sigma / alpha) + path.rounding * (np.abs(sigma * ds) + np.abs(spread))
    parts = [_drift(path, f, times, drift, errors)] if f else []
    parts += [_spread(path, g, times, spread, errors_g, sigma * ds * 2, drift * sigma**2)] if g else []
    good = all(part[0] for part in parts)
    expected = " and ".join(name for name, given in (("alpha'/alpha", f), ("(sigma^2)' - 2 f sigma^2", g)) if given)
    return good, "; ".join(part[1] for part in parts), expected, " ".join(part[2] for part in parts)


def _drift(path: Path, f: Callable, times: np.ndarray, wanted: np.ndarray, errors: np.ndarray) -> tuple[bool, str, str]:
    got = np.array([number("f", f(float(t))) for t in times])
    good = bool(np.all(np.abs(got - wanted) <= errors))
    if not good and path.backwards and np.all(np.abs(got + wanted) <= errors):
        return True, "f agrees", "f is the derivative in the library's own time, which runs to data: a convention."
    detail = "f is alpha'/alpha." if good else _off(times, "f", got, wanted, errors, {})
    return good, f"f off by {np.abs(got - wanted).max():.1e}", detail


def _spread(
    path: Path, g: Callable, times: np.ndarray, wanted: np.ndarray, errors: np.ndarray, rise: np.ndarray, pull: np.ndarray
) -> tuple[bool, str, str]:
    got = np.array([number("g", g(float(t))) for t in times])
    good = bool(np.all(np.abs(got**2 - wanted) <= errors))
    forms = {
        "g^2 in the place of g": wanted**2,
        "sqrt(g) in the place of g": np.sqrt(np.abs(wanted)),
        "(sigma^2)' alone, without -2 f sigma^2": rise,
        "(sigma^2)' + 2 f sigma^2, a sign": rise + 2 * pull,
        "(sigma^2)' - f sigma^2, without the 2": rise - pull,
    }
    detail = "g^2 is (sigma^2)' - 2 f sigma^2." if good else _off(times, "g^2", got**2, wanted, errors, forms)
    return good, f"g^2 off by {np.abs(got**2 - wanted).max():.1e}", detail


def _off(times: np.ndarray, name: str, got: Any, wanted: Any, errors: Any, forms: Mapping[str, Any]) -> str:
    worst = int(np.argmax(np.abs(got - wanted) - errors))
    constant, form = ratio(got, wanted), recognised(got, forms, wanted, tolerance=NEAR)
    words = f"At t = {times[worst]:.4g} {name} is {got[worst]:.5g}, wanted {wanted[worst]:.5g} (to {errors[worst]:.0e})."
    if np.isfinite(constant) and constant:
        return f"{words} It is {in_words(constant)} times the right one at every time."
    return words + (f" It is {form}." if form else "")


def flows(path: Path, velocity: Callable) -> Answer:
    """FM-01: alpha' x0 + sigma' eps in the library's own time."""
    x0, eps = _batch()
    times, slopes, levels = path.times[1:-1], path.slopes(), path.levels(path.times[1:-1])
    out = [rows("velocity", velocity, x0, eps, float(t), precision=path.precision) for t in times]
    fits = [fitted(v, x0, eps) for v in out]
    got, wanted, bend = np.array([found for found, _ in fits]), slopes[:, ::2], max(left for _, left in fits)
    errors = slopes[:, 1::2] + path.rounding * (np.abs(wanted).max(1, keepdims=True) + 1e-300)
    straight, turned = (bool(np.all(np.abs(got - sign * wanted) <= errors)) for sign in (1, -1))
    straight, turned = (agrees and bend <= max(NEAR, path.rounding) for agrees in (straight, turned))
    good = straight or (turned and path.backwards)
    detail = _velocity_words(path, straight, turned, got, wanted, levels)
    return good, f"off by {far(got, wanted):.1e}", "alpha' x0 + sigma' eps", detail


def _velocity_words(path: Path, straight: bool, turned: bool, got: np.ndarray, wanted: np.ndarray, levels: np.ndarray) -> str:
    runs = "from noise to data" if path.backwards else "from data to noise"
    if straight:
        return f"It is the derivative in the library's own time, which runs {runs}."
    if turned:
        says = "it points to noise while time runs to data, a convention" if path.backwards else "it points against its time"
        return f"It is -(alpha' x0 + sigma' eps): {says}."
    (a, s), one = levels.T, np.ones(len(levels))
    forms = {
        "alpha' eps + sigma' x0: the two are swapped": wanted[:, ::-1],
        "eps - x0, which is right for alpha = 1 - t alone": np.stack([-one, one], 1),
        "x0 - eps, which is right for alpha = t alone": np.stack([one, -one], 1),
        "alpha' x0 - sigma' eps, a sign": wanted * [1, -1],
        "alpha eps - sigma x0, the v of Salimans and Ho": np.stack([-s, a], 1),
        "sigma' eps alone": wanted * [0, 1],
        "alpha' x0 alone": wanted * [1, 0],
    }
    constant, form = ratio(got, wanted), recognised(got, forms, wanted, tolerance=NEAR)
    if np.isfinite(constant) and constant:
        return f"It is {in_words(constant)} times the derivative at every time; the library's time runs {runs}."
    middle = len(got) // 2
    words = "At t = {:.4g} it is {:.4g} x0 + {:.4g} eps, wanted {:.4g} and {:.4g}."
    return words.format(path.times[1 + middle], *got[middle], *wanted[middle]) + (f" It is {form}." if form else "")


# --- predictions -----------------------------------------------------------------------------------------------------


def converts(path: Path, convert: Mapping[str, tuple[Callable, Callable]]) -> Answer:
    """DEN-01: from x0 to each prediction and back."""
    found = {name: _round_trip(path, *pair) for name, pair in convert.items()}
    if not found:
        raise NotImplementedError("no prediction was given")
    wrong = [name for name, (good, _, _) in found.items() if not good]
    worst = max(found, key=lambda name: found[name][1])
    said = " ".join(f"{name}: {found[name][2]}" for name in wrong) or f"{', '.join(found)}: each gives x0 back."
    return not wrong, f"{worst} off by {found[worst][1]:.1e}", "x0", said


def _round_trip(path: Path, predict: Callable, recover: Callable) -> tuple[bool, float, str]:
    """Whether x0 comes back, the largest share of what rounding allows (in units of rounding), and what came back."""
    x0, eps = _batch()
    good, largest, said = True, 0.0, ""
    for t, (alpha, sigma) in zip(path.times, path.levels(), strict=True):
        if alpha <= 1e-6 * sigma:
            continue  # no x0 is left in x_t
        given = rows("predict", lambda x, e, a=alpha, s=sigma: predict(x, e, a, s), x0, eps, precision=path.precision)
        back = rows("recover", recover, alpha * x0 + sigma * eps, given, float(t), precision=path.precision)
        off, allowed = float(np.abs(back - x0).max()), path.rounding * max(1.0, 1 / alpha, sigma / alpha, alpha / sigma)
        if not off <= allowed and good:
            good, said = False, _recovered(back, x0, eps, t, alpha, sigma)
        largest = max(largest, off)
    return good, largest, said


def _recovered(back: np.ndarray, x0: np.ndarray, eps: np.ndarray, t: float, alpha: float, sigma: float) -> str:
    (p, q), left = fitted(back, x0, eps)
    if left > NEAR:
        return f"at t = {t:.4g} what comes back is not a sum of multiples of x0 and eps."
    forms = {"-x0": (-1, 0), "eps": (0, 1), "-eps": (0, -1), "x_t": (alpha, sigma), "x_t/alpha": (1, sigma / alpha)}
    forms |= {"alpha x0": (alpha, 0), "x0/alpha": (1 / alpha, 0), "x0 of the noise with the other sign": (1, 2 * sigma / alpha)}
    name = recognised([p, q], forms, [1, 0], tolerance=NEAR)
    return f"at t = {t:.4g} {p:.4g} x0 + {q:.4g} eps comes back" + (f", which is {name}." if name else ".")
