"""The pytest plugin of the specification: options, hypothesis profiles, and the table and
certificate of claims.
"""

from __future__ import annotations

import os

import hypothesis
import jax
import pytest

from spec_tests.instrument import certificate, grades
from spec_tests.instrument.close import recording
from spec_tests.instrument.registry import NO_DTYPE, claim_of
from spec_tests.support.rooms import ROOT

# before jax is used, and nowhere else: oracles and slopes need float64
jax.config.update("jax_enable_x64", True)
# before the backend starts: a mesh for sharded losses, at no cost to the rest
jax.config.update("jax_num_cpu_devices", 4)
# A program is compiled once, whichever file, worker or run asks for it: of 10,800 requests 4,300
# are repetitions, and a second run of the suite compiles nothing. The environment tells the
# processes that tests start. Without "none" the key of a program has the path of the cache in it.
for name, value in {
    "jax_compilation_cache_dir": str(ROOT / ".cache" / "jax"),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_enable_xla_caches": "none",
}.items():
    os.environ[name.upper()] = str(value)
    jax.config.update(name, value)

PROFILES = {"dev": 5, "default": 20, "deep": 500}  # hypothesis examples a test
RESULTS = pytest.StashKey[certificate.Results]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("specification")
    group.addoption(
        "--spec-profile",
        choices=sorted(PROFILES),
        default="default",
        help="how many examples to draw",
    )
    group.addoption(
        "--dtype", choices=("float64", "float32"), help="run only the instances of this dtype"
    )
    group.addoption(
        "--claims",
        action="store_true",
        help="print every claim with its measured error and verdict",
    )
    group.addoption(
        "--claims-json", metavar="FILE", help="write the claims, device and versions to FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "slow: takes minutes; runs where the -m expression names slow"
    )
    config.stash[RESULTS] = certificate.Results()
    _draw(str(config.getoption("--spec-profile")))
    path = config.getoption("--claims-json")
    if path:
        _probe(path)


@pytest.hookimpl(tryfirst=True)  # before -k and -m deselect: what they leave out is "not run"
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[RESULTS].expect([_instance(item) for item in items])
    unwanted = [item for item in items if not _wanted(item, config)]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item):
    _, dtype = _instance(item)
    if dtype == "float64" and not certificate.has_float64():
        pytest.skip("this device has no float64")
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    with recording() as record:
        item.stash[certificate.RECORD] = record
        result = yield
    claim, dtype = claim_of(getattr(item, "function", None)), _instance(item)[1]
    if claim and not record.count:
        pytest.fail(
            "a claim is held by close, slope, holds or below; this test called none of them",
            pytrace=False,
        )
    if claim:
        against = grades.objection(claim.grade, record.kinds, record.false_alarm, dtype)
        if against:
            pytest.fail(f"{claim.id} says that it is {claim.grade}: {against}", pytrace=False)
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One file runs in this process: a worker would first collect for longer than it saves."""
    alone = len(config.args) == 1 and config.args[0].split("::")[0].endswith(".py")
    return 0 if alone else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # this process is a worker of pytest-xdist
        session.config.workeroutput["results"] = session.config.stash[RESULTS].plain()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error: object | None) -> None:
    results = getattr(node, "workeroutput", {}).get("results")  # none where the worker crashed
    if results:
        node.config.stash[RESULTS].merge(results)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or nextitem.path != item.path:
        # a compiled program holds mappings of memory: all 60 files' are over Linux's 65,530, a
        # crash
        jax.clear_caches()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    item.config.stash[RESULTS].add(
        *_instance(item), report, item.stash.get(certificate.RECORD, None)
    )
    return report


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    rows = config.stash[RESULTS].rows()
    if config.getoption("--claims"):
        terminalreporter.section("claims")
        terminalreporter.write("\n".join(certificate.table(rows)) + "\n")
    path = config.getoption("--claims-json")
    if path:
        certificate.write(path, rows)
        terminalreporter.write_line(f"{len(rows)} claims written to {path}")


def _draw(profile: str) -> None:
    # Without a database and with drawing derandomised, what CI runs is a function of the code
    # alone.
    hypothesis.settings.register_profile(
        profile,
        max_examples=PROFILES[profile],
        deadline=None,  # the first example compiles
        derandomize=profile != "deep",
        database=None,
        print_blob=profile == "deep",
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile(profile)


def _probe(path: str) -> None:
    try:
        certificate.probe(path)
    except OSError as error:
        way_out = "name a file in an existing directory that you may write to"
        raise pytest.UsageError(
            f"--claims-json {path} cannot be written ({error.strerror}): {way_out}"
        ) from error


def _instance(item: pytest.Item) -> tuple[str, str]:
    """(claim id or '', dtype or 'any') that an item runs."""
    claim = claim_of(getattr(item, "function", None))
    callspec = getattr(item, "callspec", None)
    dtype = callspec.params.get("dtype") if callspec else None
    return (claim.id if claim else "", NO_DTYPE if dtype is None else str(dtype))


def _wanted(item: pytest.Item, config: pytest.Config) -> bool:
    if item.get_closest_marker("slow") and "slow" not in config.option.markexpr:
        return False
    only, dtype = config.getoption("--dtype"), _instance(item)[1]
    return only is None or dtype in (only, NO_DTYPE)
