"""Every sentence of the kit: what it says of right code, and of each mistake that it knows by name.

The sentences stand in spec_tests/said/, one file a check: first all that is said of what is right,
then of each mistake the lines that differ.  Numbers below 1e-6 are rounding and read "tiny".
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.linalg import logm, sqrtm
from scipy.stats import multivariate_normal, norm

from diffx.check import check_contrastive_loss, check_guidance, check_log_prob, check_process
from diffx.check.finding import Finding
from diffx.check.problems import PLANE
from spec_tests.specimens import parts
from spec_tests.specimens.parts import PROCESS, alpha, beta, differentiated, sigma, slopes
from spec_tests.specimens.said import of_file, said

# --- guidance: coefficients of cond and uncond, or of cond, uncond and neg, as functions of w ----

COMBINED: dict[str, Callable] = {
    "u + w (c - u)": lambda w: (w, 1 - w),
    "(1 + w) c - w u": lambda w: (1 + w, -w),
    "c + w (u - c)": lambda w: (1 - w, w),
    "w (c - u)": lambda w: (w, -w),
    "(1 + w) c + w u": lambda w: (1 + w, w),
    "c - w u": lambda w: (1, -w),
    "c + w u": lambda w: (1, w),
    "(c + w u)/(1 + w)": lambda w: (1 / (1 + w), w / (1 + w)),
    "((1 + w) c - w u)/(1 + w)": lambda w: (1, -w / (1 + w)),
    "(u + w c)/(1 + w)": lambda w: (w / (1 + w), 1 / (1 + w)),
    "c": lambda w: (1, 0),
    "u": lambda w: (0, 1),
    "u + w (u - c)": lambda w: (-w, 1 + w),
    "twice the weight": lambda w: (2 * w, 1 - 2 * w),
    "the square of the weight": lambda w: (w**2, 1 - w**2),
    "a constant too much": lambda w: (w + 0.25, 1 - w),
}
NEGATIVE: dict[str, Callable] = {
    "u + w (c - u)": lambda w: (w, 1 - w, 0),
    "(1 + w) c - w u": lambda w: (1 + w, -w, 0),
    "u + w (c - n)": lambda w: (w, 1, -w),
    "u + w (c - u) + w (n - u)": lambda w: (w, 1 - 2 * w, w),
    "u + w (c - u) - w n": lambda w: (w, 1 - w, -w),
    "c + w (c + n)": lambda w: (1 + w, 0, w),
    "c + w (n - c)": lambda w: (1 - w, 0, w),
    "n + w (c - n)": lambda w: (w, 0, 1 - w),
    "(1 + w) c - w n": lambda w: (1 + w, 0, -w),
    "c + n": lambda w: (1, 0, 1),
    "the square of the weight": lambda w: (w**2, 0, 1 - w**2),
}


def combined(coefficients: Callable) -> Callable:
    """f(*branches, w), their sum with coefficients(w)."""
    return lambda *given: sum(
        k * branch for k, branch in zip(coefficients(given[-1]), given, strict=False)
    )


PLAIN, CLASSIC = combined(COMBINED["u + w (c - u)"]), combined(COMBINED["(1 + w) c - w u"])
EACH = (1, 2, 3)


def blended(factor: Callable, phi_of: Callable = lambda phi: phi) -> Callable:
    """phi factor(cond, guided) guided + (1 - phi) guided."""

    def rescale(c: Any, u: Any, w: float, phi: float) -> Any:
        guided, share = PLAIN(c, u, w), phi_of(phi)
        return share * factor(c, guided) * guided + (1 - share) * guided

    return rescale


def over(axes: Any, size: Callable = np.std) -> Callable:
    return lambda c, guided: (
        size(c, axis=axes, keepdims=True) / size(guided, axis=axes, keepdims=True)
    )


RESCALED = {
    "right": blended(over(EACH)),
    "over the whole batch": blended(over(None)),
    "over the batch axis": blended(over(0)),
    "of each channel": blended(over((2, 3))),
    "the variance": blended(over(EACH, np.var)),
    "not centred": blended(over(EACH, lambda x, **given: np.mean(x * x, **given) ** 0.5)),
    "inverse": blended(lambda c, guided: 1 / over(EACH)(c, guided)),
    "whatever phi": blended(over(EACH), lambda phi: 1),
    "nothing": blended(over(EACH), lambda phi: 0),
    "1 - phi": blended(over(EACH), lambda phi: 1 - phi),
    "half of it": blended(over(EACH), lambda phi: phi / 2),
}


def guidance() -> dict[str, tuple[Finding, ...]]:
    found = {"right": check_guidance(PLAIN, negative=PLAIN_NEGATIVE, rescale=RESCALED["right"])}
    asked = lambda combine, **given: check_guidance(combined(combine), **given)
    found |= {name: asked(combine) for name, combine in COMBINED.items()}
    found |= {
        f"negative: {name}": check_guidance(PLAIN, negative=combined(combine))
        for name, combine in NEGATIVE.items()
    }
    for convention in ("w", "1 + w"):
        for name, combine in list(COMBINED.items())[:3]:
            negative = combined(lambda w, combine=combine: (combine(w)[0], 0, combine(w)[1]))
            found[f"{name}, said {convention}"] = asked(
                combine, convention=convention, negative=negative
            )
    found |= {
        f"rescaled: {name}": check_guidance(PLAIN, rescale=rescale)
        for name, rescale in RESCALED.items()
    }
    bent = lambda *given: np.clip(PLAIN(given[0], given[-2], given[-1]), -1, 1)
    found["it clips"] = check_guidance(bent, negative=bent)
    return found | {"it clips, 1 + w": check_guidance(bent, convention="1 + w")}


PLAIN_NEGATIVE = combined(NEGATIVE["n + w (c - n)"])


# --- processes -----------------------------------------------------------------------------------

pair = lambda of: (
    lambda x0, eps, t: of(alpha(t), sigma(t))[0] * x0 + of(alpha(t), sigma(t))[1] * eps
)
PERTURBED = {
    "sigma^2": pair(lambda a, s: (a, s * s)),
    "sqrt(sigma)": pair(lambda a, s: (a, s**0.5)),
    "alpha^2": pair(lambda a, s: (a * a, s)),
    "sqrt(alpha)": pair(lambda a, s: (a**0.5, s)),
    "swapped": pair(lambda a, s: (s, a)),
    "no sigma": pair(lambda a, s: (a, 1)),
    "no alpha": pair(lambda a, s: (1, s)),
    "no noise": pair(lambda a, s: (a, 0)),
    "the other sign": pair(lambda a, s: (a, -s)),
    "a half too much": pair(lambda a, s: (1.5 * a, s)),
    "not linear": lambda x0, eps, t: np.tanh(x0) + eps,
}
ratio = lambda t: (alpha(t) / sigma(t)) ** 2
LOG_SNRS = {
    "half": lambda t: np.log(ratio(t)) / 2,
    "the other sign": lambda t: -np.log(ratio(t)),
    "half and of the other sign": lambda t: -np.log(ratio(t)) / 2,
    "no logarithm": ratio,
    "base 10": lambda t: np.log10(ratio(t)),
    "base 2": lambda t: np.log2(ratio(t)),
    "twice": lambda t: 2 * np.log(ratio(t)),
    "moved": lambda t: np.log(ratio(t)) + 0.5,
}
EARLY = {"times": np.linspace(0.05, 0.4, 8), "alpha": alpha, "sigma": lambda t: 3 * sigma(t)}
A, S = alpha(0.4), 3 * sigma(0.4)
WHOLE = (A * A + S * S) ** 0.5
STARTS = {
    "right": WHOLE,
    "sigma": S,
    "1": 1,
    "sigma^2": S * S,
    "variance": A * A + S * S,
    "sigma/alpha": S / A,
}
STARTS |= {"another": 4, "0": 0, "just inside": 1.0009 * WHOLE, "just outside": 1.0015 * WHOLE}
RISE = lambda t: 2 * sigma(t) * slopes(t)[1]
RATES = {
    "f, the other sign": {"f": lambda t: beta(t) / 2},
    "f, twice": {"f": lambda t: -beta(t)},
    "f, a constant more": {"f": lambda t: -beta(t) / 2 + 1},
    "f, 2.5 times": {"f": lambda t: -1.25 * beta(t)},
    "g, g^2": {"g": beta},
    "g, a root": {"g": lambda t: beta(t) ** 0.25},
    "g, (sigma^2)'": {"g": lambda t: RISE(t) ** 0.5},
    "g, a sign": {"g": lambda t: abs(RISE(t) - beta(t) * sigma(t) ** 2) ** 0.5},
    "g, without the 2": {"g": lambda t: (RISE(t) + beta(t) / 2 * sigma(t) ** 2) ** 0.5},
    "g, a constant more": {"g": lambda t: beta(t) ** 0.5 + 1},
    "f alone": {"g": None},
    "g alone": {"f": None},
    "f 0": {"f": lambda t: 0.0},
}
FALLING = {
    "alpha": lambda t: np.exp(-0.2 * t),
    "sigma": lambda t: t,
    "times": np.linspace(0.2, 1.6, 8),
}
SPREADS = {
    "right": lambda t: 2 * t + 0.4 * t * t,
    "(sigma^2)'": lambda t: 2 * t,
    "a sign": lambda t: 2 * t - 0.4 * t * t,
    "without the 2": lambda t: 2 * t + 0.2 * t * t,
}
speed = lambda of: (
    lambda x0, eps, t: (
        of(*slopes(t), alpha(t), sigma(t))[0] * x0 + of(*slopes(t), alpha(t), sigma(t))[1] * eps
    )
)
VELOCITIES = {
    "swapped": speed(lambda da, ds, a, s: (ds, da)),
    "eps - x0": speed(lambda da, ds, a, s: (-1, 1)),
    "x0 - eps": speed(lambda da, ds, a, s: (1, -1)),
    "a sign": speed(lambda da, ds, a, s: (da, -ds)),
    "v": speed(lambda da, ds, a, s: (-s, a)),
    "sigma' eps": speed(lambda da, ds, a, s: (0, ds)),
    "alpha' x0": speed(lambda da, ds, a, s: (da, 0)),
    "half": speed(lambda da, ds, a, s: (da / 2, ds / 2)),
    "turned": speed(lambda da, ds, a, s: (-da, -ds)),
    "0.3 more": speed(lambda da, ds, a, s: (da + 0.3, ds)),
    "not linear": lambda x0, eps, t: np.tanh(parts.velocity(x0, eps, t)),
}
TO_DATA: dict[str, Any] = {
    **{
        "alpha": lambda u: alpha(1 - u),
        "sigma": lambda u: sigma(1 - u),
        "times": 1 - np.asarray(parts.TIMES),
    },
    **{"f": lambda u: beta(1 - u) / 2, "g": lambda u: np.sqrt(beta(1 - u))},
    **{"velocity": lambda x0, eps, u: -parts.velocity(x0, eps, 1 - u)},
}
REVERSED = {
    "f towards noise": {"f": lambda u: -beta(1 - u) / 2},
    "f twice": {"f": lambda u: beta(1 - u)},
    "velocity towards noise": {"velocity": lambda x0, eps, u: parts.velocity(x0, eps, 1 - u)},
    "velocity twice": {"velocity": lambda x0, eps, u: 2 * parts.velocity(x0, eps, 1 - u)},
}
GRIDS: dict[str, Callable] = {
    "trailing": lambda n: np.round(np.arange(n, 0, -1) * 1000 / n) - 1,
    "trailing, not rounded": lambda n: np.arange(n, 0, -1) * 1000 / n,
    "trailing, over T": lambda n: np.arange(n, 0, -1) / n,
    "trailing, rounded down": lambda n: np.floor(np.arange(n, 0, -1) * 1000 / n + 1e-9) - 1,
    "trailing, rounded up": lambda n: np.ceil(np.arange(n, 0, -1) * 1000 / n - 1e-9),
    "leading": lambda n: np.arange(n)[::-1] * (1000 // n),
    "leading, from 1": lambda n: np.arange(n)[::-1] * (1000 // n) + 1,
    "linspace": lambda n: np.linspace(999, 0, n).round(),
    "linspace, not rounded": lambda n: np.linspace(1000, 1, n),
    "linspace, rounded down": lambda n: np.floor(np.linspace(1000, 1, n) + 1e-9),
    "squares": lambda n: np.linspace(31, 1, n) ** 2,
    "one too many": lambda n: np.arange(n + 1)[::-1] * 9,
    "infinite": lambda n: np.append(np.arange(n - 1, 0, -1.0), -np.inf),
    "twice": lambda n: np.append(np.arange(n - 1, 0, -1), 1),
    "back and forth": lambda n: np.append(np.arange(n - 1, 0, -1), 5.5),
    "towards noise": lambda n: np.arange(n),
}
BACK: dict[str, Callable] = {  # of x_t and eps
    "-x0": lambda x, e, t: (sigma(t) * e - x) / alpha(t),
    "eps": lambda x, e, t: e,
    "-eps": lambda x, e, t: -e,
    "x_t": lambda x, e, t: x,
    "x_t/alpha": lambda x, e, t: x / alpha(t),
    "alpha x0": lambda x, e, t: x - sigma(t) * e,
    "x0/alpha": lambda x, e, t: (x - sigma(t) * e) / alpha(t) ** 2,
    "of the other sign": lambda x, e, t: (x + sigma(t) * e) / alpha(t),
    "half": lambda x, e, t: (x - sigma(t) * e) / alpha(t) / 2,
    "not linear": lambda x, e, t: np.tanh(x) + e,
}


def processes() -> dict[str, tuple[Finding, ...]]:
    ask = lambda given, **change: check_process(**(given | change))
    found = {
        "right": ask(PROCESS),
        "alpha and sigma exchanged": ask(PROCESS, alpha=sigma, sigma=alpha),
    }
    found |= {f"perturb, {name}": ask(PROCESS, perturb=wrong) for name, wrong in PERTURBED.items()}
    found |= {f"log_snr, {name}": ask(PROCESS, log_snr=wrong) for name, wrong in LOG_SNRS.items()}
    found |= {f"start, {name}": ask(EARLY, start=wrong) for name, wrong in STARTS.items()}
    found |= {f"rates: {name}": ask(PROCESS, **wrong) for name, wrong in RATES.items()}
    found |= {
        f"spread, {name}": ask(FALLING, g=lambda t, g=g: g(t) ** 0.5) for name, g in SPREADS.items()
    }
    found |= {
        f"velocity, {name}": ask(PROCESS, velocity=wrong) for name, wrong in VELOCITIES.items()
    }
    found["time to data"] = ask(TO_DATA)
    found |= {f"time to data, {name}": ask(TO_DATA, **wrong) for name, wrong in REVERSED.items()}
    for spacing in ("trailing", "leading", "linspace", None):
        gridded = lambda grid, spacing=spacing: ask(
            EARLY, grid=grid, spacing=spacing, training_steps=1000
        )
        found |= {f"grid of {spacing}, {name}": gridded(grid)[4:5] for name, grid in GRIDS.items()}
    found["twenty training steps"] = ask(
        EARLY, grid=lambda n: np.arange(n)[::-1], training_steps=20
    )[4:5]
    eps = parts.CONVERT["eps"][0]
    found |= {
        f"recover, {name}": ask(PROCESS, convert={"eps": (eps, wrong)})
        for name, wrong in BACK.items()
    }
    rounded = lambda x, given, t: 1.0005 * (x - t * given)  # where alpha is 1, alpha x0 is x0
    plain = {"alpha": lambda t: 1.0, "sigma": lambda t: t, "times": np.linspace(0.1, 1, 4)}
    found["recover, 0.05% too much"] = ask(plain, convert={"eps": (eps, rounded)})
    two = {"v": (eps, BACK["eps"]), "eps": (eps, BACK["x_t"]), "score": parts.CONVERT["score"]}
    return found | {"recover, two wrong": ask(PROCESS, convert=two)}


# --- log-likelihoods, in closed form ------------------------------------------------------------

LOW, HIGH, DEVIATION = (0.9, 0.4), (0.3, 2.5), 2.3
DENSITIES: dict[str, Callable] = {  # of the prior at x_T, the divergence and the dimension
    "right": lambda end, move, d: end + move,
    "no divergence": lambda end, move, d: end,
    "the other sign": lambda end, move, d: end - move,
    "twice": lambda end, move, d: end + 2 * move,
    "half": lambda end, move, d: end + move / 2,
    "bits": lambda end, move, d: np.log2(np.e) * (end + move),
    "a mean": lambda end, move, d: (end + move) / d,
    "a mean of the prior": lambda end, move, d: end / d + move,
    "bits a dimension": lambda end, move, d: -np.log2(np.e) * (end + move) / d,
    "minus": lambda end, move, d: -end - move,
    "no constant": lambda end, move, d: end + move + d * np.log(2 * np.pi) / 2,
    "the constant twice": lambda end, move, d: end + move - d * np.log(2 * np.pi) / 2,
    "the constant of one dimension": lambda end, move, d: (
        end + move + (d - 1) * np.log(2 * np.pi) / 2
    ),
    "no deviation": lambda end, move, d: end + move + d * np.log(DEVIATION),
    "the deviation twice": lambda end, move, d: end + move - d * np.log(DEVIATION),
    "f x of one dimension": lambda end, move, d: end + move - (d - 1) * np.log(HIGH[0] / LOW[0]),
    "f x missing": lambda end, move, d: end + move - d * np.log(HIGH[0] / LOW[0]),
    "a constant": lambda end, move, d: end + move + 0.5,
    "something": lambda end, move, d: end + move + np.where(np.arange(len(end)) == 1, 0.5, 0.0),
    "not finite": lambda end, move, d: np.where(np.arange(len(end)) == 2, np.inf, end + move),
    "wrong on the line": lambda end, move, d: end + move + 0.01 * (d == 1),
    "a scale on the line": lambda end, move, d: (end + move) * (1 + 0.01 * (d == 1)),
    "infinite on the line": lambda end, move, d: np.where(d == 1, np.inf, end + move),
}


def exact_parts(denoise: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log N(x_T; 0, s^2) and log |det dx_T/dx|: the flow keeps whitened coordinates, or
    quantiles.
    """
    if x.shape[1] == 2:
        before, after = (a**2 * PLANE.cov + s**2 * np.eye(2) for a, s in (LOW, HIGH))
        matrix = np.real(sqrtm(after) @ np.linalg.inv(sqrtm(before)))
        y = HIGH[0] * PLANE.mean + (x - LOW[0] * PLANE.mean) @ matrix
        return norm(0, DEVIATION).logpdf(y).sum(1), np.full(len(x), np.linalg.slogdet(matrix)[1])
    law, x = denoise.law, x[:, 0]
    each = [norm(a * law.means, (a**2 * law.variance + s**2) ** 0.5) for a, s in (LOW, HIGH)]
    y = same_quantile(law.weights, *each, x)
    before, after = (
        np.log(one.pdf(at[:, None]) @ law.weights) for one, at in zip(each, (x, y), strict=True)
    )
    return norm(0, DEVIATION).logpdf(y), before - after


def same_quantile(weights: Any, before: Any, after: Any, x: np.ndarray) -> np.ndarray:
    """Bisection, in the smaller of the two tails, which keeps its digits."""
    low, high = np.full(len(x), -40.0), np.full(len(x), 40.0)
    odds = lambda each, at: (
        np.log(each.cdf(at[:, None]) @ weights) - np.log(each.sf(at[:, None]) @ weights)
    )
    wanted = odds(before, x)
    with np.errstate(divide="ignore"):
        for _ in range(60):
            middle = (low + high) / 2
            under = odds(after, middle) < wanted
            low, high = np.where(under, middle, low), np.where(under, high, middle)
    return middle


KNOWN: dict[bytes, Any] = {}


def flowed(form: Callable) -> Callable:
    """form of the exact parts, which are computed once."""

    def density(denoise: Any, x: np.ndarray) -> np.ndarray:
        if x.tobytes() not in KNOWN:
            KNOWN[x.tobytes()] = exact_parts(denoise, x)
        return form(*KNOWN[x.tobytes()], x.shape[1])

    return density


BEFORE, AFTER = (np.real(logm(a**2 * PLANE.cov + s**2 * np.eye(2))) for a, s in (LOW, HIGH))
LOG_MAP = (AFTER - BEFORE) / 2


def probed(form: Callable, seed: int = 0, share: bool = False) -> Callable:
    """The divergence by one Rademacher probe a row: z' M z for M = log dx_T/dx."""
    rng = np.random.default_rng(seed)

    end = flowed(lambda end, move, d: end)

    def density(denoise: Any, x: np.ndarray) -> np.ndarray:
        z = rng.choice([-1.0, 1.0], size=(1 if share else len(x), 2)) * np.ones((len(x), 1))
        return form(end(denoise, x), ((z @ LOG_MAP) * z).sum(1), 2)

    return density


def likelihoods() -> dict[str, tuple[Finding, ...]]:
    ask = partial(check_log_prob, start=HIGH, end=LOW, prior=DEVIATION)
    found = {name: ask(flowed(form)) for name, form in DENSITIES.items()}
    nearly = lambda end, move, d: DENSITIES["no constant"](end, move, d) + 0.1
    found["no constant, loosely"] = ask(flowed(nearly), tolerance=0.01)
    wide = {"start": (0.01, 3.0), "end": LOW}
    found["the density of the data"] = check_log_prob(density_of, **wide)
    for name in ("no divergence", "the other sign", "a constant"):
        found[f"{name}, loosely"] = ask(flowed(DENSITIES[name]), tolerance=0.01)
    probes = partial(ask, exact=False, draws=200)
    found |= {
        f"probes: {name}": probes(probed(DENSITIES[name]))
        for name in ("right", "half", "minus", "a constant", "bits")
    }
    found["one probe for all rows"] = probes(probed(DENSITIES["right"], share=True))
    found["one probe for ever"] = probes(lambda denoise, x: probed(DENSITIES["right"])(denoise, x))
    return found | {"an exact trace": probes(flowed(DENSITIES["right"]))}


def density_of(denoise: Any, x: np.ndarray) -> np.ndarray:
    if x.shape[1] == 2:
        return multivariate_normal(
            LOW[0] * PLANE.mean, LOW[0] ** 2 * PLANE.cov + LOW[1] ** 2 * np.eye(2)
        ).logpdf(x)
    law = denoise.law
    return np.log(
        norm(LOW[0] * law.means, (LOW[0] ** 2 * law.variance + LOW[1] ** 2) ** 0.5).pdf(x)
        @ law.weights
    )


# --- contrastive losses -------------------------------------------------------------------------


def rows_of(scores: Any) -> Any:
    peak = scores.real.max(1)
    return np.mean(peak + np.log(np.exp(scores - peak[:, None]).sum(1)) - np.diag(scores))


def of_scores(value: Callable) -> Callable:
    return lambda images, texts, log_scale, bias=0.0: value(
        np.exp(log_scale) * images @ texts.T + bias
    )


def rolled(way: int) -> Callable:
    return lambda images, texts, log_scale, bias=0.0: parts.clip(
        images, np.roll(texts, way, 0), log_scale, bias
    )


def scaled(loss: Callable, scale: Callable) -> Callable:
    return lambda images, texts, log_scale, bias=0.0: loss(
        images, texts, np.log(scale(log_scale)), bias
    )


def pairs(negative: float = -1.0, bias_sign: float = 1.0, over: float = 1.0) -> Callable:
    def loss(images: Any, texts: Any, log_scale: Any, bias: Any = 0.0) -> Any:
        n = len(images)
        scores = np.where(np.eye(n) > 0, 1, negative) * (
            np.exp(log_scale) * images @ texts.T + bias_sign * bias
        )
        low = np.maximum(-scores.real, 0)
        return (low + np.log(np.exp(-low) + np.exp(-scores - low))).sum() / n**over

    return loss


def apart(loss: Callable, shards: int) -> Callable:
    def mean(images: Any, texts: Any, *given: Any, **named: Any) -> Any:
        cut = zip(np.split(images, shards), np.split(texts, shards), strict=True)
        return sum(loss(x, y, *given, **named) for x, y in cut) / shards

    return lambda images, texts, log_scale, bias=0.0: mean(images, texts, log_scale, bias)


times = lambda factor, loss: (
    lambda images, texts, *given, **named: (
        factor(len(images)) * loss(images, texts, *given, **named)
    )
)
SCALES = {
    "no exponential": lambda log: log,
    "1/scale": lambda log: np.exp(-log),
    "no scale": lambda log: 1.0 + 0 * log,
}
CLIPS: dict[str, Callable] = {
    "right": parts.clip,
    "rows": of_scores(rows_of),
    "columns": of_scores(lambda scores: rows_of(scores.T)),
    "half of the rows": of_scores(lambda scores: rows_of(scores) / 2),
    "half of the columns": of_scores(lambda scores: rows_of(scores.T) / 2),
    "captions moved": rolled(-1),
    "captions moved the other way": rolled(1),
    "base 2": times(lambda n: np.log2(np.e), parts.clip),
    "twice": times(lambda n: 2, parts.clip),
    "half": times(lambda n: 0.5, parts.clip),
    "a sum": times(lambda n: n, parts.clip),
    "over N": times(lambda n: 1 / n, parts.clip),
    "a third": times(lambda n: 1 / 3, parts.clip),
    "a constant": lambda **given: parts.clip(**given) + 0.1,
    **{name: scaled(parts.clip, scale) for name, scale in SCALES.items()},
}
SIGLIPS: dict[str, Callable] = {
    "right": pairs(),
    "over N^2": pairs(over=2),
    "a sum": pairs(over=0),
    "no negatives": pairs(negative=1.0),
    "bias of the other sign": pairs(bias_sign=-1.0),
    "no bias": pairs(bias_sign=0.0),
    **{name: scaled(parts.siglip, scale) for name, scale in SCALES.items()},
}
GRADIENTS: dict[str, tuple[str, Callable]] = {
    "images 0": ("images", lambda g, scale: 0 * g),
    "images turned": ("images", lambda g, scale: -g),
    "texts of the wrong scale": ("texts", lambda g, scale: scale * g),
    "texts by N": ("texts", lambda g, scale: 8 * g),
    "images over N": ("images", lambda g, scale: g / 8),
    "of the scale": ("log_scale", lambda g, scale: g / scale),
    "a third": ("log_scale", lambda g, scale: g / 3),
    "half a sum": ("texts", lambda g, scale: g / 2),
    "twice": ("images", lambda g, scale: 2 * g),
    "0.05% too large": ("images", lambda g, scale: 1.0005 * g),
    "moved": ("images", lambda g, scale: g + 0.01),
    "one place": ("texts", lambda g, scale: g + 0.01 * (np.arange(g.size).reshape(g.shape) == 3)),
    "of the rows": ("texts", lambda g, scale: differentiated(CLIPS["rows"])(*GIVEN[0])[1]["texts"]),
}
GIVEN: list[Any] = []


def changed(name: str, change: Callable, loss: Callable = parts.clip) -> Callable:
    def wrong(*given: Any) -> Any:
        GIVEN[:] = [given]
        value, gradients = differentiated(loss)(*given)
        return value, gradients | {name: change(gradients[name], np.exp(given[2]))}

    return wrong


def normalising(images: Any, texts: Any, log_scale: Any, bias: Any = 0.0) -> Any:
    unit = lambda x: x / np.sqrt((x * x).sum(1))[:, None]
    return parts.clip(unit(images), unit(texts), log_scale, bias)


def losses() -> dict[str, tuple[Finding, ...]]:
    found = {name: check_contrastive_loss(differentiated(loss)) for name, loss in CLIPS.items()}
    siglip = partial(check_contrastive_loss, kind="siglip", bias=True)
    found |= {f"sigmoids: {name}": siglip(differentiated(loss)) for name, loss in SIGLIPS.items()}
    found |= {
        f"gradient: {name}": check_contrastive_loss(changed(*change))
        for name, change in GRADIENTS.items()
    }
    found["normalising"] = check_contrastive_loss(differentiated(normalising))
    for shards in (1, 2, 4):
        sharded = partial(check_contrastive_loss, shards=shards)
        found[f"{shards} shards, right"] = sharded(differentiated(parts.clip), bias=True)
        found[f"{shards} shards, apart"] = sharded(differentiated(apart(parts.clip, shards)))
        found[f"{shards} shards, sigmoids apart"] = sharded(
            differentiated(apart(pairs(), shards)), kind="siglip", bias=True
        )
        for name, factor in (("W", shards), ("1/W", 1 / shards), ("1/W of the bias", 1 / shards)):
            part, change = (
                ("bias" if "bias" in name else "images"),
                lambda g, scale, factor=factor: factor * g,
            )
            found[f"{shards} shards, {name}"] = sharded(
                changed(part, change, pairs()), kind="siglip", bias=True
            )
    return found


CHECKS = {
    "guidance": guidance,
    "processes": processes,
    "likelihoods": likelihoods,
    "losses": losses,
}


@pytest.mark.parametrize("check", CHECKS)
def test_every_sentence_is_the_one_that_is_wanted(check):
    assert said(CHECKS[check]()) == of_file(check)
