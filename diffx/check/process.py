r"""check_process: do the parts of a forward process agree with each other? Asked of its functions alone."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from diffx.check import _process_claims as ask
from diffx.check import _spacing
from diffx.check._ask import not_given
from diffx.check._process_claims import Path
from diffx.check.finding import Finding, finding


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

    alpha(t), sigma(t): one number each, t in the library's own time.  times (n,), n >= 3: where to ask, strictly monotone
    from data to noise, alpha and sigma > 0 there.  The rest, each "not provided" where it is left out:

    perturb(x0, eps, t) -> x_t, rows (B, d): FWD-01.  f(t), g(t) of dx = f x dt + g dw, t growing towards noise, against
    f = alpha'/alpha and g^2 = (sigma^2)' - 2 f sigma^2, at times[1:-1]: FWD-02.  log_snr(t) = log(alpha^2/sigma^2), which
    must fall: FWD-05.  start: the deviation of the noise that sampling starts with, against sqrt(alpha^2 + sigma^2) at
    times[-1], to 1e-3: FWD-12.  grid(n) -> the n training steps (counted from 0 or 1, or over training_steps) that a
    sampler visits, from noise; spacing: "leading", "trailing" or "linspace", which Lin et al. 2024, arXiv:2305.08891,
    Table 2 gives for training_steps: FWD-19.  convert: name -> (predict(x0, eps, alpha, sigma) -> prediction,
    recover(x_t, prediction, t) -> x0), there and back: DEN-01.  velocity(x0, eps, t) = alpha' x0 + sigma' eps, the
    derivative in the library's own time; where that runs to data, its opposite is a convention too: FM-01.

    precision: what the code computes in.  Arrays are numpy float64 in and out.  What raises or returns another shape is
    reported so.  Raises ValueError for times or a spacing that are none.  Claims: KIT-04.
    """
    path = Path(alpha, sigma, ask.checked_times(times), precision)
    _spacing.check_arguments(grid, spacing, training_steps)
    claims = [("FWD-01", "perturb", perturb, ask.perturbs), ("FWD-05", "log_snr", ask.nothing(log_snr), ask.log_snr_falls)]
    claims += [("FWD-12", "start", start, ask.starts), ("DEN-01", "convert", convert, ask.converts)]
    claims += [("FM-01", "velocity", velocity, ask.flows)]
    found = [
        finding(claim, not_given(name) if given is None else partial(measure, path, given))
        for claim, name, given, measure in claims
    ]
    rates = partial(ask.has_rates, path, f, g) if f or g else not_given("f and no g")
    nodes = partial(_spacing.visits, grid, spacing, training_steps) if grid else not_given("grid")
    return (found[0], finding("FWD-02", rates), *found[1:3], finding("FWD-19", nodes), *found[3:])
