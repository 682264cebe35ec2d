"""CFG, CON-05, NUM-07: intervals, rescaling, projection, classifiers, composition, dropout of
labels, against plain numpy.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.tree_util import Partial
from scipy import stats

import diffx
from spec_tests.instrument.close import below, close, holds, slope
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes, guidance
from spec_tests.oracles.guidance import Gaussians
from spec_tests.support import strategies as st_
from spec_tests.support.guidance import D, constant, law, lookup, one, output, size
from spec_tests.support.paths import oracle, sub_vp, vp


def field(slope, x, t):
    """A denoiser that tells the time."""
    return slope * x + t


@claim(
    "CFG-11",
    "Guidance only at noise variances in [t1, t2] gives the variance L_c "
    "((L_c+t1)(L_u+t2)/((L_c+t2)(L_u+t1)))^(w-1)",
    of=("diffx.guidance.guide_interval", "diffx.guidance.guided_flow_law"),
    source="Kynkaanniemi et al. 2024, arXiv:2404.07724, for the method; the law: derived here",
    grade="order",
)
def test_interval_of_guidance_has_its_law(dtype):
    process, w, (low, high) = diffx.EDM(16.0), 5.0, (0.3, 4.0)
    t_min, t_max = (jnp.asarray(np.sqrt(tau) / 16, dtype) for tau in (low, high))
    one_, half = jnp.ones((), dtype), jnp.asarray(0.5, dtype)
    pair, state = (
        (law(dtype, [1.0], [1.0]), law(dtype, [0.0], 2.0)),
        law(dtype, [1.0], [1.0 + 16.0**2]),
    )
    for weight, t, s in ((one_, one_, t_max), (w * one_, t_max, t_min), (one_, t_min, 0 * one_)):
        state = leg(process, *pair, weight, state, t, s)
    wanted = ((1 + low) * (2 + high) / ((1 + high) * (2 + low))) ** (w - 1)
    close(
        np.asarray(state.cov), [wanted], ulps=64, why="fourth powers of rounded ratios, three legs"
    )
    below(abs(wanted - 0.211635), 5e-7, "as printed")
    cond, uncond = Partial(field, jnp.asarray(2.0, dtype)), Partial(field, jnp.asarray(-1.0, dtype))
    inside = diffx.guidance.guide_interval(cond, uncond, w=3.0, t_min=0.25, t_max=half)
    for t, weight in ((0.125, 1), (0.25, 1), (0.375, 3), (0.5, 3), (0.625, 1)):
        got = answer(inside, jnp.ones(D, dtype), jnp.asarray(t, dtype))
        close(
            got,
            np.full(D, -1 + weight * 3 + t),
            ulps=2,
            why="t_min < t <= t_max: a step from t_max to t_min is guided",
        )
    if dtype == np.float64:
        sampler_with_an_interval_converges(process, pair, float(t_min), float(t_max), wanted)


answer = jax.jit(lambda denoise, x, t: denoise(x, t))
leg = jax.jit(
    lambda process, c, u, w, start, t, s: diffx.guidance.guided_flow_law(
        process, c, u, w=w, start=start, t=t, s=s
    )
)


def sampler_with_an_interval_converges(process, pair, t_min, t_max, wanted):
    """DDIM on grids that hold both ends of the interval."""
    denoisers = [diffx.denoiser(process, part) for part in pair]
    sampler = diffx.ddim(
        process, diffx.guidance.guide_interval(*denoisers, w=5.0, t_min=t_min, t_max=t_max)
    )
    errors = []
    for n in (100, 200, 400):
        legs = zip(
            (1.0, t_max, t_min, 0.01),
            (t_max, t_min, 0.01, 0.0),
            (n // 4, n // 4, n // 2 - 10, 10),
            strict=True,
        )
        ts = np.concatenate(
            [[1.0], *(np.geomspace(t, max(s, 1e-4), k + 1)[1:] for t, s, k in legs)]
        )
        start = one(1.0, 1.0 + 16.0**2)
        errors.append(abs(output(sampler, start, jnp.asarray(ts))[1] - wanted))
    slope(
        (100, 200, 400),
        errors,
        order=1,
        within=0.25,
        why="a first-order sampler on a grid geometric in sigma",
    )


@claim(
    "CFG-12",
    "The drift of the guided SDE is the flow of the conditional law plus Langevin dynamics on "
    "p_c^(2w-1) p_u^(2-2w)",
    of="diffx.guide",
    source=(
        "Bradley and Nakkiran 2024, arXiv:2408.09000, for the SDE limit of predictor and corrector"
    ),
    grade="identity",
)
@given(
    x=st_.points(D),
    means=st_.points(2, D),
    spreads=st_.arrays((2, D), st_.log_uniform(0.1, 10.0)),
    w=st_.floats(-2.0, 9.0),
    t=st_.times(0.25, 0.75),
)
def test_guided_sde_is_a_predictor_and_a_corrector(dtype, x, means, spreads, w, t):
    path = oracle(sub_vp)
    a, v, f, g2 = float(path.alpha(t)), float(path.variance(t)), float(path.f(t)), float(path.g2(t))
    cond, uncond = (Gaussians(a * m, a**2 * s + v) for m, s in zip(means, spreads, strict=True))
    power = guidance.tilted(cond, uncond, 2 * w - 1)
    flow = f * x + g2 / 2 * (x - cond.mean) / cond.variance
    langevin = g2 / 2 * (x - power.mean) / power.variance
    laws = [law(dtype, *part) for part in zip(means, spreads, strict=True)]
    got = guided_drift(*laws, *(jnp.asarray(value, dtype) for value in (w, x, t)))
    sizes = np.abs(x) * (1 + 1 / a) + np.abs(means).sum(0)
    total = abs(f) * np.abs(x) + g2 * (abs(w) + abs(w - 1) + 1) * a * sizes / v
    close(
        got,
        flow + langevin,
        ulps=32,
        scale=total,
        why="the score is (alpha x0 - x)/sigma^2: predictions of x0 round first",
    )


@jax.jit
def guided_drift(cond, uncond, w, x, t):
    pair = [diffx.denoiser(sub_vp(), part) for part in (cond, uncond)]
    return diffx.reverse.reverse_drift(sub_vp(), diffx.guide(*pair, w=w), x, t)


# --- classifier ---------------------------------------------------------------------------------

SHARES = (0.25, 0.75)


@claim(
    "CFG-14",
    "Classifier guidance with the posterior of the class given the noisy point is classifier-free "
    "guidance, by Bayes' rule",
    of="diffx.guidance.classifier_guidance",
    source="Dhariwal and Nichol 2021, arXiv:2105.05233; Bayes",
    grade="identity",
)
@given(x=st_.points(4, 2), means=st_.points(2, 2), w=st_.floats(-2.0, 9.0), t=st_.times(0.25, 0.75))
def test_noisy_classifier_guides_like_no_classifier(dtype, x, means, w, t):
    variances = np.array([[0.5, 2.0], [1.0, 0.25]])
    path, covs = oracle(vp), np.stack([np.diag(v) for v in variances])
    a, s = float(path.alpha(t)), float(path.sigma(t))
    cond = bayes.gaussian_posterior(means[0], bayes.root_of(covs[0]), a, s, x).mean
    uncond = bayes.gmm_posterior(np.array(SHARES), means, covs, a, s, x).mean
    mixture = diffx.MixtureLaw(
        jnp.asarray(SHARES, dtype), jnp.asarray(means, dtype), jnp.asarray(variances, dtype)
    )
    got = by_classifier(mixture, *(jnp.asarray(value, dtype) for value in (w, x, t)))
    far = np.abs(x).max() + np.abs(means).max()
    reach = (1 + abs(w) + abs(w - 1)) * far * (1 + far**2 / (a * s**2 + 0.25 * a**2))
    close(
        got,
        uncond + w * (cond - uncond),
        ulps=32,
        scale=reach,
        why="log-densities of up to far^2/v decide the shares",
    )


@jax.jit
def by_classifier(mixture, w, x, t):
    noisy_log = Partial(log_of_class, vp(), mixture)
    return diffx.guidance.classifier_guidance(vp(), diffx.denoiser(vp(), mixture), noisy_log, w=w)(
        x, t
    )


def log_of_class(process, mixture, x, t):
    """log p(component 0 | x_t): the posterior at the noise of x, not that of clean data."""
    noised = diffx.marginal(process, mixture, t)
    logs = [
        jnp.log(noised.weights[k]) + diffx.GaussianLaw(noised.means[k], noised.covs[k]).log_prob(x)
        for k in (0, 1)
    ]
    return logs[0] - jnp.logaddexp(*logs)


# --- rescaling and projection -------------------------------------------------------------------


@claim(
    "CFG-15",
    "Rescaling with phi = 1 gives every event the standard deviation of its conditional answer, "
    "with phi = 0 it changes nothing, and it depends on the space",
    of=("diffx.guidance.rescale", "diffx.guidance.guide_rescaled"),
    source="Lin et al. 2024, arXiv:2305.08891, eqs. (13) to (16)",
    grade="identity",
)
@given(
    cond=st_.normals(2, 3, 4),
    uncond=st_.normals(2, 3, 4),
    phi=st_.floats(0.0, 1.0),
    w=st_.floats(1.0, 9.0),
)
def test_rescaling_restores_the_spread_of_every_event(dtype, cond, uncond, phi, w):
    c, u, phi_, w_ = (jnp.asarray(value, dtype) for value in (cond, uncond, phi, w))
    guided = uncond + w * (cond - uncond)
    total = size(w, cond, uncond).max()
    for n, array_level, wrapped in rescaled(c, u, phi_, w_, jnp.asarray(guided, dtype)):
        axes = tuple(range(-n, 0))
        ratio = cond.std(axes, keepdims=True) / guided.std(axes, keepdims=True)
        wanted = phi * ratio * guided + (1 - phi) * guided
        for got in (array_level, wrapped):
            close(
                got,
                wanted,
                ulps=16,
                scale=total * (1 + ratio.max() * (1 + total / guided.std(axes).min())),
                why="two std of 12",
            )
    full, none = (
        rescaled(c, u, jnp.ones((), dtype), w_, c * 3)[1][1],
        rescaled(c, u, 0 * phi_, w_, c * 3)[1][1],
    )
    close(
        np.asarray(full, np.float64).std((1, 2)).astype(dtype),
        cond.std((1, 2)),
        ulps=16,
        why="phi = 1: per-event std",
    )
    close(none, np.asarray(c, np.float64) * 3, ulps=1, why="phi = 0: the identity")
    space_matters(dtype)


@jax.jit
def rescaled(cond, uncond, phi, w, guided):
    """With events of one axis and of two: (n, on arrays, as a denoiser)."""
    pair, x = [Partial(constant, cond), Partial(constant, uncond)], jnp.zeros_like(cond)
    on_arrays = [diffx.guidance.rescale(guided, cond, phi=phi, event_ndim=n) for n in (1, 2)]
    wrapped = [
        diffx.guidance.guide_rescaled(*pair, w=w, phi=phi, event_ndim=n)(x, 0.5) for n in (1, 2)
    ]
    return list(zip((1, 2), on_arrays, wrapped, strict=True))


def space_matters(dtype):
    """Rescaled predictions of eps, turned into x0, are not rescaled predictions of x0."""
    in_x0, in_eps = in_two_spaces(
        *jnp.asarray([[2.0, -1.0, 0.5], [1.0, 0.0, -1.0], [0.5, 0.5, -2.0]], dtype)
    )
    apart = float(np.abs(np.asarray(in_x0 - in_eps)).max())
    holds(apart > 0.1, "rescaling is not the same in eps and in x0", measured=apart, bound=0.1)


@jax.jit
def in_two_spaces(x, c, u):
    process, t = diffx.Trig(), 0.5
    to_eps = lambda x0: diffx.predictions.eps_of_x0(process, x, x0, t)
    in_x0 = diffx.guidance.rescale(diffx.cfg(c, u, w=4.0), c, phi=1.0, event_ndim=1)
    in_eps = diffx.guidance.rescale(
        diffx.cfg(to_eps(c), to_eps(u), w=4.0), to_eps(c), phi=1.0, event_ndim=1
    )
    return in_x0, diffx.predictions.x0_of_eps(process, x, in_eps, t)


@claim(
    "CFG-16",
    "Projected guidance with eta = 1 is classifier-free guidance; with eta = 0 it adds only what "
    "is orthogonal to the conditional answer",
    of=("diffx.guidance.apg", "diffx.guidance.guide_apg"),
    source="Sadat et al. 2024, arXiv:2410.02416, without momentum",
    grade="identity",
)
@given(
    cond=st_.normals(2, 3, 4),
    uncond=st_.normals(2, 3, 4),
    eta=st_.floats(0.0, 2.0),
    w=st_.floats(-1.0, 9.0),
)
def test_projected_guidance_moves_across_the_conditional_answer(dtype, cond, uncond, eta, w):
    c, u, eta_, w_ = (jnp.asarray(value, dtype) for value in (cond, uncond, eta, w))
    d = (cond - uncond).reshape(2, 12)
    unit = cond.reshape(2, 12) / np.linalg.norm(cond.reshape(2, 12), axis=1, keepdims=True)
    total = size(w, cond, uncond).max() * 4
    for radius, answers in projected(c, u, w_, eta_):
        lengths = np.linalg.norm(d, axis=1, keepdims=True)
        short = d if radius is None else d * np.minimum(1, radius / np.maximum(lengths, 1e-300))
        along = (short * unit).sum(1, keepdims=True) * unit
        wanted = cond + (w - 1) * (short - along + eta * along).reshape(cond.shape)
        for got in answers:
            close(got, wanted, ulps=16, scale=total, why="inner products of 12")
    plain = apg_of(c, u, w_, jnp.ones((), dtype))
    close(plain, uncond + w * (cond - uncond), ulps=16, scale=total, why="eta = 1 is cfg")
    across = np.asarray(apg_of(c, u, w_, 0 * eta_), np.float64) - cond
    inner = np.abs((across * cond).sum((1, 2)))
    holds(
        inner <= 64 * jnp.finfo(dtype).eps * total * np.abs(cond).sum((1, 2)),
        "eta = 0: <D - D_c, D_c> = 0",
    )


RADII = (None, 1.5, 100.0)


def projected(c, u, w, eta):
    return list(zip(RADII, _projected(c, u, w, eta), strict=True))


@jax.jit
def _projected(c, u, w, eta):
    pair, x = [Partial(constant, c), Partial(constant, u)], jnp.zeros_like(c)
    keywords = [{"w": w, "event_ndim": 2, "eta": eta, "radius": radius} for radius in RADII]
    return [
        [diffx.guidance.apg(c, u, **given), diffx.guidance.guide_apg(*pair, **given)(x, 0.5)]
        for given in keywords
    ]


@jax.jit
def apg_of(c, u, w, eta):
    return diffx.guidance.apg(c, u, w=w, event_ndim=2, eta=eta)


# --- training and rounding ----------------------------------------------------------------------


@claim(
    "CFG-19",
    "Dropping labels at a rate p makes the loss p L_uncond + (1 - p) L_cond, which is least at "
    "the two posterior means for every p",
    of="diffx.guidance.drop_labels",
    source="Ho and Salimans 2022, arXiv:2207.12598, Algorithm 1; the decomposition: derived here",
    grade="sampled",
)
def test_dropped_labels_train_both_denoisers(dtype):
    labels_are_dropped_at_the_rate(dtype)
    if dtype == np.float64:
        loss_is_least_at_the_posterior_means()


def labels_are_dropped_at_the_rate(dtype):
    n, rate = 100_000, 0.25
    embeddings = jnp.asarray(np.arange(3.0 * n).reshape(n, 3) + 1, dtype)
    null = jnp.asarray([-1.0, -2.0, -3.0], dtype)
    got = np.asarray(
        diffx.guidance.drop_labels(jax.random.key(5), embeddings, null=null, rate=rate)
    )
    dropped = (got == np.asarray(null)).all(1)
    holds(
        (got == np.where(dropped[:, None], np.asarray(null), np.asarray(embeddings))),
        "a label is kept or dropped whole",
    )
    low, high = stats.binom.ppf([5e-10, 1 - 5e-10], n, rate)
    holds(
        low <= dropped.sum() <= high,
        "how many: an exact quantile at 1e-9",
        measured=float(dropped.sum()),
        bound=float(high),
        false_alarm=1e-9,
    )
    pairs = (dropped[1:] & dropped[:-1])[::2].sum()
    low, high = stats.binom.ppf([5e-10, 1 - 5e-10], n // 2, rate**2)
    holds(
        low <= pairs <= high,
        "neighbours are independent",
        measured=float(pairs),
        bound=float(high),
        false_alarm=1e-9,
    )
    numbers = diffx.guidance.drop_labels(jax.random.key(5), jnp.arange(6), null=-1, rate=1.0)
    holds(np.asarray(numbers) == -1, "rate 1 drops all")
    kept = diffx.guidance.drop_labels(jax.random.key(5), jnp.arange(6), null=-1, rate=0.0)
    holds(
        (np.asarray(kept) == np.arange(6)) & (kept.dtype == jnp.arange(6).dtype),
        "rate 0 drops none",
    )


def loss_is_least_at_the_posterior_means():
    """E over class, dropping and noise by quadrature: the excess of any perturbed pair is
    p |d_u|^2 + (1 - p) |d_c|^2.
    """
    means, shares, spread, rate, t = np.array([1.0, -2.0]), np.array([0.25, 0.75]), 0.5, 0.125, 0.5
    process = diffx.Trig()
    a, s = float(process.alpha(t)), float(process.sigma(t))
    nodes, weights = bayes.hermite(40, 2)  # (x_0, noise)
    x0 = means[:, None] + np.sqrt(spread) * nodes[:, 0]  # (class, node)
    x = a * x0 + s * nodes[:, 1]
    both = diffx.MixtureLaw(jnp.asarray(shares), jnp.asarray(means)[:, None], jnp.asarray(spread))
    ask = lambda law_, points: np.asarray(
        answer(diffx.denoiser(process, law_), jnp.asarray(points)[:, None], t)
    )[:, 0]
    uncond = np.stack([ask(both, row) for row in x])
    cond = np.stack([ask(one(mean, spread), row) for mean, row in zip(means, x, strict=True)])
    expect = lambda values: float(np.einsum("k,n,kn->", shares, weights, values))
    # the two kinds of examples
    loss = lambda u, c: rate * expect((u - x0) ** 2) + (1 - rate) * expect((c - x0) ** 2)
    least = loss(uncond, cond)
    for d_u, d_c in (
        (0.1 * np.sin(x), 0 * x),
        (0 * x, 0.1 * np.array([[1.0], [-0.5]]) * np.cos(x)),
        (0.2 + 0 * x, 0.1 * x),
    ):
        excess = rate * expect(d_u**2) + (1 - rate) * expect(d_c**2)
        below(
            abs(loss(uncond + d_u, cond + d_c) - least - excess),
            1e-6,
            "Pythagoras, by 40 Gauss-Hermite nodes",
        )


# --- with every sampler -------------------------------------------------------------------------

PLAIN = (  # the samplers (process, denoise) -> Sampler that need no more
    *(
        "ddim",
        "ddpm",
        "ddpm_beta",
        "deis",
        "dpm2_ancestral",
        "dpm_solver",
        "dpm_solver_pp",
        "dpm_solver_pp_single",
        "euler",
    ),
    *(
        "euler_ancestral",
        "euler_maruyama",
        "exponential_sde",
        "heun",
        "lms",
        "sde_dpm_solver",
        "sde_dpm_solver_pp",
    ),
    *("sde_dpm_solver_pp_2s", "unipc", "unipc_bh1"),
)
MORE = {  # those that do
    "ddim with noise": lambda process, denoise: diffx.ddim(process, denoise, eta=0.5),
    "edm_stochastic": lambda process, denoise: diffx.samplers.edm_stochastic(
        process, denoise, gamma=0.1
    ),
    "predictor_corrector": lambda process, denoise: diffx.samplers.predictor_corrector(
        diffx.ddpm(process, denoise), diffx.samplers.langevin_corrector(process, denoise, snr=0.1)
    ),
}


def by_hand(x, t):
    """uncond + 3 (cond - uncond) for N(1, 1) and N(0, 2) on the quarter circle, written out."""
    a, s = jnp.cos(jnp.pi * t / 2), jnp.sin(jnp.pi * t / 2)
    return -2 * 2 * a * x / (2 * a**2 + s**2) + 3 * (a * x + s**2) / (a**2 + s**2)


QUICK = {
    "ddim",
    "ddpm",
    "dpm_solver_pp",
    "sde_dpm_solver_pp_2s",
    "unipc",
    "predictor_corrector",
}  # one of each kind of state


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name in (*PLAIN, *MORE)
    ],
)
def test_guide_composes_with_every_sampler(name):
    """Three steps with `guide`, noise included, are those with the combined denoiser written by
    hand.
    """
    method = MORE.get(name) or getattr(diffx.samplers, name)
    pair = [diffx.denoiser(diffx.Trig(), part) for part in (one(1.0, 1.0), one(0.0, 2.0))]

    def end(denoise, x, ts):
        sampler = method(diffx.Trig(), denoise)
        state = sampler.init(x)
        for i in range(len(ts) - 1):
            z = None if sampler.noise is None else sampler.noise(jax.random.key(i), x)
            state, _ = sampler.step(state, ts[i], ts[i + 1], z)
        return state.x

    x, ts = jnp.array([[1.5], [-0.5]]), jnp.array([0.9, 0.6, 0.35, 0.1])
    both = jax.jit(
        lambda x, ts: [end(denoise, x, ts) for denoise in (diffx.guide(*pair, w=3.0), by_hand)]
    )
    np.testing.assert_allclose(*both(x, ts), rtol=1e-10, atol=1e-10)


def test_one_batched_call_serves_all_conditions():
    weight = jnp.ones((5, D))
    net = lambda x, t, c: x + t * (c @ weight)
    x, conditions = jnp.ones((4, D)), [jnp.full(5, float(i)) for i in range(3)]
    denoisers = {
        2: diffx.guide_net(net, *conditions[:2], w=2.0),
        3: diffx.guidance.compose_net(net, conditions[0], conditions[1:], weights=[2.0, -1.0]),
    }
    for n, denoise in denoisers.items():
        equations = jax.make_jaxpr(denoise)(x, 0.5).jaxpr.eqns
        products = [e.outvars[0].aval.shape for e in equations if e.primitive.name == "dot_general"]  # pyright: ignore
        assert products == [(n, D)], "one matrix product, over a batch of all conditions"
    np.testing.assert_allclose(denoisers[3](x, 0.5), x + 0.5 * 5 * (2 * 1 - 2), rtol=1e-12)


# --- bad input ----------------------------------------------------------------------------------


def two_denoisers():
    return [diffx.denoiser(diffx.Trig(), part) for part in (one(1.0, 1.0), one(0.0, 2.0))]


def test_intervals_upside_down_are_refused():
    with pytest.raises(ValueError, match=r"t_min=0.8 and t_max=0.2; swap them"):
        diffx.guidance.guide_interval(*two_denoisers(), w=2.0, t_min=0.8, t_max=0.2)
    with pytest.raises(ValueError, match=r"t_max must lie in \[0, 1\]"):
        diffx.guidance.guide_interval(*two_denoisers(), w=2.0, t_min=0.8, t_max=20.0)
    # an empty interval is none
    at_once = diffx.guidance.guide_interval(*two_denoisers(), w=2.0, t_min=0.5, t_max=0.5)
    x = jnp.ones((2, 1))
    np.testing.assert_array_equal(at_once(x, 0.5), two_denoisers()[0](x, 0.5))


def test_shares_outside_their_range_are_refused():
    x = jnp.ones((2, D))
    for phi in (-0.1, 1.5):
        with pytest.raises(ValueError, match=rf"phi must lie in \[0, 1\], got {phi}"):
            diffx.guidance.rescale(x, x, phi=phi, event_ndim=1)
        with pytest.raises(ValueError, match="phi must lie"):
            diffx.guidance.guide_rescaled(*two_denoisers(), w=2.0, phi=phi, event_ndim=1)
        with pytest.raises(ValueError, match="rate must lie"):
            diffx.guidance.drop_labels(jax.random.key(0), jnp.arange(3), null=0, rate=phi)


def test_events_that_do_not_fit_are_refused():
    x = jnp.ones((2, D))
    with pytest.raises(
        ValueError, match=r"event_ndim=3 axes does not fit predictions of shape \(2, 3\)"
    ):
        diffx.guidance.rescale(x, x, phi=0.5, event_ndim=3)
    with pytest.raises(ValueError, match="event_ndim must be at least 1, got 0"):
        diffx.guidance.apg(x, x, w=2.0, event_ndim=0)
    with pytest.raises(TypeError, match="event_ndim must be a Python integer"):
        diffx.guidance.guide_apg(*two_denoisers(), w=2.0, event_ndim=1.0)  # pyright: ignore
    with pytest.raises(ValueError, match="radius must be positive"):
        diffx.guidance.apg(x, x, w=2.0, event_ndim=1, radius=-1.0)
    with pytest.raises(ValueError, match="one shape, nothing is broadcast"):
        diffx.guidance.rescale(x, x[0], phi=0.5, event_ndim=1)


def test_weights_that_do_not_match_the_conditions_are_refused():
    uncond, cond = two_denoisers()
    with pytest.raises(
        ValueError, match=r"shape \(2,\), one for each of the 2 conditions, got shape \(1,\)"
    ):
        diffx.guidance.compose(uncond, [cond, cond], weights=[1.0])
    with pytest.raises(ValueError, match=r"one for each of the 1 conditions, got shape \(\)"):
        diffx.guidance.compose(uncond, [cond], weights=jnp.asarray(1.0))
    with pytest.raises(ValueError, match="weights must be finite"):
        diffx.guidance.compose(uncond, [cond], weights=[np.inf])
    with pytest.raises(ValueError, match="must have the same shapes"):
        diffx.guidance.compose_net(
            lookup, jnp.ones(3), [jnp.ones(3), jnp.ones(2)], weights=[1.0, 1.0]
        )
    with pytest.raises(ValueError, match="one shape, nothing is broadcast"):
        diffx.guidance.compose(
            Partial(constant, jnp.ones(2)), [Partial(constant, jnp.ones(3))], weights=[1.0]
        )(jnp.ones(2), 0.5)


def test_labels_and_nulls_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="labels must have a leading axis"):
        diffx.guidance.drop_labels(jax.random.key(0), jnp.asarray(3), null=0, rate=0.1)
    with pytest.raises(
        ValueError, match=r"null must have the shape of one label, \(2,\), got \(\)"
    ):
        diffx.guidance.drop_labels(jax.random.key(0), jnp.ones((4, 2)), null=0.0, rate=0.1)
    with pytest.raises(TypeError, match="key must be a key"):
        diffx.guidance.drop_labels(0, jnp.ones((4, 2)), null=jnp.ones(2), rate=0.1)  # pyright: ignore


def test_classifiers_must_be_callable():
    with pytest.raises(TypeError, match=r"log_classifier \(x, t\)"):
        diffx.guidance.classifier_guidance(diffx.Trig(), two_denoisers()[0], jnp.ones(3), w=1.0)  # pyright: ignore
