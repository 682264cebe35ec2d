"""LIT: numbers printed in the literature, against what the code gives, to half a unit of the last
printed digit.

| source | number | claim |
|---|---|---|
| Lin et al., 2305.08891, Table 1, eq. (10) | terminal SNRs 4.035993e-05, .004682; x_T = .068265
x_0 + .997667 eps | LIT-01 |
| Lin et al., Table 2 | the steps of leading, linspace and trailing | LIT-02 |
| Lin et al., section 3.2; Wan2.1, fm_solvers.py | two signs in print | LIT-03 |
| Bradley and Nakkiran, 2408.09000 | 2/(w + 1), (2 - 2^(2 - 2w))/(2w - 1), 2^(1 - w) | LIT-04 |
| Xia et al., 2410.18737, Theorem 2 | phi(1) = 1, phi(3) = 2, at least 2 from there on | LIT-05 |
| Raya and Ambrogioni, 2305.19693, eq. (9) | theta_c = .6435942529055827 | LIT-06 |
| coding theory | rate 1/2 at sigma = .97869, .187 dB | LIT-07 |
| Karras et al., 2206.00364 | 18 levels, 35 evaluations | LIT-08 |
| Ho et al., 2006.11239, section 4 | L_T of 1e-5 bits a dimension | LIT-09 |
| Radford et al., 2103.00020, section 2.5 | scale 1/.07, batch 32,768: a loss of 10.596 | LIT-10 |
| Zhai et al., 2303.15343 | bias -10: a loss of 11.4876 | LIT-11 |
| Esser et al., 2403.03206; Wan2.1 | shift 3; 1, .995935, .991736 | LIT-12 |
| Kingma and Gao, 2303.00848 | sech^2(l/4)/8, sech(l/2)/(2 pi) | LIT-13 |
| Sabour et al., 2404.14507; kl_optimal | tan of equal angles | LIT-14 |
| the lecture | DDPM without noise collapses: .107 | LIT-15 |
| SYN-256, ours | without noise 1.27486; REV-41 holds the samplers | LIT-16 |
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import diffx
from diffx.data.spirals import spiral
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.support.contrast import clip, siglip_of_pairs
from spec_tests.support.information import bell
from spec_tests.support.literature import ONLY_64, as_printed

# --- guidance -----------------------------------------------------------------------------------


@jax.jit
def three_variances(w):
    """The tilted law, the guided flow and the guided SDE for N(0, 1) in N(0, 2), in the dtype
    of w.
    """
    cond, uncond = (
        diffx.GaussianLaw(jnp.zeros(1, w.dtype), jnp.asarray([v], w.dtype)) for v in (1, 2)
    )
    laws = (
        diffx.guidance.tilted_law(cond, uncond, w=w),
        diffx.guidance.guided_flow_law(diffx.Trig(), cond, uncond, w=w),
        diffx.guidance.guided_sde_law(diffx.Trig(), cond, uncond, w=w),
    )
    return jnp.concatenate([law.cov for law in laws])


@claim(
    "LIT-04",
    "Guided samplers of N(0, 1) in N(0, 2) have variance 2^(1-w) and (2 - 2^(2-2w))/(2w-1), the "
    "tilted law 2/(w+1): .015625, .153827 and .25 at w = 7, and for large w the SDE's is half the "
    "tilted one, not twice",
    of=tuple(
        f"diffx.guidance.{name}" for name in ("tilted_law", "guided_flow_law", "guided_sde_law")
    ),
    source=(
        "Bradley and Nakkiran 2024, arXiv:2408.09000, section 3.1 (version 2 says twice where "
        "its formula says half)"
    ),
    grade="computed law",
)
def test_guided_variances_are_the_three_in_print(dtype):
    """The initial noise is that of alpha(1) = 0, their limit of a large one."""
    of = lambda w: three_variances(jnp.asarray(w, dtype))
    for w in (1.0, 1.5, 3.0, 7.0, 12.5):
        wanted = np.array([2 / (w + 1), 2 ** (1 - w), (2 - 2 ** (2 - 2 * w)) / (2 * w - 1)])
        close(of(w), wanted, ulps=4 * (4 + w), why="powers w of rounded ratios")
    for found, text in zip(of(7.0), ("0.25", "0.015625", "0.153827"), strict=True):
        as_printed(found, text, "w = 7")
    tilted, _, sde = np.asarray(of(2.0**20), np.float64)
    below(abs(sde / tilted - 0.5), 1e-6, "half the tilted variance")


@claim(
    "LIT-05",
    "The guided flow of N(c, 1) in N(0, 2) ends at mean c phi(w), phi(1) = 1, phi(3) = 2, phi >= "
    "2 beyond and phi -> 2; from a finite T its variance is 2^(1-w) (T+1)/((T+1)^w (T+2)^(1-w))",
    of="diffx.guidance.guided_flow_law",
    source="Xia et al. 2024, arXiv:2410.18737, Theorem 2",
    grade="bounded",
    **ONLY_64,
)
def test_guided_mean_is_doubled_from_weight_three(dtype):
    phi = lambda w: float(guided_from_pure_noise(jnp.asarray(w, dtype)))
    for w, value in (
        (1.0, 1.0),
        (3.0, 2.0),
        (7.0, 2.4),
    ):  # phi of an odd weight is rational: 1, 2, 7/3, 12/5
        below(abs(phi(w) - value), 1e-12, f"phi({w:g}) = {value:g}")
    holds([phi(w) >= 2 for w in np.linspace(3.001, 200, 25)], "at least 2 beyond w = 3")
    weights = [50.0, 100.0, 200.0]
    excess = [phi(w) - 2 for w in weights]
    slope(
        weights,
        excess,
        order=1,
        constant=2,
        constant_rtol=0.04,
        why="phi(w) = 2 + 2/w + ...: it does not grow for ever",
    )
    for w, noise in ((1.5, 2.0), (3.0, 8.0), (7.0, 80.0)):
        found, T = guided_from_noise(jnp.asarray(w, dtype), jnp.asarray(noise, dtype)), noise**2
        wanted = 2 ** (1 - w) * (T + 1) / ((T + 1) ** w * (T + 2) ** (1 - w))
        close(found, np.array([wanted]), ulps=8 * (4 + w), why="powers of rounded ratios")


def guided_law(process, w):
    cond, uncond = (
        diffx.GaussianLaw(jnp.ones(1), jnp.ones(1)),
        diffx.GaussianLaw(jnp.zeros(1), jnp.full(1, 2.0)),
    )
    return diffx.guidance.guided_flow_law(process, cond, uncond, w=w)


guided_from_pure_noise = jax.jit(lambda w: guided_law(diffx.Trig(), w).mean[0])
guided_from_noise = jax.jit(lambda w, noise: guided_law(diffx.EDM(noise), w).cov)


# --- points, information, likelihood ------------------------------------------------------------


@jax.jit
def push_at_zero(t):
    """The slope at 0 of the reverse SDE's drift for data at -1 and 1, on the VP path of their
    code.
    """
    process, pair = diffx.VP(0.1, 20.0), diffx.PointSet(jnp.asarray([[-1.0], [1.0]]))
    drift = lambda x: diffx.reverse.reverse_drift(process, diffx.denoiser(process, pair), x, t)
    return jax.jacfwd(drift)(jnp.zeros(1))[0, 0]


@claim(
    "LIT-06",
    "The reverse SDE of data at -1 and 1 leaves 0 where alpha is theta_c = sqrt(sqrt 2 - 1) = "
    ".6435942529055827",
    of="diffx.reverse.reverse_drift",
    source=(
        "Raya and Ambrogioni 2023, arXiv:2305.19693, eq. (9), and the digits of their notebook "
        "1d_example"
    ),
    grade="computed law",
    **ONLY_64,
)
def test_symmetry_breaks_at_the_critical_theta(dtype):
    """Found as the root of the drift's slope, by bisection in time."""
    critical = brentq(
        lambda t: float(push_at_zero(jnp.asarray(t))), 0.1, 0.9, xtol=1e-15, rtol=1e-14
    )
    theta = float(diffx.VP(0.1, 20.0).alpha(critical))
    below(
        abs(theta - 0.6435942529055827),
        1e-12,
        "a root of a slope of size 10, in rounding of some ulps",
    )


@claim(
    "LIT-07",
    "Half a bit of a sign in Gaussian noise is left at sigma = .97869, the .187 dB of rate-1/2 "
    "codes",
    of=("diffx.likelihood.mutual_information", "diffx.likelihood.mmse_curve"),
    source=(
        "coding theory, Richardson and Urbanke 2008: the limit of rate 1/2 on the binary-input "
        "Gaussian channel"
    ),
    grade="computed law",
    **ONLY_64,
)
def test_half_a_bit_is_left_at_the_shannon_limit(dtype):
    """The level where I = 1/2, by one Newton step from the printed sigma with I' = mmse/2: from the
    real denoiser alone.
    """
    g = 0.97869**-2
    (coarse, fine), error = information_of_a_sign(*(jnp.asarray(value) for value in (*bell(65), g)))
    best = (4 * fine - coarse) / 3  # extrapolated in the step of the integral
    limit = g + (np.log(2) / 2 - float(best)) * 2 / float(error)
    as_printed(limit**-0.5, "0.97869", "sigma")
    as_printed(10 * np.log10(limit), "0.187", "energy per bit over noise at rate 1/2, in dB")


@jax.jit
def information_of_a_sign(z, w, g):
    """I at SNR g on grids of 64 and 128 steps, in nats, and the mmse there; the law is even, so
    that x_0 = 1 will do.
    """
    process, law = diffx.RectifiedFlow(), diffx.PointSet(jnp.asarray([[-1.0], [1.0]]))
    ts = process.time_of_log_snr(jnp.linspace(-18.0, jnp.log(g), 129))
    errors = diffx.likelihood.mmse_curve(
        process, diffx.denoiser(process, law), jnp.ones((65, 1)), z[:, None], ts, weights=w
    )
    return [
        diffx.likelihood.mutual_information(process, errors[::k], ts[::k], dim=1) for k in (2, 1)
    ], errors[-1]


# --- contrastive losses at their start ----------------------------------------------------------


@claim(
    "LIT-10",
    "With CLIP's first scale, 1/.07, and its batch of 32,768 the loss of random embeddings in 512 "
    "dimensions is 10.596",
    of="diffx.clip_loss",
    source=(
        "Radford et al. 2021, arXiv:2103.00020, section 2.5 (.07 and 32,768); the loss, log N + "
        "log 0F1(d/2, s^2/4): ours"
    ),
    grade="sampled",
)
def test_first_loss_of_clip_is_log_n_and_a_fifth(dtype):
    """log N alone is 10.397.  The batch is 32 copies of 1,024 = two random frames and their
    negatives: a copy adds log 2.
    """
    rng = np.random.default_rng(0)
    cast = lambda *values: tuple(jnp.asarray(value, dtype) for value in values)
    loss = lambda images, texts: float(clip(*cast(images, texts, np.log(1 / 0.07))))
    frame = lambda: np.linalg.qr(rng.standard_normal((512, 512)))[0]
    images, texts = (np.concatenate([rows, -rows]) for rows in (frame(), frame()))
    one = (
        loss(images, texts) + loss(images, -texts)
    ) / 2  # a partner is as often opposite as near: no cosine is left
    below(
        abs(one + np.log(32) - 10.596429),
        3e-4,
        "six standard deviations of a mean over random frames, 5e-5",
        false_alarm=2e-9,
    )
    few = rng.standard_normal((2, 2, 3))
    doubled = loss(*(np.concatenate([x, x]) for x in few)) - float(
        clip(*cast(*few, np.log(1 / 0.07)))
    )
    below(
        abs(doubled - np.log(2)),
        32 * 14 * float(jnp.finfo(dtype).eps),
        "a second copy of the batch adds log 2",
    )


@claim(
    "LIT-11",
    "With SigLIP's first bias, -10, and a batch of 32,768 the loss of images orthogonal to texts "
    "is 11.4876",
    of="diffx.siglip_loss",
    source=(
        "Zhai et al. 2023, arXiv:2303.15343, Algorithm 1; big_vision (t = 10, b = -10); the "
        "loss: ours"
    ),
    grade="computed law",
)
def test_first_loss_of_siglip_is_that_of_its_bias(dtype):
    """Affine in N where all cosines are 0, so that 1 and 4 rows that count tell the loss of
    32,768.
    """
    image, text = np.tile([1.0, 0.0, 0.0], (4, 1)), np.tile([0.0, 2.0, 0.0], (4, 1))
    embeddings = [jnp.asarray(value, dtype) for value in (image, text, np.log(10), -10)]
    loss = lambda n: siglip_of_pairs(*embeddings, jnp.eye(4, dtype=bool), jnp.arange(4) < n)
    wanted = np.logaddexp(0, 10) + np.array([0, 3]) * np.logaddexp(0, -10)
    found = np.array([loss(1), loss(4)])
    close(found, wanted, ulps=4, why="log(1 + e^10) + (N - 1) log(1 + e^-10)")
    if dtype == np.float64:
        as_printed(found[0] + 32767 * (found[1] - found[0]) / 3, "11.4876", "the batch of 32,768")


# --- samplers -----------------------------------------------------------------------------------


@claim(
    "LIT-15",
    "Without its noise DDPM collapses the lecture's spiral of 100 points to a place .107 from "
    "their mean",
    of="diffx.ddpm",
    source=(
        "Welch Labs and 3Blue1Brown, the lecture on diffusion, for the collapse; the numbers: ours"
    ),
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=(
        "1000 steps through unstable points: which point a path ends on depends on the last digits"
    ),
)
def test_lectured_spiral_collapses_without_noise(dtype):
    """Ho's chain, 64 paths: the points nearest to the mean are .107 away, and so are all ends."""
    points = np.asarray(spiral(100))
    chain = diffx.DDPMChain(diffx.processes.linear_betas())
    sampler = diffx.ddpm(chain, diffx.denoiser(chain, diffx.PointSet(jnp.asarray(points))))
    start = jnp.asarray(np.random.default_rng(0).standard_normal((64, 2)))
    end = np.asarray(diffx.fold(sampler, start, diffx.uniform(1000))[0])
    away = lambda x: np.linalg.norm(x - points.mean(0), axis=-1)
    as_printed(away(points).min(), "0.107", "the nearest point to the mean")
    for value in (away(end).min(), away(end).max()):
        below(abs(value - 0.107), 1e-3, "and every path ends as far from the mean")
    below(end.var(0).sum() / points.var(0).sum(), 1e-4, "the spread is gone")


@claim(
    "LIT-16",
    "On SYN-256, whose variances 1/k^2 sum to 1.641035436, DDPM without its noise misses the data "
    "by 1.27486 in any number of steps",
    of=("diffx.ddpm", "diffx.w2"),
    source=(
        "derived here: without noise DDPM gives E[x_0 | x_T], whatever the steps; the numbers: here"
    ),
    grade="computed law",
    **ONLY_64,
)
def test_golden_spectrum_is_missed_by_the_same_without_noise(dtype):
    """1.281029 is the distance to a point; REV-41 holds what the samplers with their noise miss."""
    variances = 1 / np.arange(1.0, 257) ** 2
    as_printed(variances.sum(), "1.641035436", "the sum")
    process, data = diffx.VP(0.1, 20.0), diffx.GaussianLaw(jnp.zeros(256), jnp.asarray(variances))
    point = diffx.GaussianLaw(jnp.zeros(256), jnp.zeros(256))
    as_printed(diffx.w2(point, data), "1.281029", "from a point")
    sampler = diffx.ddpm(process, diffx.denoiser(process, data))
    for n in (1, 10):
        gain = diffx.fold(sampler, jnp.ones(256), diffx.uniform(n, t_min=1e-3))[
            0
        ]  # from N(0, I), each axis by itself
        as_printed(
            diffx.w2(diffx.GaussianLaw(jnp.zeros(256), gain**2), data),
            "1.27486",
            f"after {n} steps",
        )
