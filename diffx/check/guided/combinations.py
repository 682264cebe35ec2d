"""The questions of check_guidance, one function for each claim."""

from collections.abc import Callable

import numpy as np

from diffx.check._ask import fit, recognise, relative_error, rounding, rows, sum_text, whole
from diffx.check.finding import Answer

# w -> coefficients of cond and of uncond
CONVENTIONS = {"w": lambda w: (w, 1 - w), "1 + w": lambda w: (1 + w, -w)}
FORMULAS = {"w": "u + w (c - u)", "1 + w": "(1 + w) c - w u"}
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 7.5)
STRONG = 3.0  # where the deviation is rescaled


def _batch(seed: int) -> np.ndarray:
    """Images of different means and deviations, so that a deviation over the batch, or about 0,
    shows.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, 3, 2, 2)) * np.array([0.5, 1.0, 2.0, 0.2])[:, None, None, None]
    return x + np.array([0.3, -0.2, 0.4])[:, None, None]


def _fits(call: Callable, count: int, precision: str) -> tuple[np.ndarray, float]:
    """Coefficients of the first `count` batches at every weight, and the largest residual."""
    given = [_batch(seed) for seed in range(count)]
    fits = [fit(rows("guidance", call, *given, w, precision=precision), *given) for w in WEIGHTS]
    return np.array([found for found, _ in fits]), max(left for _, left in fits)


def _at_weights(coefficients: Callable) -> np.ndarray:
    return np.array([coefficients(w) for w in WEIGHTS], np.float64)


def _convention(got: np.ndarray, convention: str | None, tolerance: float) -> str:
    """The convention with these coefficients, among the documented one or all, or nothing."""
    names = [convention] if convention else list(CONVENTIONS)
    return next(
        (
            name
            for name in names
            if relative_error(got, _at_weights(CONVENTIONS[name])) <= tolerance
        ),
        "",
    )


def _formula_text(convention: str | None) -> str:
    return FORMULAS[convention] if convention else " or ".join(FORMULAS.values())


def combines(combine: Callable, convention: str | None, precision: str) -> Answer:
    """CFG-01: u + w (c - u), or the same with 1 + w."""
    (got, bend), tolerance = _fits(combine, 2, precision), rounding(precision)
    if bend > tolerance:
        words = (
            "It is not one linear combination of cond and uncond for all elements: it clips, "
            "rescales or mixes elements."
        )
        return False, f"nonlinear by {bend:.1e}", _formula_text(convention), words
    name = _convention(got, convention, tolerance)
    if name:
        return (
            True,
            FORMULAS[name],
            _formula_text(convention),
            f"A weight of w means {FORMULAS[name]}.",
        )
    return False, _affine(got, "c", "u"), _formula_text(convention), _wrong_form(got, tolerance)


def _wrong_form(got: np.ndarray, tolerance: float) -> str:
    forms = {
        "u + w (c - u), which is not the documented convention": lambda w: (w, 1 - w),
        "(1 + w) c - w u, which is not the documented convention": lambda w: (1 + w, -w),
        "c + w (u - c): the branches are swapped": lambda w: (1 - w, w),
        "w (c - u): the unconditional branch is missing": lambda w: (w, -w),
        "(1 + w) c + w u: a sign is wrong": lambda w: (1 + w, w),
        "c - w u: the weights do not sum to 1": lambda w: (1, -w),
        "c + w u: the weights do not sum to 1": lambda w: (1, w),
        "(c + w u)/(1 + w): an average, which guides towards uncond": lambda w: (
            1 / (1 + w),
            w / (1 + w),
        ),
        "((1 + w) c - w u)/(1 + w): divided by 1 + w": lambda w: (1, -w / (1 + w)),
        "(u + w c)/(1 + w): an average, which does not extrapolate": lambda w: (
            w / (1 + w),
            1 / (1 + w),
        ),
        "c alone: the weight does nothing": lambda w: (1, 0),
        "u alone: the condition does nothing": lambda w: (0, 1),
        "u + w (u - c): a sign is wrong": lambda w: (-w, 1 + w),
    }
    name = recognise(got, {form: _at_weights(f) for form, f in forms.items()}, tolerance=tolerance)
    at_two = f"At w = 2 it is {sum_text(got[3], ('cond', 'uncond'))}."
    return f"It is {name}. {at_two}" if name else at_two


def _affine(got: np.ndarray, *names: str) -> str:
    """The coefficients as functions of w, where they are affine in it."""
    w = np.stack([np.ones(len(WEIGHTS)), WEIGHTS], 1)
    lines = np.linalg.lstsq(w, got, rcond=None)[0]
    if relative_error(w @ lines, got) > 1e-6:
        return f"{sum_text(got[3], names)} at w = 2"
    return " + ".join(
        f"({a:.4g} + {b:.4g} w) {name}" for (a, b), name in zip(whole(lines.T), names, strict=True)
    )


def has_limits(combine: Callable, convention: str | None, precision: str) -> Answer:
    """CFG-07: at one weight guidance does nothing, and the unconditional branch has no effect."""
    (got, _), tolerance = _fits(combine, 2, precision), rounding(precision)
    zero, one = whole(got[[0, 2]])
    limits = {"w": ((0, 1), (1, 0)), "1 + w": ((1, 0), (2, -1))}
    kept = {
        name: max(np.abs(zero - a).max(), np.abs(one - b).max()) <= tolerance
        for name, (a, b) in limits.items()
    }
    named = [name for name, holds in kept.items() if holds and convention in (None, name)]
    words = {
        "w": "w = 0 gives uncond, w = 1 gives cond",
        "1 + w": "w = 0 gives cond, w = 1 gives 2 cond - uncond",
    }
    measured = "; ".join(f"w = {w}: {sum_text(at, ('c', 'u'))}" for w, at in ((0, zero), (1, one)))
    expected = words[convention] if convention else " or ".join(words.values())
    good = bool(named)
    return (
        good,
        measured,
        expected,
        f"{words[named[0]]}."
        if good
        else "These limits belong to no convention that was asked for.",
    )


def weights_sum_to_one(combine: Callable, precision: str) -> Answer:
    """CFG-08: only then is guiding eps the same as guiding x0, v or the score."""
    got, bend = _fits(combine, 2, precision)
    off = np.abs(got.sum(1) - 1) / (1 + np.abs(got).max(1))
    worst = int(np.argmax(off))
    good = bool(max(off[worst], bend) <= rounding(precision))
    if good:  # which w is the worst is then a matter of rounding
        return (
            True,
            "1 at every w",
            "1 at every w",
            "Guiding x0, eps, v or the score gives the same result.",
        )
    measured = f"sum {got[worst].sum():.6g} at w = {WEIGHTS[worst]:g}"
    return (
        False,
        measured,
        "1 at every w",
        "Guiding x0 and guiding eps then give different results.",
    )


def replaces(negative: Callable, convention: str | None, precision: str) -> Answer:
    """CFG-09: the negative prompt takes the place of the unconditional branch."""
    (got, bend), tolerance = _fits(negative, 3, precision), rounding(precision)
    expected = _formula_text(convention).replace("u", "n")
    if bend > tolerance:
        return (
            False,
            f"nonlinear by {bend:.1e}",
            expected,
            "It is not a linear combination of cond, uncond and neg.",
        )
    name = _convention(got[:, [0, 2]], convention, tolerance)
    if name and np.abs(got[:, 1]).max() <= tolerance:
        formula = FORMULAS[name].replace("u", "n")
        return (
            True,
            formula,
            expected,
            f"The negative prompt n replaces the unconditional branch: {formula}.",
        )
    return False, _affine(got, "c", "u", "n"), expected, _wrong_negative(got, tolerance)


def _wrong_negative(got: np.ndarray, tolerance: float) -> str:
    forms = {
        "u + w (c - u): the negative prompt does nothing": lambda w: (w, 1 - w, 0),
        "(1 + w) c - w u: the negative prompt does nothing": lambda w: (1 + w, -w, 0),
        (
            "u + w (c - n), or u + w (c - u) - w (n - u): it is added as a branch and replaces none"
        ): lambda w: (
            w,
            1,
            -w,
        ),
        "u + w (c - u) + w (n - u): it is added, with the sign of a positive prompt": lambda w: (
            w,
            1 - 2 * w,
            w,
        ),
        "u + w (c - u) - w n: it is added, and the weights do not sum to 1": lambda w: (
            w,
            1 - w,
            -w,
        ),
        "c + w (c + n): it is added with a plus": lambda w: (1 + w, 0, w),
        "c + w (n - c): cond and neg are swapped": lambda w: (1 - w, 0, w),
        "n + w (c - n), which is not the documented convention": lambda w: (w, 0, 1 - w),
        "(1 + w) c - w n, which is not the documented convention": lambda w: (1 + w, 0, -w),
    }
    name = recognise(got, {form: _at_weights(f) for form, f in forms.items()}, tolerance=tolerance)
    at_two = f"At w = 2 it is {sum_text(got[3], ('cond', 'uncond', 'neg'))}."
    return f"It is {name}. {at_two}" if name else at_two


def rescales(rescale: Callable, combine: Callable, precision: str) -> Answer:
    """CFG-15: phi guided std(cond)/std(guided) + (1 - phi) guided, one deviation per sample."""
    cond, uncond = _batch(0), _batch(1)
    guided = rows("combine", combine, cond, uncond, STRONG, precision=precision)
    got = [
        rows("rescale", rescale, cond, uncond, STRONG, phi, precision=precision)
        for phi in (0.0, 0.7, 1.0)
    ]
    each = (1, 2, 3)
    blend = lambda factor, phis=(0.0, 0.7, 1.0): np.stack(
        [guided * (phi * factor + 1 - phi) for phi in phis]
    )
    share = lambda axes, size=np.std: (
        size(cond, axis=axes, keepdims=True) / size(guided, axis=axes, keepdims=True)
    )
    rms = lambda x, **given: np.sqrt(np.mean(x**2, **given))
    wanted, off = blend(share(each)), relative_error(np.stack(got), blend(share(each)))
    forms = {
        "the deviation over the whole batch": blend(share(None)),
        "the deviation over the batch axis": blend(share(0)),
        "the deviation of each channel": blend(share((2, 3))),
        "the variance instead of the standard deviation": blend(share(each) ** 2),
        "the uncentred root mean square instead of the standard deviation": blend(share(each, rms)),
        "the inverse factor": blend(1 / share(each)),
        "the full factor, whatever phi is": blend(share(each), (1.0, 1.0, 1.0)),
        "no factor: nothing is rescaled": blend(share(each), (0.0, 0.0, 0.0)),
        "phi and 1 - phi swapped": blend(share(each), (1.0, 0.3, 0.0)),
    }
    good = off <= rounding(precision)
    name = "" if good else recognise(np.stack(got), forms, wanted, tolerance=1e-6)
    said = (
        "At phi = 1 each sample has the deviation of its conditional prediction."
        if good
        else "It does not follow eqs. (15) and (16)."
    )
    return (
        good,
        f"off by {off:.1e}",
        "one deviation per sample",
        said + (f" It has {name}." if name else ""),
    )
