"""Inversion and distillation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.support import strategies as st_
from spec_tests.support.arrays import cast, single
from spec_tests.support.paths import oracle as path_of, rectified_flow, ve, vp
from spec_tests.support.samplers import MEAN, VARIANCES, grid, law_of, mixture, nodes


@claim(
    "REV-18",
    "DDIM inversion followed by DDIM over the same grid multiplies the deviation from the mean by "
    "prod cos^2: the round trip shrinks and never expands",
    of=(
        "diffx.samplers.ddim_invert",
        "diffx.samplers.ddim_inversion_step",
        "diffx.ddim",
    ),
    source=(
        "derived here; Song, Meng and Ermon 2021, arXiv:2010.02502, section 5.4, for the inversion"
    ),
    grade="computed law",
)
def test_inversion_round_trip_is_a_product_of_squared_cosines(dtype):
    """x at t = 1/16 up to 15/16 and back over 4 uneven steps: the latent, and where it leads, from
    the angles alone.
    """
    ts, ts_ = grid(dtype, 0.9375, 0.75, 0.5, 0.25, 0.0625)
    x = single([[1.0, -2.0, 3.0], [0.5, 0.25, -4.0]])
    law = law_of(dtype, MEAN, VARIANCES)
    for make in (vp, rectified_flow):
        alpha, variance = nodes(path_of(make), ts)
        phi = np.arctan2(np.sqrt(variance)[:, None], alpha[:, None] * np.sqrt(VARIANCES))
        cosines = np.cos(np.diff(phi, axis=0)).prod(0)
        rho = np.sqrt(alpha[:, None] ** 2 * VARIANCES + variance[:, None])
        away, denoise = x - alpha[-1] * MEAN, diffx.denoiser(make(), law)
        latent = diffx.samplers.ddim_invert(make(), denoise, jnp.asarray(x, dtype), ts_)
        wanted = alpha[0] * MEAN + rho[0] / rho[-1] * cosines * away
        grown = np.maximum(rho[0] / rho[-1], 1)
        size = (np.abs(x) + np.abs(MEAN)) * grown
        close(
            latent,
            wanted,
            ulps=32,
            scale=size,
            why=f"{make.__name__}: four steps up, each the angle's cosine",
        )
        back = diffx.fold(diffx.ddim(make(), denoise), latent, ts_)[0]
        close(
            back,
            alpha[-1] * MEAN + cosines**2 * away,
            ulps=32,
            scale=size,
            why=f"{make.__name__}: eight steps; what is rounded above comes back as it went",
        )


@claim(
    "REV-27",
    "The target of progressive distillation takes a student in one DDIM step to where its teacher "
    "arrives in two",
    of="diffx.distillation.progressive_target",
    source="Salimans and Ho 2022, arXiv:2202.00512",
    grade="identity",
)
def test_progressive_target_makes_one_step_of_two(dtype):
    """A mixture on VP and on the rectified flow: alpha_s x0 + sigma_s (x - alpha_t x0)/sigma_t is
    the teacher's end.
    """
    ts, ts_ = grid(dtype, 0.75, 0.5, 0.25)
    x = single([[-2.0], [-0.5], [0.25], [1.0]])
    for make in (vp, rectified_flow):
        path = path_of(make)
        teacher = diffx.ddim(make(), diffx.denoiser(make(), mixture(dtype)))
        end = diffx.fold(teacher, jnp.asarray(x, dtype), ts_)[0]
        target = diffx.distillation.progressive_target(
            make(), jnp.asarray(x, dtype), end, ts_[0], ts_[-1]
        )
        x0 = np.asarray(target, np.float64)
        eps = (x - path.alpha(ts[0]) * x0) / path.sigma(ts[0])
        got = path.alpha(ts[-1]) * x0 + path.sigma(ts[-1]) * eps
        close(
            got.astype(dtype),
            np.asarray(end, np.float64),
            ulps=16,
            scale=1 + np.abs(x).max(),
            why=f"{make.__name__}: a quotient whose rounding the step takes back",
        )
        holds(target.dtype == dtype, f"{make.__name__}: x decides the dtype")


@claim(
    "REV-28",
    "The consistency function of a Gaussian is constant along a line of the probability flow, and "
    "the point itself at t = 0",
    of="diffx.distillation.consistency",
    source="Song et al. 2023, arXiv:2303.01469, for the notion; derived here for Gaussians",
    grade="identity",
)
def test_consistency_function_is_constant_along_the_flow(dtype):
    """alpha m + sqrt(alpha^2 C + sigma^2) u with one u is a line; there f is m + sqrt(C) u, at t =
    0 too; axes turned.
    """
    cov, u = (
        st_.rotated(VARIANCES, st_.rotation(3, 3)),
        single([[1.0, -2.0, 0.5], [0.25, 0.0, -1.0]]),
    )
    variances, basis = np.linalg.eigh(cov)
    end = MEAN + u * np.sqrt(variances) @ basis.T
    for make in (vp, ve):
        path = path_of(make)
        for t in single([0.75, 0.25, 0.0]):
            root = np.sqrt(path.alpha(t) ** 2 * variances + path.variance(t))
            x = single(path.alpha(t) * MEAN + u * root @ basis.T)
            got = diffx.distillation.consistency(
                make(), law_of(dtype, MEAN, cov), *cast(dtype, x, t)
            )
            # the axes of cov are known to cond = 64 ulps, single(x) to one of float32
            scale = 64 * (np.abs(MEAN).max() + np.abs(end).max() + np.abs(x).max())
            wanted = (
                MEAN + (((x - path.alpha(t) * MEAN) @ basis) * np.sqrt(variances) / root) @ basis.T
            )
            close(
                got,
                wanted,
                ulps=4,
                scale=scale,
                why=f"{make.__name__}: two products with eigenvectors",
            )
            holds(
                np.abs(wanted - end).max() < 1e-5,
                f"{make.__name__}: the end of the line, whatever the time",
            )


def test_inversion_and_distillation_keep_the_dtype_of_x():
    """float32 data with float64 times and laws stays float32."""
    law, x = law_of(np.float64, MEAN, VARIANCES), jax.ShapeDtypeStruct((3,), np.float32)
    ts, denoise = jnp.array([0.75, 0.5, 0.25]), diffx.denoiser(vp(), law)
    functions = (
        lambda x: diffx.distillation.consistency(vp(), law, x, ts[0]),
        lambda x: diffx.distillation.progressive_target(vp(), x, x, ts[0], ts[1]),
        lambda x: diffx.samplers.ddim_invert(vp(), denoise, x, ts),
        lambda x: diffx.samplers.langevin_step(vp(), denoise, x, ts[0], x, step_size=ts[2]),
    )
    assert all(jax.eval_shape(function, x).dtype == np.float32 for function in functions)


def test_constants_of_a_jitted_function_pass_the_doors():
    """Arrays that a jitted function closes over are concrete, but jax would compare them as
    tracers.
    """
    half, x = jnp.asarray(0.5), jnp.ones(3)
    law = diffx.GaussianLaw(jnp.asarray(MEAN), jnp.asarray(VARIANCES))

    @jax.jit
    def everything(x):
        process = diffx.VP(half, 12.0)
        denoise = diffx.denoiser(process, law)
        samplers = [
            diffx.ddim(process, denoise, eta=half),
            diffx.samplers.dpm2_ancestral(process, denoise, eta=half),
        ]
        samplers += [
            diffx.samplers.edm_stochastic(process, denoise, gamma=half / 2),
            diffx.samplers.exact_flow(process, law, eta=half),
        ]
        return [
            diffx.fold(sampler, x, diffx.uniform(2))[0] for sampler in samplers
        ], diffx.distillation.consistency(process, law, x, 0.5)

    assert all(jnp.isfinite(end).all() for end in jax.tree.leaves(everything(x)))


# --- bad input ----------------------------------------------------------------------------------


def test_inversion_refuses_to_start_at_clean_data():
    law = law_of(np.float64, MEAN, VARIANCES)
    with pytest.raises(
        ValueError, match="sigma is 0 and x does not tell eps; end the grid above 0"
    ):
        diffx.samplers.ddim_invert(vp(), diffx.denoiser(vp(), law), jnp.ones(3), diffx.uniform(3))


def test_distillation_refuses_wrong_laws_and_shapes():
    with pytest.raises(TypeError, match="consistency needs a GaussianLaw, got MixtureLaw"):
        diffx.distillation.consistency(vp(), mixture(np.float64), jnp.ones(1), 0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="must have one shape"):
        diffx.distillation.progressive_target(vp(), jnp.ones(3), jnp.ones(2), 0.5, 0.25)
