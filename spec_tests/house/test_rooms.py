"""The house: what the front door offers, which way imports point, how files are called, where names
are written.
"""

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import diffx
from spec_tests.support.rooms import (
    AT_FIRST_USE,
    ROOMS,
    ROOT,
    front_door,
    handed_on,
    imports,
    installed,
    is_public,
    modules,
    none_of,
    offered,
    public,
    room_of,
    texts,
)

# What `import diffx` offers beside its rooms; everything else is one dot further.
HEART = {
    *("VP", "CosineVP", "SubVP", "VE", "EDM", "RectifiedFlow", "Trig", "DDPMChain"),
    *("GaussianLaw", "MixtureLaw", "PointSet", "LowRank"),
    *("marginal", "prior", "denoiser", "score", "perturb", "transition", "posterior"),
    *("denoiser_of_eps", "denoiser_of_v", "denoiser_of_velocity", "denoiser_of_score"),
    *("Sampler", "State", "Info", "fold", "sample", "keep_x", "keep_x0"),
    *("ddpm", "ddim", "euler", "heun", "dpm_solver_pp", "unipc", "flow_euler", "euler_maruyama"),
    *("uniform", "karras", "trailing", "time_shift", "cfg", "guide", "guide_net"),
    *("exact_law", "error_budget", "w2", "kl", "log_prob_ode", "clip_loss", "siglip_loss"),
}

ALLOWED = {"jax", "jaxtyping", "diffx"}
HOST = {
    room: {"numpy"} for room in ("_arguments", "processes", "laws", "contrast", "concepts")
}  # value checks
HOST["guidance"] = {"numpy"}  # value checks, and the nodes of Gauss and Legendre
HOST["check"] = {
    "numpy",
    "scipy",
}  # asks foreign code, in numpy float64; scipy for a reference, imported where it is called
HOST["flow_matching"] = {"numpy", "scipy"}  # optimal transport is an assignment on the host


# Public files that their siblings import, and why. What else two files share lies in a file `_x.py`
# beneath them.
BENEATH = {
    "diffx.contrast.scores": "the matrix of scores, of which every loss is a function",
    "diffx.concepts.algebra": "embeddings of PMI are judged by the parallelogram's defect",
    "diffx.flow_matching.couplings": "a bridge runs between the ends of a coupling",
    "diffx.guidance.combine": "every variant is `cfg`, changed in one place",
    "diffx.laws.covariance": "the forms of a covariance, which every law has",
    "diffx.laws.gaussian": "a mixture is of Gaussians, a distance between two",
    "diffx.laws.mixture": "a point set is a mixture of variance 0",
    "diffx.laws.point_set": "every law has a marginal",
    "diffx.likelihood.information": "the ELBO is an integral over the same curve",
    "diffx.likelihood.trace": "the change of variables integrates a trace",
    "diffx.processes.betas": "the chain is made of betas",
    "diffx.processes.cosine": "betas of the cosine schedule",
    "diffx.samplers.ddim": "the first-order step of the exponential methods is DDIM's",
    "diffx.samplers.multistep": "methods with a memory",
}
NOT_METHODS = {"protocol", "run", "multistep"}  # public files of diffx/samplers that hold no method


# --- the front door -----------------------------------------------------------------------------


def test_the_front_door_is_the_heart_and_the_rooms():
    offers = set(front_door())
    wanted = {*HEART, *(room for room in ROOMS if room not in AT_FIRST_USE)}
    none_of(
        offers - wanted,
        "diffx/__init__.py hands on what belongs one dot further (or into HEART, by decision)",
    )
    none_of(wanted - offers, "diffx/__init__.py does not hand on what the front door promises")


def test_the_front_door_lists_the_rooms_that_load_at_first_use():
    assert set(diffx.AT_FIRST_USE) == set(AT_FIRST_USE), (
        "name the room in diffx.AT_FIRST_USE and in spec_tests/house.py"
    )
    assert set(dir(diffx)) >= {*front_door(), *AT_FIRST_USE}, (
        "dir(diffx) shows every name that the front door offers"
    )


@pytest.mark.parametrize("how", ["diffx.{room}", "import diffx.{room}", "from diffx import {room}"])
def test_heavy_rooms_load_at_first_use_and_not_before(how):
    rooms = [room for room in AT_FIRST_USE if installed(f"diffx.{room}")]
    program = (
        f"import sys, diffx\nprint([room for room in {rooms} if f'diffx.{{room}}' in "
        f"sys.modules] == [])\n"
    )
    program += "".join(
        f"{how.format(room=room)}\nprint(diffx.{room}.__name__ == 'diffx.{room}')\n"
        for room in rooms
    )
    assert set(run(program).split()) == {"True"}, (
        "diffx.__getattr__ imports these rooms, and nothing else does before"
    )


def test_importing_diffx_imports_neither_networks_nor_plots():
    heavy = ("flax", "optax", "scipy", "matplotlib", "diffrax", "hypothesis", "pytest")
    loaded = run(f"import sys, diffx; print([name for name in {heavy} if name in sys.modules])")
    assert loaded.strip() == "[]", (
        "import these where they are called, or in a room that loads at first use"
    )


def test_importing_diffx_computes_nothing():
    started = run(
        "import jax, diffx; from jax._src import xla_bridge; "
        "print(xla_bridge.backends_are_initialized())"
    )
    assert started.strip() == "False", (
        "an array made at import starts the device before its user can choose one"
    )


def test_a_name_that_moved_out_of_the_front_door_is_answered_with_its_room():
    wrong = {}
    for name in public():
        short = name.rpartition(".")[2]
        if name != f"diffx.{short}" and short not in ROOMS:
            with pytest.raises(AttributeError) as error:
                getattr(diffx, short)
            wrong |= (
                {} if str(error.value).endswith(f": it is {name}") else {name: str(error.value)}
            )
    none_of(
        [f"{name}: {said}" for name, said in wrong.items()], "diffx.__getattr__ names another place"
    )


def test_a_name_that_diffx_never_had_is_answered_without_a_hint():
    for name in ("no_such_name", "_arguments_", "vp", "jnp", "Callable", "Array"):
        with pytest.raises(AttributeError, match=f"^module 'diffx' has no attribute '{name}'$"):
            getattr(diffx, name)


def run(program: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


# --- which way imports point --------------------------------------------------------------------


def formula_modules() -> dict[str, Path]:
    return {name: path for name, path in modules().items() if room_of(name) not in AT_FIRST_USE}


def inner_imports() -> dict[str, set[str]]:
    """For every module of diffx the modules of diffx that it imports."""
    known = modules()
    names = {
        module: {name for name in imports(path) if name.startswith("diffx.")}
        for module, path in known.items()
    }
    return {
        module: {name if name in known else name.rpartition(".")[0] for name in found}
        for module, found in names.items()
    }


def test_formula_layer_imports_jax_and_jaxtyping_alone():
    foreign = []
    for name, path in formula_modules().items():
        allowed = ALLOWED | set(sys.stdlib_module_names) | HOST.get(room_of(name), set())
        foreign += [
            f"{name} imports {found}"
            for found in imports(path)
            if found.split(".")[0] not in allowed
        ]
    none_of(foreign, "import jax and jaxtyping alone, or give the reason in HOST")


def test_rooms_import_only_from_rooms_before_them():
    upward = [
        f"{name} imports {found}"
        for name, path in modules().items()
        if name != "diffx"
        for found in imports(path)
        if found.startswith("diffx.") and rank(room_of(found)) > rank(room_of(name))
    ]
    none_of(upward, "a room imports only from the rooms before it in ROOMS")


def rank(name: str) -> int:
    """Where a room stands; modules with an underscore stand before all."""
    return -1 if name.startswith("_") else ROOMS.index(name)


def test_no_file_imports_itself_by_way_of_others():
    try:
        list(TopologicalSorter(inner_imports()).static_order())
    except CycleError as error:
        pytest.fail(
            "move what they share into a file beneath them: "
            f"{' imports '.join(reversed(error.args[1]))}",
            pytrace=False,
        )


def leanings() -> list[tuple[str, str]]:
    """Pairs of public files of one folder of the formula layer, of which the first imports the
    second.

    Not of `check`, whose files are the stages of one question; a `protocol.py` says what all files
    of its folder are.
    """
    return [
        (module, found)
        for module, imported in inner_imports().items()
        for found in imported
        if is_public(module)
        and is_public(found)
        and room_of(module) not in (*AT_FIRST_USE, "check")
        if module.count(".") == found.count(".") == 2 and room_of(module) == room_of(found)
        if not found.endswith(".protocol")
    ]


def test_siblings_lean_only_on_what_lies_beneath_them():
    pairs = [f"{module} imports {found}" for module, found in leanings() if found not in BENEATH]
    none_of(
        pairs, "move what both need into a file _x.py beneath them, or give the reason in BENEATH"
    )


def test_reasons_for_leaning_on_a_sibling_are_still_needed():
    none_of(
        set(BENEATH) - {found for _, found in leanings()},
        "no sibling imports these: strike them from BENEATH",
    )
    assert all(BENEATH.values()), "every exception has its reason"


# --- how files are called -----------------------------------------------------------------------


def test_no_file_or_folder_hides_behind_a_public_name_of_its_parent():
    hidden = []
    for module, path in modules().items():
        parent, _, name = module.rpartition(".")
        names = set(handed_on(door(parent))) - set(ROOMS) if parent else set()
        if parent != "diffx.samplers" and name in names:
            hidden.append(
                f"{path.relative_to(ROOT)}: {module} is what its parent hands on, not this file"
            )
    none_of(hidden, "name the file by its subject or a plural noun")


def door(package: str) -> Path:
    return modules()[package]


def test_nothing_in_one_folder_shares_a_name():
    seen: dict[str, list[str]] = {}
    for path in sorted((ROOT / "diffx").rglob("*")):
        if path.suffix in ("", ".py") and path.name != "__pycache__":
            seen.setdefault(str(path.with_suffix("")).lower(), []).append(
                str(path.relative_to(ROOT))
            )
    none_of(
        [" and ".join(paths) for paths in seen.values() if len(paths) > 1],
        "only one of them can be imported everywhere",
    )


def test_every_method_stands_in_a_file_of_its_name():
    homeless = []
    for module, path in modules().items():
        parent, _, name = module.rpartition(".")
        if parent == "diffx.samplers" and is_public(module) and name not in NOT_METHODS:
            made = getattr(diffx.samplers, name, None)
            if getattr(made, "__module__", None) != module or name not in handed_on(door(parent)):
                homeless.append(
                    f"{path.relative_to(ROOT)}: diffx.samplers.{name} is not a constructor defined "
                    "in it"
                )
    none_of(
        homeless,
        "name the file after its constructor, which diffx/samplers/__init__.py hands on; what is "
        "shared is _x.py",
    )


# --- where names are written --------------------------------------------------------------------


def passed(path: Path) -> list[tuple[ast.ImportFrom, ast.alias]]:
    """What a file takes from diffx."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    nodes = [
        node
        for node in body
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "diffx"
    ]
    return [(node, alias) for node in nodes for alias in node.names]


def doors() -> dict[str, Path]:
    return {module: path for module, path in modules().items() if path.name == "__init__.py"}


def test_doors_hand_on_each_name_once_and_by_its_own_name():
    wrong = []
    for module, path in doors().items():
        names = [alias.name for _, alias in passed(path)]
        wrong += [f"{module}: {name} twice" for name in names if names.count(name) > 1]
        wrong += [
            f"{module}: {alias.name}" for _, alias in passed(path) if alias.asname != alias.name
        ]
    none_of(
        wrong, "a door writes `from diffx.laws.gaussian import GaussianLaw as GaussianLaw`, once"
    )


def test_doors_take_each_name_from_where_it_is_defined_beneath_them():
    wrong = []
    for module, path in doors().items():
        for node, alias in passed(path):
            source = str(node.module)
            home = getattr(
                getattr(importlib.import_module(source), alias.name, None), "__module__", source
            )
            if source != "diffx" and not (
                source.startswith(f"{module}.") and home.startswith(source)
            ):
                wrong.append(f"{module}: {alias.name} from {source}, defined in {home}")
    none_of(
        wrong,
        "a door takes a name from its own folder, out of the file that defines it or a door on the "
        "way",
    )


def test_only_doors_hand_on():
    files = [(module, path) for module, path in modules().items() if path.name != "__init__.py"]
    none_of(
        [f"{module}: {name}" for module, path in files for name in handed_on(path)],
        "`import x as x` belongs into a door",
    )


def test_nothing_lists_its_names_a_second_time():
    listing = [name for name, text in texts(".py").items() if f"\n__{'all'}__" in text]
    none_of(listing, "write `from x import y as y` in place of the list")


def test_no_two_rooms_offer_the_same_name():
    homes: dict[str, list[str]] = {}
    for room in ROOMS:
        if installed(f"diffx.{room}"):
            for name in offered(importlib.import_module(f"diffx.{room}")):
                homes.setdefault(name, []).append(f"diffx.{room}.{name}")
    none_of(
        [" and ".join(names) for names in homes.values() if len(names) > 1],
        "a reader must not have to ask which",
    )
