"""Numbers in print about schedules, grids and chains."""

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.support.arrays import precision
from spec_tests.support.literature import ONLY_64, as_printed

LIN = "Lin et al. 2024, arXiv:2305.08891"


# --- schedules and grids ------------------------------------------------------------------------


@claim(
    "LIT-01",
    "The terminal SNRs of Lin's Table 1 come out to the last digit, those of the cosine schedule "
    "to the fifth: the printed ones have float32 error, 2.428735e-09 for 2.428767e-09",
    of=(
        *(
            f"diffx.processes.{name}"
            for name in ("alpha_bar", "linear_betas", "scaled_linear_betas", "cosine_betas")
        ),
        "diffx.DDPMChain",
    ),
    source=f"{LIN}, Table 1 and eq. (10)",
    grade="computed law",
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
    "Ten steps of a thousand are those of Lin's Table 2, for leading, linspace and trailing",
    of=tuple(f"diffx.grids.{name}" for name in ("leading", "linspace", "trailing")),
    source=f"{LIN}, Table 2",
    grade="identity",
)
def test_ten_steps_of_a_thousand_are_those_in_print(dtype):
    table = {
        diffx.grids.leading: "1 101 201 301 401 501 601 701 801 901",
        diffx.grids.linspace: "1 112 223 334 445 556 667 778 889 1000",
        diffx.trailing: "100 200 300 400 500 600 700 800 900 1000",
    }
    with precision(dtype):
        for grid, row in table.items():
            # rising, without the 0 at the end
            steps = 1000 * np.asarray(grid(10), np.float64)[-2::-1]
            wanted = np.array(row.split(), np.float64)
            close(
                steps.astype(dtype),
                wanted,
                ulps=4,
                why="i/1000 is rounded once, its product with 1000 again",
            )


@claim(
    "LIT-03",
    "Two signs in print are wrong by their own conventions: at zero SNR v = -x0; on the straight "
    "path eps = x + (1 - sigma) u",
    of=("diffx.predictions.v_of_x0", "diffx.predictions.eps_of_velocity"),
    source=f"{LIN}, section 3.2 after eq. (11), has v_T = x_0; Wan-Video/Wan2.1, "
    "wan/utils/fm_solvers.py and fm_solvers_unipc.py, have "
    "epsilon = sample - (1 - sigma_t) * model_output",
    grade="identity",
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
    "Karras' 18 levels are 80, 57.586, 40.786, ... .00753, .002, 0, and Heun's method uses 35 = "
    "2N - 1 evaluations on them",
    of=("diffx.karras", "diffx.heun", "diffx.samplers.heun_step"),
    source=(
        "Karras et al. 2022, arXiv:2206.00364, eq. (5), abstract (35 evaluations); NVlabs/edm, "
        "README (18 steps, NFE = 35)"
    ),
    grade="computed law",
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
    grade="computed law",
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
    "A time drawn uniformly has log-SNR density sech^2(l/4)/8 on the straight path and "
    "sech(l/2)/(2 pi) on the cosine one",
    of="diffx.processes.log_snr_density",
    source="Kingma and Gao 2023, arXiv:2303.00848",
    grade="identity",
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
    "For data of variance 1 the equal-angle grid is that of kl_optimal: sigma = tan((1 - u) atan "
    "sigma_max + u atan sigma_min)",
    of="diffx.grids.equal_angle",
    source=(
        "Sabour et al. 2024, arXiv:2404.14507, Theorem 3.1; kl_optimal_scheduler of ComfyUI, "
        "comfy/samplers.py"
    ),
    grade="identity",
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


@claim(
    "LIT-09",
    "Ho's chain of 1000 steps ends 7.3e-6 bits per dimension from its prior for data of mean "
    "square .252, which they print as 1e-5",
    of=("diffx.likelihood.prior_kl", "diffx.processes.linear_betas"),
    source=(
        "Ho et al. 2020, arXiv:2006.11239, section 4: L_T is about 1e-5 bits a dimension; the "
        "mean square: ours"
    ),
    grade="computed law",
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
