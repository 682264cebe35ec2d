"""Claims, docstrings and tests name each other from both ends, and the layers import only what they may."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spec_tests
from spec_tests.families import ID
from spec_tests.house import AT_FIRST_USE, ROOMS, by_short_name, is_public, modules, public
from spec_tests.registry import CLAIMS, resolve

ROOT = Path(__file__).parent.parent
TESTS = sorted(Path(__file__).parent.glob("test_*.py"))
ORACLES = sorted((Path(__file__).parent / "oracles").rglob("*.py"))

OPTIONAL = {"diffx.adaptive"}  # needs an extra that may not be installed
ALLOWED = {"jax", "jaxtyping", "diffx"}
HOST = {room: {"numpy"} for room in ("_arguments", "processes", "laws")}  # value checks look at concrete arrays on the host
HOST["concepts"] = HOST["contrast"] = {"numpy"}  # value checks look at concrete arrays on the host
HOST["guidance"] = {"numpy"}  # value checks, and the nodes of Gauss and Legendre
HOST["check"] = {"numpy", "scipy"}  # asks foreign code, in numpy float64; scipy for a reference, imported where it is called
HOST["flow_matching"] = {
    "numpy",
    "scipy",
}  # optimal transport is an assignment on the host

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
    "ErrorBudget": "the values of error_budget, which REV-22 holds",
    "LossWeights": "the values of loss_weights, which DEN-10 holds",
    "Preconditioning": "the values of preconditioning, which DEN-11 holds",
    "gaussian_of": "no theory: its two moments are held by test_law_values",
    "standard_normal": "jax.random.normal; API-02 holds what sample does with it",
    "GaussianStep": "the values of gaussian_step, which REV-02 holds",
    "Posterior": "the values of posterior, which REV-05 holds",
    "reverse_drift_of_x0": "reverse_drift, which REV-01 holds, after its denoiser has answered",
    "hashed_normal": "a generator, no formula of diffusion: exact quantiles in test_noise",
}


def room(module: str) -> str:
    """The second part of a module's name."""
    return [*module.split("."), ""][1]


def formula_modules() -> dict[str, Path]:
    return {name: path for name, path in modules().items() if room(name) not in AT_FIRST_USE}


def imports(path: Path) -> set[str]:
    """Dotted names of what a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def exists(name: str) -> bool:
    """Whether a dotted name leads to an object."""
    try:
        resolve(name)
    except (ImportError, AttributeError):
        return False
    return True


def none_of(found: list[str], message: str) -> None:
    """Fail with all that was found, not with the beginning of a list."""
    if found:
        pytest.fail("\n  ".join([f"{message}:", *sorted(found)]), pytrace=False)


def public_objects() -> dict[str, object]:
    """Public functions, classes and their methods, by the dotted name of where they are defined."""
    found = {}
    for module in modules():
        if is_public(module) and (module not in OPTIONAL or exists(module)):
            found |= members(importlib.import_module(module))
    return found


def members(owner) -> dict[str, object]:
    """The public functions and classes that a module or class defines itself, and theirs."""
    module = owner.__name__ if inspect.ismodule(owner) else owner.__module__
    own = {name: value for name, value in vars(owner).items() if getattr(value, "__module__", None) == module}
    found = {}
    for name, value in own.items():
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value))):
            found[f"{module}.{value.__qualname__}"] = value
            found |= members(value) if inspect.isclass(value) else {}
    return found


def claims_in(docstring: str | None) -> set[str]:
    """The ids after "Claims:", which are a list with commas to the end of the paragraph, ranges written out."""
    lists = re.findall(r"Claims:(.*?)(?:\n\s*\n|\Z)", docstring or "", re.DOTALL)
    for text in lists:
        text = " ".join(text.split())
        assert re.fullmatch(rf"{ID.pattern}(, {ID.pattern})*\.", text), f"'Claims:{text}' is no list of ids and a full stop"
    return {match.group() for text in lists for match in ID.finditer(text)}


@pytest.fixture(scope="module", autouse=True)
def every_claim_is_declared():
    """Import all tests, so that this file alone sees every claim."""
    for path in TESTS:
        importlib.import_module(f"{spec_tests.__name__}.{path.stem}")


def test_every_claim_is_about_something_that_exists():
    missing = [f"{claim.id} of {name}" for claim in CLAIMS.values() for name in claim.of if not exists(name)]
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
    bare = [name for name, value in public().items() if not claims_in(value.__doc__) and _last(name) not in UNCLAIMED]
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
    short = [name for name in names if len(re.findall(r"_[a-z]+", name)) < 3 or re.match(r"test_?\d", name)]
    none_of(short, "at least three words that say what is true")


def test_test_modules_define_no_test_twice():
    twice = []
    for path in TESTS:
        names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        twice += [f"{path.name}: {name}" for name in set(names) if names.count(name) > 1]
    none_of(twice, "the later definition hides the earlier")


def test_oracles_do_not_know_the_code_they_judge():
    guilty = [path.name for path in ORACLES if any(name.split(".")[0] == "diffx" for name in imports(path))]
    none_of(guilty, "an oracle takes another route and imports nothing from diffx")


def test_importing_diffx_imports_neither_networks_nor_plots():
    heavy = ("flax", "optax", "scipy", "matplotlib", "diffrax", "hypothesis", "pytest")
    program = f"import sys, diffx; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_diffx_computes_nothing():
    program = "import jax, diffx; from jax._src import xla_bridge; print(xla_bridge.backends_are_initialized())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", "an array made at import starts the device before its user can choose one"


def test_formula_layer_imports_jax_and_jaxtyping_alone():
    foreign = []
    for name, path in formula_modules().items():
        allowed = ALLOWED | set(sys.stdlib_module_names) | HOST.get(room(name), set())
        foreign += [f"{name} imports {found}" for found in imports(path) if found.split(".")[0] not in allowed]
    none_of(foreign, "import jax and jaxtyping alone, or give the reason in HOST")


def test_rooms_import_only_from_rooms_before_them():
    upward = [
        f"{name} imports {found}"
        for name, path in modules().items()
        if name != "diffx"
        for found in imports(path)
        if found.startswith("diffx.") and rank(room(found)) > rank(room(name))
    ]
    none_of(upward, "a room imports only from the rooms before it")


def rank(name: str) -> int:
    """Where a room stands; modules with an underscore stand before all."""
    return -1 if name.startswith("_") else ROOMS.index(name)
