"""denoise.py: what follows when data are scaled, moved, turned or lie in a subspace, and over time;
symmetry breaking.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings

import diffx
from diffx.laws.covariance import LowRank
from diffx.laws.gaussian import GaussianLaw
from diffx.laws.mixture import MixtureLaw
from diffx.laws.point_set import PointSet
from spec_tests.instrument.close import below, close, holds
from spec_tests.instrument.registry import claim
from spec_tests.oracles import bayes
from spec_tests.support import strategies as st_
from spec_tests.support.compiled import posterior
from spec_tests.support.laws import (
    EXACT,
    LEVELS,
    POINTS,
    SHARES_OF_POINTS,
    drawn,
    fields,
    full_covs,
    jacobians,
    mixture_of_case,
    mixture_sizes,
)
from spec_tests.support.level import level
from spec_tests.support.paths import oracle, rectified_flow, ve, vp

# --- moves and turns ----------------------------------------------------------------------------


@claim(
    "DEN-16",
    "The score has no curl; where the data move by c the denoiser at x + alpha c moves by c, and "
    "where they turn it turns with them",
    of=EXACT,
    source="change of variables in x_t = alpha x_0 + sigma eps",
    grade="identity",
)
@given(case=drawn(), move=st_.arrays(3, st_.floats(-2.0, 2.0)), q=st_.rotations(3))
@settings(max_examples=8)
def test_denoisers_move_and_turn_with_their_data(dtype, case, move, q):
    """D_{p+c}(x + alpha c) = D_p(x) + c, not D_p(x + c); D_{Rp}(Rx) = R D_p(x); the Jacobian of the
    score is symmetric.
    """
    covs, x = full_covs(case), case.x.astype(dtype).astype(np.float64)
    told = (case.weights, case.means, covs, case.a, case.s)
    exact, sizes = bayes.gmm_posterior(*told, x).mean, mixture_sizes(*told, x, axes=False)
    process, t = level(case.a, case.s, dtype)
    cast = lambda v: jnp.asarray(v, dtype)
    moved = (case.weights, case.means + move, covs, case.a, case.s)
    size = mixture_sizes(*moved, x + case.a * move, axes=False).denoised
    got = fields(
        process, mixture_of_case(case, case.means + move, covs, dtype), cast(x + case.a * move), t
    )[0]
    close(got, exact + move, ulps=32, scale=size, why="the data moved by c, x by alpha c")
    turned = np.einsum("ij,kjl,ml->kim", q, covs, q)
    got = fields(
        process,
        mixture_of_case(case, case.means @ q.T, (turned + turned.swapaxes(1, 2)) / 2, dtype),
        cast(x @ q.T),
        t,
    )[0]
    close(
        got,
        exact @ q.T,
        ulps=32,
        scale=sizes.denoised,
        why="turned data, turned x; inputs rounded anew",
    )
    _, bend = (
        np.asarray(j, np.float64)
        for j in jacobians(process, mixture_of_case(case, case.means, covs, dtype), cast(x), t)
    )
    close(
        bend.astype(dtype),
        bend.swapaxes(-1, -2),
        ulps=16,
        scale=sizes.curvature,
        why="a gradient's derivative is symmetric",
    )
    weights, points = (
        cast(SHARES_OF_POINTS),
        POINTS @ q[:2, :2],
    )  # any linear map will do for a second set of points
    here = fields(process, PointSet(cast(points), weights), cast(x[:, :2]), t)[0]
    there = fields(
        process, PointSet(cast(points + move[:2]), weights), cast(x[:, :2] + case.a * move[:2]), t
    )[0]
    reach = (
        2
        + np.abs(move).max()
        + (np.abs(x).max() + case.a * (3 + np.abs(move).max())) ** 2 / case.s**2 * 2
    )
    close(
        there,
        np.asarray(here, np.float64) + move[:2],
        ulps=32,
        scale=reach,
        why="points: logits of size |x|^2/2s^2",
    )


# --- data in a subspace -------------------------------------------------------------------------


@jax.jit
def low_rank(process, law, x, t):
    field, answer = diffx.score(process, law), diffx.denoiser(process, law)
    return field(x, t), answer(x, t), jax.jacfwd(lambda y: answer(y, t))(x)


@claim(
    "DEN-07",
    "Data in a subspace U: orthogonal to it the score is exactly -(I - UU')x/sigma^2, and dD/dx "
    "tends to the projector UU'/alpha",
    of=(
        *EXACT,
        "diffx.denoisers.gaussian_denoise",
        "diffx.denoisers.gaussian_score",
        "diffx.LowRank",
    ),
    source="Gaussian conditioning with a singular covariance",
    grade="bounded",
)
@given(q=st_.rotations(3), v=st_.arrays(2, st_.log_uniform(0.25, 4.0)), x=st_.points(3), s=LEVELS)
@settings(max_examples=8)
def test_low_rank_data_are_projected_exactly(dtype, q, v, x, s):
    """No pseudo-inverse of alpha^2 C + sigma^2, which is regular: beside the data it is sigma^2,
    whatever the data.
    """
    basis = jnp.asarray(q[:, :2], dtype)
    exact = np.linalg.qr(np.asarray(basis, np.float64))[0]
    inside = exact @ exact.T
    mean = inside @ np.array([0.5, -0.25, 1.0])
    for a, noise in ((0.75, s), (1.0, 2.0**-12), (0.5, 2.0**-30)):
        process, t = level(a, noise, dtype)
        law = GaussianLaw(jnp.asarray(mean, dtype), LowRank(basis, jnp.asarray(v, dtype)))
        sharp, answer, slope = low_rank(process, law, jnp.asarray(x, dtype), t)
        outside = x - inside @ x
        size = (np.abs(x).max() + np.abs(mean).max()) / noise**2
        off = np.asarray(sharp, np.float64) @ (np.eye(3) - inside)
        close(
            off.astype(dtype),
            -outside / noise**2,
            ulps=16,
            scale=size,
            why="beside the data: the pull of the noise alone",
        )
        answer = np.asarray(answer, np.float64)
        close(
            (answer - inside @ answer).astype(dtype),
            np.zeros(3),
            ulps=32,
            scale=8 / a,
            why="D lies in the subspace",
        )
        gain = exact @ (np.diag(np.ones(2)) - 0) @ exact.T / a
        below(
            np.abs(slope - gain).max()
            * a
            / (noise**2 / (a**2 * v.min()) + 16 * jnp.finfo(dtype).eps),
            1.0,
            "dD/dx -> UU'/a",
        )


# --- over time ----------------------------------------------------------------------------------

WEIGHTS = np.array([0.25, 0.75])
MEANS, VARIANCES = np.array([[1.5], [-1.0]]), np.array([[0.5], [0.75]])


def next_states(weights: Any, x: float, told: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and masses of x_s given x_t = x: x_0 by Bayes over the components, then the coded
    posterior.
    """
    a, s, of_x, of_x0, spread = told
    logs = [float(bayes.gmm_log_prob(*one(k, a, s), np.array([[x]]))[0]) for k in range(2)]
    shares = np.exp(logs - np.max(logs)) * weights
    shares = shares / shares.sum()
    # spectral: Gauss and Hermite's 60 nodes stop at 1e-11 here
    nodes, step = bayes.trapezoid(181, 9.0, 1)
    masses = step * np.exp(-(nodes[:, 0] ** 2) / 2) / np.sqrt(2 * np.pi)
    found = []
    for mean, variance in zip(MEANS, VARIANCES, strict=True):
        part = bayes.gaussian_posterior(mean, np.sqrt(np.diag(variance)), a, s, np.array([x]))
        width = np.sqrt(of_x0**2 * part.cov.item() + spread**2)
        found.append(of_x * x + of_x0 * part.mean.item() + width * nodes[:, 0])
    return np.concatenate(found), np.concatenate([share * masses for share in shares])


def one(k: int, a: float, s: float) -> tuple:
    return bayes.gmm_noised(np.ones(1), MEANS[k : k + 1], VARIANCES[k : k + 1, None], a, s)


@claim(
    "DEN-15",
    "Along the reverse process the denoiser is a martingale, and so is alpha times the score (in "
    "VE the score itself)",
    of=(*EXACT, "diffx.posterior"),
    source="the tower property; the corollary E|D_s - D_t|^2 = mmse_t - mmse_s",
    grade="computed law",
)
def test_denoiser_is_a_martingale_of_the_reverse_process(dtype):
    """E[D(x_s, s) | x_t] = D(x_t, t), x_s | x_t a known mixture by the coded posterior; and the
    variance that D gains.
    """
    law = MixtureLaw(*(jnp.asarray(v, dtype) for v in (WEIGHTS, MEANS, VARIANCES)))
    for make, t, s in (
        (vp, 0.5, 0.25),
        (ve, 0.6875, 0.5),
        (ve, 0.5, 0.375),
        (rectified_flow, 0.5, 0.25),
    ):
        path = oracle(make)
        weights = posterior(make(), jnp.asarray(t, dtype), jnp.asarray(s, dtype))
        now, then = ((float(path.alpha(r)), float(path.sigma(r))) for r in (t, s))
        for x in (-1.0, 0.375):
            nodes, masses = next_states(WEIGHTS, x, (*now, *(float(v) for v in weights)))
            nodes = nodes.astype(dtype)
            gone, pull = at_level(law, *then, nodes, dtype)
            still, force = (
                value[0] for value in at_level(law, *now, np.full_like(nodes, x), dtype)
            )
            why = (
                f"{make.__name__}: rounding of D, of nodes and of the step, which D's slope carries"
            )
            close((masses @ gone).astype(dtype), still, ulps=4, scale=4, why=why)
            scale = then[0] * (np.abs(nodes).max() + 2) / then[1] ** 2
            mean = np.asarray(then[0] * masses @ pull, dtype)
            close(
                mean,
                now[0] * force,
                ulps=16,
                scale=scale,
                why=f"{make.__name__}: alpha score, a martingale too",
            )
            gains(now, then, x, nodes, masses, gone, still, dtype)


def at_level(law, a, s, nodes, dtype):
    """D and the score at the nodes."""
    process, t = level(a, s, dtype)
    return (
        np.asarray(v, np.float64)[:, 0]
        for v in fields(process, law, jnp.asarray(nodes[:, None], dtype), t)
    )


def gains(now, then, x, nodes, masses, gone, still, dtype):
    """E[D_s^2 | x_t] - D_t^2 is the variance of x_0 that the step takes away, by Bayes."""
    law = (WEIGHTS, MEANS, VARIANCES[:, None])
    before = bayes.gmm_posterior(*law, *now, np.array([[x]])).cov[0, 0, 0]
    after = bayes.gmm_posterior(*law, *then, nodes[:, None].astype(np.float64)).cov[:, 0, 0]
    gained = masses @ (gone - still) ** 2
    holds(gained > 0, "an estimate only gets better")
    close(
        np.asarray(gained, dtype), before - masses @ after, ulps=16, scale=8, why="mmse_t - mmse_s"
    )


# --- symmetry breaking --------------------------------------------------------------------------


@jax.jit
def slopes_at_zero(process, law, t):
    """Slopes at x = 0 of the denoiser, the score, the reverse SDE's drift and the probability
    flow.
    """
    exact = diffx.denoiser(process, law)
    functions = (
        lambda x: exact(x, t),
        lambda x: diffx.score(process, law)(x, t),
        lambda x: diffx.reverse.reverse_drift(process, exact, x, t),
        lambda x: diffx.reverse.probability_flow(process, exact, x, t),
    )
    return jnp.stack(
        [
            jax.jvp(function, (jnp.zeros(1, t.dtype),), (jnp.ones(1, t.dtype),))[1][0]
            for function in functions
        ]
    )


@claim(
    "DEN-18",
    "Data at +-1: D has the slope alpha/sigma^2 at 0, there are two modes if sigma < alpha, and "
    "the reverse SDE leaves 0 at alpha^2 = sqrt 2 - 1",
    of=(
        "diffx.denoisers.points_denoise",
        "diffx.denoisers.points_score",
        "diffx.reverse.reverse_drift",
        "diffx.reverse.probability_flow",
    ),
    source=(
        "Raya and Ambrogioni 2023, arXiv:2305.19693; the numbers: roots of the linearisation, "
        "derived here"
    ),
    grade="identity",
)
def test_symmetry_of_two_points_breaks_at_known_levels(dtype):
    """In reverse time the SDE's drift at 0 turns from restoring to repelling at alpha = .64359; the
    flow's repels always.
    """
    law = PointSet(jnp.asarray([[1.0], [-1.0]], dtype))
    root = np.sqrt(2.0) - 1
    close(
        np.asarray(np.sqrt(root), dtype),
        0.643594253,
        ulps=4,
        scale=1e-9 / jnp.finfo(dtype).eps + 1,
        why="sqrt(sqrt 2 - 1)",
    )
    process, path = vp(), oracle(vp)
    critical = path.time_of_log_snr(np.log(root / (1 - root)))
    for t in (0.125, 0.25, critical - 0.03125, critical, critical + 0.03125, 0.75):
        t = float(np.float32(t))
        bar, beta = float(path.alpha(t)) ** 2, float(path.g2(t))
        found = slopes_at_zero(process, law, jnp.asarray(t, dtype))
        pull = (bar / (1 - bar) - 1) / (1 - bar)  # the score's slope
        wanted = np.array(
            [np.sqrt(bar) / (1 - bar), pull, -beta * (1 / 2 + pull), -beta / 2 * (1 + pull)]
        )
        size = (1 + 1 / (1 - bar)) ** 2 * np.array([1.0, 1.0, 1 + beta, 1 + beta])
        close(
            found,
            wanted,
            ulps=16,
            scale=size,
            why="the linearisation at 0; B and the noise level are rounded",
        )
        # drifts are of dx/dt, and time runs back
        away = np.asarray(found, np.float64) * np.array([1, 1, -1, -1])
        holds(
            (away[1] > 0) == (bar > 0.5),
            "two modes exactly where sigma < alpha: at 0 the density has a minimum",
        )
        holds(away[3] > 0, "the flow never contracts at 0")
        if abs(t - critical) > 1e-3:
            holds((away[2] > 0) == (bar > root), "the SDE lets go of 0 at alpha^2 = sqrt 2 - 1")
    for s in (0.5, 0.96875, 1.03125, 2.0):  # VE: the mixture N(+-1, s^2)
        noise, t = level(1.0, s, dtype)
        slope, bend = (np.asarray(v, np.float64)[0, 0] for v in curvature_at_zero(noise, law, t))
        close(np.asarray(slope, dtype), 1 / s**2, ulps=8, why="D'(0) = 1/sigma^2")
        holds((bend > 0) == (s < 1), "bimodal if and only if sigma < 1")


@jax.jit
def curvature_at_zero(process, law, t):
    zero = jnp.zeros(1, t.dtype)
    return tuple(
        jax.jacfwd(lambda x, of=of: of(process, law)(x, t))(zero)
        for of in (diffx.denoiser, diffx.score)
    )
