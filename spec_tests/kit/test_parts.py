"""The kit's checks of processes, log-likelihoods, guidance and contrastive losses: right parts
pass, wrong ones are named.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
import pytest

import diffx
from diffx.check import check_contrastive_loss, check_guidance, check_log_prob, check_process
from diffx.check.finding import FAILS, HOLDS, NOT_PROVIDED, Finding
from diffx.processes.rectified_flow import RectifiedFlow
from diffx.processes.vp import VP
from spec_tests.instrument.close import holds
from spec_tests.instrument.registry import claim
from spec_tests.specimens import parts
from spec_tests.specimens.parts import PROCESS, alpha, beta, differentiated, log_prob, sigma, slopes

WHY = "the kit computes in numpy float64, whatever the code under test does"


def all_hold(
    found: Iterable[Finding], *, but: tuple[str, ...] = (), false_alarm: float = 0.0
) -> None:
    wrong = [
        str(one) for one in found if one.verdict != (NOT_PROVIDED if one.claim in but else HOLDS)
    ]
    holds(not wrong, "; ".join(wrong) or "all claims hold", false_alarm=false_alarm)


def falls(found: Iterable[Finding], claimed: str, words: str) -> None:
    """The claim fails, and its sentence holds these words."""
    said = [str(one) for one in found if one.verdict == FAILS and one.claim == claimed]
    holds(any(words in line for line in said), f"{claimed} fails with {words!r}; it said {said}")


# --- processes ----------------------------------------------------------------------------------


def float_of(method: Callable) -> Callable:
    return lambda t: float(method(np.float64(t)))


def of_diffx(process: Any, times: Any, **given: Any) -> dict[str, Any]:
    names = ("alpha", "sigma", "f", "g", "log_snr")
    return {"times": times, **{name: float_of(getattr(process, name)) for name in names}, **given}


RIGHT_PROCESSES = {
    "numpy VP": PROCESS,
    "diffx VP": of_diffx(VP(), parts.TIMES),
    "diffx rectified flow": of_diffx(
        RectifiedFlow(), np.linspace(0.02, 0.98, 7), velocity=lambda x0, eps, t: eps - x0
    ),
    "time from noise to data": {
        **{
            "alpha": lambda t: t,
            "sigma": lambda t: 1 - t,
            "times": np.linspace(0.98, 0, 7),
            "start": 1.0,
        },
        **{
            "velocity": lambda x0, eps, t: x0 - eps,
            "f": lambda t: -1 / t,
            "g": lambda t: np.sqrt(2 * (1 - t) / t),
        },
        "log_snr": lambda t: 2 * np.log(t / (1 - t)) if t else -50.0,
    },
    "VP in a time of its own, from noise to data": {
        **{
            "alpha": lambda u: alpha(1 - u),
            "sigma": lambda u: sigma(1 - u),
            "times": 1 - np.asarray(parts.TIMES),
        },
        **{"f": lambda u: beta(1 - u) / 2, "g": lambda u: np.sqrt(beta(1 - u))},
    },
    "sigma = t, data to 80": {
        **{
            "alpha": lambda t: 1.0,
            "sigma": lambda t: t,
            "times": np.geomspace(0.01, 80, 9),
            "start": 80.0,
        },
        **{"f": lambda t: 0.0, "g": lambda t: np.sqrt(2 * t), "velocity": lambda x0, eps, t: eps},
    },
}
ROUNDED = {
    name: lambda t, part=PROCESS[name]: np.float32(part(t))
    for name in ("alpha", "sigma", "f", "g", "log_snr")
}
RIGHT_PROCESSES["float32"] = PROCESS | ROUNDED | {"precision": "float32"}
LEADING = lambda n: np.arange(n)[::-1] * (1000 // n)
LINSPACE = lambda n: np.linspace(999, 0, n)
RIGHT_GRIDS = {
    "trailing": [parts.trailing, lambda n: (parts.trailing(n) + 1) / 1000],
    "leading": [LEADING, lambda n: LEADING(n) + 1],
    "linspace": [
        LINSPACE,
        lambda n: LINSPACE(n).round(),
        lambda n: np.linspace(1000, 1, n).round(),
    ],
}

RECOVERED = {  # of x_t and eps, instead of x0
    "eps": lambda x, e, t: e,
    "-eps": lambda x, e, t: -e,
    "x_t": lambda x, e, t: x,
    "x_t/alpha": lambda x, e, t: x / alpha(t),
    "alpha x0": lambda x, e, t: x - sigma(t) * e,
    "x0/alpha": lambda x, e, t: (x - sigma(t) * e) / alpha(t) ** 2,
    "x0 with the noise of the wrong sign": lambda x, e, t: (x + sigma(t) * e) / alpha(t),
}
S = lambda power: lambda x0, eps, t: alpha(t) * x0 + sigma(t) ** power * eps
WRONG_PROCESSES = {
    "the variance for the deviation": (
        {"perturb": S(2)},
        "FWD-01",
        "the variance instead of the standard deviation",
    ),
    "a root too many": ({"perturb": S(0.5)}, "FWD-01", "one square root too many"),
    "sigma missing": ({"perturb": S(0)}, "FWD-01", "sigma is missing"),
    "levels swapped": (
        {"perturb": lambda x0, eps, t: sigma(t) * x0 + alpha(t) * eps},
        "FWD-01",
        "swapped",
    ),
    "noise subtracted": (
        {"perturb": lambda x0, eps, t: alpha(t) * x0 - sigma(t) * eps},
        "FWD-01",
        "the wrong sign",
    ),
    "not linear": (
        {"perturb": lambda x0, eps, t: np.tanh(x0) + eps},
        "FWD-01",
        "not a linear combination",
    ),
    "beta for beta/2": ({"f": lambda t: -beta(t)}, "FWD-02", "2 times the right one"),
    "a quarter of beta": ({"f": lambda t: -beta(t) / 4}, "FWD-02", "1/2 times the right one"),
    "f of the other sign": ({"f": lambda t: beta(t) / 2}, "FWD-02", "-1 times the right one"),
    "g^2 for g": ({"g": beta}, "FWD-02", "g^2 instead of g"),
    "twice beta": ({"g": lambda t: np.sqrt(2 * beta(t))}, "FWD-02", "2 times the right one"),
    "(sigma^2)' alone": (
        {"g": lambda t: np.sqrt(2 * sigma(t) * slopes(t)[1])},
        "FWD-02",
        "without -2 f sigma^2",
    ),
    "half log-SNR": (
        {"log_snr": lambda t: np.log(alpha(t) / sigma(t))},
        "FWD-05",
        "half of log(alpha^2/sigma^2)",
    ),
    "log-SNR of the other sign": (
        {"log_snr": lambda t: 2 * np.log(sigma(t) / alpha(t))},
        "FWD-05",
        "the wrong sign",
    ),
    "alpha and sigma exchanged": ({"alpha": sigma, "sigma": alpha}, "FWD-05", "does not fall"),
    "a start too wide": ({"start": 1.5}, "FWD-12", "1.5 times the marginal's deviation"),
    "a start of the signal's part": (
        {"start": 0.5},
        "FWD-12",
        "0.5 times the marginal's deviation",
    ),
    "a stride in floats": (
        {"grid": lambda n: np.arange(1000, 0, -1000 / n).round() - 1},
        "FWD-19",
        "it visits 62 steps",
    ),
    "rounded down": (
        {"grid": lambda n: np.floor(np.arange(1000, 0, -1000 / n)) - 1},
        "FWD-19",
        "the rule rounded down",
    ),
    "leading, said trailing": ({"grid": LEADING}, "FWD-19", "the leading rule"),
    "one step too many": (
        {"grid": lambda n: np.arange(999, -1, -(1000 // n))},
        "FWD-19",
        "it visits 8 steps",
    ),
    "a step twice": (
        {"grid": lambda n: np.append(np.linspace(999, 1, n - 1).round(), 1)},
        "FWD-19",
        "visited twice",
    ),
    "v_T = x0": (
        {"convert": {"v": (parts.CONVERT["v"][0], lambda x, v, t: sigma(t) * v - alpha(t) * x)}},
        "DEN-01",
        "-x0",
    ),
    "score without sigma": (
        {"convert": {"score": (lambda x, e, a, s: -e, parts.CONVERT["score"][1])}},
        "DEN-01",
        "score: at",
    ),
    **{
        f"back to {name}": (
            {"convert": {"eps": (lambda x0, e, a, s: e, back)}},
            "DEN-01",
            f" eps, which is {name}.",
        )
        for name, back in RECOVERED.items()
    },
    "velocity turned": (
        {"velocity": lambda *given: -parts.velocity(*given)},
        "FM-01",
        "it points against its own time",
    ),
    "straight velocity": (
        {"velocity": lambda x0, eps, t: eps - x0},
        "FM-01",
        "right for alpha = 1 - t alone",
    ),
    "half the velocity": (
        {"velocity": lambda *given: parts.velocity(*given) / 2},
        "FM-01",
        "1/2 times the derivative",
    ),
    "v for velocity": (
        {"velocity": lambda x0, eps, t: alpha(t) * eps - sigma(t) * x0},
        "FM-01",
        "Salimans and Ho",
    ),
}


@claim(
    "KIT-04",
    "Right processes, steps and conversions pass every claim; each wrong one fails the right "
    "claim, with the right words",
    of="diffx.check.check_process",
    source=(
        "toy processes in numpy, derived by hand: spec_tests/specimens/parts.py; the two processes "
        "of diffx"
    ),
    grade="bounded",
    dtypes=(),
    why_dtypes=WHY,
)
@pytest.mark.parametrize(
    ("kind", "name"),
    [("right", name) for name in RIGHT_PROCESSES]
    + [("grid", name) for name in RIGHT_GRIDS]
    + [("wrong", name) for name in WRONG_PROCESSES],
)
def test_a_process_passes_and_each_wrong_part_of_it_is_named(kind, name):
    {"right": process_passes, "grid": grids_pass, "wrong": process_falls}[kind](name)


CLAIM_OF_PART = {
    "perturb": "FWD-01",
    "f": "FWD-02",
    "start": "FWD-12",
    "grid": "FWD-19",
    "convert": "DEN-01",
    "velocity": "FM-01",
}


def process_passes(name):
    given = RIGHT_PROCESSES[name]
    absent = tuple(id for part, id in CLAIM_OF_PART.items() if part not in given)
    all_hold(check_process(**given), but=absent)


def grids_pass(spacing):
    absent = tuple(id for part, id in CLAIM_OF_PART.items() if part != "grid")
    for grid in RIGHT_GRIDS[spacing]:
        found = check_process(
            alpha, sigma, parts.TIMES, grid=grid, spacing=spacing, training_steps=1000
        )
        all_hold(found, but=absent)


def process_falls(name):
    change, claimed, words = WRONG_PROCESSES[name]
    falls(check_process(**(PROCESS | change)), claimed, words)


# --- log-likelihoods ----------------------------------------------------------------------------

LEVELS: dict[str, Any] = {"start": parts.START, "end": parts.END}
KNOWN = LEVELS | {"prior": parts.START[1]}
WRONG_DENSITIES = {
    "no divergence": (log_prob(lambda trace, d: 0 * trace), "without the divergence"),
    "the other sign": (log_prob(lambda trace, d: trace - d), "wrong sign of the divergence"),
    "half of it": (log_prob(lambda trace, d: (d - trace) / 2), "half of the divergence"),
    "bits": (lambda denoise, x: log_prob()(denoise, x) / np.log(2), "base 2"),
    "a mean": (
        lambda denoise, x: log_prob()(denoise, x) / x.shape[1],
        "the mean over the dimensions",
    ),
    "no constant": (
        log_prob(prior=lambda y: -((y / 20) ** 2).sum(1) / 2 - y.shape[1] * np.log(20)),
        "constant is missing",
    ),
    "no deviation": (
        log_prob(prior=lambda y: parts.normal(y) + y.shape[1] * np.log(20)),
        "is missing in its constant",
    ),
    "minus log p": (lambda denoise, x: -log_prob()(denoise, x), "the wrong sign"),
}


def signs(seed: int) -> Callable:
    rng = np.random.default_rng(seed)
    return lambda x: rng.choice([-1.0, 1.0], size=(1, *x.shape))


@claim(
    "KIT-05",
    "Exact log-likelihoods pass; a wrong divergence, unit or constant fails, with the right words",
    of="diffx.check.check_log_prob",
    source="change of variables by DOP853 in numpy, derived by hand: spec_tests/specimens/parts.py",
    grade="bounded",
    dtypes=(),
    why_dtypes=WHY,
)
@pytest.mark.parametrize("name", ["two levels", "a known prior", *WRONG_DENSITIES])
def test_a_log_likelihood_passes_and_each_wrong_one_is_named(name):
    if name in WRONG_DENSITIES:
        wrong, words = WRONG_DENSITIES[name]
        falls(check_log_prob(wrong, **KNOWN), "LIK-01", words)
    else:
        all_hold(check_log_prob(log_prob(), **(KNOWN if name == "a known prior" else LEVELS)))


@claim(
    "KIT-09",
    "Probed log-likelihoods pass; probes that are biased, drawn once or not announced fail, with "
    "the right words",
    of="diffx.check.check_log_prob",
    source="probes of signs in numpy: spec_tests/specimens/parts.py",
    grade="sampled",
    dtypes=(),
    why_dtypes=WHY,
)
def test_probes_pass_and_each_wrong_one_is_named():
    all_hold(
        check_log_prob(log_prob(probe=signs(0)), exact=False, draws=24, **KNOWN),
        false_alarm=2e-4,  # three means of 24 draws beyond 5 of their own deviations: Student's t
    )
    drawn = signs(1)
    falls(
        check_log_prob(log_prob(probe=lambda x: 1.3 * drawn(x)), exact=False, draws=8, **KNOWN),
        "DEN-17",
        "biased",
    )
    fixed = lambda denoise, x: log_prob(probe=signs(2))(denoise, x)
    falls(
        check_log_prob(fixed, exact=False, draws=4, **KNOWN), "DEN-17", "one probe is drawn, once"
    )
    falls(check_log_prob(log_prob(probe=signs(3)), **KNOWN), "LIK-01", "it draws")


def test_the_allowance_for_a_prior_hides_no_wrong_divergence():
    falls(
        check_log_prob(WRONG_DENSITIES["no divergence"][0], **LEVELS),
        "LIK-01",
        "without the divergence",
    )


# --- guidance -----------------------------------------------------------------------------------

plain = lambda c, u, w: u + w * (c - u)
classic = lambda c, u, w: (1 + w) * c - w * u
RIGHT_GUIDANCES = {  # and their conventions
    "plain": (plain, "w"),
    "classic": (classic, "1 + w"),
    "of diffx": (lambda c, u, w: np.asarray(diffx.cfg(c, u, w=w)), "w"),
}


def rescaled(
    size: Callable = np.std,
    axes: Any = (1, 2, 3),
    power: float = 1.0,
    blend: Callable = lambda phi: phi,
) -> Callable:
    def rescale(c: Any, u: Any, w: float, phi: float) -> Any:
        guided = plain(c, u, w)
        factor = (
            size(c, axis=axes, keepdims=True) / size(guided, axis=axes, keepdims=True)
        ) ** power
        return blend(phi) * factor * guided + (1 - blend(phi)) * guided

    return rescale


WRONG_GUIDANCES = {
    "swapped": ({"combine": lambda c, u, w: c + w * (u - c)}, "CFG-01", "the branches are swapped"),
    "no uncond": (
        {"combine": lambda c, u, w: w * (c - u)},
        "CFG-01",
        "the unconditional branch is missing",
    ),
    "weights": ({"combine": lambda c, u, w: c - w * u}, "CFG-08", "sum -6.5"),
    "a sign": ({"combine": lambda c, u, w: (1 + w) * c + w * u}, "CFG-01", "a sign is wrong"),
    "divided": (
        {"combine": lambda c, u, w: classic(c, u, w) / (1 + w)},
        "CFG-01",
        "divided by 1 + w",
    ),
    "an average": (
        {"combine": lambda c, u, w: (c + w * u) / (1 + w)},
        "CFG-01",
        "guides towards uncond",
    ),
    "the other one": (
        {"combine": classic, "convention": "w"},
        "CFG-01",
        "(1 + w) c - w u, which is not the documented convention",
    ),
    "limits": (
        {"combine": plain, "convention": "1 + w"},
        "CFG-07",
        "no convention that was asked for",
    ),
    "twice the weight": (
        {"combine": lambda c, u, w: plain(c, u, 2 * w)},
        "CFG-01",
        "4 cond + -3 uncond",
    ),
    "a clip": ({"combine": lambda c, u, w: np.clip(plain(c, u, w), -1, 1)}, "CFG-01", "it clips"),
    "not used": ({"negative": lambda c, u, n, w: plain(c, u, w)}, "CFG-09", "does nothing"),
    "a third branch": (
        {"negative": lambda c, u, n, w: u + w * (c - n)},
        "CFG-09",
        "and replaces none",
    ),
    "added": ({"negative": lambda c, u, n, w: c + w * (c + n)}, "CFG-09", "added with a plus"),
    "towards it": (
        {"negative": lambda c, u, n, w: c + w * (n - c)},
        "CFG-09",
        "cond and neg are swapped",
    ),
    "of the batch": (
        {"rescale": rescaled(axes=None)},
        "CFG-15",
        "the deviation over the whole batch",
    ),
    "along the batch": (
        {"rescale": rescaled(axes=0)},
        "CFG-15",
        "the deviation over the batch axis",
    ),
    "of channels": ({"rescale": rescaled(axes=(2, 3))}, "CFG-15", "the deviation of each channel"),
    "variance": ({"rescale": rescaled(power=2)}, "CFG-15", "the variance"),
    "always": ({"rescale": rescaled(blend=lambda phi: 1.0)}, "CFG-15", "whatever phi"),
    "swapped phi": (
        {"rescale": rescaled(blend=lambda phi: 1 - phi)},
        "CFG-15",
        "phi and 1 - phi swapped",
    ),
}


@claim(
    "KIT-06",
    "Both conventions of guidance pass and are told apart; each wrong combination fails the right "
    "claim, with the right words",
    of="diffx.check.check_guidance",
    source=(
        "Ho and Salimans 2022, arXiv:2207.12598, eq. (6); Lin et al. 2024, arXiv:2305.08891, "
        "eqs. (15) and (16)"
    ),
    grade="bounded",
    dtypes=(),
    why_dtypes=WHY,
)
@pytest.mark.parametrize(
    ("kind", "name"),
    [("right", name) for name in RIGHT_GUIDANCES] + [("wrong", name) for name in WRONG_GUIDANCES],
)
def test_guidance_passes_in_both_conventions_and_each_wrong_one_is_named(kind, name):
    if kind == "wrong":
        change, claimed, words = WRONG_GUIDANCES[name]
        falls(check_guidance(**({"combine": plain} | change)), claimed, words)
        return
    combine, convention = RIGHT_GUIDANCES[name]
    negative = lambda c, u, n, w: combine(c, n, w)
    of_w = convention == "w"
    scale = rescaled(lambda x, **given: np.std(x, ddof=1, **given)) if of_w else None
    for said in (convention, None):
        found = check_guidance(combine, convention=said, negative=negative, rescale=scale)
        all_hold(found, but=() if scale else ("CFG-15",))
        assert found[0].measured == ("u + w (c - u)" if of_w else "(1 + w) c - w u")


# --- contrastive losses -------------------------------------------------------------------------


def scaled(name: str, factor: float, value: Callable = parts.clip) -> Callable:
    def loss(*given: Any) -> Any:
        found, gradients = differentiated(value)(*given)
        return found, gradients | {name: factor * gradients[name]}

    return loss


def apart(images: Any, texts: Any, log_scale: Any) -> Any:
    """The mean of two shards that see their own rows alone."""
    halves = zip(np.split(images, 2), np.split(texts, 2), strict=True)
    return sum(parts.clip(x, y, log_scale) for x, y in halves) / 2


def of_rows_alone(*given: Any) -> Any:
    """The right value, and the images' gradient of one direction."""
    (value, gradients), (_, others) = (
        differentiated(loss)(*given) for loss in (parts.clip, rows_alone)
    )
    return value, gradients | {"images": others["images"]}


def rows_alone(images: Any, texts: Any, log_scale: Any) -> Any:
    scores = np.exp(log_scale) * images @ texts.T
    return np.mean(np.log(np.exp(scores).sum(1)) - np.diag(scores))


def all_positive(images: Any, texts: Any, log_scale: Any, bias: Any = 0.0) -> Any:
    return np.log(1 + np.exp(-(np.exp(log_scale) * images @ texts.T + bias))).sum() / len(images)


SIGLIP = {"kind": "siglip", "bias": True}
ALL = lambda factor, value: lambda *given, bias=0.0, **kw: factor * value(*given, bias=bias, **kw)
WRONG_LOSSES = {
    "one direction": (differentiated(rows_alone), {}, "CLP-01", "from images to texts"),
    "both summed": (
        differentiated(lambda **g: 2 * parts.clip(**g)),
        {},
        "CLP-01",
        "a sum of two directions",
    ),
    "base 2": (differentiated(lambda **g: parts.clip(**g) / np.log(2)), {}, "CLP-01", "base 2"),
    "no exponential": (
        differentiated(
            lambda images, texts, log_scale: parts.clip(images, texts, np.log(log_scale))
        ),
        {},
        "CLP-01",
        "without the exponential",
    ),
    "inverted": (
        differentiated(lambda **g: parts.clip(**(g | {"log_scale": -g["log_scale"]}))),
        {},
        "CLP-01",
        "inverted",
    ),
    "moved": (
        differentiated(
            lambda images, texts, log_scale: parts.clip(images, np.roll(texts, -1, 0), log_scale)
        ),
        {},
        "CLP-01",
        "captions shifted by one",
    ),
    "no temperature": (scaled("log_scale", 0.0), {}, "CLP-02", "The gradient of log_scale is 0"),
    "of the scale": (scaled("log_scale", 0.1), {}, "CLP-02", "of the scale, not of its logarithm"),
    "one tower": (scaled("texts", 0.0), {}, "CLP-02", "The gradient of texts is 0"),
    "a sign": (scaled("images", -1.0), {}, "CLP-02", "which is the wrong sign"),
    "a gradient of one direction": (
        of_rows_alone,
        {},
        "CLP-02",
        "it is that of the rows' cross-entropy alone",
    ),
    "1/W": (
        scaled("images", 0.5),
        {"shards": 2},
        "CLP-11",
        "1/2 times the right one, which is 1 over the number of shards",
    ),
    "W": (
        scaled("texts", 4.0),
        {"shards": 4},
        "CLP-11",
        "4 times the right one, which is the number of shards",
    ),
    "not gathered": (differentiated(apart), {"shards": 2}, "CLP-11", "nothing is gathered"),
    "N^2": (
        differentiated(lambda **g: parts.siglip(**g) / len(g["images"])),
        SIGLIP,
        "CLP-12",
        "the mean over all N^2 pairs",
    ),
    "no negatives": (differentiated(all_positive), SIGLIP, "CLP-12", "without the -1"),
    "bias": (
        differentiated(lambda **g: parts.siglip(**(g | {"bias": -g["bias"]}))),
        SIGLIP,
        "CLP-12",
        "sign of the bias",
    ),
    "no bias": (scaled("bias", 0.0, parts.siglip), SIGLIP, "CLP-12", "The gradient of bias is 0"),
}


def normalising(images: Any, texts: Any, log_scale: Any, bias: Any = 0.0) -> Any:
    unit = lambda x: x / np.sqrt((x * x).sum(1))[:, None]
    return parts.clip(unit(images), unit(texts), log_scale)


@jax.jit
def _with_gradients(images: Any, texts: Any, log_scale: Any) -> Any:
    return jax.value_and_grad(
        lambda x, y, l: diffx.clip_loss(x, y, log_scale=l), argnums=(0, 1, 2)
    )(images, texts, log_scale)


def of_diffx_clip(images: Any, texts: Any, log_scale: float, bias: Any) -> Any:
    value, gradients = _with_gradients(images, texts, np.float64(log_scale))
    return value, dict(zip(("images", "texts", "log_scale"), gradients, strict=True))


RIGHT_LOSSES = {
    "numpy": (differentiated(parts.clip), {}),
    "numpy with a bias": (differentiated(parts.clip), {"bias": True}),
    "normalising": (differentiated(normalising), {"shards": 2}),
    "sigmoids": (differentiated(parts.siglip), SIGLIP),
    "sigmoids without bias": (differentiated(parts.siglip), {"kind": "siglip", "shards": 4}),
    "diffx": (of_diffx_clip, {}),
}


@claim(
    "KIT-07",
    "Right contrastive losses pass, dense and sharded; each wrong value or gradient fails the "
    "right claim, with the right words",
    of="diffx.check.check_contrastive_loss",
    source=(
        "losses in numpy, differentiated by complex steps: spec_tests/specimens/parts.py; the loss "
        "of diffx"
    ),
    grade="bounded",
    dtypes=(),
    why_dtypes=WHY,
)
@pytest.mark.parametrize(
    ("kind", "name"),
    [("right", name) for name in RIGHT_LOSSES] + [("wrong", name) for name in WRONG_LOSSES],
)
def test_a_contrastive_loss_passes_and_each_wrong_one_is_named(kind, name):
    if kind == "right":
        loss, given = RIGHT_LOSSES[name]
        all_hold(check_contrastive_loss(loss, **given))
        return
    loss, given, claimed, words = WRONG_LOSSES[name]
    falls(check_contrastive_loss(loss, **given), claimed, words)


# --- whatever foreign code does -----------------------------------------------------------------


def raises(*given: Any) -> Any:
    raise RuntimeError("no such tensor")


def absent(*given: Any) -> Any:
    raise NotImplementedError("not in this release")


def writes(x: Any, *given: Any) -> Any:
    x += 1
    return x


BAD = {
    "raises": (raises, "no such tensor"),
    "shape": (lambda x, *given: np.zeros((7, 7)), "shape"),
    "type": (lambda x, *given: np.zeros(np.shape(x), int), "wanted float64"),
    "not finite": (lambda x, *given: np.full(np.shape(x), np.nan), "not finite"),
    "writes": (writes, "writes into"),
    "nothing": (lambda *given: None, "raised"),
}
PLACES: dict[str, Callable[[Callable], tuple[str, Iterable[Finding]]]] = {
    "perturb": lambda bad: ("FWD-01", check_process(**(PROCESS | {"perturb": bad}))),
    "velocity": lambda bad: ("FM-01", check_process(**(PROCESS | {"velocity": bad}))),
    "predict": lambda bad: (
        "DEN-01",
        check_process(**(PROCESS | {"convert": {"eps": (bad, parts.CONVERT["eps"][1])}})),
    ),
    "recover": lambda bad: (
        "DEN-01",
        check_process(**(PROCESS | {"convert": {"eps": (parts.CONVERT["eps"][0], bad)}})),
    ),
    "combine": lambda bad: ("CFG-01", check_guidance(bad)),
    "negative": lambda bad: ("CFG-09", check_guidance(plain, negative=bad)),
    "rescale": lambda bad: ("CFG-15", check_guidance(plain, rescale=bad)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bad", BAD)
def test_bad_arrays_are_findings_and_never_exceptions(place, bad):
    claimed, found = PLACES[place](BAD[bad][0])
    falls(list(found), claimed, BAD[bad][1])


@pytest.mark.parametrize("place", PLACES)
def test_what_a_library_has_not_is_not_provided(place):
    claimed, found = PLACES[place](absent)
    assert {one.verdict for one in found if one.claim == claimed} == {NOT_PROVIDED}


BAD_DENSITIES = {
    "raises": (lambda denoise, x: raises(), "no such tensor"),
    "shape": (lambda denoise, x: x, "gave shape"),
    "type": (lambda denoise, x: np.zeros(len(x), int), "wanted float64"),
    "not finite": (lambda denoise, x: np.full(len(x), np.nan), "not finite"),
    "writes": (lambda denoise, x: writes(x).sum(1), "writes into"),
}
BAD_LOSSES = {
    "raises": (raises, "no such tensor"),
    "nothing": (lambda x, y, l, b: None, "wanted (value, gradients by name)"),
    "no gradient": (lambda x, y, l, b: (0.0, {}), "no gradient of images"),
    "shape": (lambda x, y, l, b: (np.zeros(3), {}), "wanted one number"),
    "shape of a gradient": (
        lambda x, y, l, b: (0.0, {"images": x.T}),
        "the gradient of images has shape",
    ),
    "not finite": (lambda x, y, l, b: (np.nan, {}), "nan for random rows"),
    "writes": (lambda x, y, l, b: (writes(x).sum(), {}), "writes into"),
}


@pytest.mark.parametrize("bad", BAD_DENSITIES)
def test_bad_log_likelihoods_are_findings_and_never_exceptions(bad):
    density, words = BAD_DENSITIES[bad]
    falls(check_log_prob(density, **KNOWN), "LIK-01", words)
    assert check_log_prob(density, exact=False, draws=2, **KNOWN)[0].verdict == FAILS
    assert check_log_prob(lambda denoise, x: absent(), **KNOWN)[0].verdict == NOT_PROVIDED


@pytest.mark.parametrize("bad", BAD_LOSSES)
def test_bad_losses_are_findings_and_never_exceptions(bad):
    loss, words = BAD_LOSSES[bad]
    found = check_contrastive_loss(loss)
    assert any(words in str(one) for one in found if one.verdict == FAILS), found
    assert {one.verdict for one in check_contrastive_loss(absent)} == {NOT_PROVIDED}


@pytest.mark.parametrize("part", ["alpha", "sigma", "f", "g", "log_snr", "grid"])
def test_bad_functions_of_time_are_findings_and_never_exceptions(part):
    for bad in (
        raises,
        lambda t: np.nan,
        lambda t: np.zeros(3) if part != "grid" else [],
        lambda t: "two",
    ):
        assert FAILS in {one.verdict for one in check_process(**(PROCESS | {part: bad}))}


def test_right_code_that_rounds_as_it_must_is_not_accused_near_the_ends():
    """sqrt(1 - alpha^2) near t = 0, cos(pi t/2) near t = 1: what cancels there is not a wrong
    formula.
    """
    log = lambda t: 0.1 * t + 9.95 * t**2
    near_data = {
        "alpha": lambda t: np.exp(-log(t) / 2),
        "sigma": lambda t: np.sqrt(1 - np.exp(-log(t))),
        "f": lambda t: -(0.1 + 19.9 * t) / 2,
        "g": lambda t: np.sqrt(0.1 + 19.9 * t),
        "times": np.geomspace(1e-5, 0.999, 12),
    }
    near_noise = {
        "alpha": lambda t: np.cos(np.pi / 2 * t),
        "sigma": lambda t: np.sin(np.pi / 2 * t),
        "f": lambda t: -np.pi / 2 * np.tan(np.pi / 2 * t),
        "g": lambda t: np.sqrt(np.pi * np.tan(np.pi / 2 * t)),
        "times": 1 - np.geomspace(0.9, 1e-5, 9),
    }
    for process in (near_data, near_noise):
        assert FAILS not in {one.verdict for one in check_process(**process)}
        off = process | {"g": lambda t, g=process["g"]: 1.0001 * g(t)}
        falls(list(check_process(**off)), "FWD-02", "times the right one")


def test_arguments_that_make_no_sense_are_refused():
    refused: list[tuple[Callable, dict[str, Any], str]] = [
        (check_process, PROCESS | {"times": [0.1, 0.1, 0.2]}, "strictly monotone"),
        (check_process, PROCESS | {"spacing": "karras"}, "spacing must be one of"),
        (check_process, PROCESS | {"training_steps": None}, "spacing needs training_steps"),
        (check_guidance, {"combine": plain, "convention": "2w"}, "convention must be one of"),
        (check_contrastive_loss, {"loss": raises, "kind": "triplet"}, "kind must be one of"),
        (check_contrastive_loss, {"loss": raises, "shards": 0}, "shards must be 1 or more"),
        (check_log_prob, {"log_prob": raises, "start": (0.0, 0.0)}, "start must be"),
        (check_log_prob, {"log_prob": raises, "start": None}, "start must be"),
        (check_log_prob, {"log_prob": raises, **LEVELS, "prior": "normal"}, "prior must be"),
        (check_log_prob, {"log_prob": raises, **LEVELS, "prior": None}, "prior must be"),
        (check_process, PROCESS | {"precision": "float16"}, "precision must be"),
        (check_guidance, {"combine": plain, "precision": "float16"}, "precision must be"),
        (check_contrastive_loss, {"loss": raises, "precision": "float16"}, "precision must be"),
        (
            check_log_prob,
            {"log_prob": raises, **LEVELS, "exact": False, "draws": 1},
            "draws must be",
        ),
    ]
    for check, given, words in refused:
        with pytest.raises(ValueError, match=words):
            check(**given)
