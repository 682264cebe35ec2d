"""Docstrings have one form: formula, prose, labelled lines in their order, an example that runs."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffx
from spec_tests.support import docstrings
from spec_tests.support.rooms import ROOT, none_of, public

NAMES = dict(public())
HIDDEN = re.compile(
    r"(?<!^)(?<=\S )(Units:|Domain:|Raises:|Source:|Also called:|Claims:|Raises \w+Error)",
    re.MULTILINE,
)
INVERTED = ("What", "Which", "How", "Where", "That", "When", "Whose")  # a clause without a noun
IDIOLECT = (  # what earlier texts said, and nobody else
    r"(?<!there )(?<!There )\bis no (?!longer|more|less|such)\w+",
    r"\bof sum 1\b",
    r"\bthat (?:is|are) none\b",
    r"\ba (?:step|row|level|direction|probe|draw) (?:a|each) (?:step|row|level|claim)\b",
    r"\bknows nothing of\b",
    r"\bhears? of\b",
)
SHOWN = (*(ROOT / "diffx").rglob("*.py"), *(ROOT / "demos").rglob("*.py"), ROOT / "README.md")


def documented() -> Iterator[tuple[str, str]]:
    """Every public name of diffx, and the public methods of its classes, with their docstrings."""
    for name, value in NAMES.items():
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value.__doc__ or ""
        for member, method in vars(value).items() if inspect.isclass(value) else ():
            if inspect.isfunction(method) and not member.startswith("_") and method.__doc__:
                yield f"{name}.{member}", method.__doc__


@cache
def example_names() -> dict[str, object]:
    """What an example may use beside diffx."""
    process, law = diffx.VP(), diffx.GaussianLaw(jnp.zeros(2), jnp.eye(2))
    denoise = diffx.denoiser(process, law)
    x, key = jnp.ones(2), jax.random.key(0)
    modules: dict[str, object] = {"diffx": diffx, "jax": jax, "jnp": jnp, "np": np}
    return modules | {"process": process, "law": law, "denoise": denoise, "x": x, "key": key}


def constructs(value: object) -> bool:
    """Whether a name builds a process, a law, a sampler or a denoiser."""
    room = getattr(value, "__module__", "")
    if inspect.isclass(value):
        built = room.startswith(("diffx.processes.", "diffx.laws."))
        return built and not room.endswith(".protocol") and not issubclass(value, tuple)
    returned = inspect.signature(value).return_annotation if inspect.isfunction(value) else ""
    return getattr(returned, "__name__", str(returned)) in ("Sampler", "Partial")


def test_labels_begin_a_line_each_once_and_in_their_order():
    order = docstrings.LABELS.index
    none_of(
        [
            f"{name}: {found}"
            for name, doc in documented()
            if (found := docstrings.labels(doc)) != sorted(set(found), key=order)
        ],
        f"docstrings whose labels are not {', '.join(docstrings.LABELS)}, each at most once",
    )


def test_no_label_hides_in_a_line():
    none_of(
        [f"{name}: {hidden}" for name, doc in documented() for hidden in HIDDEN.findall(doc)],
        "labels that do not begin their line",
    )


def test_the_first_line_is_a_formula_or_a_noun():
    first = {name: inspect.cleandoc(doc).split("\n\n")[0] for name, doc in documented()}
    none_of(
        [name for name, line in first.items() if line.split(" ")[0] in INVERTED or "\n" in line],
        "docstrings whose first paragraph is not one line, a formula or a noun phrase",
    )


def test_every_public_formula_says_what_else_it_is_called():
    missing = [
        name
        for name, value in NAMES.items()
        if inspect.isfunction(value)
        and docstrings.claims(value.__doc__)
        and not docstrings.terms(value.__doc__)
    ]
    none_of(missing, "functions with claims and without `Also called:`")


def texts(path) -> Iterator[str]:
    """Docstrings and other texts of a Python file; paragraphs of a page."""
    if path.suffix != ".py":
        yield from path.read_text().split("\n\n")
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_sentences_are_plain_english():
    none_of(
        [
            f"{path.relative_to(ROOT)}: {found.group()}"
            for path in SHOWN
            for text in texts(path)
            for phrase in IDIOLECT
            for found in re.finditer(phrase, " ".join(text.split()))
        ],
        "phrases that only this house would use",
    )


def test_constructors_show_how_they_are_called():
    none_of(
        [
            name
            for name, value in NAMES.items()
            if constructs(value) and ">>>" not in (value.__doc__ or "")
        ],
        "constructors without an example",
    )


def shown() -> dict[str, list[doctest.DocTest]]:
    """The examples of each room."""
    found = defaultdict(list)
    for name, value in NAMES.items():
        room = getattr(value, "__module__", "diffx.").split(".")[1]
        found[room] += docstrings.examples(name, value, {})
    return {room: examples for room, examples in found.items() if examples}


@pytest.mark.parametrize("room", sorted(shown()))
def test_every_example_of_a_room_runs(room):
    runner, said = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS), []
    for example in shown()[room]:
        example.globs = dict(example_names())
        runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)
