"""Where a check draws its line: an error just inside what rounding may leave passes, one just
outside fails.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from diffx.check import (
    check_contrastive_loss,
    check_guidance,
    check_log_prob,
    check_process,
    check_sampler,
)
from diffx.check.finding import FAILS, HOLDS, Finding, finding
from diffx.check.problems import PLANE, TWO
from diffx.check.samplers.case import ROWS
from spec_tests.specimens import parts, toys
from spec_tests.specimens.parts import PROCESS, alpha, differentiated, sigma

ROUNDING = 2.0**-13  # of float32
INSIDE, OUTSIDE = 0.9, 1.3


def first(x: Any, error: float) -> np.ndarray:
    """x with an error in its first number."""
    moved = np.array(x, np.float64)
    moved.flat[0] += error
    return moved


def process(**change: Any) -> Callable[[str], Finding]:
    found = check_process(**(PROCESS | change), precision="float32")
    return lambda claim: next(one for one in found if one.claim == claim)


def perturb(c: float) -> Finding:
    off = lambda t: c * ROUNDING * np.hypot(alpha(t), sigma(t)) * (t == parts.TIMES[2])
    return process(perturb=lambda x0, eps, t: first(parts.perturb(x0, eps, t), off(t)))("FWD-01")


def log_snr(c: float) -> Finding:
    log = PROCESS["log_snr"]
    return process(
        log_snr=lambda t: log(t) + c * ROUNDING * (1 + abs(log(t))) * (t == parts.TIMES[2])
    )("FWD-05")


def recover(c: float) -> Finding:
    predict, back = parts.CONVERT["eps"]
    most = lambda t: max(1, 1 / alpha(t), sigma(t) / alpha(t), alpha(t) / sigma(t))
    wrong = lambda x, e, t: first(back(x, e, t), c * ROUNDING * most(t) * (t == parts.TIMES[6]))
    return process(convert={"eps": (predict, wrong)})("DEN-01")


def recover_early(c: float) -> Finding:
    predict, back = parts.CONVERT["eps"]
    wrong = lambda x, e, t: first(
        back(x, e, t), c * ROUNDING * alpha(t) / sigma(t) * (t == parts.TIMES[0])
    )
    return process(convert={"eps": (predict, wrong)})("DEN-01")


def drift(c: float) -> Finding:
    """Where alpha is constant f must be 0: to what rounding may leave over the whole time."""
    given = {"alpha": lambda t: 1.0, "sigma": lambda t: 0.1 * t, "times": np.linspace(0.2, 2.2, 5)}
    return check_process(**given, f=lambda t: c * ROUNDING / 2, precision="float32")[1]


def recover_nothing(c: float) -> Finding:
    """What is lost beneath a millionth of the noise is not asked for."""
    least = lambda t: 1e-6 / c * 30 if t == 2 else 1.0
    given = {
        "alpha": least,
        "sigma": lambda t: 30.0 if t == 2 else 0.1 * t + 0.01,
        "times": [0.0, 1.0, 2.0],
    }
    wrong = lambda x, e, t: 0 * x if t == 2 else x - (0.1 * t + 0.01) * e
    return check_process(**given, convert={"eps": (parts.CONVERT["eps"][0], wrong)})[5]


def guided(
    claim: str, name: str, change: Callable, convention: str = "w"
) -> Callable[[float], Finding]:
    def ask(c: float) -> Finding:
        combine = lambda a, b, w: (w + change(c, w)[0]) * a + (1 - w + change(c, w)[1]) * b
        given: dict[str, Any] = {
            "combine": combine,
            "precision": "float32",
            "convention": convention,
        }
        if name == "negative":
            given["negative"] = lambda a, b, n, w: w * a + change(c, w)[0] * b + (1 - w) * n
        return next(one for one in check_guidance(**given) if one.claim == claim)

    return ask


def rescale(c: float) -> Finding:
    guide = lambda a, b, w: b + w * (a - b)

    def wrong(a: Any, b: Any, w: float, phi: float) -> Any:
        deviation = lambda x: np.std(x, axis=(1, 2, 3), keepdims=True)
        full = deviation(a) / deviation(guide(a, b, w)) * guide(a, b, w)
        blend = lambda share: share * full + (1 - share) * guide(a, b, w)
        size = max(np.abs(blend(share)).max() for share in (0.0, 0.7, 1.0))
        return first(blend(phi), c * ROUNDING * size * (phi == 0.7))

    return check_guidance(guide, rescale=wrong, precision="float32")[-1]


def loss_value(c: float) -> Finding:
    def loss(*given: Any) -> Any:
        value, gradients = differentiated(parts.clip)(*given)
        return value + c * ROUNDING * (1 + value) * (len(given[0]) == 1), gradients

    return check_contrastive_loss(loss, precision="float32")[0]


def loss_gradient(name: str) -> Callable[[float], Finding]:
    def ask(c: float) -> Finding:
        def loss(*given: Any) -> Any:
            value, gradients = differentiated(parts.clip)(*given)
            size = np.abs(gradients[name]).max()
            return value, gradients | {name: first(gradients[name], c * ROUNDING * size)}

        return check_contrastive_loss(loss, precision="float32")[1]

    return ask


def density(dimension: int, **asked: Any) -> Callable[[float], Finding]:
    def ask(c: float) -> Finding:
        def log_prob(denoise: Any, x: np.ndarray) -> np.ndarray:
            law = multivariate_normal(PLANE.mean, PLANE.cov)
            right = (
                law.logpdf(x)
                if x.shape[1] == 2
                else np.log(norm(TWO.means, TWO.variance**0.5).pdf(x) @ TWO.weights)
            )
            off = c * 2e-3 * (1 + np.abs(right)) * (np.arange(len(x)) == 2)
            return right + off * (x.shape[1] == dimension)

        return check_log_prob(log_prob, start=(1e-8, 3.0), tolerance=2e-3, **asked)[0]

    return ask


def sampled(claim: str, run: Callable, **asked: Any) -> Callable[[float], Finding]:
    def ask(c: float) -> Finding:
        wrong = lambda denoise, x, n, stop, normal: run(c, denoise, x, n, stop, normal)
        found = check_sampler(wrong, toys.nodes, precision="float32", steps=(16, 32), **asked)
        return next(one for one in found if one.claim == claim)

    return ask


def moved(
    c: float, denoise: Any, x: Any, n: int, stop: int, normal: Any, *, run: Callable = toys.ddim
) -> Any:
    """One coordinate of the mean is off."""
    return run(denoise, x, n, stop, normal) + np.array([0.0, c * 16 * ROUNDING])


def shifted_rows(c: float, denoise: Any, x: Any, n: int, stop: int, normal: Any) -> Any:
    """A row alone comes out otherwise than in a batch."""
    out = toys.ddim(denoise, x, n, stop, normal)
    whole = toys.ddim(denoise, ROWS, n, stop, normal)
    return out + c * ROUNDING * (1 + np.abs(whole).max()) * (len(x) == 1)


stochastic = lambda c, *given: moved(c, *given, run=toys.ancestral)
LINES: dict[str, Callable[[float], Finding]] = {
    "perturb": perturb,
    "log_snr": log_snr,
    "recover late": recover,
    "recover early": recover_early,
    "drift": drift,
    "combine": guided("CFG-01", "combine", lambda c, w: (c * ROUNDING * 7.5 * (w == 0.5), 0)),
    "limits at 0": guided("CFG-07", "combine", lambda c, w: (c * ROUNDING * (w == 0), 0)),
    "limits at 1": guided("CFG-07", "combine", lambda c, w: (0, -c * ROUNDING * (w == 1))),
    "sums": guided("CFG-08", "combine", lambda c, w: (0, c * ROUNDING * 3 * (w == 2))),
    "negative": guided("CFG-09", "negative", lambda c, w: (c * ROUNDING * (w == 2), 0)),
    "rescale": rescale,
    "loss": loss_value,
    **{f"gradient of {name}": loss_gradient(name) for name in ("images", "texts", "log_scale")},
    "density in the plane": density(2),
    "density on the line": density(1),
    "mean over probes": density(2, exact=False, draws=2),
    "first order": sampled("REV-11", moved, eta=0.0),
    "first order with noise": sampled("REV-16", stochastic, eta=1.0, noise=True),
    "points": sampled("REV-17", moved, exact_on_points=True),
    "points with noise": sampled("REV-17", stochastic, exact_on_points=True, noise=True),
    "rows": sampled("API-01", shifted_rows),
}


@pytest.mark.parametrize("line", LINES)
def test_errors_inside_of_rounding_pass_and_outside_fail(line):
    inside, outside = LINES[line](INSIDE), LINES[line](OUTSIDE)
    assert inside.verdict == HOLDS, inside
    assert outside.verdict == FAILS, outside


def test_data_that_are_lost_in_the_noise_are_not_asked_back():
    assert recover_nothing(1.1).verdict == HOLDS
    assert recover_nothing(0.9).verdict == FAILS


@pytest.mark.parametrize(("length", "kept"), [(299, True), (300, False), (500, False)])
def test_long_messages_are_cut_at_300_letters(length, kept):
    def raises() -> Any:
        raise ValueError("x" * (length - 2) + "\n  y")

    said = finding("API-01", raises).detail.removeprefix("it raised ValueError: ")
    assert said == ("x" * (length - 2) + " y" if kept else "x" * 297 + "...")
