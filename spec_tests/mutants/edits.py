"""The edits.  An operator takes an expression and yields (its name, the expression to put in its
place).
"""

import ast
import copy
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Steps = tuple[
    tuple[str, int | None], ...
]  # from a node down to a descendant: field, and index where it is a list
Edits = Iterator[tuple[str, ast.expr]]


class Mutant(NamedTuple):
    """One edit.  Two edits of one function never share their key, and a shift of lines does not
    change it.
    """

    module: str
    function: str  # qualified name in the module
    line: int
    operator: str
    before: str
    after: str
    path: Steps = ()  # from the module to the expression that is replaced
    new: ast.expr | None = None  # by this one

    @property
    def key(self) -> str:
        return f"{self.module}:{self.function}:{self.operator}:{self.before} -> {self.after}"

    @property
    def where(self) -> str:
        """The function that is edited."""
        return f"{self.module}:{self.function}"


class Site(NamedTuple):
    """An expression in its surroundings."""

    node: ast.expr
    path: Steps
    parents: tuple[ast.AST, ...]  # outermost first
    names: frozenset[str]  # that can be read here
    attributes: frozenset[str]  # that occur in the module

    @property
    def parent(self) -> ast.AST:
        return self.parents[-1]


# --- operators ----------------------------------------------------------------------------------

BINARY = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}
COMPARE = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
DROPPED = {
    *(
        "sqrt",
        "exp",
        "log",
        "square",
        "expm1",
        "log1p",
        "abs",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "arctan",
    ),
    *(
        "arcsinh",
        "sigmoid",
        "log_sigmoid",
        "softplus",
        "cumsum",
        "flip",
        "sort",
        "clip",
        "swapaxes",
        "transpose",
    ),
    *("astype", "stop_gradient"),
}
RENAMED = {
    **{"expm1": "exp", "log1p": "log", "sin": "cos", "cos": "sin", "sinh": "cosh", "cosh": "sinh"},
    **{
        "min": "max",
        "max": "min",
        "minimum": "maximum",
        "maximum": "minimum",
        "argmax": "argmin",
        "argmin": "argmax",
    },
    **{"sum": "mean", "mean": "sum", "floor": "ceil", "ceil": "floor", "any": "all", "all": "any"},
    **{"zeros": "ones", "ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like"},
}
CANCELLING = {"expm1": "exp({}) - 1", "log1p": "log(1 + {})"}  # the same value, with fewer digits
WORDS = [
    ("alpha", "sigma"),
    ("t", "s"),
    ("f", "g"),
    ("x0", "eps"),
    ("x0", "x"),
    ("min", "max"),
    ("cond", "uncond"),
]
WORDS += [
    ("images", "texts"),
    ("mean", "cov"),
    ("p", "q"),
    ("leading", "trailing"),
    ("first", "last"),
]
SYMMETRIC = {"minimum", "maximum", "min", "max", "hypot", "array_equal", "logaddexp"}
SYMMETRIC |= {"isinstance", "getattr", "hasattr", "issubdtype", "where", "zip"}
STATIC = {
    "process",
    "denoise",
    "self",
    "law",
    "sampler",
    "dtype",
    "shape",
}  # swapped, they only raise


def binary(site: Site) -> Edits:
    """a + b -> a - b, a * b -> a / b, a ** b -> a * b, and their reverse; a @ b -> b @ a, but not
    in |a - b| or (a - b)^2.
    """
    node = site.node
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        yield "binary", change(node, op=BINARY[type(node.op)]())
    if (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, (ast.Sub, ast.Div, ast.Pow, ast.MatMult))
        and not is_even(site)
    ):
        yield "operands", change(node, left=node.right, right=node.left)


def is_even(site: Site) -> bool:
    """A difference whose sign is lost around it."""
    node, parent = site.node, site.parent
    absolute = isinstance(parent, ast.Call) and callee(parent) == "abs"
    squared = (
        isinstance(parent, ast.BinOp)
        and isinstance(parent.op, ast.Pow)
        and text(parent.right) == "2"
    )
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and (absolute or squared)


def drop_operand(site: Site) -> Edits:
    """a * b -> a and b, a + b -> a and b, a / b -> a, a - b -> a."""
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult)
    ):
        yield "drop", node.left
        if isinstance(node.op, (ast.Add, ast.Mult, ast.MatMult)):
            yield "drop", node.right


def sign(site: Site) -> Edits:
    """-a -> a; and a minus before what is returned or assigned."""
    node = site.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node.operand
    elif isinstance(site.parent, (ast.Return, ast.Assign, ast.Lambda)) and is_arithmetic(node):
        yield "sign", ast.UnaryOp(ast.USub(), node)


def constant(site: Site) -> Edits:
    """0 -> 1, 1 -> 0 and 2, 2 -> 1 and 3, 0.5 -> 1, any other c -> 2 c; -1 -> 0."""
    node = site.node
    if is_number(node) and not is_negated(site):
        for value in other_numbers(node.value):  # pyright: ignore[reportAttributeAccessIssue]
            yield "constant", ast.Constant(value)
    elif (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and is_number(node.operand)
    ):
        yield "constant", ast.Constant(0)
    elif (
        isinstance(node, ast.Constant)
        and isinstance(node.value, bool)
        and keyword_of(site) != "strict"
    ):
        yield "constant", ast.Constant(not node.value)


def call(site: Site) -> Edits:
    """sqrt(a) -> a; expm1 -> exp, sin -> cos, ...; expm1(a) -> exp(a) - 1: the digits are lost, not
    the value.
    """
    node = site.node
    if not isinstance(node, ast.Call):
        return
    name, inside = callee(node), argument(node)
    if name in DROPPED and inside is not None:
        yield "call", inside
    if name in RENAMED:
        yield "call", change(node, func=rename(node.func, RENAMED[name]))
    if name in CANCELLING and inside is not None:
        yield "digits", cancel(node, CANCELLING[name], inside)


def compare(site: Site) -> Edits:
    """a < b -> a <= b and a > b, == -> !=, is -> is not; and -> or; not a -> a."""
    node = site.node
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for op in COMPARE.get(type(node.ops[0]), ()):
            yield "compare", change(node, ops=[op()])
    elif isinstance(node, ast.BoolOp):
        yield "compare", change(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "compare", node.operand


def branches(site: Site) -> Edits:
    """where(m, a, b) -> where(m, b, a), a if c else b -> b if c else a, if c: -> if not c:."""
    node = site.node
    if isinstance(node, ast.Call) and callee(node) == "where" and len(node.args) == 3:
        yield "branch", change(node, args=[node.args[0], node.args[2], node.args[1]])
    if isinstance(node, ast.IfExp):
        yield "branch", change(node, body=node.orelse, orelse=node.body)
    if isinstance(site.parent, (ast.If, ast.While)) and node is site.parent.test:
        yield "branch", ast.UnaryOp(ast.Not(), node)


def names(site: Site) -> Edits:
    """alpha <-> sigma, t <-> s, f <-> g, x0 <-> eps ... as words of names, where the other name
    exists.
    """
    node = site.node
    if isinstance(node, ast.Name):
        for other in other_words(node.id):
            if other in site.names:
                yield "name", change(node, id=other)
    if isinstance(node, ast.Attribute) and callee_root(node) not in ("jnp", "jax", "np"):
        for other in other_words(node.attr):
            if other in site.attributes:
                yield "name", change(node, attr=other)


def arguments(site: Site) -> Edits:
    """f(a, b) -> f(b, a): neighbours among the positional arguments."""
    node = site.node
    if not isinstance(node, ast.Call) or callee(node) in SYMMETRIC:
        return
    for i, (a, b) in enumerate(zip(node.args, node.args[1:], strict=False)):
        if not any(isinstance(x, ast.Starred) or is_string(x) or text(x) in STATIC for x in (a, b)):
            yield "arguments", change(node, args=exchange(node.args, i))


def elements(site: Site) -> Edits:
    """return a, b -> return b, a."""
    node = site.node
    if isinstance(node, ast.Tuple) and isinstance(site.parent, (ast.Return, ast.Lambda)):
        for i in range(len(node.elts) - 1):
            yield "elements", change(node, elts=exchange(node.elts, i))


def axes(site: Site) -> Edits:
    """axis=0 -> axis=-1 (axis=-1 -> axis=0 is one of the constants), a.T -> a."""
    node = site.node
    if keyword_of(site) == "axis" and is_number(node) and node.value == 0:  # pyright: ignore[reportAttributeAccessIssue]
        yield "axis", ast.UnaryOp(ast.USub(), ast.Constant(1))
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield "axis", node.value


def subscripts(site: Site) -> Edits:
    """a[1:] <-> a[:-1], a[0] <-> a[-1] (the latter is one of the constants)."""
    node = site.node
    if isinstance(node, ast.Subscript):
        shift = {"1:": ":-1", ":-1": "1:", ":1": "-1:", "-1:": ":1", "0": "-1"}.get(
            text(node.slice)
        )
        if shift:
            yield "subscript", change(node, slice=ast.parse(f"a[{shift}]", mode="eval").body.slice)  # pyright: ignore


OPERATORS: tuple[Callable[[Site], Edits], ...] = (
    *(
        binary,
        drop_operand,
        sign,
        constant,
        call,
        compare,
        branches,
        names,
        arguments,
        elements,
        axes,
    ),
    subscripts,
)


# --- where edits are made -----------------------------------------------------------------------


def generate(source: str, module: str) -> list[Mutant]:
    """All edits of a module, in the order of its lines: the same list every time."""
    tree = ast.parse(source)
    everywhere = module_names(tree), attribute_names(tree)
    found: list[Mutant] = []
    for function, path, name in functions(tree):
        found += _number_twins(_mutants(function, path, name, module, everywhere))
    return found


def sample(mutants: list[Mutant], most: int, seed: int = 0) -> list[Mutant]:
    """At most `most` of them, drawn so that each function keeps its share and none goes without."""
    by_function: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_function[mutant.where].append(mutant)
    ranked = []
    for name, group in by_function.items():
        random.Random(f"{seed} {name}").shuffle(group)
        ranked += [(i / len(group), mutant) for i, mutant in enumerate(group)]
    ranked.sort(key=lambda pair: (pair[0], random.Random(f"{seed} {pair[1].key}").random()))
    chosen = {mutant.key for _, mutant in ranked[:most]}
    return [mutant for mutant in mutants if mutant.key in chosen]


def mutate(source: str, mutant: Mutant, wrap: str | None = None) -> ast.Module:
    """The module with the edit.  wrap: the name of a function that the new expression is passed
    through.
    """
    tree = ast.parse(source)
    new = copy.deepcopy(mutant.new)
    assert new is not None
    if wrap and not in_defaults(mutant):
        new = ast.Call(ast.Name(wrap, ast.Load()), [new], [])
    put(tree, mutant.path, new)
    return ast.fix_missing_locations(tree)


def in_defaults(mutant: Mutant) -> bool:
    """Whether the edit is in the default of an argument."""
    return any(field in ("defaults", "kw_defaults") for field, _ in mutant.path)


def functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, Steps, str]]:
    """Functions and methods; what is nested in a function belongs to it."""

    def inside(
        node: ast.AST, path: Steps, prefix: str
    ) -> Iterator[tuple[ast.FunctionDef, Steps, str]]:
        for child, step in children(node):
            if isinstance(child, ast.FunctionDef):
                yield child, (*path, step), prefix + child.name
            elif isinstance(child, ast.ClassDef):
                yield from inside(child, (*path, step), prefix + child.name + ".")

    return inside(tree, (), "")


def _mutants(
    function: ast.FunctionDef, path: Steps, name: str, module: str, everywhere
) -> Iterator[Mutant]:
    if name.split(".")[-1].startswith(("_check", "require_")):
        return  # checks of values are held by the tests of errors
    readable, attributes = everywhere
    whole = text(without_docstring(function))
    seen = {whole}
    for site in sites(function, path, readable | local_names(function), attributes):
        for operator, new in edits_of(site):
            result = text(without_docstring(edit(function, site.path[len(path) :], new)))
            if result not in seen:
                seen.add(result)
                before, after = describe(site, new, whole)
                yield Mutant(
                    module, name, site.node.lineno, operator, before, after, site.path, new
                )


def edits_of(site: Site) -> Edits:
    """What all operators make of an expression; of a default value only the number changes."""
    default = any(field in ("defaults", "kw_defaults") for field, _ in site.path)
    for operator in (constant,) if default else OPERATORS:
        yield from operator(site)


def sites(
    function: ast.FunctionDef, path: Steps, readable: frozenset, attributes: frozenset
) -> Iterator[Site]:
    """The expressions of a function that may be edited."""

    def inside(node: ast.AST, path: Steps, parents: tuple[ast.AST, ...]) -> Iterator[Site]:
        if is_left_alone(node):
            return
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            yield Site(node, path, parents, readable, attributes)
        for child, step in children(node):
            if step[0] not in ("annotation", "returns", "decorator_list"):
                yield from inside(child, (*path, step), (*parents, node))

    for child, step in children(function):
        if step[0] in ("body", "args"):
            yield from inside(child, (*path, step), (function,))


def is_left_alone(node: ast.AST) -> bool:
    """Checks and messages: what they refuse is held by the tests of errors."""
    if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.arg, ast.Slice)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or is_check(node.value)
    if isinstance(node, ast.If):
        guard = any(
            isinstance(n, ast.Call) and callee(n) == "is_concrete" for n in ast.walk(node.test)
        )
        return guard or (all(isinstance(n, ast.Raise) for n in node.body) and not node.orelse)
    return is_check(node)


def is_check(node: ast.AST) -> bool:
    """_arguments.something(...), _check_something(...) or require_something(...), private or
    not.
    """
    return isinstance(node, ast.Call) and text(node.func).startswith(
        ("_arguments.", "_check_", "_require_", "require_")
    )


def describe(site: Site, new: ast.expr, whole: str) -> tuple[str, str]:
    """The smallest telling piece of source around the edit that occurs once in the function, before
    and after.
    """
    if isinstance(site.parent, ast.arguments):
        name = _argument_of(site.parent, *site.path[-1])
        return f"{name}={text(site.node)}", f"{name}={text(new)}"
    before, after = text(site.node), text(new)
    chain = [*site.parents[1:], site.node]
    for up, node in enumerate(reversed(chain)):
        if isinstance(node, (ast.If, ast.For, ast.While, ast.With, ast.FunctionDef)):
            break
        if isinstance(node, (ast.expr, ast.stmt)):
            before, after = text(node), text(edit(node, site.path[len(site.path) - up :], new))
            if is_telling(node) and whole.count(before) == 1:
                break
    return before, after


def is_telling(node: ast.AST) -> bool:
    """More than a name, an attribute or a number."""
    small = (ast.Name, ast.Attribute, ast.Constant)
    return not isinstance(node, small) and not (
        isinstance(node, ast.UnaryOp) and isinstance(node.operand, small)
    )


def _argument_of(arguments: ast.arguments, field: str, index: int | None) -> str:
    """The name of the argument whose default this is."""
    assert index is not None
    if field == "kw_defaults":
        return arguments.kwonlyargs[index].arg
    positional = [*arguments.posonlyargs, *arguments.args]
    return positional[len(positional) - len(arguments.defaults) + index].arg


def _number_twins(mutants: Iterator[Mutant]) -> list[Mutant]:
    """Statements that occur twice in a function get a number."""
    count: Counter[str] = Counter()
    result = []
    for mutant in mutants:
        count[mutant.key] += 1
        again = count[mutant.key]
        result.append(mutant if again == 1 else mutant._replace(after=f"{mutant.after}  # {again}"))
    return result


# --- pieces of syntax ---------------------------------------------------------------------------


def text(node: ast.AST) -> str:
    return ast.unparse(node)


def change(node, **fields):
    """A copy of the node with other fields."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def children(node: ast.AST) -> Iterator[tuple[ast.AST, tuple[str, int | None]]]:
    """Child nodes and the step that leads to each."""
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield value, (field, None)
        elif isinstance(value, list):
            yield from (
                (child, (field, i)) for i, child in enumerate(value) if isinstance(child, ast.AST)
            )


def put(root: ast.AST, path: Steps, new: ast.AST) -> None:
    """Replace the node at the end of the path."""
    node: Any = root
    for field, index in path[:-1]:
        node = getattr(node, field) if index is None else getattr(node, field)[index]
    field, index = path[-1]
    if index is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[index] = new


def edit(node: ast.AST, path: Steps, new: ast.AST) -> Any:
    """A copy of the node with the replacement; only the nodes on the way are copied."""
    if not path:
        return new
    (field, index), rest = path[0], path[1:]
    value = getattr(node, field)
    if index is None:
        return change(node, **{field: edit(value, rest, new)})
    return change(
        node, **{field: [*value[:index], edit(value[index], rest, new), *value[index + 1 :]]}
    )


def without_docstring(function: ast.FunctionDef) -> ast.FunctionDef:
    return (
        change(function, body=function.body[1:] or [ast.Pass()])
        if ast.get_docstring(function)
        else function
    )


def callee(node: ast.Call) -> str:
    """sqrt of jnp.sqrt(x), x.sqrt() and sqrt(x)."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def callee_root(node: ast.Attribute) -> str:
    """jnp of jnp.linalg.eigh."""
    root: ast.AST = node
    while isinstance(root, ast.Attribute):
        root = root.value
    return root.id if isinstance(root, ast.Name) else ""


def argument(node: ast.Call) -> ast.expr | None:
    """What a function is applied to: x of jnp.sqrt(x), of sqrt(x) and of x.astype(d)."""
    if isinstance(node.func, ast.Attribute) and callee_root(node.func) not in (
        "jnp",
        "jax",
        "np",
        "lax",
    ):
        return node.func.value
    return node.args[0] if node.args else None


def rename(function: ast.expr, name: str) -> ast.expr:
    return (
        change(function, attr=name)
        if isinstance(function, ast.Attribute)
        else ast.Name(name, ast.Load())
    )


def cancel(node: ast.Call, form: str, inside: ast.expr) -> ast.expr:
    """expm1(a) -> exp(a) - 1."""
    library = text(node.func).rpartition(".")[0]
    prefix = library + "." if library else ""
    return ast.parse(prefix + form.format(text(inside)), mode="eval").body


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_negated(site: Site) -> bool:
    return isinstance(site.parent, ast.UnaryOp) and isinstance(site.parent.op, ast.USub)


def other_numbers(value: float) -> list[float]:
    known = {0: [1], 1: [0, 2], 2: [1, 3], 0.5: [1.0]}
    return known.get(value, [2 * value])


def is_arithmetic(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) or (isinstance(node, ast.Call) and callee(node) in DROPPED)


def keyword_of(site: Site) -> str | None:
    return site.parent.arg if isinstance(site.parent, ast.keyword) else None


def exchange(items: list, i: int) -> list:
    return [*items[:i], items[i + 1], items[i], *items[i + 2 :]]


def other_words(name: str) -> list[str]:
    """alpha_t -> sigma_t, alpha_s."""
    words = name.split("_")
    found = []
    for pair in [*WORDS, *((b, a) for a, b in WORDS)]:
        if pair[0] in words:
            found.append("_".join(pair[1] if word == pair[0] else word for word in words))
    return found


def local_names(function: ast.FunctionDef) -> frozenset[str]:
    """Arguments of a function and what it assigns."""
    assigned = {
        n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return frozenset(assigned | {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)})


def module_names(tree: ast.Module) -> frozenset[str]:
    """Functions that a module defines or imports."""
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    imported = {
        a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names
    }
    return frozenset(defined | imported)


def attribute_names(tree: ast.Module) -> frozenset[str]:
    """Attributes that a module reads, and fields and methods of its classes."""
    used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    fields = {text(n.target) for n in ast.walk(tree) if isinstance(n, ast.AnnAssign)}
    methods = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    return frozenset(used | fields | methods)
