"""Times of flow matching: shifts, the settings in print, densities of training times."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import chi2

import diffx
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import flow, recursions
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast, precision
from spec_tests.support.flows import drawn, euler_law, gaussian, ones, shifted

ESSER = "Esser et al. 2024, arXiv:2403.03206"


# --- times --------------------------------------------------------------------------------------


def logit(t):
    return np.log(t) - np.log1p(-t)


@claim(
    "FM-11",
    "A shift by S adds log S to the logit of time: shifts multiply, and data of spread c see the "
    "grid of spread c/S",
    of=(
        "diffx.time_shift",
        "diffx.flow_matching.flow_grid",
        "diffx.flow_matching.resolution_shift",
    ),
    source=f"{ESSER}, eq. (23); Wan-Video/Wan2.1, wan/utils/fm_solvers.py",
    grade="identity",
)
@given(
    t=st_.times(0.0625, 0.9375),
    shift=st_.log_uniform(0.125, 16.0),
    other=st_.log_uniform(0.25, 4.0),
)
def test_shift_adds_to_the_logit_of_time(dtype, t, shift, other):
    """Composition, inverse, the form exp(mu)/(exp(mu) + 1/t - 1), median, log-SNR, and the gain of
    Euler's steps.
    """
    t_, shift_, other_ = cast(dtype, t, shift, other)
    got = diffx.time_shift(t_, shift_)
    wanted = 1 / (1 + np.exp(-logit(t) - np.log(shift)))
    close(got, wanted, ulps=4, why="a product and a quotient of sums of one sign")
    mu = np.log(shift)
    close(
        got,
        np.exp(mu) / (np.exp(mu) + 1 / t - 1),
        ulps=8,
        scale=wanted * (1 + shift),
        why="Wan's form with mu = log S",
    )
    twice = diffx.time_shift(got, other_)
    close(
        twice,
        1 / (1 + np.exp(-logit(t) - np.log(shift * other))),
        ulps=16,
        scale=1,
        why="S1 then S2 is S1 S2",
    )
    close(diffx.time_shift(got, 1 / shift_), t, ulps=16 * max(shift, 1 / shift), why="1/S undoes S")
    moved = -2 * logit(np.float64(got)) + 2 * logit(t)
    close(
        moved.astype(dtype),
        -2 * np.log(shift),
        ulps=16,
        scale=4 + np.abs(2 * logit(wanted)) + 2 / (1 - wanted),
        why="l - 2 log S",
    )
    pixels = diffx.flow_matching.resolution_shift(shift, other)
    close(pixels.astype(dtype), np.sqrt(shift / other), ulps=2, why="sqrt(m/n)")
    noisier = diffx.time_shift(t_, jnp.asarray(pixels, dtype))
    # of the mean of m pixels
    error = np.float64(noisier) / (1 - np.float64(noisier)) / np.sqrt(shift)
    close(
        error.astype(dtype),
        t / (1 - t) / np.sqrt(other),
        ulps=16 / (1 - float(noisier)),
        why="equal to that of n at the time before",
    )
    grids_are_shifted_once(dtype)


def grids_are_shifted_once(dtype):
    with precision(dtype):
        for shift, median in ((3.0, 0.75), (5.0, 5 / 6)):
            close(diffx.time_shift(jnp.asarray(0.5), shift), median, ulps=2, why="S/(1 + S)")
        ts = diffx.flow_matching.flow_grid(diffx.flow_matching.FlowSettings(4, 3.0, 1.0))
        close(
            ts,
            [1, 0.9, 0.75, 0.5, 0],
            ulps=2,
            why="3u/(1 + 2u) of 1, 3/4, 1/2, 1/4 and the 0 appended",
        )
        ts = diffx.flow_matching.flow_grid(diffx.flow_matching.FlowSettings(4, 3.0, 1.0), t_max=0.5)
        close(
            ts,
            [0.75, 0.6428571428571429, 0.5, 0.3, 0],
            ulps=2,
            why="3u/(1 + 2u) of 1/2, 3/8, 1/4, 1/8",
        )
        close(
            diffx.flow_matching.resolution_shift(1024**2, 256 * 512),
            np.sqrt(8),
            ulps=1,
            why="whole numbers of pixels",
        )
    for n, shift, spread in ((10, 3.0, 1.5), (10, 5.0, 0.5)):
        got = euler_law(
            gaussian(dtype, [0.0, 0.0], [spread**2, 1.0]), shifted(dtype, n, shift)
        ).cov[0, 0]
        ts = np.linspace(1, 0, n + 1)
        narrow = recursions.product_of_cosines(1 - ts, ts**2, (spread / shift) ** 2) / (
            spread / shift
        )
        close(
            jnp.sqrt(got), spread * narrow, ulps=16, why="ten steps and the rounding of their times"
        )


@claim(
    "FM-12",
    "WAN and SD3 are sampled with the steps, shifts and guidance of their code, and their "
    "networks are told 1000 times the noise level",
    of=(
        "diffx.flow_matching.FlowSettings",
        "diffx.flow_matching.flow_grid",
        "diffx.flow_matching.model_time",
    ),
    source=(
        "Wan-Video/Wan2.1, generate.py and wan/utils/fm_solvers.py; Stability-AI/sd3.5, "
        "sd3_infer.py"
    ),
    grade="computed law",
)
def test_settings_of_wan_and_sd3_are_theirs(dtype):
    """50 steps at shift 5: 1, .995935, .991736 ...; the default solver starts at sigma .999
    shifted.
    """
    wan = {"t2v": (50, 5), "i2v": (40, 5), "i2v-480p": (40, 3), "flf2v": (50, 16), "vace": (50, 16)}
    holds(
        {name: tuple(s) for name, s in diffx.flow_matching.WAN.items()}
        == {name: (*s, 5, 1000) for name, s in wan.items()},
        "generate.py",
    )
    sd3 = {
        "sd3_medium": (50, 1, 5),
        "sd3.5_medium": (50, 3, 5),
        "sd3.5_large": (40, 3, 4.5),
        "sd3.5_large_turbo": (4, 3, 1),
    }
    holds(
        {name: tuple(s) for name, s in diffx.flow_matching.SD3.items()}
        == {name: (*s, 1000) for name, s in sd3.items()},
        "sd3_infer.py",
    )
    with precision(dtype):
        for first, u in ((1.0, np.linspace(1, 0, 51)), (0.999, np.linspace(0.999, 0, 51))):
            ts = diffx.flow_matching.flow_grid(diffx.flow_matching.WAN["t2v"], t_max=first)
            close(
                ts,
                5 * u / (1 + 4 * u),
                ulps=4,
                scale=1,
                why="5u/(1 + 4u) of equal steps from 1, then 0",
            )
            close(
                diffx.flow_matching.model_time(diffx.flow_matching.WAN["t2v"], ts),
                5000 * u / (1 + 4 * u),
                ulps=4,
                scale=1000,
                why="1000 sigma",
            )
            holds(np.asarray(ts)[-1] == 0, "the last time is data")
        printed = np.abs(
            np.asarray(diffx.flow_matching.flow_grid(diffx.flow_matching.WAN["t2v"]))[:3]
            - [1, 0.995935, 0.991736]
        )
        below(printed, 6e-7, "1, .995935, .991736 as printed")
        holds(
            diffx.flow_matching.flow_grid(diffx.flow_matching.WAN["i2v"]).shape == (41,),
            "N steps are N + 1 times",
        )
    positive, negative = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    got = diffx.cfg(*cast(dtype, positive, negative), w=diffx.flow_matching.WAN["t2v"].guidance)
    close(
        got,
        negative + 5 * (positive - negative),
        ulps=4,
        scale=25,
        why="the negative prompt is the unconditional branch",
    )


@claim(
    "FM-13",
    "Uniform, logit-normal and shifted times have the densities pi(t) of their docstrings; a "
    "shift by S moves the mean of the logit by log S",
    of=tuple(
        f"diffx.flow_matching.{name}"
        for name in ("uniform_times", "logit_normal_times", "logit_normal_density", "shift_density")
    ),
    source=f"{ESSER}, section 3.1 and eq. (23)",
    grade="sampled",
)
@given(
    t=st_.times(2.0**-10, 1 - 2.0**-10),
    mean=st_.floats(-2.0, 2.0),
    std=st_.log_uniform(0.25, 4.0),
    shift=st_.log_uniform(0.125, 8.0),
)
def test_times_have_the_densities_they_say(dtype, t, mean, std, shift):
    """Derivatives of distribution functions by complex steps; draws by exact quantiles at 1e-9."""
    t_, mean_, std_, shift_ = cast(dtype, t, mean, std, shift)
    got = diffx.flow_matching.logit_normal_density(t_, mean=mean_, std=std_)
    wanted = flow.complex_step(lambda u: flow.logit_normal_cdf(u, mean, std), t)
    z = (logit(t) - mean) / std
    unsure = 1 + np.abs(z) * (1 + np.abs(logit(t)) + np.abs(mean)) / std + z**2
    # below the smallest normal number devices keep few digits or none
    least = np.finfo(dtype).tiny / np.finfo(dtype).eps / 8
    close(
        got,
        wanted,
        ulps=8,
        scale=np.maximum(wanted * unsure, least),
        why="exp of -z^2/2 with a rounded z",
    )
    uniform = diffx.flow_matching.shift_density(t_, shift=shift_)
    jacobian = flow.complex_step(lambda u: flow.unshifted(u, shift), t)
    close(uniform, jacobian, ulps=8, why="a square of a sum of one sign")
    before = flow.unshifted(t, shift)
    moved = flow.complex_step(lambda u: flow.logit_normal_cdf(u, mean, std), before) * jacobian
    wanted = flow.complex_step(lambda u: flow.logit_normal_cdf(u, mean + np.log(shift), std), t)
    holds(
        abs(moved - wanted) <= 1e-10 * (1 + wanted),
        "a logit-normal time shifted by S is logit-normal with mean + log S",
    )
    defaults_are_standard(dtype)


def defaults_are_standard(dtype):
    with precision(dtype):
        half = jnp.asarray([[0.5]])
        close(
            diffx.flow_matching.logit_normal_density(half),
            np.full((1, 1), 4 / np.sqrt(2 * np.pi)),
            ulps=4,
            why="1/(t (1 - t)) at 1/2",
        )
        draws_have_their_law(dtype)


def draws_have_their_law(dtype, n=4096):
    if dtype in drawn:
        return
    key = jax.random.key(3)
    drawn[dtype] = True
    uniform = diffx.flow_matching.uniform_times(key, (n // 2, 2))
    holds(
        uniform.dtype == dtype and uniform.shape == (n // 2, 2),
        "the default float type and the shape that was asked for",
    )
    holds(
        diffx.flow_matching.uniform_times(key).shape
        == diffx.flow_matching.logit_normal_times(key).shape
        == (),
        "one time by default",
    )
    u = np.asarray(uniform, np.float64)
    low, high = chi2.ppf([5e-10, 1 - 5e-10], 2 * n)
    for side in (u, 1 - u):
        total = -2 * np.log(side).sum()
        holds(
            low < total < high,
            "-2 log of uniform numbers is chi^2",
            measured=float(total),
            bound=float(high),
            false_alarm=1e-9,
        )
    low, high = chi2.ppf([5e-10, 1 - 5e-10], n)
    for given_, mean, std in (({}, 0.0, 1.0), ({"mean": 0.5, "std": 1.5}, 0.5, 1.5)):
        times = diffx.flow_matching.logit_normal_times(key, (n,), **given_)
        holds(
            times.dtype == dtype and times.shape == (n,),
            "the default float type and the shape that was asked for",
        )
        z = (logit(np.asarray(times, np.float64)) - mean) / std
        below(abs(z.sum()) / np.sqrt(n), 6.2, "the mean of the logits", false_alarm=1e-9)
        holds(
            low < (z**2).sum() < high,
            "the variance of the logits",
            measured=float((z**2).sum()),
            bound=float(high),
            false_alarm=1e-9,
        )


def test_improper_times_are_refused():
    key = jax.random.key(0)
    for call in (
        lambda: diffx.flow_matching.logit_normal_times(key, std=0.0),
        lambda: diffx.flow_matching.logit_normal_density(0.5, std=-1.0),
        lambda: diffx.flow_matching.shift_density(0.5, shift=0.0),
        lambda: diffx.flow_matching.resolution_shift(0, 4),
    ):
        with pytest.raises(ValueError, match="must be positive"):
            call()
    with pytest.raises(ValueError, match="mean must be one number"):
        diffx.flow_matching.logit_normal_times(key, mean=ones(2))
    with pytest.raises(ValueError, match="mean must be finite"):
        diffx.flow_matching.logit_normal_density(0.5, mean=np.inf)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        diffx.flow_matching.model_time(diffx.flow_matching.WAN["t2v"], 999.0)
    with pytest.raises(TypeError, match="shape must be a tuple"):
        diffx.flow_matching.uniform_times(key, 3)  # pyright: ignore[reportArgumentType]
