"""The specification shows the theory: a folder for each family, small files, leaves."""

import ast
from collections import defaultdict

import pytest

from spec_tests.families import FAMILIES
from spec_tests.instrument.registry import CLAIMS
from spec_tests.support.rooms import ROOT, TESTS, import_every_test, imports, none_of

SPEC_TESTS = ROOT / "spec_tests"
FOLDERS = {family.lower(): family for family in FAMILIES}
MOST = 8  # claims of one file: what one can read in one go


@pytest.fixture(scope="module")
def files() -> dict[str, list[str]]:
    """The claims of each file, by its path from `spec_tests`."""
    import_every_test()
    found = defaultdict(list)
    for id, claim in CLAIMS.items():
        found[claim.test.partition("::")[0].removeprefix("spec_tests/")].append(id)
    return found


def test_every_claim_stands_in_the_folder_of_its_family(files):
    astray = [
        f"{id} in {file}" for file, ids in files.items() for id in ids if not is_at_home(id, file)
    ]
    none_of(astray, "claims outside the folder of their family")


def is_at_home(id: str, file: str) -> bool:
    return FOLDERS.get(file.partition("/")[0]) == id.partition("-")[0]


def test_every_family_has_a_folder_with_claims(files):
    assert {file.partition("/")[0] for file in files} == set(FOLDERS)


def test_no_file_has_more_claims_than_one_can_read(files):
    none_of(
        [f"{file}: {len(ids)}" for file, ids in files.items() if len(ids) > MOST],
        f"files of more than {MOST} claims",
    )


def test_a_test_file_is_a_leaf():
    """What two of them share lies in `support`."""
    everything = [path for path in SPEC_TESTS.rglob("*.py") if path.name != "__init__.py"]
    borrowed = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in everything
        for name in imports(path)
        if name.startswith("spec_tests.") and any(map(is_test, name.split(".")[1:3]))
    ]
    none_of(borrowed, "test files that something imports")


def is_test(part: str) -> bool:
    return part.startswith("test_")


def test_tests_stand_in_folders_and_helpers_elsewhere():
    none_of([path.name for path in TESTS if path.parent == SPEC_TESTS], "tests outside a folder")
    helpers = [
        str(path.relative_to(ROOT))
        for family in FOLDERS
        for path in (SPEC_TESTS / family).glob("*.py")
        if not is_test(path.stem) and path.name != "__init__.py"
    ]
    none_of(helpers, "helpers in the folder of a family; they belong in support/")


def test_oracles_and_support_hold_no_tests():
    tests = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for folder in ("oracles", "support", "specimens")
        for path in (SPEC_TESTS / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and is_test(node.name)
    ]
    none_of(tests, "tests that pytest does not collect")
