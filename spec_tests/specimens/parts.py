"""Parts of diffusion code in plain numpy for the tests of the kit: right ones, and wrong ones,
wrong in one way each.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

# --- a process: variance-preserving with beta = .1 + 19.9 t --------------------------------------

TIMES = np.linspace(0.05, 1.0, 8)


def integral(t: float) -> float:
    return 0.1 * t + 9.95 * t**2


def beta(t: float) -> float:
    return 0.1 + 19.9 * t


def alpha(t: float) -> float:
    return float(np.exp(-integral(t) / 2))


def sigma(t: float) -> float:
    return float(np.sqrt(-np.expm1(-integral(t))))


def slopes(t: float) -> tuple[float, float]:
    return -beta(t) / 2 * alpha(t), beta(t) / 2 * alpha(t) ** 2 / sigma(t)


def perturb(x0: Any, eps: Any, t: float) -> Any:
    return alpha(t) * x0 + sigma(t) * eps


def velocity(x0: Any, eps: Any, t: float) -> Any:
    return slopes(t)[0] * x0 + slopes(t)[1] * eps


def trailing(n: int) -> np.ndarray:
    return np.round(np.arange(n, 0, -1) * 1000 / n) - 1


CONVERT = {
    "eps": (lambda x0, eps, a, s: eps, lambda x, eps, t: (x - sigma(t) * eps) / alpha(t)),
    "v": (lambda x0, eps, a, s: a * eps - s * x0, lambda x, v, t: alpha(t) * x - sigma(t) * v),
    "score": (
        lambda x0, eps, a, s: -eps / s,
        lambda x, score, t: (x + sigma(t) ** 2 * score) / alpha(t),
    ),
}

PROCESS: dict[str, Any] = {
    "alpha": alpha,
    "sigma": sigma,
    "times": TIMES,
    "f": lambda t: -beta(t) / 2,
    "g": lambda t: np.sqrt(beta(t)),
    "log_snr": lambda t: 2 * np.log(alpha(t) / sigma(t)),
    "perturb": perturb,
    "velocity": velocity,
    "convert": CONVERT,
    "start": 1.0,
    "grid": trailing,
    "spacing": "trailing",
    "training_steps": 1000,
}


# --- a log-likelihood: variance-exploding, tau from 1e-4 to 20 ----------------------------------

START, END = (1.0, 20.0), (1.0, 1e-4)


def log_prob(
    divergence: Callable = lambda trace, d: d - trace,
    prior: Callable | None = None,
    probe: Callable | None = None,
) -> Callable:
    """log p along the flow dy/du = y - D(y, e^u), u = log tau, by DOP853; divergence: (tr dD/dy,
    d) -> that of the flow.
    """

    def density(denoise: Any, x: np.ndarray) -> np.ndarray:
        rows, d = x.shape
        units = np.eye(d)[:, None] * np.ones((1, rows, 1)) if probe is None else probe(x)

        def slope(u: float, z: np.ndarray) -> np.ndarray:
            y = z.reshape(rows, d + 1)[:, :d]
            trace = sum((unit * denoise.pull(y, 1.0, np.exp(u), unit)).sum(1) for unit in units)
            return np.concatenate(
                [y - denoise(y, 1.0, np.exp(u)), divergence(trace, d)[:, None]], 1
            ).ravel()

        begin = np.concatenate([x, np.zeros((rows, 1))], 1).ravel()
        span = np.log(END[1]), np.log(START[1])
        z = (
            solve_ivp(slope, span, begin, rtol=1e-7, atol=1e-7, method="DOP853")
            .y[:, -1]
            .reshape(rows, d + 1)
        )
        return z[:, d] + (prior or normal)(z[:, :d])

    return density


def normal(y: np.ndarray) -> np.ndarray:
    return -((y / START[1]) ** 2 + np.log(2 * np.pi * START[1] ** 2)).sum(1) / 2


# --- contrastive losses, differentiated by complex steps ----------------------------------------


def differentiated(value: Callable) -> Callable:
    """(images, texts, log_scale, bias) -> (value, gradients), of any value that complex numbers go
    through.
    """

    def loss(
        images: Any, texts: Any, log_scale: float, bias: float | None
    ) -> tuple[float, dict[str, Any]]:
        given = {
            "images": np.array(images),
            "texts": np.array(texts),
            "log_scale": np.array(log_scale),
        }
        given |= {"bias": np.array(bias)} if bias is not None else {}
        gradients = {name: _derivative(value, given, name) for name in given}
        return float(np.real(value(**given))), gradients

    return loss


def _derivative(value: Callable, given: dict[str, np.ndarray], name: str) -> np.ndarray:
    found = np.zeros(given[name].shape)
    for place in np.ndindex(found.shape):
        moved = given[name].astype(complex)
        moved[place] += 1e-30j
        found[place] = np.imag(value(**(given | {name: moved}))) * 1e30
    return found


def clip(images: Any, texts: Any, log_scale: Any, bias: Any = 0.0) -> Any:
    scores = np.exp(log_scale) * images @ texts.T + bias
    return (_entropy(scores) + _entropy(scores.T)) / 2


def _entropy(scores: Any) -> Any:
    peak = scores.real.max(1)
    return np.mean(peak + np.log(np.exp(scores - peak[:, None]).sum(1)) - np.diag(scores))


def siglip(images: Any, texts: Any, log_scale: Any, bias: Any = 0.0) -> Any:
    scores = (2 * np.eye(len(images)) - 1) * (np.exp(log_scale) * images @ texts.T + bias)
    low = np.minimum(scores.real, 0) * -1.0
    return (low + np.log(np.exp(-low) + np.exp(-scores - low))).sum() / len(images)
