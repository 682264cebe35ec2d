"""Numerics: what float32 keeps. float64 runs too, and has to be as good in its own ulps."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

import diffx
from diffx import predictions
from diffx.denoisers import denoiser, points_denoise
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.point_set import PointSet
from diffx.processes.betas import alpha_bar, cosine_betas, linear_betas
from diffx.processes.ddpm_chain import DDPMChain
from diffx.reverse import posterior
from diffx.samplers.ddim import ddim, ddim_eta_step
from diffx.samplers.protocol import State
from diffx.samplers.run import fold
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import chains
from spec_tests.oracles.paths import evaluate
from spec_tests.support import strategies as st_
from spec_tests.support.guidance import D
from spec_tests.support.level import level
from spec_tests.support.paths import PROCESSES, edm, oracle, rectified_flow, sub_vp, trig, ve, vp
from spec_tests.support.schedules import CLASSES, LOG1P, log_snrs, paths_at, transitions


@claim(
    "NUM-01",
    "sigma keeps all its digits down to t = 1e-7, where 1 - exp(-B) has lost every one",
    of=("diffx.VP", "diffx.SubVP"),
    source=(
        "measured in float32: 1 - exp(-B) is off by 2e-4 at B = 1e-4 and by 100% at B = 3e-8, "
        "expm1 by 3e-8"
    ),
    grade="identity",
)
@given(ts=st_.arrays(8, st_.log_uniform(1e-6, 1.0)))
def test_sigma_of_vp_loses_nothing_at_small_times(dtype, ts):
    """s^2 = -expm1(-B), never 1 - exp(-B): within 8 ulps for t in [1e-7, 1]."""
    ts = ts * np.where(np.arange(8) % 2, 1.0, 2.0**-3)
    for make in (vp, sub_vp):
        sigma = paths_at(make(), jnp.asarray(ts, dtype))[1]
        close(
            sigma,
            oracle(make).sigma(ts),
            ulps=8,
            why=f"{make.__name__}: an elementwise formula without cancellation",
        )


@claim(
    "NUM-02",
    "The log-SNR increment between neighbours among 1000 steps keeps its digits, and alpha^2 = "
    "sigmoid(l), sigma^2 = sigmoid(-l)",
    of=("diffx.transition", *CLASSES),
    source=(
        "measured in float32 at N = 1000: the closed form is off by 2.4e-7, a difference of two "
        "log-SNRs by 1.1e-4"
    ),
    grade="identity",
)
def test_log_snr_increment_keeps_the_digits_of_a_small_step(dtype):
    """1 - sigmoid(20) = 0 in float32, sigmoid(-20) = 2.061e-9; the closed-form increment, never a
    difference of two l's.
    """
    nodes = np.array([*range(1, 8), *range(97, 900, 73), *range(993, 1000)], np.float64)
    t, s = ((nodes + k) * 2.0**-10 for k in (1, 0))  # exact in float32
    for make in PROCESSES:
        path = oracle(make)
        got, step = transitions(make(), jnp.asarray(t, dtype), jnp.asarray(s, dtype))
        power = 1 + np.log1p(path.sigma(t) / 0.03) * (make is ve)  # r^(2t) is rounded by 2 t log r
        close(
            step,
            path.log_snr_step(t, s),
            ulps=12 * LOG1P[dtype.name],
            scale=np.abs(path.log_snr_step(t, s)) * power,
            why=make.__name__,
        )
        wanted = path.transition(t, s)[1]
        close(
            got.sigma,
            wanted,
            ulps=12 * LOG1P[dtype.name],
            scale=wanted * power,
            why=f"{make.__name__}: sigma_(t|s)",
        )
        zero = transitions(make(), jnp.asarray(t, dtype), jnp.asarray(0 * s, dtype))[1]
        holds(
            np.asarray(zero) == -np.inf,
            f"{make.__name__}: from data the increment is infinite, not NaN",
        )
    l = np.array([-6.0, -2.0, 0.0, 4.0, 12.0, 20.0])
    for make in (vp, trig):
        given = l[1:] if make is vp else l  # alpha(1) = 0.046: beyond l = -6.15 there is no time
        alpha, sigma = paths_at(
            make(), log_snrs(make(), jnp.ones(6, dtype), jnp.asarray(given, dtype))[1]
        )
        size = 1 + np.abs(given)
        close(
            alpha,
            1 / np.sqrt(1 + np.exp(-given)),
            ulps=8,
            scale=size / np.sqrt(1 + np.exp(-given)),
            why=f"{make.__name__}: alpha^2 = sigmoid(l)",
        )
        close(
            sigma,
            1 / np.sqrt(1 + np.exp(given)),
            ulps=8,
            scale=size / np.sqrt(1 + np.exp(given)),
            why=f"{make.__name__}: sigma^2 = sigmoid(-l)",
        )


@jax.jit
def posteriors(process, t, s):
    return jax.vmap(lambda t, s: posterior(process, t, s))(t, s)


@jax.jit
def ddim_coefficients(process, t, s, eta):
    """What multiplies x, x0 and z in the coded step, one at a time."""

    def one(t, s):
        def step(x, x0, z):
            return ddim_eta_step(
                State(x), t, s, z, process=process, denoise=lambda x, t: x0, eta=eta
            )[0].x

        one, zero = jnp.ones(1, t.dtype), jnp.zeros(1, t.dtype)
        return step(one, zero, zero)[0], step(zero, zero, one)[0]

    return jax.vmap(one)(t, s)


@claim(
    "NUM-04",
    "Posterior and DDIM coefficients keep their digits in small steps, through expm1 of the "
    "log-SNR increment",
    of=("diffx.posterior", "diffx.samplers.ddim_eta_step"),
    source="at h = 1e-4 exp(h) - 1 is off by 1.2e-4 in float32, expm1 by 4e-8",
    grade="identity",
)
def test_coefficients_of_small_steps_keep_their_digits(dtype):
    """of_x0 = alpha_s fresh, sigma = sigma_s sqrt(fresh), fresh = 1 - SNR_t/SNR_s; t and s at least
    8 ulps apart.
    """
    t = np.repeat([0.125, 0.5, 0.875], 5)
    s = t * (1 - np.tile([2.0**-20, 2.0**-14, 2.0**-9, 2.0**-4, 0.5], 3))
    eta = 0.75
    for make in (vp, ve, edm, rectified_flow, trig):
        path = oracle(make)

        def fresh(a, b, path=path):
            return 1 - path.exact_variance(b) / path.exact_alpha(b) ** 2 * path.exact_alpha(
                a
            ) ** 2 / path.exact_variance(a)

        def kept(a, b, path=path, fresh=fresh):
            return (
                path.exact_variance(b) / path.exact_variance(a) * (1 - fresh(a, b) * 9 / 16)
            ).sqrt()

        share, alpha_s, sigma_s = evaluate(fresh, t, s), path.alpha(s), path.sigma(s)
        of_x = path.alpha(t) / alpha_s * (sigma_s / path.sigma(t)) ** 2
        power = (1 + np.log1p(path.sigma(t) / 0.03)) * LOG1P[dtype.name]
        ends = jnp.asarray(t, dtype), jnp.asarray(s, dtype)
        got = posteriors(make(), *ends)
        for name, value, wanted in (
            ("of_x", got.of_x, of_x),
            ("of_x0", got.of_x0, alpha_s * share),
            ("sigma", got.sigma, sigma_s * np.sqrt(share)),
        ):
            close(
                value,
                wanted,
                ulps=16,
                scale=wanted * power,
                why=f"{make.__name__}: {name} is a product of exact factors",
            )
        of_x, of_z = ddim_coefficients(make(), *ends, jnp.asarray(eta, dtype))
        wanted = evaluate(kept, t, s)
        close(
            of_x,
            wanted,
            ulps=16,
            scale=wanted * power,
            why=f"{make.__name__}: what DDIM keeps of x",
        )
        wanted = eta * sigma_s * np.sqrt(share)
        close(
            of_z,
            wanted,
            ulps=16,
            scale=wanted * power,
            why=f"{make.__name__}: the fresh noise of DDIM",
        )


@jax.jit
def points_at(law, x, t):
    return points_denoise(edm(), law, x, t)


@jax.jit
def points_slope(law, x, t):
    return jax.jacrev(lambda x: points_denoise(edm(), law, x, t))(x)


@claim(
    "NUM-05",
    "The point-set denoiser survives logits of -5e9, resolves points 1e-3 apart far from 0, and "
    "has finite gradients at ties",
    of="diffx.denoisers.points_denoise",
    source=(
        "log-sum-exp; |x|^2 + |y|^2 - 2xy loses every digit at sigma = 1e-3 in float32, direct "
        "differences none"
    ),
    grade="identity",
)
@given(z=st_.normals(100), seed=st_.seeds())
def test_point_set_denoiser_is_exact_at_low_noise(dtype, z, seed):
    """sigma = 2^-10, d = 100, 130 points in 3 chunks."""
    sigma, t = 2.0**-10, jnp.asarray(2.0**-10 / 40, dtype)
    sigma = float(np.asarray(t, np.float64)) * 40
    rng = np.random.default_rng(seed)
    far = rng.integers(-(2**12), 2**12, (130, 100)) * 2.0**-10
    centre = 5.0 + far[0] * 0
    # neighbours one sigma apart
    near = centre + rng.integers(0, 2, (130, 100)) * np.eye(130, 100) * 2.0**-10
    for points, x in (
        (far, far[77] + np.round(z) * 2.0**-10),
        (far, far[0] + 8.0),
        (near, centre + np.round(z) * 2.0**-10),
    ):
        got = points_at(PointSet(jnp.asarray(points, dtype)), jnp.asarray(x, dtype), t)
        close(
            got,
            of_points(points, x, sigma),
            ulps=32,
            scale=8.0,
            why="130 points of size 8; logits below 100 are exact to 1e-5",
        )
    pair = PointSet(jnp.asarray([[1.0, 0.0], [-1.0, 0.0]], dtype))
    for half in (0.25, 1.0, 2.0**-10):
        slope = points_slope(pair, jnp.zeros(2, dtype), jnp.asarray(half / 40, dtype))
        wanted = (
            np.array([[1.0, 0.0], [0.0, 0.0]]) / (40 * float(np.asarray(half / 40, dtype))) ** 2
        )
        close(
            slope,
            wanted,
            ulps=16,
            scale=wanted.max(),
            why="at a tie the derivative is Cov/sigma^2, finite",
        )
    same = PointSet(jnp.asarray([[1.0, 2.0]] * 3, dtype))
    holds(
        np.asarray(points_slope(same, jnp.ones(2, dtype), t)) == 0, "equal points: no slope, no NaN"
    )


def of_points(points, x, sigma):
    """The softmax average with logits from direct differences, in float64."""
    logits = -((x - points) ** 2).sum(1) / (2 * sigma**2)
    shares = np.exp(logits - logits.max())
    return shares @ points / shares.sum()


@jax.jit
def ddim_of_gaussian(process, law, x, ts):
    return fold(ddim(process, denoiser(process, law)), x, ts)[0]


@claim(
    "NUM-08",
    "A DDIM sampler of N steps is accurate to (16 + N/8) ulps in float32",
    of=("diffx.ddim", "diffx.samplers.ddim_step"),
    source="measured: 2, 3 and 23 ulps at N = 10, 100, 1000",
    grade="computed law",
    dtypes=("float32",),
    why_dtypes="the claim is how far float32 lies from the closed form in float64",
)
def test_ddim_in_float32_is_within_its_tolerance_model(dtype):
    """Affine samplers: eps (16 + N/8) against the product of cosines, at N = 10, 100, 1000."""
    variances = np.array([2.0**-10, 0.0625, 0.25, 0.75, 1.0, 4.0, 64.0])
    mean = np.array([0.5, -2.0, 0.0, 1.0, -0.25, 3.0, -1.0])
    x = np.array([1.5, -0.5, 0.25, -1.0, 2.0, 0.75, -1.25])
    law = GaussianLaw(jnp.asarray(mean, dtype), jnp.asarray(variances, dtype))
    path = oracle(vp)
    for n in (10, 100, 1000):
        ts = np.linspace(1, 2.0**-10, n + 1).astype(np.float32).astype(np.float64)
        alpha, sigma = path.alpha(ts), path.sigma(ts)
        got = ddim_of_gaussian(vp(), law, jnp.asarray(x, dtype), jnp.asarray(ts, dtype))
        angles = np.arctan2(sigma, alpha * np.sqrt(variances)[:, None])
        spread = np.sqrt(alpha[:, None] ** 2 * variances + sigma[:, None] ** 2)
        gain = spread[-1] / spread[0] * np.prod(np.cos(np.diff(angles)), axis=1)
        wanted = alpha[-1] * mean + gain * (x - alpha[0] * mean)
        size = np.abs(alpha[-1] * mean) + np.abs(gain) * (np.abs(x) + np.abs(alpha[0] * mean))
        close(
            got,
            wanted,
            ulps=16 + n / 8,
            scale=size,
            why=f"{n} steps, each of a few roundings that mostly average out",
        )


CONVERSIONS = tuple(
    f"{wanted}_of_{given}"
    for wanted in ("x0", "eps")
    for given in ("x0", "eps", "v")
    if wanted != given
)


@jax.jit
def converted(process, x, values, t):
    """The conversions of CONVERSIONS, and the derivative of each in what is given."""
    found = {}
    for name in CONVERSIONS:
        function = lambda value, name=name: getattr(predictions, name)(process, x, value, t)
        found[name] = jax.jvp(
            function, (values[name[name.index("_of_") + 4 :]],), (jnp.ones_like(x),)
        )
    return found


@claim(
    "NUM-06",
    "x0 from eps multiplies an error of eps by sigma/alpha, eps from x0 by alpha/sigma, and "
    "either from v by no more than 1",
    of=tuple(f"diffx.predictions.{name}" for name in CONVERSIONS),
    source=(
        "the last node of Ho's linear schedule: 157; of the cosine schedule: 2e4; sigma = 1e-4: 1e4"
    ),
    grade="identity",
)
def test_conversions_amplify_by_the_noise_to_signal_ratio(dtype):
    """The derivative is the ratio; and rounding of the inputs comes out as ulps of that ratio, no
    less and no more.
    """
    chain = jax.jit(lambda betas: (DDPMChain(betas).alpha(1.0), DDPMChain(betas).sigma(1.0)))
    for betas, printed in ((linear_betas(), 157.4), (cosine_betas(), 2.029e4)):
        alpha, sigma = (float(v) for v in chain(betas.astype(dtype)))
        holds(
            abs(sigma / alpha / printed - 1) < 2e-3,
            "the printed amplification",
            sigma / alpha,
            printed,
        )
    rng = np.random.default_rng(6)
    x0, eps = (rng.standard_normal(64).astype(np.float32).astype(np.float64) for _ in range(2))
    for a in (1 / 157.4, 1 / 2.029e4, 0.6, 1 - 5e-9):
        a = float(np.float32(a))
        s = float(np.float32(np.sqrt(max(1 - a**2, 1e-8))))
        process, t = level(a, s, dtype)
        exact = {"x0": x0, "eps": eps, "v": a * eps - s * x0}
        given_ = {name: jnp.asarray(value, dtype) for name, value in exact.items()}
        x = jnp.asarray(a * x0 + s * eps, dtype)
        norm = a**2 + s**2
        ratios = {
            "x0_of_eps": -s / a,
            "x0_of_v": -s / norm,
            "eps_of_x0": -a / s,
            "eps_of_v": a / norm,
        }
        for name, (value, slope) in converted(process, x, given_, t).items():
            ratio = ratios[name]
            close(slope, np.full(64, ratio), ulps=8, why=f"{name}: what it multiplies an error by")
            size = (1 + abs(ratio)) * (np.abs(x0) + np.abs(eps)) + np.abs(x0 + eps) * 0
            wanted = exact[name[: name.index("_of_")]]
            close(
                value,
                wanted,
                ulps=4,
                scale=size,
                why=f"{name}: ulps of the inputs times max(1, ratio)",
            )
            worst = np.abs(np.asarray(value, np.float64) - wanted).max() / float(
                jnp.finfo(dtype).eps
            )
            holds(
                abs(ratio) < 100 or worst > abs(ratio) / 16,
                f"{name}: the amplification is real",
                worst,
                abs(ratio),
            )
            holds(
                not name.endswith("_v") or abs(ratio) <= 1 + 1e-6,
                "v is the stable branch at both ends",
            )


@jax.jit
def chain_sums(betas):
    n = betas.shape[0]
    return alpha_bar(betas), DDPMChain(betas).sigma(
        jnp.asarray([1.0, 2.0, 10.0, n], betas.dtype) / n
    )


@claim(
    "NUM-09",
    "alphabar of 1000 betas keeps its digits, and so does sigma of the first nodes, where 1 - "
    "alphabar has lost three",
    of=("diffx.processes.alpha_bar", "diffx.DDPMChain"),
    source=(
        "measured in float32: cumprod 7e-7; 1 - alphabar at the first node 1.7e-4, by log1p and "
        "expm1 2.5e-8"
    ),
    grade="identity",
)
def test_products_of_a_thousand_alphas_keep_their_digits(dtype):
    """Ho's betas against 60 digits; the naive 1 - prod(1 - beta) in numpy float32 is a thousand
    ulps away at node 1.
    """
    betas = np.linspace(1e-4, 0.02, 1000).astype(np.float32).astype(np.float64)
    nodes = [chains.Node(total) for total in chains.totals(tuple(betas))[1:]]
    bars, sigma = chain_sums(jnp.asarray(betas, dtype))
    exact = np.array([node.alpha**2 for node in nodes])
    size = exact * (1 - np.log(exact))  # the exponent is a sum that reaches 10
    close(bars, exact, ulps=8, scale=size, why="exp of a running sum of log1p, summed by halves")
    picked = [nodes[i - 1].sigma for i in (1, 2, 10, 1000)]
    close(
        sigma,
        np.array(picked),
        ulps=4 if dtype == np.float32 else 16,
        why="expm1 of a sum: sigma^2 = beta at the first node",
    )
    naive = 1 - np.cumprod(1 - betas.astype(np.float32), dtype=np.float32)[0]
    lost = abs(float(naive) / betas[0] - 1)
    holds(lost > 1e-5, "what 1 - alphabar gives in float32 at the first node", lost, 1e-5)


weights_of_guidance = st_.floats(-2.0, 15.0)


@claim(
    "NUM-07",
    "Guidance amplifies errors of its branches by |w| + |w - 1|, and no more: 14 at w = 7.5",
    of="diffx.cfg",
    source="derived here: the derivatives of u + w (c - u) by c and by u are w and 1 - w",
    grade="bounded",
)
@given(cond=st_.points(D), uncond=st_.points(D), w=weights_of_guidance)
def test_guidance_amplifies_errors_by_its_weights(dtype, cond, uncond, w):
    c, u, w_ = (jnp.asarray(value, dtype) for value in (cond, uncond, w))
    of_c, of_u = sensitivities(c, u, w_)
    close(
        np.abs(np.asarray(of_c)).sum(1) + np.abs(np.asarray(of_u)).sum(1),
        np.full(D, abs(w) + abs(w - 1)),
        ulps=4,
        why="two",
    )
    worst = sensitivities(c, u, jnp.asarray(7.5, dtype))
    holds(np.abs(np.asarray(worst)).sum((0, 2)) == 14, "14 at w = 7.5")
    error = np.asarray(diffx.cfg(c, u, w=w), np.float64) - (uncond + w * (cond - uncond))
    bound = 2 * jnp.finfo(dtype).eps * (abs(w) + abs(w - 1) + 1) * (np.abs(cond) + np.abs(uncond))
    holds(np.abs(error) <= bound, "rounding is amplified by no more")


sensitivities = jax.jit(jax.jacfwd(lambda c, u, w: diffx.cfg(c, u, w=w), (0, 1)))
