"""What check_sampler asks, one function a claim: (case) -> (holds, measured, expected, one sentence)."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from diffx.check._points import off_in_law, off_in_map
from diffx.check.first_order import first_order
from diffx.check.order import WINDOW, Order, observed_order
from diffx.check.probe import Affine, affine_probe
from diffx.check.problem import PLANE, POINT, TWO, Denoise, Gaussian, follow_gated, gated, w2

Nodes = Callable[[int], tuple[Any, Any]]  # n -> (alphas, sigmas), the noise levels of the n + 1 nodes, from noise to data
SampleRun = Callable[[Denoise, np.ndarray, int, int, Callable | None], np.ndarray]
Answer = tuple[bool, str, str, str]
FEW = 10  # steps of the claims that hold at any number of them
STARTUP = 3  # steps that a method of order 4 may need to fill its history
STOP = 0.25  # orders are measured down to this tau: below it the steps of a grid in t grow in log tau, whatever their number


class Case(NamedTuple):
    """A sampler under test; see check_sampler."""

    run: SampleRun
    nodes: Nodes
    noise: bool
    rounding: float
    steps: Sequence[int]

    def levels(self, n: int) -> list[tuple[float, float]]:
        alphas, sigmas = (np.asarray(a, np.float64).ravel() for a in self.nodes(n))
        if alphas.shape != sigmas.shape or len(alphas) < 2:
            raise ValueError(f"nodes({n}) gave {alphas.size} alphas and {sigmas.size} sigmas, wanted one of each a node")
        return list(zip(alphas.tolist(), sigmas.tolist(), strict=True))

    def affine(self, data: Gaussian, n: int, stop: int | None = None) -> Affine:
        stop = len(self.levels(n)) - 1 if stop is None else stop
        return affine_probe(lambda x, normal: self.run(data.denoise, x, n, stop, normal), len(data.mean), noise=self.noise)

    def stop(self, n: int) -> int:
        """The number of steps to the last node where tau >= STOP."""
        return max(k for k, (alpha, sigma) in enumerate(self.levels(n)) if sigma >= STOP * alpha)


def is_a_function(case: Case) -> Answer:
    """API-01: one result for one input, row by row, and the input is left as it was."""
    x = np.array([[0.3, -1.0], [1.5, 0.2], [-0.7, 0.8]])
    given, quiet = x.copy(), (lambda shape: np.zeros(shape)) if case.noise else None
    once, again = (case.run(PLANE.denoise, given, FEW, len(case.levels(FEW)) - 1, quiet) for _ in range(2))
    if not np.array_equal(given, x):
        return False, "the input was changed", "the input as it was", "The sampler writes into the array that it is given."
    alone = case.run(PLANE.denoise, x[:1].copy(), FEW, len(case.levels(FEW)) - 1, quiet)
    apart = np.abs(np.asarray(once) - again).max()
    if apart > 0:
        return False, f"{apart:.3g} apart", "equal results", "Two calls with the same input differ: it draws noise of its own."
    mixed = float(np.abs(np.asarray(once)[:1] - alone).max())
    good = mixed <= case.rounding * _size(once)
    return (
        good,
        f"rows {mixed:.1e} apart",
        "rows independent",
        "One row alone comes out as in a batch." if good else ("A row's result depends on the other rows of the batch."),
    )


def keeps_the_type(case: Case) -> Answer:
    """API-04: floats of the shape that came, all finite."""
    x = np.array([[0.3, -1.0], [1.5, 0.2], [-0.7, 0.8]])
    quiet = (lambda shape: np.zeros(shape)) if case.noise else None
    out = np.asarray(case.run(PLANE.denoise, x, FEW, len(case.levels(FEW)) - 1, quiet))
    got = f"{out.dtype}{list(out.shape)}" + ("" if np.all(np.isfinite(out)) else " with numbers that are not finite")
    good = out.shape == x.shape and out.dtype == x.dtype and bool(np.all(np.isfinite(out)))
    return good, got, "float64[3, 2], finite", "Shape and type are kept." if good else "The output is not of the input's kind."


def converges(case: Case) -> Answer:
    """REV-01, REV-02: with the exact denoiser, the law of the output comes to the marginal at the last node."""
    errors, last = [], None
    for n in case.steps:
        levels, last = case.levels(n), case.affine(PLANE, n)
        if last.bend > max(1e-6, case.rounding):
            return (
                False,
                f"bent by {last.bend:.1e}",
                "affine on Gaussian data",
                (f"At N = {n} the output is not affine in its input: something clips, thresholds or is not a Gaussian step."),
            )
        errors.append(w2(last.law(PLANE.marginal(*levels[0])), PLANE.marginal(*levels[-1])))
    assert last is not None
    good = _fall(errors, 1e-2 * case.rounding**0.5, levels[-2], levels[-1])
    measured = "W2 " + ", ".join(f"{e:.2g}" for e in errors) + f" at N = {', '.join(map(str, case.steps))}"
    law, wanted = last.law(PLANE.marginal(*levels[0])), PLANE.marginal(*levels[-1])
    return good, measured, "falls to 0", _which_law(law, wanted, case.steps[-1])


def _fall(errors: list[float], rounding: float, before: tuple[float, float], end: tuple[float, float]) -> bool:
    """Whether errors go to 0: by 1.5 over the last doubling, where a method of order 1 has 2, and by 2 in all.

    A last step from tau to 0 costs 2 tau^2 for this data, whatever the steps before: a grid of a fixed least tau stops there.
    """
    last_step = 4 * (before[1] / max(before[0], 1e-9)) ** 2 if end[1] == 0 else 0.0
    falls = errors[-1] <= min(errors[0] / 2, errors[-2] / 1.5)
    return falls or errors[-1] <= rounding or (errors[-1] <= last_step and errors[-1] <= errors[0])


def _which_law(law: Gaussian, wanted: Gaussian, n: int) -> str:
    axes = np.linalg.eigh(wanted.cov)[1]
    spread = [np.diag(axes.T @ one.cov @ axes) for one in (law, wanted)]
    ratio, off = spread[0] / np.maximum(spread[1], 1e-300), np.abs(law.mean - wanted.mean).max()
    return (
        f"At N = {n} the variances are {ratio[0]:.4g} and {ratio[1]:.4g} of the right ones along the two axes, "
        f"the mean is off by {off:.2g}."
    )


def is_first_order(case: Case, *, eta: float) -> Answer:
    """REV-11, REV-16: the law of the first-order family at a few steps, to rounding."""
    levels, got = case.levels(FEW), case.affine(PLANE, FEW)
    candidates = {f"eta = {eta:g}": first_order(PLANE, levels, eta)}
    candidates |= {"eta = 0": first_order(PLANE, levels, 0.0), "eta = 1": first_order(PLANE, levels, 1.0)}
    candidates |= {"the posterior mean with the noise of the forward step, beta": first_order(PLANE, levels, 1.0, upper=True)}
    apart = {name: _apart(got, other, levels[0]) for name, other in candidates.items()}
    wanted = apart.pop(f"eta = {eta:g}")
    good = wanted <= 16 * case.rounding
    named = [name for name, distance in apart.items() if distance <= 16 * case.rounding]
    law, right = (a.law(PLANE.marginal(*levels[0])) for a in (got, candidates[f"eta = {eta:g}"]))
    detail = _which_law(law, right, FEW) + (f" It is the law of {named[0]}." if named and not good else "")
    return good, f"off by {wanted:.1e}", f"the law of eta = {eta:g} at N = {FEW}", detail


def _apart(a: Affine, b: Affine, start: tuple[float, float]) -> float:
    """Difference of two maps on the marginal of the data at their start, in deviations of the output."""
    laws = [one.law(PLANE.marginal(*start)) for one in (a, b)]
    parts = (
        (a.matrix - b.matrix) * _size(PLANE.marginal(*start).cov) ** 0.5,
        laws[0].mean - laws[1].mean,
        laws[0].cov - laws[1].cov,
    )
    return max(float(np.abs(part).max()) for part in parts)


def is_exact_on_points(case: Case) -> Answer:
    """REV-17: where all data are one point, the denoiser's answer is constant and so is the noise: no error at any N."""
    levels = case.levels(FEW)
    stop = max(k for k, (_, sigma) in enumerate(levels) if sigma > 0) if case.noise else len(levels) - 1
    off = (off_in_law if case.noise else off_in_map)(case.affine(POINT, FEW, stop), levels[0], levels[stop])
    good = bool(off <= 16 * case.rounding)
    return (
        good,
        f"off by {off:.1e}",
        f"exact at N = {FEW}",
        ("An exponential integrator is exact where prediction and noise are constant." + ("" if good else " This one is not.")),
    )


def has_order(case: Case, *, order: int) -> Answer:
    """REV-19: errors fall as N^-order; of trajectories on a mixture, or of the law on a Gaussian where there is noise."""
    seen = observed_order(lambda n: (_law_error if case.noise else _flow_error)(case, n), case.steps, floor=case.rounding / 16)
    measured = f"order {seen}, errors {', '.join(f'{e:.2g}' for e in seen.errors)} at N = {', '.join(map(str, case.steps))}"
    exact = bool(np.isnan(seen.slope)) and max(seen.errors) < 64 * case.rounding
    if not (exact or seen.settled(order) or seen.slope >= order - WINDOW):
        raise NotImplementedError(f"the order cannot be told at these steps, slopes have not settled: {measured}")
    return exact or seen.slope >= order - WINDOW, measured, f"order {order}", _order_in_words(seen, order)


def _order_in_words(seen: Order, order: int) -> str:
    if np.isnan(seen.slope):
        return "The error is rounding at every N."
    verdict = "as stated" if seen.slope >= order - WINDOW else f"stated is {order}"
    return f"Halving the steps divides the error by {2**seen.slope:.2f}: order {seen.slope:.2f}, {verdict}."


def _law_error(case: Case, n: int) -> float:
    stop, levels = case.stop(n), case.levels(n)
    return w2(case.affine(PLANE, n, stop).law(PLANE.marginal(*levels[0])), PLANE.marginal(*levels[stop]))


def _flow_error(case: Case, n: int) -> float:
    """Largest error over five starts, the denoiser closed over the first steps of the coarsest grid."""
    coarse = case.levels(case.steps[0])
    first = min(coarse[STARTUP][1] / max(coarse[STARTUP][0], 1e-9), 20.0)
    if first < 2:
        raise NotImplementedError(
            f"the order needs a grid that begins in the noise: node {STARTUP} is at sigma/alpha = {first:.2g}"
        )
    stop, levels = case.stop(n), case.levels(n)
    x = levels[0][1] * np.linspace(-2, 2, 5)
    out = np.asarray(case.run(gated(TWO.denoise, first, 0.8), x[:, None], n, stop, None))[:, 0]
    return float(np.abs(out - _reference(levels[0][1], levels[stop], first)).max())


@cache
def _reference(sigma: float, end: tuple[float, float], first: float) -> np.ndarray:
    return follow_gated(TWO.denoise, sigma * np.linspace(-2, 2, 5), sigma, end, first, 0.8)


def _size(x: Any) -> float:
    return float(np.abs(np.asarray(x)).max()) + 1.0
