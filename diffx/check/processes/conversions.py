"""The question about predictions: from x0 to each of them and back."""

from collections.abc import Callable, Mapping

import numpy as np

from diffx.check._ask import fit, recognise, rows, sum_text
from diffx.check.finding import Answer
from diffx.check.processes.path import NEAR, Path, batch


def converts(path: Path, convert: Mapping[str, tuple[Callable, Callable]]) -> Answer:
    """DEN-01: from x0 to each prediction and back."""
    found = {name: _round_trip(path, *pair) for name, pair in convert.items()}
    if not found:
        raise NotImplementedError("no prediction was given")
    wrong = [name for name, (good, _, _) in found.items() if not good]
    worst = max(found, key=lambda name: found[name][1])
    said = (
        " ".join(f"{name}: {found[name][2]}" for name in wrong)
        or f"{', '.join(found)}: x0 is recovered from each."
    )
    return not wrong, f"{worst} off by {found[worst][1]:.1e}", "x0", said


def _round_trip(path: Path, predict: Callable, recover: Callable) -> tuple[bool, float, str]:
    """Whether x0 is recovered, the largest error, and a sentence on what came back instead."""
    x0, eps = batch()
    good, largest, said = True, 0.0, ""
    for t, (alpha, sigma) in zip(path.times, path.levels(), strict=True):
        if alpha <= 1e-6 * sigma:
            continue  # no x0 is left in x_t
        given = rows(
            "predict",
            lambda x, e, a=alpha, s=sigma: predict(x, e, a, s),
            x0,
            eps,
            precision=path.precision,
        )
        back = rows(
            "recover", recover, alpha * x0 + sigma * eps, given, float(t), precision=path.precision
        )
        off, allowed = (
            float(np.abs(back - x0).max()),
            path.rounding * max(1.0, 1 / alpha, sigma / alpha, alpha / sigma),
        )
        if not off <= allowed and good:
            good, said = False, _say_recovery(back, x0, eps, t, alpha, sigma)
        largest = max(largest, off)
    return good, largest, said


def _say_recovery(
    back: np.ndarray, x0: np.ndarray, eps: np.ndarray, t: float, alpha: float, sigma: float
) -> str:
    (p, q), left = fit(back, x0, eps)
    if left > NEAR:
        return f"at t = {t:.4g} the result is not a linear combination of x0 and eps."
    forms = {
        "-x0": (-1, 0),
        "eps": (0, 1),
        "-eps": (0, -1),
        "x_t": (alpha, sigma),
        "x_t/alpha": (1, sigma / alpha),
    }
    forms |= {
        "alpha x0": (alpha, 0),
        "x0/alpha": (1 / alpha, 0),
        "x0 with the noise of the wrong sign": (1, 2 * sigma / alpha),
    }
    name = recognise([p, q], forms, [1, 0], tolerance=NEAR)
    return f"at t = {t:.4g} the result is {sum_text((p, q), ('x0', 'eps'))}" + (
        f", which is {name}." if name else "."
    )
