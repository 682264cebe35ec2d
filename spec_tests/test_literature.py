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
| SYN-256, ours | without noise 1.27486; REV-22 holds the samplers | LIT-16 |
"""

from decimal import Decimal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import diffx
from diffx.data.spirals import spiral
from spec_tests.close import below, close, holds, slope
from spec_tests.registry import claim
from spec_tests.test_contrastive import clip, siglip_of_pairs
from spec_tests.test_grid import precision
from spec_tests.test_information import bell

LIN = "Lin et al. 2024, arXiv:2305.08891"
ONLY_64 = {
    "dtypes": ("float64",),
    "why_dtypes": "printed digits, more than float32 keeps on the way to them",
}


def as_printed(value: Any, text: str, what: str):
    """The value rounds to the printed text: it is within half a unit of the last digit there."""
    unit = 10.0 ** int(Decimal(text).as_tuple().exponent)
    below(
        abs(float(value) - float(text)) / unit,
        0.5,
        f"{what}: {text} as printed, in units of its last digit",
    )


# --- schedules and grids ------------------------------------------------------------------------


@claim(
    "LIT-01",
    "the terminal SNRs of Lin's Table 1 come out to the last digit, those of the cosine schedule "
    "to the fifth: theirs has "
    "float32 error, 2.428735e-09 for 2.428767e-09",
    of=(
        *(
            f"diffx.processes.{name}"
            for name in ("alpha_bar", "linear_betas", "scaled_linear_betas", "cosine_betas")
        ),
        "diffx.DDPMChain",
    ),
    source=f"{LIN}, Table 1 and eq. (10)",
    **ONLY_64,
)
def test_terminal_snrs_are_those_in_print(dtype):
    table = (
        (diffx.processes.linear_betas(), "4.035993e-05", "0.006353"),
        (diffx.processes.scaled_linear_betas(), "0.004682", "0.068265"),
        (diffx.processes.cosine_betas(), "2.428767e-09", "4.928252e-05"),
    )
    for betas, snr, root in table:
        bar = float(diffx.processes.alpha_bar(betas)[-1])
        as_printed(bar / (1 - bar), snr, "SNR(T)")
        as_printed(np.sqrt(bar), root, "sqrt(alphabar_T)")
    for ours, theirs in ((2.428767e-09, 2.428735e-09), (4.928252e-05, 4.928220e-05)):
        holds(
            5e-6 < abs(theirs / ours - 1) < 5e-5,
            "five digits agree, the sixth does not",
            abs(theirs / ours - 1),
            5e-5,
        )
    stable = diffx.DDPMChain(diffx.processes.scaled_linear_betas())
    as_printed(stable.alpha(1.0), "0.068265", "x_T has this much of x_0")
    as_printed(stable.sigma(1.0), "0.997667", "and this much of eps")


@claim(
    "LIT-02",
    "ten steps of a thousand are those of Lin's Table 2, for leading, linspace and trailing",
    of=tuple(f"diffx.grids.{name}" for name in ("leading", "linspace", "trailing")),
    source=f"{LIN}, Table 2",
)
def test_ten_steps_of_a_thousand_are_those_in_print(dtype):
    table = {
        diffx.grids.leading: "1 101 201 301 401 501 601 701 801 901",
        diffx.grids.linspace: "1 112 223 334 445 556 667 778 889 1000",
        diffx.trailing: "100 200 300 400 500 600 700 800 900 1000",
    }
    with precision(dtype):
        for grid, row in table.items():
            steps = (
                1000 * np.asarray(grid(10), np.float64)[-2::-1]
            )  # rising, without the 0 at the end
            wanted = np.array(row.split(), np.float64)
            close(
                steps.astype(dtype),
                wanted,
                ulps=4,
                why="i/1000 is rounded once, its product with 1000 again",
            )


@claim(
    "LIT-03",
    "two signs in print are wrong by their own conventions: at zero SNR v = -x0; on the straight "
    "path eps = x + (1 - sigma) u",
    of=("diffx.predictions.v_of_x0", "diffx.predictions.eps_of_velocity"),
    source=f"{LIN}, section 3.2 after eq. (11), has v_T = x_0; Wan-Video/Wan2.1, "
    "wan/utils/fm_solvers.py and fm_solvers_unipc.py, have "
    "epsilon = sample - (1 - sigma_t) * model_output",
)
def test_signs_of_lin_and_wan_are_turned(dtype):
    x0, eps, t = np.array([0.75, -2.0, 1.5]), np.array([-0.5, 1.25, 0.375]), 0.375
    cast = lambda value: jnp.asarray(value, dtype)
    close(
        diffx.predictions.v_of_x0(diffx.Trig(), cast(eps), cast(x0), cast(1.0)),
        -x0,
        ulps=4,
        why="alpha = 0: v = 0 eps - 1 x0",
    )
    x, u = (1 - t) * x0 + t * eps, eps - x0
    close(
        diffx.predictions.eps_of_velocity(diffx.RectifiedFlow(), cast(x), cast(u), cast(t)),
        eps,
        ulps=8,
        scale=4,
        why="x + (1 - t) u",
    )
    close(
        cast(x) - (1 - t) * cast(u),
        eps - 2 * (1 - t) * u,
        ulps=8,
        scale=4,
        why="their line is off by twice (1 - t) u",
    )
    holds(x - t * u == x0, "while x0 = x - t u, their other branch, has the right sign")


@claim(
    "LIT-08",
    "Karras' 18 levels are 80, 57.586, 40.786, ... .00753, .002, 0, and Heun's method uses 35 = 2N "
    "- 1 answers on them",
    of=("diffx.karras", "diffx.heun", "diffx.samplers.heun_step"),
    source=(
        "Karras et al. 2022, arXiv:2206.00364, eq. (5), abstract (35 evaluations); NVlabs/edm, "
        "README (18 steps, NFE = 35)"
    ),
    **ONLY_64,
)
def test_eighteen_levels_take_thirty_five_evaluations(dtype):
    """Each answer gets a nudge of its own; those that move the state were used. The 36th is asked
    for and not used.
    """
    process, levels = diffx.EDM(80.0), ("80", "57.586", "40.786", "28.375", "19.352")
    ts = diffx.karras(process, 18)
    sigmas = 80 * np.asarray(ts)
    holds(len(sigmas) == 19, "18 levels, then 0")
    for sigma, text in zip(
        (*sigmas[:5], *sigmas[-3:]), (*levels, "0.00753", "0.002", "0"), strict=True
    ):
        as_printed(sigma, text, "sigma_i")
    moved = np.asarray(answers_that_count(ts[:-1], ts[1:]))
    holds(moved.shape == (18, 2), "two answers a step are asked for: 36 calls")
    holds(np.count_nonzero(moved) == 35, "evaluations that are used", np.count_nonzero(moved), 35)
    holds(moved[-1, 1] == 0, "the last step is Euler's: its second answer is not used")


@jax.jit
@jax.vmap
def answers_that_count(t, s):
    """d state/d nudge_k of one step of Heun's method whose k-th call of the denoiser adds nudge k
    to its answer.
    """
    return jax.jacfwd(lambda nudges: step_of_heun(nudges, t, s))(jnp.zeros(2))


def step_of_heun(nudges, t, s):
    asked = iter(range(len(nudges)))  # a third call would end the trace

    def denoise(x, t):
        return x / (1 + (80 * t) ** 2) + nudges[next(asked)]

    sampler = diffx.heun(diffx.EDM(80.0), jax.tree_util.Partial(denoise))
    state, _ = sampler.step(sampler.init(jnp.asarray(1.5)), t, s, None)
    assert next(asked, None) is None, "fewer calls than nudges"
    return state.x


@claim(
    "LIT-12",
    "Stable Diffusion 3's shift of 3 takes the middle to .75, and WAN's 50 steps begin at 1, "
    ".995935, .991736",
    of=("diffx.time_shift", "diffx.flow_matching.flow_grid"),
    source=(
        "Esser et al. 2024, arXiv:2403.03206, eq. (23); Wan-Video/Wan2.1, "
        "wan/utils/fm_solvers.py (get_sampling_sigmas)"
    ),
)
def test_shifts_of_sd3_and_wan_are_theirs(dtype):
    with precision(dtype):
        as_printed(diffx.time_shift(jnp.asarray(0.5, dtype), 3.0), "0.75", "3 (1/2)/(1 + 2 (1/2))")
        for found, text in zip(
            diffx.flow_matching.flow_grid(diffx.flow_matching.WAN["t2v"]),
            ("1", "0.995935", "0.991736"),
            strict=False,
        ):
            as_printed(found, text, "5u/(1 + 4u)")


@claim(
    "LIT-13",
    "a time drawn uniformly has log-SNR density sech^2(l/4)/8 on the straight path and "
    "sech(l/2)/(2 pi) on the cosine one",
    of="diffx.processes.log_snr_density",
    source="Kingma and Gao 2023, arXiv:2303.00848",
)
def test_log_snr_densities_are_the_two_in_print(dtype):
    l = np.linspace(-12, 12, 49)
    for process, wanted in (
        (diffx.RectifiedFlow(), 1 / np.cosh(l / 4) ** 2 / 8),
        (diffx.Trig(), 1 / np.cosh(l / 2) / (2 * np.pi)),
    ):
        found = diffx.processes.log_snr_density(process, jnp.asarray(l, dtype))
        size = wanted * (1 + np.abs(l)) + (l < 0)  # sigmoid' = y (1 - y) knows 1 - y to an ulp of 1
        close(found, wanted, ulps=16, scale=size, why="exp of a rounded l, in a product")


@claim(
    "LIT-14",
    "for data of variance 1 the equal-angle grid is kl_optimal's: sigma = tan((1 - u) atan "
    "sigma_max + u atan sigma_min)",
    of="diffx.grids.equal_angle",
    source=(
        "Sabour et al. 2024, arXiv:2404.14507, Theorem 3.1; kl_optimal_scheduler of ComfyUI, "
        "comfy/samplers.py"
    ),
)
def test_equal_angles_are_kl_optimal_at_variance_one(dtype):
    high, low, n = 14.625, 0.03125, 12
    process = diffx.EDM(jnp.asarray(high, dtype))
    ends = {"t_max": jnp.asarray(1, dtype), "t_min": jnp.asarray(low / high, dtype)}
    u = np.arange(n + 1) / n
    angle = (1 - u) * np.arctan(high) + u * np.arctan(low)
    found = process.sigma(diffx.grids.equal_angle(process, n, std=jnp.asarray(1, dtype), **ends))
    sigma = np.tan(angle)
    size = sigma + 2 * (1 + sigma**2)  # an angle of at most pi/2 is rounded, and tan' = 1 + tan^2
    close(
        found,
        sigma,
        ulps=4,
        scale=size,
        why="the tangent of a rounded angle, through a logarithm and back",
    )


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
    "guided samplers of N(0, 1) in N(0, 2) have variance 2^(1-w) and (2 - 2^(2-2w))/(2w-1), the "
    "tilted law 2/(w+1): "
    ".015625, .153827 and .25 at w = 7, and for large w the SDE's is half the tilted one, not "
    "twice",
    of=tuple(
        f"diffx.guidance.{name}" for name in ("tilted_law", "guided_flow_law", "guided_sde_law")
    ),
    source=(
        "Bradley and Nakkiran 2024, arXiv:2408.09000, section 3.1 (version 2 says twice where "
        "its formula says half)"
    ),
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
    "the guided flow of N(c, 1) in N(0, 2) ends at mean c phi(w), phi(1) = 1, phi(3) = 2, phi >= 2 "
    "beyond and phi -> 2; "
    "from a finite T its variance is 2^(1-w) (T+1)/((T+1)^w (T+2)^(1-w))",
    of="diffx.guidance.guided_flow_law",
    source="Xia et al. 2024, arXiv:2410.18737, Theorem 2",
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
    "the reverse SDE of data at -1 and 1 lets go of 0 where alpha is theta_c = sqrt(sqrt 2 - 1) = "
    ".6435942529055827",
    of="diffx.reverse.reverse_drift",
    source=(
        "Raya and Ambrogioni 2023, arXiv:2305.19693, eq. (9), and the digits of their notebook "
        "1d_example"
    ),
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
    "half a bit of a sign in Gaussian noise is left at sigma = .97869, the .187 dB of rate-1/2 "
    "codes",
    of=("diffx.likelihood.mutual_information", "diffx.likelihood.mmse_curve"),
    source=(
        "coding theory, Richardson and Urbanke 2008: the limit of rate 1/2 on the binary-input "
        "Gaussian channel"
    ),
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


@claim(
    "LIT-09",
    "Ho's chain of 1000 steps ends 7.3e-6 bits a dimension from its prior for data of mean square "
    ".252: their 1e-5",
    of=("diffx.likelihood.prior_kl", "diffx.processes.linear_betas"),
    source=(
        "Ho et al. 2020, arXiv:2006.11239, section 4: L_T is about 1e-5 bits a dimension; the "
        "mean square: ours"
    ),
)
def test_ends_of_the_chain_of_ho_cost_a_hundred_thousandth_of_a_bit(dtype):
    """L_T/d = alphabar_T E x0^2/(2 log 2): at most 2.9e-5, for pixels of -1 and 1."""
    with precision(dtype):
        chain, shape = diffx.DDPMChain(diffx.processes.linear_betas()), (1, 4)
        bits = lambda square: (
            float(diffx.likelihood.prior_kl(chain, jnp.full(shape, square**0.5, dtype))[0])
            / (4 * np.log(2))
        )
        as_printed(bits(0.252), "7.3e-6", "L_T in bits a dimension")
        holds(round(np.log10(bits(0.252))) == -5, "of the order of 1e-5")
        as_printed(bits(1.0), "2.9e-5", "at most")


# --- contrastive losses at their start ----------------------------------------------------------


@claim(
    "LIT-10",
    "with CLIP's first scale, 1/.07, and its batch of 32,768 the loss of random embeddings in 512 "
    "dimensions is 10.596",
    of="diffx.clip_loss",
    source=(
        "Radford et al. 2021, arXiv:2103.00020, section 2.5 (.07 and 32,768); the loss, log N + "
        "log 0F1(d/2, s^2/4): ours"
    ),
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
    "with SigLIP's first bias, -10, and a batch of 32,768 the loss of images orthogonal to texts "
    "is 11.4876",
    of="diffx.siglip_loss",
    source=(
        "Zhai et al. 2023, arXiv:2303.15343, Algorithm 1; big_vision (t = 10, b = -10); the "
        "loss: ours"
    ),
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
    "without its noise DDPM collapses the lecture's spiral of 100 points to a place .107 from "
    "their mean",
    of="diffx.ddpm",
    source=(
        "Welch Labs and 3Blue1Brown, the lecture on diffusion, for the collapse; the numbers: ours"
    ),
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
    "on SYN-256, variances 1/k^2 of sum 1.641035436, DDPM without its noise misses the data by "
    "1.27486 in any number of steps",
    of=("diffx.ddpm", "diffx.w2"),
    source=(
        "derived here: without noise DDPM gives E[x_0 | x_T], whatever the steps; the numbers: here"
    ),
    **ONLY_64,
)
def test_golden_spectrum_is_missed_by_the_same_without_noise(dtype):
    """1.281029 is the distance to a point; REV-22 holds what the samplers with their noise miss."""
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
