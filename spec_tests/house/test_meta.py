"""Claims, docstrings and tests name each other from both ends, and every name that is printed is
one that Python knows.
"""

import ast
import importlib
import inspect
import re
from functools import cache

import pytest

from spec_tests.families import ID
from spec_tests.instrument.registry import CLAIMS, resolve
from spec_tests.support.rooms import (
    OPTIONAL,
    ROOT,
    TESTS,
    by_short_name,
    import_every_test,
    imports,
    installed,
    is_public,
    modules,
    none_of,
    public,
    texts,
)

ORACLES = sorted((ROOT / "spec_tests" / "oracles").rglob("*.py"))

DOTTED = re.compile(
    r"(?P<module>(?:\bfrom|\bimport|-m)\s+)?(?<![\w./])(?P<name>diffx(?:\.[A-Za-z_]\w*)+)(?![\w{])"
)
EXEMPT = {"CHANGELOG.md"}  # tells old names
NOT_NAMES = {"diffx.css": "a file of the gallery"}  # what looks like a dotted name


# Public names that no claim holds, and why.
UNCLAIMED: dict[str, str] = {
    "Discriminant": "the values of discriminant, which CLP-13 holds",
    "Finding": "the values of the checks, which the claims of KIT hold",
    "Factors": "the values of pmi_embeddings, which CON-03 holds",
    "Ranking": "the values of rank_words, which CON-08 holds",
    "Retrieval": "the values of retrieval_metrics, which CON-07 holds",
    "RetrievalMetrics": "the values of retrieval_metrics, which CON-07 holds",
    "Pairs": "the values of reflow_pairs, which FM-08 holds",
    "SD3": "a dictionary of FlowSettings, which FM-12 holds",
    "WAN": "a dictionary of FlowSettings, which FM-12 holds",
    "ErrorBudget": "the values of error_budget, which REV-43 holds",
    "LossWeights": "the values of loss_weights, which DEN-10 holds",
    "Preconditioning": "the values of preconditioning, which DEN-11 holds",
    "gaussian_of": "no theory: its two moments are held by den/test_laws",
    "standard_normal": "jax.random.normal; API-02 holds what sample does with it",
    "GaussianStep": "the values of gaussian_step, which REV-02 holds",
    "Posterior": "the values of posterior, which REV-05 holds",
    "reverse_drift_of_x0": "reverse_drift, which REV-01 holds, after its denoiser has answered",
    "hashed_normal": "a generator, no formula of diffusion: exact quantiles in api/test_noise",
}


def exists(name: str) -> bool:
    """Whether a dotted name leads to an object."""
    try:
        resolve(name)
    except (ImportError, AttributeError):
        return False
    return True


def public_objects() -> dict[str, object]:
    """Public functions, classes and their methods, by the dotted name of where they are defined."""
    found = {}
    for module in modules():
        if is_public(module) and installed(module):
            found |= members(importlib.import_module(module))
    return found


def members(owner) -> dict[str, object]:
    """The public functions and classes that a module or class defines itself, and theirs."""
    module = owner.__name__ if inspect.ismodule(owner) else owner.__module__
    own = {
        name: value
        for name, value in vars(owner).items()
        if getattr(value, "__module__", None) == module
    }
    found = {}
    for name, value in own.items():
        if not name.startswith("_") and (
            inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value))
        ):
            found[f"{module}.{value.__qualname__}"] = value
            found |= members(value) if inspect.isclass(value) else {}
    return found


def claims_in(docstring: str | None) -> set[str]:
    """The ids after "Claims:", which are a list with commas to the end of the paragraph, ranges
    written out.
    """
    lists = re.findall(r"Claims:(.*?)(?:\n\s*\n|\Z)", docstring or "", re.DOTALL)
    for text in lists:
        text = " ".join(text.split())
        assert re.fullmatch(rf"{ID.pattern}(, {ID.pattern})*\.", text), (
            f"'Claims:{text}' is no list of ids and a full stop"
        )
    return {match.group() for text in lists for match in ID.finditer(text)}


@pytest.fixture(scope="module", autouse=True)
def every_claim_is_declared():
    """Import all tests, so that this file alone sees every claim."""
    import_every_test()


def test_every_claim_is_about_something_that_exists():
    missing = [
        f"{claim.id} of {name}"
        for claim in CLAIMS.values()
        for name in claim.of
        if not exists(name)
    ]
    none_of(missing, "no such function or class")


def test_docstrings_name_the_claims_that_hold_them():
    silent = [
        f"{name}: {claim.id}"
        for claim in CLAIMS.values()
        for name in claim.of
        if claim.id not in claims_in(inspect.getdoc(resolve(name)))
    ]
    none_of(silent, "add these ids to the line 'Claims:' of the docstrings")


def test_claims_in_docstrings_are_declared_by_a_test_of_that_object():
    declared = {(id(resolve(name)), claim.id) for claim in CLAIMS.values() for name in claim.of}
    unknown = [
        f"{name}: {claimed}"
        for name, value in public_objects().items()
        for claimed in sorted(claims_in(value.__doc__))
        if (id(value), claimed) not in declared
    ]
    none_of(unknown, "no test declares these with of=that name")


def test_public_names_of_the_formula_layer_are_held_by_a_claim():
    bare = [
        name
        for name, value in public().items()
        if not claims_in(value.__doc__) and _last(name) not in UNCLAIMED
    ]
    none_of(bare, "no 'Claims:' line and no reason in UNCLAIMED")


def test_exceptions_without_a_claim_are_still_needed():
    names = by_short_name()
    stale = [name for name in UNCLAIMED if name not in names or claims_in(names[name].__doc__)]
    none_of(stale, "these have a claim or are gone")
    assert all(UNCLAIMED.values()), "every exception has its reason"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def test_names_of_tests_are_conclusions():
    names = [
        node.name
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
    ]
    short = [
        name
        for name in names
        if len(re.findall(r"_[a-z]+", name)) < 3 or re.match(r"test_?\d", name)
    ]
    none_of(short, "at least three words that say what is true")


def test_test_modules_define_no_test_twice():
    twice = []
    for path in TESTS:
        names = [
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef)
        ]
        twice += [f"{path.name}: {name}" for name in set(names) if names.count(name) > 1]
    none_of(twice, "the later definition hides the earlier")


def test_oracles_do_not_know_the_code_they_judge():
    guilty = [
        path.name
        for path in ORACLES
        if any(name.split(".")[0] == "diffx" for name in imports(path))
    ]
    none_of(guilty, "an oracle takes another route and imports nothing from diffx")


# --- every dotted name is one that Python knows -------------------------------------------------


def test_every_dotted_name_that_is_printed_is_an_expression():
    unknown = {
        name
        for text in (*texts(".py", ".md", ".rst", ".toml").items(), *claimed())
        for name in unknown_in(*text)
    }
    none_of(unknown, "after `import diffx` Python finds nothing here; where did it move?")


def claimed() -> list[tuple[str, str]]:
    """What claims say, also where their text is put together."""
    return [(claim.id, f"{claim.statement} {claim.source}") for claim in CLAIMS.values()]


def unknown_in(place: str, text: str) -> list[str]:
    """Dotted names of a text that are neither evaluated by Python nor, after `import` or
    `python -m`, found by it.
    """
    found = [] if place in EXEMPT else list(DOTTED.finditer(text))
    return [
        f"{place}:{line_of(text, m.start())}: {m['name']}"
        for m in found
        if not is_known(m["name"], m["module"])
    ]


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


@cache
def is_known(name: str, module: str | None) -> bool:
    needs = next((extra for extra in OPTIONAL if name.startswith(extra)), "diffx")
    return (
        name in NOT_NAMES
        or not installed(needs)
        or exists(name)
        or bool(module and name in modules())
    )


def test_names_that_python_does_not_know_are_seen_wherever_they_stand():
    text = (
        "see `{0}.no_room.f`,\n{0}.samplers.ddim.step and f'{0}.losses.{{x}}_of_{{y}}', "
        "({0}.VP.beta), python -m {0}.no_recipe"
    )
    seen = [found.rpartition(" ")[2] for found in unknown_in("here", text.format("diffx"))]
    assert seen == [
        "diffx" + end for end in (".no_room.f", ".samplers.ddim.step", ".VP.beta", ".no_recipe")
    ]
    assert not unknown_in(
        "here",
        "python -m {0}.nn.recipe, from {0}.samplers.run import fold, {0}.VP.alpha".format("diffx"),
    )
