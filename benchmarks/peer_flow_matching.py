"""flow_matching: ODESolver.compute_likelihood, whose time 1 is data."""
# pyright: reportMissingImports=false

import torch
from flow_matching.solver import ODESolver

from benchmarks.problem import DENSITY, density_points, log_density, vp
from benchmarks.torch_fields import Field, tensor

NAME = "flow_matching"


def _velocity(field):
    """-(beta/2)(x + score) of the VP process, from noise to data."""

    def velocity(x, t):
        s = 1 - t
        b = s * (0.1 + 19.9 * s / 2)
        return (
            (0.1 + 19.9 * s)
            / 2
            * (x + field.score(x, torch.exp(-b / 2), torch.sqrt(-torch.expm1(-b))))
        )

    return velocity


def _run(exact, tolerance=1e-6):
    solver, x = ODESolver(_velocity(Field(DENSITY))), tensor(density_points())
    prior = lambda x: tensor(log_density(x.detach().numpy(), *vp(1.0)))
    return lambda: solver.compute_likelihood(
        x,
        prior,
        step_size=None,
        method="dopri5",
        atol=tolerance,
        rtol=tolerance,
        exact_divergence=exact,
    )[1]


def likelihood():
    return {"flow_matching, dopri5, rtol 1e-06": _run(exact=True)}


def likelihood_by_probe():
    return {"flow_matching, dopri5, rtol 1e-06": _run(exact=False)}
