"""The questions of check_contrastive_loss: the value of a loss and the gradient of each
parameter.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from diffx.check._ask import fraction, number, ratio, recognise, relative_error, rounding
from diffx.check.finding import Answer
from diffx.check.losses.forms import Batch, clip, in_shards, siglip, wrong_clips, wrong_siglips

REFERENCES = {"clip": (clip, wrong_clips), "siglip": (siglip, wrong_siglips)}


class Case(NamedTuple):
    """A loss under test; see check_contrastive_loss."""

    loss: Callable
    kind: str
    bias: bool
    shards: int
    precision: str

    def call(self, batch: Batch) -> tuple[float, Mapping[str, Any]]:
        images, texts = batch.images.copy(), batch.texts.copy()
        out = self.loss(images, texts, batch.log_scale, batch.bias)
        if not (isinstance(out, tuple | list) and len(out) == 2 and isinstance(out[1], Mapping)):
            raise TypeError(
                f"the loss gave {type(out).__name__}, wanted (value, gradients by name)"
            )
        value, gradients = out
        if not (np.array_equal(images, batch.images) and np.array_equal(texts, batch.texts)):
            raise ValueError("the loss writes into an array that it is given")
        return number("the loss", value), gradients

    def gradients(self, batch: Batch) -> dict[str, np.ndarray]:
        given = self.call(batch)[1]
        return {name: self._gradient(given, name, batch) for name in self.parameters}

    def _gradient(self, gradients: Mapping[str, Any], name: str, batch: Batch) -> np.ndarray:
        if name not in gradients or gradients[name] is None:
            raise ValueError(
                f"the loss gave no gradient of {name}, only of {', '.join(gradients) or 'nothing'}"
            )
        got = np.asarray(gradients[name], np.float64)
        wanted = np.shape(getattr(batch, name))
        if got.shape != wanted and not (wanted == () and got.size == 1):
            raise ValueError(f"the gradient of {name} has shape {got.shape}, wanted {wanted}")
        return got.reshape(wanted)

    @property
    def parameters(self) -> tuple[str, ...]:
        return ("images", "texts", "log_scale", *(("bias",) if self.bias else ()))


def _batches(case: Case) -> dict[str, Batch]:
    """Random rows, pairs of cosine 1 at scale 100, equal scores, and the least batch."""
    rng, n, bias = np.random.default_rng(7), 4 * max(case.shards, 2), (-1.5 if case.bias else None)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    images, texts = (unit(rng.standard_normal((n, 5))) for _ in range(2))
    one = np.ones((n, 1)) * images[:1], np.ones((n, 1)) * texts[:1]
    return {
        "random rows": Batch(images, texts, np.log(10.0), bias),
        "cosine 1 at scale 100": Batch(images, images.copy(), np.log(100.0), bias),
        "equal scores": Batch(*one, np.log(10.0), bias),
        f"N = {case.shards}": Batch(
            images[: case.shards], texts[: case.shards], np.log(10.0), bias
        ),
    }


def has_values(case: Case) -> Answer:
    """CLP-01, CLP-11, CLP-12: the loss in nats."""
    right = REFERENCES[case.kind][0]
    batches = _batches(case)
    got = {name: case.call(batch)[0] for name, batch in batches.items()}
    wanted = {name: right(batch).value for name, batch in batches.items()}
    off = {name: abs(got[name] - wanted[name]) / (1 + abs(wanted[name])) for name in batches}
    wrong = [name for name in batches if not off[name] <= rounding(case.precision)]
    measured = (
        f"off by {max(off.values()):.1e}" if not wrong else f"{got[wrong[0]]:.6g} for {wrong[0]}"
    )
    if not wrong:
        return True, measured, "the closed form", f"{', '.join(batches)}: every value is right."
    return (
        False,
        measured,
        f"{wanted[wrong[0]]:.6g}",
        f"Wrong for {', '.join(wrong)}.{_which_value(case, batches, got, wanted)}",
    )


def _wrongs(case: Case) -> dict[str, Callable]:
    right, wrongs = REFERENCES[case.kind]
    apart = {
        "the mean of the shards' own losses: nothing is gathered": partial(
            in_shards, right, case.shards
        )
    }
    return wrongs | apart


def _which_value(
    case: Case, batches: dict[str, Batch], got: dict[str, float], wanted: dict[str, float]
) -> str:
    results = lambda form: np.array([form(batch).value for batch in batches.values()])
    right, rows = (
        np.array(list(wanted.values())),
        np.array([len(batch.images) for batch in batches.values()]),
    )
    forms = {name: results(form) for name, form in _wrongs(case).items()}
    forms |= {
        "a logarithm to base 2": right / np.log(2),
        "twice the loss, a sum of two directions": 2 * right,
    }
    forms |= {"half of the loss": right / 2, "N times the loss, a sum over the rows": rows * right}
    forms |= {"1/N of the loss": right / rows}
    name = recognise(
        list(got.values()), forms, right, tolerance=max(1e-6, rounding(case.precision))
    )
    return f" It is {name}." if name else ""


def has_gradients(case: Case) -> Answer:
    """CLP-02, CLP-11, CLP-12: the derivative with respect to each parameter."""
    right, batch = REFERENCES[case.kind][0], _batches(case)["random rows"]
    got, wanted = case.gradients(batch), right(batch).gradients
    tangent = {
        name: _tangential(wanted[name], getattr(batch, name)) for name in ("images", "texts")
    }
    normalises = all(
        relative_error(got[name], tangent[name]) <= rounding(case.precision) for name in tangent
    )
    wanted = wanted | tangent if normalises else wanted
    size = lambda name: max(np.abs(wanted[name]).max(), 1e-3)
    off = {
        name: float(np.abs(got[name] - wanted[name]).max() / size(name)) for name in case.parameters
    }
    wrong = [name for name in off if not off[name] <= rounding(case.precision)]
    measured = ", ".join(f"{name} {error:.1e}" for name, error in off.items())
    said = [_which_gradient(case, name, got[name], wanted[name], batch) for name in wrong]
    kept = "Every gradient is right" + (
        ", that of the rows after normalisation." if normalises else "."
    )
    return not wrong, f"off by {measured}", "the closed form", " ".join(said) or kept


def _tangential(gradient: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return gradient - (gradient * rows).sum(1, keepdims=True) * rows


def _which_gradient(
    case: Case, name: str, got: np.ndarray, wanted: np.ndarray, batch: Batch
) -> str:
    if not np.any(got):
        return f"The gradient of {name} is 0: it is cut off."
    constant = ratio(got, wanted)
    if np.isfinite(constant):
        return (
            f"The gradient of {name} is {fraction(constant)} times the right "
            f"one{_factor(case, constant, batch)}."
        )
    forms = {form: make(batch).gradients[name] for form, make in _wrongs(case).items()}
    known = recognise(got, forms, wanted, tolerance=1e-4)
    return f"The gradient of {name} is off by {np.abs(got - wanted).max():.2g}" + (
        f": it is that of {known}." if known else "."
    )


def _factor(case: Case, constant: float, batch: Batch) -> str:
    shards, n, scale = case.shards, len(batch.images), float(np.exp(batch.log_scale))
    known = (
        {"the number of shards": float(shards), "1 over the number of shards": 1 / shards}
        if shards > 1
        else {}
    )
    known |= {
        "N": float(n),
        "1/N": 1 / n,
        "1/scale: it is that of the scale, not of its logarithm": 1 / scale,
    }
    known |= {"the wrong sign": -1.0, "the scale": scale}
    return next(
        (f", which is {name}" for name, value in known.items() if abs(constant / value - 1) < 1e-3),
        "",
    )
