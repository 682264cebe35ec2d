"""The vectors say what diffx says, in the format of their schema, and a checker without diffx
agrees.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.vectors import VERSION, __main__, samplers

FOLDER = Path(__file__).parent
SCHEMA = json.loads((FOLDER / "schema.json").read_text())
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
FEW = {"ddim", "ddpm", "heun", "unipc"}

FLOW = samplers.WORLDS[3]._replace(every=True)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """The whole command, but of the samplers, which take a minute, a few in one world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            samplers, "METHODS", tuple(one for one in samplers.METHODS if one.sampler in FEW)
        )
        patch.setattr(samplers, "WORLDS", (FLOW,))
        folder = tmp_path_factory.mktemp("vectors")
        assert __main__.main(["--out", str(folder)]) == 0
    return folder


def check(folder):
    """The checker alone: no site packages, no environment, no path to diffx."""
    command = [sys.executable, "-S", "-I", str(folder / "check_vectors.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def valid(value, schema, path="$"):
    """Where value breaks the schema: the keywords that ours uses, no more."""
    if "$ref" in schema:
        return valid(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
    if "oneOf" in schema:
        found = [valid(value, one, path) for one in schema["oneOf"]]
        return [] if found.count([]) == 1 else min(found, key=len)
    unknown = set(schema) - {
        "type",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "enum",
        "const",
    }
    assert unknown <= {"$schema", "title", "$defs"}, (
        f"the schema has keywords that this test does not know: {unknown}"
    )
    if "enum" in schema or "const" in schema:
        return (
            [] if value in schema.get("enum", [schema.get("const")]) else [f"{path} is {value!r}"]
        )
    wanted = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(isinstance(value, TYPES[name]) for name in wanted) or (
        isinstance(value, bool) and "boolean" not in wanted
    ):
        return [f"{path} is {type(value).__name__}"]
    if isinstance(value, dict):
        return valid_object(value, schema, path)
    if isinstance(value, list):
        short = [f"{path} is short"] if len(value) < schema["minItems"] else []
        return short + [
            fault
            for k, one in enumerate(value)
            for fault in valid(one, schema["items"], f"{path}[{k}]")
        ]
    return []


def valid_object(value, schema, path):
    missing = [f"{path}.{key} is missing" for key in schema["required"] if key not in value]
    extra = [f"{path}.{key} is unknown" for key in value if key not in schema["properties"]]
    inner = [(key, one) for key, one in value.items() if key in schema["properties"]]
    return (
        missing
        + extra
        + [
            fault
            for key, one in inner
            for fault in valid(one, schema["properties"][key], f"{path}.{key}")
        ]
    )


def read(folder, topic):
    return json.loads((folder / f"{topic}.json").read_text())


def test_every_file_is_what_the_schema_says(vectors):
    assert sorted(path.stem for path in vectors.glob("*.json")) == sorted(
        [*__main__.TOPICS, "schema"]
    )
    for topic in __main__.TOPICS:
        content = read(vectors, topic)
        assert valid(content, SCHEMA) == []
        assert (content["topic"], content["version"], content["diffx"]) == (
            topic,
            VERSION,
            diffx.__version__,
        )


def test_the_schema_refuses_what_it_should(vectors):
    content = read(vectors, "guidance")
    assert valid({**content, "version": 2}, SCHEMA)
    assert valid({**content, "cases": []}, SCHEMA)
    assert valid({**content, "cases": [{**content["cases"][0], "w": "1"}]}, SCHEMA)
    assert valid({**content, "cases": [{**content["cases"][0], "more": 1}]}, SCHEMA)


def test_a_checker_without_any_package_agrees(vectors):
    assert len((FOLDER / "check_vectors.py").read_text().splitlines()) <= 160
    ran = check(vectors)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("agrees") == 6 and "DIFFERS" not in ran.stdout


ALTERED = {
    "schedules": lambda case: case["sigma"],
    "chains": lambda case: case["alphas_cumprod"],
    "grids": lambda case: case["t"],
    "samplers": lambda case: case["mean"],
    "losses": lambda case: case["gradient"]["texts"][1],
    "guidance": lambda case: case["guided"],
}


@pytest.mark.parametrize("topic", ALTERED)
def test_one_altered_number_makes_the_checker_fail_by_name(vectors, tmp_path, topic):
    folder = shutil.copytree(vectors, tmp_path / "altered")
    content = read(folder, topic)
    ALTERED[topic](content["cases"][0])[1] += 1e-6
    (folder / f"{topic}.json").write_text(json.dumps(content))
    ran = check(folder)
    assert ran.returncode == 1
    assert [line.partition(":")[0] for line in ran.stdout.splitlines() if "DIFFERS" in line] == [
        topic
    ]


def test_laws_are_those_of_exact_law(vectors):
    process, law = (
        diffx.RectifiedFlow(),
        diffx.GaussianLaw(*(jnp.array(FLOW.data[key]) for key in ("mean", "cov"))),
    )
    for method in (diffx.ddpm, diffx.heun):
        (case,) = (
            case
            for case in read(vectors, "samplers")["cases"]
            if case["sampler"] == method.__name__
        )
        ts = jnp.array(case["t"])
        exact = diffx.exact_law(
            method(process, diffx.denoiser(process, law)), diffx.marginal(process, law, ts[0]), ts
        )
        np.testing.assert_allclose(case["mean"], exact.mean, rtol=1e-12)
        np.testing.assert_allclose(case["cov"], exact.cov, rtol=1e-12, atol=1e-14)


def test_the_same_version_writes_the_same_bytes(vectors):
    for topic in ("schedules", "guidance"):
        assert (
            __main__.text(topic, __main__.TOPICS[topic]())
            == (vectors / f"{topic}.json").read_text()
        )


def test_bad_folders_are_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        __main__.main([])
    assert "--out" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert __main__.main(["--out", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cannot write into") and said.count("\n") == 1
