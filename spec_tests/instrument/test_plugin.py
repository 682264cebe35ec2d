"""The plugin: a small suite of its own is run in a second process, and its table, certificate and
options are read.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from spec_tests.instrument.grades import GRADES, objection
from spec_tests.instrument.registry import CLAIMS, claim
from spec_tests.support.rooms import ROOT

SUITE = """
import numpy as np, pytest
from hypothesis import given, settings, strategies as st
from spec_tests.instrument.close import close, holds
from spec_tests.instrument.registry import claim

seen = []

@claim("FWD-01", "one is one", of="a.b", source="arithmetic", grade="identity")
@given(x=st.floats(1, 2))
def test_one_is_one_for_all_x(x, dtype):
    seen.append(x)
    close(np.asarray(1, dtype) + 2 * np.finfo(dtype).eps, 1.0, ulps=4, why="two ulps")

@claim(
    "FWD-02", "two is three", of=("a.b", "a.c"), source="error", grade="identity",
    dtypes=("float64",), why_dtypes="one is enough",
)
def test_two_is_three_by_mistake(dtype):
    close(np.asarray(2, dtype), 3.0, ulps=8, why="wrong")

@claim(
    "FWD-03", "NaN is not a number", of="a.b", source="IEEE 754", grade="identity",
    dtypes=(), why_dtypes="about no dtype",
)
def test_nan_is_a_failure_not_a_number():
    close(np.nan, 1.0, ulps=1, why="NaN")

@pytest.mark.slow
@claim("FWD-04", "slow is slow", of="a.b", source="watch", grade="identity")
def test_slow_is_left_out(dtype):
    holds(True, "slow")

@claim(
    "FWD-05", "a claim compares", of="a.b", source="-", grade="identity",
    dtypes=("float64",), why_dtypes="one is enough",
)
def test_claim_that_compares_nothing(dtype):
    assert True

@claim(
    "FWD-06", "skipped is not run", of="a.b", source="-", grade="identity",
    dtypes=("float64",), why_dtypes="one is enough",
)
def test_skipped_claim_is_not_run(dtype):
    pytest.skip("not here")

@claim("FWD-07", "parts add up", of="a.b", source="-", grade="identity",
       dtypes=(), why_dtypes="about no dtype")
@pytest.mark.parametrize("part", [1, 2])
def test_every_part_has_to_hold(part):
    close(1.0 + part * 2.0**-52, 1.0, ulps=4, why="the worst part is kept")

@claim(
    "FWD-08", "an order has a slope", of="a.b", source="-", grade="order",
    dtypes=("float64",), why_dtypes="one is enough",
)
def test_order_without_a_slope(dtype):
    close(1.0, 1.0, ulps=4, why="no order was measured")

def test_examples_are_those_of_the_profile():
    assert len(seen) == EXAMPLES

def test_float64_is_on():
    import jax.numpy as jnp
    assert jnp.ones(()).dtype == "float64"
"""


def run_suite(folder: Path, *options: str, examples: int = 10):
    """Run the suite above under the plugin, in a process of its own."""
    (folder / "conftest.py").write_text("from spec_tests.instrument.plugin import *\n")
    (folder / "test_suite.py").write_text(SUITE.replace("EXAMPLES", str(examples)))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(folder),
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return SimpleNamespace(code=done.returncode, text=done.stdout + done.stderr)


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """One run with the development profile, its output and its certificate."""
    folder = tmp_path_factory.mktemp("suite")
    run = run_suite(folder, "--claims", "--claims-json=claims.json", "--spec-profile", "dev")
    certificate = json.loads(
        (folder / "claims.json").read_text(), parse_constant=lambda name: pytest.fail(name)
    )
    rows = {(row["id"], row["dtype"]): row for row in certificate["claims"]}
    return SimpleNamespace(run=run, certificate=certificate, rows=rows)


def test_suite_runs_in_float64_with_the_examples_of_its_profile(default_run):
    assert "4 failed, 6 passed, 1 skipped, 2 deselected" in default_run.run.text, (
        default_run.run.text
    )


def test_options_are_known_in_the_root_of_the_repository():
    command = [sys.executable, "-m", "pytest", "--spec-profile", "dev", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_certificate_names_device_and_versions(default_run):
    certificate = default_run.certificate
    assert set(certificate) == {"device", "versions", "claims"}
    assert set(certificate["device"]) == {"kind", "platform"}
    assert set(certificate["versions"]) == {
        "python",
        "jax",
        "jaxlib",
        "numpy",
        "hypothesis",
        "diffx",
    }


def test_certificate_gives_each_claim_and_dtype_a_verdict(default_run):
    assert {key: row["verdict"] for key, row in default_run.rows.items()} == {
        ("FWD-01", "float64"): "holds",
        ("FWD-01", "float32"): "holds",
        ("FWD-02", "float64"): "fails",
        ("FWD-03", "any"): "fails",
        ("FWD-04", "float64"): "not run",
        ("FWD-04", "float32"): "not run",
        ("FWD-05", "float64"): "fails",
        ("FWD-06", "float64"): "not run",
        ("FWD-07", "any"): "holds",
        ("FWD-08", "float64"): "fails",
    }


def test_certificate_is_the_same_from_two_workers(default_run, tmp_path):
    run_suite(tmp_path, "-n", "2", "--claims-json=claims.json", "--spec-profile", "dev")
    certificate = json.loads((tmp_path / "claims.json").read_text())
    assert certificate == default_run.certificate


def test_certificate_keeps_measured_error_and_bound(default_run):
    row = default_run.rows["FWD-01", "float32"]
    assert (row["measured"], row["bound"], row["unit"]) == (2.0, 4.0, "ulp")
    assert row["statement"] == "one is one"
    assert (row["source"], row["grade"]) == ("arithmetic", "identity")
    assert row["test"] == "test_suite.py::test_one_is_one_for_all_x"
    assert default_run.rows["FWD-02", "float64"]["function"] == "a.b, a.c"
    assert default_run.rows["FWD-02", "float64"]["measured"] > 8


def test_certificate_keeps_the_worst_of_several_instances(default_run):
    assert default_run.rows["FWD-07", "any"]["measured"] == 2.0


def test_measured_infinity_is_written_as_null(default_run):
    assert default_run.rows["FWD-03", "any"]["measured"] is None


def test_table_prints_every_claim_with_its_verdict(default_run):
    lines = default_run.run.text.splitlines()
    assert any(
        " ".join(line.split()) == "FWD-01 float32 one is one identity 2 4 ulp holds"
        for line in lines
    )
    assert "3 holds, 4 fails, 3 not run" in lines


def test_one_dtype_runs_alone_and_the_rest_is_not_run(tmp_path):
    run = run_suite(tmp_path, "--dtype", "float32", "--claims", "--spec-profile", "dev", examples=5)
    lines = [" ".join(line.split()) for line in run.text.splitlines()]
    assert "FWD-01 float64 one is one identity not run" in lines, run.text
    assert "FWD-01 float32 one is one identity 2 4 ulp holds" in lines


def test_default_profile_draws_more_and_slow_tests_run_when_named(tmp_path):
    run = run_suite(
        tmp_path, "-m", "slow or not slow", "-k", "one_is_one or slow or examples", examples=40
    )
    assert "5 passed" in run.text, run.text


def test_certificate_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    run = run_suite(tmp_path, "--claims-json", str(tmp_path / "nowhere" / "claims.json"))
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "cannot be written" in run.text
    assert "passed" not in run.text


def test_a_grade_that_its_comparisons_do_not_reach_fails_its_claim(default_run):
    assert "FWD-08 says that it is order: a claim about an order calls slope" in (
        default_run.run.text
    )


@pytest.mark.parametrize(
    ("grade", "kinds", "false_alarm", "fits"),
    [
        ("identity", {"close", "holds"}, 0.0, True),
        ("identity", {"close", "below"}, 0.0, False),
        ("identity", {"close", "slope"}, 0.0, False),
        ("computed law", {"close", "below"}, 0.0, True),
        ("computed law", {"close", "slope"}, 0.0, False),
        ("order", {"slope", "below"}, 0.0, True),
        ("order", {"below"}, 0.0, False),
        ("bounded", {"slope", "below"}, 0.0, True),
        ("bounded", {"holds"}, 0.0, True),
        ("bounded", {"close"}, 0.0, False),
        ("sampled", {"below"}, 1e-9, True),
        ("sampled", {"below"}, 0.0, False),
        *((grade, {"close", "slope", "below"}, 1e-9, False) for grade in list(GRADES)[:-1]),
    ],
)
def test_a_grade_fits_the_weakest_comparison(grade, kinds, false_alarm, fits):
    assert (objection(grade, kinds, false_alarm, "float64") == "") is fits


def test_an_order_may_go_unmeasured_in_float32_alone():
    assert objection("order", {"close"}, 0.0, "float64")
    assert not objection("order", {"close"}, 0.0, "float32")


def declare(id="FWD-99", statement="s", of="a.b", source="s", grade="identity", **more):
    """Declare a claim on an empty test."""
    return claim(id, statement, of=of, source=source, grade=grade, **more)(lambda: None)


def test_claim_declared_twice_is_refused():
    declare("FWD-99")
    try:
        with pytest.raises(ValueError, match="declared twice"):
            declare("FWD-99")
    finally:
        CLAIMS.pop("FWD-99")


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "FWD-1"},
        {"id": "XYZ-01"},
        {"statement": ""},
        {"of": ()},
        {"source": ""},
        {"grade": "sure"},
    ],
)
def test_claim_that_is_incomplete_is_refused(bad):
    with pytest.raises(ValueError, match="claim"):
        declare(**bad)


@pytest.mark.parametrize("source", ["here", "derived here", "Measured here."])
def test_bounded_claim_has_to_name_its_proof(source):
    with pytest.raises(ValueError, match="names no proof"):
        declare(source=source, grade="bounded")


def test_claim_of_unusual_dtypes_has_to_say_why():
    with pytest.raises(ValueError, match="why_dtypes"):
        declare(dtypes=("float64",))
