"""The questions about derivatives: f and g of the equation, and the velocity of the path."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from diffx.check._ask import (
    TINY,
    fit,
    fraction,
    number,
    ratio,
    recognise,
    relative_error,
    rows,
    sum_text,
)
from diffx.check.finding import Answer
from diffx.check.processes.path import NEAR, Path, batch


def has_rates(path: Path, f: Callable | None, g: Callable | None) -> Answer:
    """FWD-02: f = alpha'/alpha and g^2 = (sigma^2)' - 2 f sigma^2, time growing towards noise."""
    times, (alpha, sigma) = path.times[1:-1], path.levels(path.times[1:-1]).T
    da, ea, ds, es = path.slopes().T * (-1 if path.runs_to_data else 1)
    drift, spread = da / alpha, 2 * sigma * (ds - da / alpha * sigma)
    least = path.rounding / np.abs(path.times[-1] - path.times[0])
    of_alpha, of_sigma = path.rounding + 4 * path.grains().T / (alpha, sigma)  # relative
    errors = np.abs(ea / alpha) + of_alpha * np.abs(drift) + least
    rise = np.abs(sigma * ds)
    errors_g = 2 * sigma * (np.abs(es) + errors * sigma) + of_sigma * (rise + np.abs(spread))
    parts = [_drift(path, f, times, drift, errors)] if f else []
    parts += (
        [_spread(path, g, times, spread, errors_g, sigma * ds * 2, drift * sigma**2)] if g else []
    )
    good = all(part[0] for part in parts)
    expected = " and ".join(
        name for name, given in (("alpha'/alpha", f), ("(sigma^2)' - 2 f sigma^2", g)) if given
    )
    return good, "; ".join(part[1] for part in parts), expected, " ".join(part[2] for part in parts)


def _drift(
    path: Path, f: Callable, times: np.ndarray, wanted: np.ndarray, errors: np.ndarray
) -> tuple[bool, str, str]:
    got = np.array([number("f", f(float(t))) for t in times])
    good = bool(np.all(np.abs(got - wanted) <= errors))
    if not good and path.runs_to_data and np.all(np.abs(got + wanted) <= errors):
        return (
            True,
            "f agrees",
            "f is the derivative in the library's own time, which runs to data: this is a "
            "convention.",
        )
    detail = "f is alpha'/alpha." if good else _say_rate(times, "f", got, wanted, errors, {})
    return good, f"f off by {np.abs(got - wanted).max():.1e}", detail


def _spread(
    path: Path,
    g: Callable,
    times: np.ndarray,
    wanted: np.ndarray,
    errors: np.ndarray,
    rise: np.ndarray,
    pull: np.ndarray,
) -> tuple[bool, str, str]:
    got = np.array([number("g", g(float(t))) for t in times])
    good = bool(np.all(np.abs(got**2 - wanted) <= errors))
    forms = {
        "g^2 instead of g": wanted**2,
        "sqrt(g) instead of g": np.sqrt(np.abs(wanted)),
        "(sigma^2)' alone, without -2 f sigma^2": rise,
        "(sigma^2)' + 2 f sigma^2, a wrong sign": rise + 2 * pull,
        "(sigma^2)' - f sigma^2, without the 2": rise - pull,
    }
    detail = (
        "g^2 is (sigma^2)' - 2 f sigma^2."
        if good
        else _say_rate(times, "g^2", got**2, wanted, errors, forms)
    )
    return good, f"g^2 off by {np.abs(got**2 - wanted).max():.1e}", detail


def _say_rate(
    times: np.ndarray, name: str, got: Any, wanted: Any, errors: Any, forms: Mapping[str, Any]
) -> str:
    worst = int(np.argmax(np.abs(got - wanted) - errors))
    constant, form = ratio(got, wanted), recognise(got, forms, wanted, tolerance=NEAR)
    words = (
        f"At t = {times[worst]:.4g} {name} is {got[worst]:.5g}, wanted {wanted[worst]:.5g} (to "
        f"{errors[worst]:.0e})."
    )
    if np.isfinite(constant) and constant:
        return f"{words} It is {fraction(constant)} times the right one at every time."
    return words + (f" It is {form}." if form else "")


def flows(path: Path, velocity: Callable) -> Answer:
    """FM-01: alpha' x0 + sigma' eps in the library's own time."""
    x0, eps = batch()
    times, slopes, levels = path.times[1:-1], path.slopes(), path.levels(path.times[1:-1])
    out = [rows("velocity", velocity, x0, eps, float(t), precision=path.precision) for t in times]
    fits = [fit(v, x0, eps) for v in out]
    got, wanted, bend = (
        np.array([found for found, _ in fits]),
        slopes[:, ::2],
        max(left for _, left in fits),
    )
    errors = slopes[:, 1::2] + path.rounding * (np.abs(wanted).max(1, keepdims=True) + TINY)
    straight, turned = (bool(np.all(np.abs(got - sign * wanted) <= errors)) for sign in (1, -1))
    straight, turned = (
        agrees and bend <= max(NEAR, path.rounding) for agrees in (straight, turned)
    )
    good = straight or (turned and path.runs_to_data)
    detail = _velocity_words(path, straight, turned, got, wanted, levels)
    return good, f"off by {relative_error(got, wanted):.1e}", "alpha' x0 + sigma' eps", detail


def _velocity_words(
    path: Path,
    straight: bool,
    turned: bool,
    got: np.ndarray,
    wanted: np.ndarray,
    levels: np.ndarray,
) -> str:
    runs = "from noise to data" if path.runs_to_data else "from data to noise"
    if straight:
        return f"It is the derivative in the library's own time, which runs {runs}."
    if turned:
        says = (
            "it points to noise while time runs to data, which is a convention"
            if path.runs_to_data
            else "it points against its own time"
        )
        return f"It is -(alpha' x0 + sigma' eps): {says}."
    (a, s), one = levels.T, np.ones(len(levels))
    forms = {
        "alpha' eps + sigma' x0: the two are swapped": wanted[:, ::-1],
        "eps - x0, which is right for alpha = 1 - t alone": np.stack([-one, one], 1),
        "x0 - eps, which is right for alpha = t alone": np.stack([one, -one], 1),
        "alpha' x0 - sigma' eps, a wrong sign": wanted * [1, -1],
        "alpha eps - sigma x0, the v of Salimans and Ho": np.stack([-s, a], 1),
        "sigma' eps alone": wanted * [0, 1],
        "alpha' x0 alone": wanted * [1, 0],
    }
    constant, form = ratio(got, wanted), recognise(got, forms, wanted, tolerance=NEAR)
    if np.isfinite(constant) and constant:
        return (
            f"It is {fraction(constant)} times the derivative at every time; the library's time "
            f"runs {runs}."
        )
    middle = len(got) // 2
    words = f"At t = {path.times[1 + middle]:.4g} it is {sum_text(got[middle], ('x0', 'eps'))}"
    words += ", wanted {:.4g} and {:.4g}.".format(*wanted[middle])
    return words + (f" It is {form}." if form else "")
