"""The annotations of diffx are true: every example runs under jaxtyping's import hook with beartype
as the checker.
"""

import os
import subprocess
import sys

from spec_tests.support.rooms import ROOT

PROGRAM = """
from jaxtyping import install_import_hook

with install_import_hook("diffx", "beartype.beartype"):
    import diffx

import jax
from spec_tests.house.examples import EXAMPLES

failed = {}
for name, example in EXAMPLES.items():
    try:
        function, arguments = example()
        jax.eval_shape(function, *arguments)
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}"
for name, error in failed.items():
    print(name, "|", " ".join(error.split())[:600])
print(len(EXAMPLES), "examples,", len(failed), "failed")
"""


def test_annotations_hold_for_every_example():
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("examples, 0 failed"), done.stdout[-3000:]


def test_a_false_annotation_is_noticed():
    program = """
from jaxtyping import install_import_hook
with install_import_hook("diffx", "beartype.beartype"):
    import diffx
import jax.numpy as jnp
try:
    diffx.kl("p", "q")
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "TypeCheckError", done.stderr[-2000:]
