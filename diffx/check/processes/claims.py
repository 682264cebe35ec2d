r"""check_process: the parts of a forward process, compared with each other."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from diffx.check._ask import check_precision, no_measure
from diffx.check.finding import Finding, finding
from diffx.check.processes import grid_rules, path as ask, rates as slopes
from diffx.check.processes.conversions import converts
from diffx.check.processes.path import Path


def check_process(
    alpha: Callable,
    sigma: Callable,
    times: Any,
    *,
    f: Callable | None = None,
    g: Callable | None = None,
    log_snr: Callable | None = None,
    perturb: Callable | None = None,
    velocity: Callable | None = None,
    convert: Mapping[str, tuple[Callable, Callable]] | None = None,
    start: float | None = None,
    grid: Callable | None = None,
    spacing: str | None = None,
    training_steps: int | None = None,
    precision: str = "float64",
) -> tuple[Finding, ...]:
    r"""Findings on x_t = alpha(t) x0 + sigma(t) eps and all that a library derives from it.

    alpha(t) and sigma(t) are numbers, t in the library's own time. At the given times alpha and
    sigma must be > 0 (alpha may be 0 at the last). A part that is left out has the verdict "not
    provided", and an exception or a result of another shape is reported as a finding. precision is
    that of the code's own arithmetic. The parts are:

    - perturb(x0, eps, t) -> x_t, rows (B, d): FWD-01.
    - f(t), g(t) of dx = f x dt + g dw, t growing towards noise, compared with f = alpha'/alpha
      and g^2 = (sigma^2)' - 2 f sigma^2 at times[1:-1]: FWD-02.
    - log_snr(t) = log(alpha^2/sigma^2), which must fall: FWD-05.
    - start, the deviation of the noise that sampling starts with, compared with sqrt(alpha^2 +
      sigma^2) at times[-1], to 1e-3, with the terminal SNR: FWD-12.
    - grid(n) -> the n training steps (counted from 0 or 1, or over training_steps) that a sampler
      visits, from noise; spacing is "leading", "trailing" or "linspace", whose steps Lin et al.
      2024, arXiv:2305.08891, Table 2, gives for training_steps: FWD-19.
    - convert: name -> (predict(x0, eps, alpha, sigma) -> prediction, recover(x_t, prediction, t)
      -> x0), there and back: DEN-01.
    - velocity(x0, eps, t) = alpha' x0 + sigma' eps, the derivative in the library's own time;
      where that runs to data, its opposite is a convention too: FM-01.

    Units: times (n,), strictly monotone from data to noise; arrays are numpy float64 in and out.
    Domain: n >= 3.
    Raises: ValueError for invalid times, an unknown spacing or an unknown precision.
    Also called: test of a noise schedule, terminal SNR check, zero terminal SNR, timestep spacing
        check.
    Claims: KIT-04.
    """
    path = Path(alpha, sigma, ask.check_times(times), check_precision(precision))
    grid_rules.check_arguments(grid, spacing, training_steps)
    rates = partial(slopes.has_rates, path, f, g) if f or g else no_measure("f or g")
    asked = {
        "FWD-01": partial(ask.perturbs, path, perturb) if perturb else no_measure("perturb"),
        "FWD-02": rates,
        "FWD-05": partial(ask.log_snr_falls, path, log_snr),
        "FWD-12": partial(ask.starts, path, start) if start is not None else no_measure("start"),
        "FWD-19": partial(grid_rules.visits, grid, spacing, training_steps)
        if grid
        else no_measure("grid"),
        "DEN-01": partial(converts, path, convert) if convert else no_measure("convert"),
        "FM-01": partial(slopes.flows, path, velocity) if velocity else no_measure("velocity"),
    }
    return tuple(finding(claim, measure) for claim, measure in asked.items())
