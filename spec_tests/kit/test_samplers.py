"""The kit tested on itself: samplers in plain numpy that are right pass, those that are wrong fall
with the right words.
"""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from diffx.check import check_sampler, check_samples, require_holds
from diffx.check.finding import FAILS, HOLDS, NOT_PROVIDED, Finding
from diffx.check.problems import PLANE, Gaussian
from diffx.check.samplers.chi_square import power
from diffx.check.samplers.order import observed_order
from diffx.check.samplers.probe import affine_probe
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim
from spec_tests.specimens import toys
from spec_tests.specimens.said import of_file, said

OUTSIDE = "asked from outside, in numpy float64"


class Toy(NamedTuple):
    run: Any
    nodes: Any = toys.nodes
    asked: dict[str, Any] = {}  # noqa: RUF012 (never written to)


NOISY = {"eta": 1.0, "noise": True, "order": 1}
RIGHT = {
    "DDIM": Toy(toys.ddim, asked={"eta": 0.0, "order": 1, "exact_on_points": True}),
    "DDIM eta=.5": Toy(toys.half, asked={**NOISY, "eta": 0.5}),
    "ancestral": Toy(toys.ancestral, asked=NOISY),
    "Euler": Toy(toys.euler, toys.timed, {"order": 1}),
    "Heun": Toy(toys.heun, toys.timed, {"order": 2}),
    "Adams 2": Toy(toys.adams_2, asked={"order": 2}),
    "Adams 3": Toy(toys.adams_3, asked={"order": 3}),
    "2M": Toy(toys.two_m, asked={"order": 2, "exact_on_points": True}),
    "3M": Toy(toys.three_m, asked={"order": 3, "exact_on_points": True}),
    "Euler-Maruyama": Toy(toys.euler_maruyama, toys.timed, {"order": 1, "noise": True}),
    "ancestral, own noise": Toy(toys.own_noise(toys.ancestral), asked={"eta": 1.0, "noise": "own"}),
}
DDIM, ANCESTRAL, TIMED = {"eta": 0.0}, {"eta": 1.0, "noise": True}, {"order": 1}

WRONG: dict[
    str, tuple[Toy, dict[str, str]]
] = {  # the toy, and what is said of each claim that falls
    "clips x0": (
        Toy(toys.clipping, asked=DDIM),
        {"REV-02": "clips, thresholds", "REV-11": "variances"},
    ),
    "beta for beta-tilde": (
        Toy(toys.upper, asked=ANCESTRAL),
        {"REV-16": "noise of the forward step, beta"},
    ),
    "no noise is drawn": (
        Toy(toys.noiseless, asked=ANCESTRAL),
        {"REV-01": "It draws no noise", "REV-16": "Each step has the right mean, but no noise"},
    ),
    "noise is drawn and dropped": (
        Toy(toys.silent, asked=ANCESTRAL),
        {"REV-01": "has no effect", "REV-16": "Each step has the right mean, but no noise"},
    ),
    "a variance for a deviation": (
        Toy(toys.rootless, asked=ANCESTRAL),
        {"REV-01": "variances", "REV-16": "a square root is missing"},
    ),
    "a fifth too much noise": (
        Toy(toys.louder, asked=ANCESTRAL),
        {"REV-01": "variances", "REV-16": "except for its noise, 1.2 times the right one"},
    ),
    "one noise for all steps": (
        Toy(toys.repeated, asked=ANCESTRAL),
        {"REV-01": "It draws 1 normal in 128 steps", "REV-16": "one noise that all steps share"},
    ),
    "another eta": (
        Toy(toys.ancestral, asked={**ANCESTRAL, "eta": 0.5}),
        {"REV-16": "It is the law of eta = 1"},
    ),
    "g^2 for g^2/2": (
        Toy(toys.doubled, toys.timed, TIMED),
        {"REV-02": "g^2 where the probability flow has g^2/2", "REV-19": "but 1 is stated"},
    ),
    "sigma for sigma^2": (Toy(toys.flattened, toys.timed), {"REV-02": "the variances are 3.29"}),
    "to the level after the next": (
        Toy(toys.skipping, asked=DDIM),
        {"REV-02": "variances", "REV-11": "goes one node too far"},
    ),
    "to the level after the next, not to 0": (
        Toy(toys.skipping_above, toys.above, {"exact_on_points": True}),
        {
            "REV-02": "variances",
            "REV-17": "Step 1 goes to alpha = 0.07521, sigma = 0.9972 instead of 0.03069",
        },
    ),
    "no step to 0": (
        Toy(toys.stopping, asked=DDIM),
        {"REV-11": "stops at the node before the last, at sigma = 0.01 instead of 0"},
    ),
    "sigma = .3 is left": (
        Toy(toys.early, asked=DDIM),
        {"REV-02": "law of the data noised to alpha = 0.94, sigma = 0.31", "REV-11": "variances"},
    ),
    "no mean": (
        Toy(toys.centred, asked=DDIM),
        {"REV-02": "Its mean is 0", "REV-11": "the mean of the data is taken to be 0"},
    ),
    "half a difference": (
        Toy(toys.half_weight, asked={"order": 3}),
        {"REV-19": "order 1.98, but 3 is stated"},
    ),
    "writes into its input": (
        Toy(toys.mutating, asked=DDIM),
        {"API-01": "writes into the array that it is given", "REV-11": "variances"},
    ),
    "float32": (
        Toy(toys.single, asked=DDIM),
        {"API-04": "float64 became float32", "REV-11": "variances"},
    ),
    "another shape": (
        Toy(toys.transposed, asked=DDIM),
        {
            "API-04": "(3, 2) became (3, 2, 1)",
            **dict.fromkeys(("API-01", "REV-02", "REV-11"), "came back as ("),
        },
    ),
    "raises": (
        Toy(toys.raising, asked=DDIM),
        dict.fromkeys(
            ("API-01", "API-04", "REV-02", "REV-11"),
            "it raised RuntimeError: expected a 4-D tensor",
        ),
    ),
    "stochastic where it is said not to be": (
        Toy(toys.restless, asked=DDIM),
        {"API-01": "draws its own noise", "REV-02": "not affine", "REV-11": "variances"},
    ),
    "rows depend on rows": (
        Toy(toys.gregarious, asked=DDIM),
        {
            "API-01": "depends on the other rows",
            "REV-02": "its mean is not",
            "REV-11": "the mean is off by",
        },
    ),
    "NaN at sigma = 0": (
        Toy(toys.undefined, asked=DDIM),
        {"API-04": "NaN or infinite", **dict.fromkeys(("REV-02", "REV-11"), "not finite")},
    ),
    "own noise, no noise": (
        Toy(toys.own_noise(toys.silent), asked={"eta": 1.0, "noise": "own"}),
        {"REV-01": "100000 samples", "REV-16": "By more than chance, a variance is"},
    ),
    "own noise, beta for beta-tilde": (
        Toy(toys.own_noise(toys.upper), asked={"eta": 1.0, "noise": "own"}),
        {"REV-16": "By more than chance, a variance is 3."},
    ),
}


def findings(toy: Toy) -> tuple[Finding, ...]:
    return check_sampler(toy.run, toy.nodes, **toy.asked)


@claim(
    "KIT-01",
    "A right sampler passes every claim; each of a family of samplers that are wrong in one way "
    "fails the right claim, with the right words",
    of=("diffx.check.check_sampler", "diffx.check.require_holds"),
    source="toy samplers in numpy, derived by hand: spec_tests/specimens/toys.py",
    grade="bounded",
    dtypes=(),
    why_dtypes=OUTSIDE,
)
@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_right_samplers_pass_and_wrong_ones_fall_with_the_right_words(name):
    if name in WRONG:
        toy, words = WRONG[name]
        falls_as_said(name, findings(toy), words)
        return
    require_holds(found := findings(RIGHT[name]))
    holds(all(one.verdict == HOLDS for one in found), f"{name} is right: {found}")


def falls_as_said(name: str, found: tuple[Finding, ...], wanted: dict[str, str]) -> None:
    failed = {one.claim: one.detail for one in found if one.verdict == FAILS}
    holds(set(failed) == set(wanted), f"{name}: what fails is {failed}, wanted {wanted}")
    for id, words in wanted.items():
        holds(words in failed[id], f"{name}, {id}: {words!r} is not in {failed[id]!r}")
    with pytest.raises(AssertionError, match=f"{len(wanted)} claims fail"):
        require_holds(found)


def test_guesses_are_silent_on_samplers_that_are_right():
    for toy in RIGHT.values():
        for one in findings(toy):
            assert not any(
                words in one.detail for words in ("It is ", "goes", "g^2", "no noise", "noised")
            ), one


def test_what_a_library_lacks_is_not_provided_and_fails_nothing():
    found = check_sampler(toys.absent, toys.nodes, eta=0.0, order=1)
    assert {one.verdict for one in found} == {NOT_PROVIDED}
    assert all(one.detail == "the library has no such sampler" for one in found)
    require_holds(found)


def test_samples_are_not_asked_for_what_they_cannot_tell():
    own = {"noise": "own", "order": 1, "exact_on_points": True, "steps": (2, 4)}
    verdicts = {
        one.claim: one.verdict
        for one in check_sampler(toys.own_noise(toys.ancestral), toys.nodes, **own)
    }
    assert verdicts["REV-17"] == verdicts["REV-19"] == NOT_PROVIDED
    assert verdicts["API-01"] == verdicts["API-04"] == HOLDS


def test_a_sampler_of_own_noise_that_writes_into_its_input_is_named():
    def writing(denoise, x, n, stop, normal):
        x *= 1.5
        return toys.own_noise(toys.ancestral)(denoise, x, n, stop, normal)

    found = {
        one.claim: one
        for one in check_sampler(writing, toys.nodes, noise="own", eta=1.0, steps=(2, 4))
    }
    assert (found["API-01"].verdict, found["API-01"].measured) == (FAILS, "the input was changed")


def test_nodes_that_do_not_fit_together_are_reported_and_raise_nothing():
    found = check_sampler(toys.ddim, lambda n: (np.ones(n + 1), np.ones(n)), eta=0.0)
    assert (
        all("alphas and" in one.detail for one in found if one.verdict == FAILS)
        and found[0].verdict == FAILS
    )


# --- the probe ----------------------------------------------------------------------------------

GRIDS = {
    diffx.VP: (0.9, 0.5, 0.2, 0.05, 0.0),
    diffx.EDM: (0.9, 0.3, 0.1, 0.02, 0.0),
    diffx.RectifiedFlow: (0.9, 0.6, 0.3, 0.1, 0.0),
}
TWO_M = partial(diffx.dpm_solver_pp, order=2)
PAIRS = (  # each method and each process; all nine pairs agree, and compile for ten seconds
    ("DDIM", diffx.ddim, diffx.VP),
    ("DDPM", diffx.ddpm, diffx.EDM),
    ("2M", TWO_M, diffx.RectifiedFlow),
    ("DDPM", diffx.ddpm, diffx.RectifiedFlow),
)


@claim(
    "KIT-02",
    "The affine probe finds the law that exact_law gives, from outputs alone",
    of="diffx.check.samplers.probe.affine_probe",
    source="derived here: the derivatives of every step against unit vectors fed through the whole",
    grade="computed law",
    dtypes=("float64",),
    why_dtypes=OUTSIDE,
)
def test_unit_vectors_find_the_law_that_derivatives_find(dtype):
    law = diffx.GaussianLaw(jnp.asarray(PLANE.mean, dtype), jnp.asarray(PLANE.cov, dtype))
    start = Gaussian(np.array([0.3, -2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))
    begin = diffx.GaussianLaw(jnp.asarray(start.mean, dtype), jnp.asarray(start.cov, dtype))
    for method, make, process in PAIRS:
        ts = jnp.asarray(GRIDS[process], dtype)
        sampler = make(process(), diffx.denoiser(process(), law))
        got = affine_probe(partial(folded, sampler, ts), 2, noise=sampler.noise is not None)
        wanted, probed = diffx.exact_law(sampler, begin, ts), got.law(start)
        why = (
            f"{method} on {process.__name__}: four steps, some twenty roundings each, gains below 3"
        )
        close(probed.mean, wanted.mean, ulps=64, scale=4.0, why=why)
        close(probed.cov, wanted.cov, ulps=64, scale=4.0, why=why)
        holds(got.bend < 1e-13, f"{method} is affine")
        holds(len(got.noises) == (4 if sampler.noise else 0), "a normal each step")


def folded(sampler: diffx.Sampler, ts: Any, x: np.ndarray, normal: Any) -> np.ndarray:
    zs = None if normal is None else jnp.stack([jnp.asarray(normal(x.shape)) for _ in ts[1:]])
    return np.asarray(diffx.fold(sampler, jnp.asarray(x), ts, zs)[0])


def drawn_by(normal: Any, shape: tuple[int, ...]) -> np.ndarray:
    return normal(shape)


def test_probe_tells_what_is_not_affine_and_normals_of_another_shape():
    clipped = affine_probe(lambda x, normal: np.clip(3 * x, -1, 1), 2)
    assert clipped.bend > 0.01
    with pytest.raises(ValueError, match="a normal of shape"):
        affine_probe(lambda x, normal: x + drawn_by(normal, x.shape[:1])[:, None], 2, noise=True)
    with pytest.raises(ValueError, match="their number depends on x"):
        affine_probe(
            lambda x, normal: x + sum(drawn_by(normal, x.shape) for _ in range(len(x))),
            2,
            noise=True,
        )


# --- the order ----------------------------------------------------------------------------------


@claim(
    "KIT-03",
    "The order estimator finds the order of what it is given: a power law, Euler, Heun, Adams and "
    "exponential multi-step methods",
    of="diffx.check.samplers.order.observed_order",
    source=(
        "classical orders of these methods; a third-order method with half its last difference "
        "has order 2"
    ),
    grade="bounded",
    dtypes=(),
    why_dtypes=OUTSIDE,
)
def test_orders_are_found_as_they_are_given():
    for order in (1, 2, 3, 4):
        seen = observed_order(
            lambda n, p=order: 3 * n**-p * (1 + 1 / n), (16, 32, 64, 128), floor=1e-15
        )
        holds(
            abs(seen.slope - order) < 0.02,
            f"a power law of order {order} with a term of the next: {seen}",
        )
    exact = observed_order(lambda n: 1e-16, (16, 32, 64), floor=1e-15)
    holds(bool(np.isnan(exact.slope)), "errors of rounding have no slope")
    stated = {
        "Euler": 1,
        "Heun": 2,
        "Adams 2": 2,
        "Adams 3": 3,
        "2M": 2,
        "Euler-Maruyama": 1,
        "DDIM": 1,
    }
    for name, order in stated.items():
        holds(
            abs(order_of(RIGHT[name]) - order) < 0.25,
            f"{name} has order {order}",
            order_of(RIGHT[name]),
            order,
        )
    # its slope comes down to 3 from above
    fine = RIGHT["3M"]._replace(asked={"order": 3, "steps": (64, 128, 256, 512)})
    holds(abs(order_of(fine) - 3) < 0.25, "3M has order 3", order_of(fine), 3)
    half = WRONG["half a difference"][0]
    holds(
        abs(order_of(half) - 2) < 0.25,
        "half of the last difference costs an order",
        order_of(half),
        2,
    )


def order_of(toy: Toy) -> float:
    measured = next(one.measured for one in findings(toy) if one.claim == "REV-19")
    return float(measured.removeprefix("order ").partition(",")[0])


def test_steps_that_do_not_double_are_refused():
    with pytest.raises(ValueError, match="must double"):
        observed_order(lambda n: 1 / n, (10, 20, 30), floor=0.0)


MISTAKES = (
    ({"steps": (10, 20, 30)}, "must double"),
    ({"steps": (16,)}, "must double"),
    ({"noise": "yes"}, "noise must be"),
    ({"order": "2"}, "order must be"),
    ({"order": 0}, "order must be"),
    ({"eta": -1.0}, "eta must be"),
    ({"precision": "float16"}, "precision must be"),
)


@pytest.mark.parametrize(("asked", "says"), MISTAKES)
def test_mistakes_of_the_caller_are_refused_and_are_not_the_samplers(asked, says):
    with pytest.raises(ValueError, match=says):
        check_sampler(toys.ddim, toys.nodes, **asked)


def linear(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sigma alone, in equal steps to 0: the last node with sigma >= .25 is another one for each
    number of them.
    """
    return np.ones(n + 1), np.linspace(14.6, 0, n + 1)


def test_orders_compare_errors_of_one_place():
    run = lambda denoise, x, n, stop, normal: toys.family(
        denoise, x, n, stop, normal, eta=1.0, levels=linear
    )
    found = {one.claim: one for one in check_sampler(run, linear, noise=True, eta=1.0, order=1)}
    assert found["REV-19"].verdict == HOLDS, found["REV-19"]


def dormand_prince(denoise: Any, x: np.ndarray, n: int, stop: int, normal: Any) -> np.ndarray:
    """The method of order 8 that scipy has, in log sigma."""
    from scipy.integrate._ivp import dop853_coefficients as eighth

    u = np.log(geometric(n)[1])
    for begin, h in zip(u[:stop], np.diff(u), strict=False):
        slopes: list[np.ndarray] = []
        for row, place in zip(eighth.A[:12], eighth.C[:12], strict=True):
            y = x + h * sum(a * slope for a, slope in zip(row, slopes, strict=False))
            slopes.append(y - denoise(y, 1.0, np.exp(begin + place * h)))
        x = x + h * sum(b * slope for b, slope in zip(eighth.B, slopes, strict=True))
    return x


def geometric(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(n + 1), np.geomspace(80, 0.01, n + 1)


@pytest.mark.parametrize("first", [16, 32, 64])
def test_a_method_that_is_better_than_the_reference_is_not_accused(first):
    found = check_sampler(
        dormand_prince, geometric, order=8, steps=(first, 2 * first, 4 * first, 8 * first)
    )[-1]
    assert found.verdict == HOLDS and found.expected == "order 8, asked for 5", found


def test_an_order_that_does_not_show_is_asked_at_finer_steps_before_it_is_judged():
    found = check_sampler(toys.ddim, toys.nodes, order=1, steps=(4, 8, 16))[-1]
    assert found.verdict == HOLDS and "N = 16, 32, 64" in found.measured
    found = check_sampler(toys.ddim, toys.nodes, order=2, steps=(16, 32, 64))[-1]
    assert found.verdict == FAILS and "N = 16, 32, 64" in found.measured


def test_slopes_that_are_on_their_way_up_are_not_judged():
    error = lambda n: {16: 0.14, 32: 0.092, 64: 0.034, 128: 0.011}[
        n
    ]  # slopes .6, 1.43 and 1.63, of a right 2M
    assert not observed_order(error, (16, 32, 64, 128), floor=0.0).has_settled(2)
    assert observed_order(error, (16, 32, 64, 128), floor=0.0).has_settled(3)


def test_an_order_needs_enough_steps_and_a_family_nodes_that_go_towards_data():
    few = check_sampler(toys.ddim, lambda n: toys.nodes(2), order=1, steps=(2, 4))[-1]
    assert few.verdict == NOT_PROVIDED and "more than 3 steps" in few.detail
    back = lambda n: (np.ones(n + 1), np.append(np.resize([2.0, 1.0], n), 0.0))
    found = {one.claim: one for one in check_sampler(toys.ddim, back, eta=1.0, noise=True)}
    assert found["REV-16"].verdict == NOT_PROVIDED and "back to noise" in found["REV-16"].detail


def test_a_network_that_is_asked_at_a_level_a_row_says_so():
    run = lambda denoise, x, n, stop, normal: denoise(x, np.ones(len(x)), np.ones(len(x)))
    assert all("one alpha and one sigma" in one.detail for one in check_sampler(run, toys.nodes))


# --- samples ------------------------------------------------------------------------------------


def drawn(seed: int, n: int, cov: Any = PLANE.cov) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((n, len(cov)))
    return PLANE.mean[: len(cov)] + z @ np.linalg.cholesky(np.asarray(cov)).T


MISSED = 2e-5  # how often fewer than 386 of 400 are found where one in a hundred is missed


@claim(
    "KIT-08",
    "Samples of the law itself raise no alarm, and an error of the stated size is found with the "
    "stated probability",
    of="diffx.check.check_samples",
    source=(
        "n s^2/S is chi-square with n - 1 degrees of freedom; here by simulation with fixed seeds"
    ),
    grade="sampled",
    dtypes=(),
    why_dtypes=OUTSIDE,
)
def test_samples_are_judged_with_the_stated_chances():
    for seed in range(100):
        found = check_samples(drawn(seed, 50 + seed), PLANE.mean, PLANE.cov)
        holds(
            found.verdict == HOLDS,
            f"no false alarm at seed {seed}: {found}",
            false_alarm=6e-9,  # d^2 + d comparisons at 1e-9
        )
    n, one = 400, PLANE.cov[:1, :1]
    wrong = [drawn(seed, n, one * (1 + power(n).variance)) for seed in range(400)]
    caught = sum(check_samples(rows, PLANE.mean[:1], one).verdict == FAILS for rows in wrong)
    holds(
        386 <= caught <= 400,
        "396 of 400 wait to be found, give or take five deviations of 2",
        caught,
        386,
        false_alarm=MISSED,
    )
    shifted = [drawn(seed, n, one) + power(n).mean * one[0] ** 0.5 for seed in range(400)]
    caught = sum(check_samples(rows, PLANE.mean[:1], one).verdict == FAILS for rows in shifted)
    holds(386 <= caught <= 400, "a mean off by what is stated", caught, 386, false_alarm=MISSED)
    holds(
        power(200_000).variance < 0.03,
        "3% at 200,000 rows is within the power",
        power(200_000).variance,
        0.03,
    )
    found = check_samples(drawn(1, 200_000, 1.03 * PLANE.cov), PLANE.mean, PLANE.cov)
    holds(
        found.verdict == FAILS
        and "a variance is 1.029" in found.detail
        and "2.7% wrong" in found.detail,
        f"3% are found: {found}",
        false_alarm=6e-4,  # 3% is 3.2 deviations beyond the bound
    )


def test_correlations_and_flat_axes_are_compared_too():
    turned = drawn(3, 20_000, [[1.0, 0.2], [0.2, 1.0]])
    assert check_samples(turned, PLANE.mean, np.eye(2)).verdict == FAILS, (
        "its variances are right along both axes"
    )
    flat = np.diag([1.0, 0.0])
    rows = PLANE.mean + np.random.default_rng(0).standard_normal((1000, 2)) * [1, 0]
    assert check_samples(rows, PLANE.mean, flat).verdict == HOLDS
    spread = check_samples(rows + 1e-3 * rows[:, ::-1], PLANE.mean, flat)
    assert spread.verdict == FAILS and "variance 0" in spread.detail


def test_samples_that_are_no_rows_are_reported_and_laws_that_are_none_refused():
    for bad, words in (
        (np.ones((5, 3)), "rows of 2"),
        (np.full((5, 2), np.nan), "NaN"),
        (np.ones((1, 2)), "at least two"),
    ):
        found = check_samples(bad, PLANE.mean, PLANE.cov, claim="REV-16")
        assert found.claim == "REV-16" and found.verdict == FAILS and words in found.detail
    with pytest.raises(ValueError, match="mean must be"):
        check_samples(np.ones((5, 2)), PLANE.mean, np.ones(2))
    with pytest.raises(ValueError, match="symmetric"):
        check_samples(np.ones((5, 2)), PLANE.mean, np.diag([1.0, -1.0]))


# --- every sentence -----------------------------------------------------------------------------


CHANGING = ("own noise", "said not to be")  # what is said of these depends on what they draw


@pytest.mark.parametrize("group", ["right", "wrong"])
def test_every_sentence_on_a_sampler_is_the_one_that_is_wanted(group):
    asked = RIGHT if group == "right" else {name: toy for name, (toy, _) in WRONG.items()}
    found = {
        name: findings(toy)
        for name, toy in asked.items()
        if not any(word in name for word in CHANGING)
    }
    assert said(found) == of_file(f"{group}_samplers")
