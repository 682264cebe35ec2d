"""What samplers really make of Gaussian data: their affine steps, and the mean and covariance of
their output.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import diffx
from diffx.check.problems import Gaussian
from diffx.check.samplers.probe import affine_probe
from spec_tests.vectors.plain import COSINE, EDM, FLOW, SCALED_LINEAR, VE, VP, process_of


class Method(NamedTuple):
    """order: of trajectories where deterministic, else of the law; with an exact start. None where
    none is stated.
    """

    sampler: str
    parameters: dict
    order: int | None
    first_order: bool = False  # a step sees one x, one answer of the denoiser and one noise
    eta: float | None = None  # the member of DDIM's family that it is


METHODS = (
    Method("ddim", {}, 1, True, 0.0),
    Method("ddim", {"eta": 0.5}, 1, True, 0.5),
    Method("ddim", {"eta": 1.0}, 1, True, 1.0),
    Method("ddpm", {}, 1, True, 1.0),
    Method("ddpm_beta", {}, 1, True),
    Method("euler", {}, 1, True),
    Method("flow_euler", {}, 1, True),
    Method("euler_maruyama", {}, 1, True),
    Method("euler_ancestral", {"eta": 1.0}, 1, True, 1.0),
    Method("sde_dpm_solver", {}, 1, True),
    Method("sde_dpm_solver_pp", {"order": 1}, 1, True, 1.0),
    Method("sde_dpm_solver_pp", {"order": 2}, 2),
    Method("sde_dpm_solver_pp_2s", {}, 2),
    Method("heun", {}, 2),
    Method("edm_stochastic", {"gamma": 0.0}, 2),
    Method("edm_stochastic", {"gamma": 0.2, "noise_scale": 1.0}, None),
    Method("dpm2_ancestral", {"eta": 0.0}, 2),
    Method("dpm2_ancestral", {"eta": 1.0}, None),
    *(Method(name, {"order": 1}, 1, True, 0.0) for name in ("dpm_solver", "dpm_solver_pp")),
    *(Method(name, {"order": k}, k) for name in ("dpm_solver", "dpm_solver_pp") for k in (2, 3)),
    *(Method("dpm_solver_pp_single", {"order": k}, k) for k in (2, 3)),
    *(Method("deis", {"order": k}, k) for k in (2, 3, 4)),
    *(Method("lms", {"order": k}, k) for k in (2, 3, 4)),
    *(Method(name, {"order": k}, k + 1) for name in ("unipc", "unipc_bh1") for k in (1, 2, 3)),
)
SAME = {"mean": [0.6, -0.4], "cov": [[1.7, 0.0], [0.0, 1.7]]}
AXES = {"mean": [0.6, -0.4], "cov": [[1.3, 0.0], [0.0, 0.2]]}
PLANE = {"mean": [0.6, -0.4], "cov": [[1.3, 0.5], [0.5, 0.5]]}


N = 6  # steps: not a divisor of 1000
ROWS = (
    2 + 2 * (1 + 2 * N)
    # what the probe of two noises a step needs; all runs have that many, for each shape compiles
    # anew
)


class World(NamedTuple):
    process: dict
    data: dict
    ts: Callable[[], Any]
    every: bool  # every method, or those of first order alone


WORLDS = (
    World(
        VP, AXES, lambda: diffx.uniform(N, t_max=jnp.float64(0.99), t_min=jnp.float64(0.01)), True
    ),
    World(SCALED_LINEAR, PLANE, lambda: diffx.grids.leading(N), True),
    World(EDM, SAME, lambda: diffx.karras(process_of(EDM), N), True),
    World(FLOW, AXES, lambda: diffx.uniform(N, t_max=jnp.float64(0.95)), False),
    World(
        COSINE,
        PLANE,
        lambda: diffx.uniform(N, t_max=jnp.float64(0.9), t_min=jnp.float64(0.1)),
        False,
    ),
    World(VE, SAME, lambda: diffx.uniform(N), False),
)


def cases() -> Iterator[dict]:
    for world in WORLDS:
        for method in METHODS:
            if world.every or method.first_order:
                yield _case(world, method)


def _case(world: World, method: Method) -> dict[str, Any]:
    process, ts = process_of(world.process), world.ts()
    law = diffx.GaussianLaw(*(jnp.array(world.data[key], jnp.float64) for key in ("mean", "cov")))
    start = diffx.marginal(process, law, ts[0])
    checked = method.first_order and world.data is not PLANE
    named = {
        "checked": checked,
        "sampler": method.sampler,
        "parameters": method.parameters,
        "order": method.order,
    }
    given = {
        "process": world.process,
        "data": world.data,
        "t": ts,
        "start": {"mean": start.mean, "cov": start.cov},
    }
    steps = {"steps": list(_steps(method, process, ts))} if method.first_order else {}
    out = output_law(build(method, process, diffx.denoiser(process, law)), start, ts)
    return {**named, "eta": method.eta, **given, **steps, "mean": out.mean, "cov": out.cov}


def build(method: Method, process: Any, denoise: Callable) -> diffx.Sampler:
    if method.sampler == "flow_euler":
        return diffx.flow_euler(
            lambda x, t: diffx.predictions.velocity_of_x0(process, x, denoise(x, t), t)
        )
    return getattr(diffx.samplers, method.sampler)(process, denoise, **method.parameters)


def output_law(sampler: diffx.Sampler, start: Any, ts: Any) -> Gaussian:
    """As diffx.exact_law, by feeding the steps unit vectors: nothing is compiled, where 150
    programs take minutes.
    """
    run = lambda x, normal: np.asarray(_follow(sampler, _padded(x), ts, normal, len(x)))[: len(x)]
    dense = Gaussian(np.asarray(start.mean), np.asarray(start.cov))
    return affine_probe(run, len(dense.mean), noise=sampler.noise is not None).law(dense)


def _padded(x: Any) -> Any:
    return jnp.asarray(np.concatenate([x, np.zeros((ROWS - len(x), x.shape[1]))]))


def _follow(sampler: diffx.Sampler, x: Any, ts: Any, normal: Callable | None, rows: int) -> Any:
    state = sampler.init(x)
    for t, s in pairwise(ts):
        state, _ = sampler.step(state, t, s, _noise(sampler, x, normal, rows))
    return state.x


def _noise(sampler: diffx.Sampler, x: Any, normal: Callable | None, rows: int) -> Any:
    if sampler.noise is None or normal is None:
        return None
    shapes = jax.eval_shape(partial(sampler.noise, jax.random.key(0)), x)
    return jax.tree_util.tree_map(lambda z: _padded(normal((rows, z.shape[1]))), shapes)


def _steps(method: Method, process: Any, ts: Any) -> Iterator[dict]:
    """x_s = x x_t + x0 D(x_t, t) + noise z: a step from three rows of units, each with the others
    at 0.
    """
    x, x0, z = (_padded(np.eye(3)[:, [k, k]]) for k in range(3))
    sampler = build(method, process, lambda x, t: x0)
    for t, s in pairwise(ts):
        rows = sampler.step(sampler.init(x), t, s, z if sampler.noise is not None else None)[0].x
        yield dict(zip(("x", "x0", "noise"), np.asarray(rows)[:3, 0], strict=True))
