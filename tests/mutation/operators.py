"""Generator of mutants: one small fault each, by the syntax tree of Python and by lines of Lua.

Left out: log calls, messages, annotations, and constants at the top of a module, which are
measured and not right or wrong.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

PAIRS: tuple[tuple[type[ast.AST], type[ast.AST]], ...] = (
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot)),
    *((ast.In, ast.NotIn), (ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div)),
)
SWAPPED = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
LUA_SWAPS = (
    *((" == ", " ~= "), (" ~= ", " == "), (" >= ", " > "), (" > ", " >= "), (" <= ", " < ")),
    *((" < ", " <= "), (" and ", " or "), (" or ", " and "), ("not ", ""), (" + ", " - ")),
    *((" - ", " + "), (" * ", " / "), (" / ", " * "), ("math.max", "math.min")),
)
# A line that can go alone: neither opens nor closes a block, and declares nothing.
LUA_STATEMENT = re.compile(r"(?!local|end|else|for|function|if .* then$|return\b).+")


class Mutant(NamedTuple):
    """A line of a file, its statement's, the change, and the whole changed file."""

    path: str
    line: int
    statement: int
    change: str
    text: str


class Edit(NamedTuple):
    """Another value of an attribute of a node; the line if not the node's own."""

    name: str
    value: object
    line: int | None = None


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """All mutants of a file."""
    found = _of_lua(source) if path.endswith(".lua") else _of_python(source)
    for line, statement, change, text in found:
        yield Mutant(path, line, statement, change, text)


def _of_python(source: str) -> Iterator[tuple[int, int, str, str]]:
    tree = ast.parse(source)
    for function in _functions(tree):
        statement = _first_line(function)  # runs whenever a default of the function counts
        for node in _within(function):
            if isinstance(node, ast.stmt) and node is not function:
                statement = node.lineno
            for edit in _edits(node):
                before, old = ast.unparse(node), getattr(node, edit.name)
                setattr(node, edit.name, edit.value)
                after, text = ast.unparse(node), ast.unparse(tree)
                setattr(node, edit.name, old)
                line = getattr(node, "lineno", statement) if edit.line is None else edit.line
                yield line, statement, _change(before, after), text


def _first_line(function: ast.FunctionDef) -> int:
    """The line of the first statement behind the docstring."""
    has_more = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.body[has_more].lineno


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """The outermost functions and methods."""
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    return [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it that a test could notice."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr) or _is_log_call(node):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _within(child)


def _is_log_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("log.")


def _edits(node: ast.AST) -> Iterator[Edit]:
    yield from _swaps(node)
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield Edit("test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Call):
        for n, keyword in enumerate(node.keywords):
            if keyword.arg not in (None, "key"):
                yield Edit("keywords", _with(node.keywords, n))
    for name in ("body", "orelse", "finalbody"):
        body = getattr(node, name, None)
        for n, statement in enumerate(body if isinstance(body, list) else ()):
            if _can_go(statement):
                yield Edit(name, _with(body or [], n, ast.Pass()), statement.lineno)


def _swaps(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Compare):
        for n, operator in enumerate(node.ops):
            yield Edit("ops", _with(node.ops, n, SWAPPED[type(operator)]()))
    if isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in SWAPPED:
        yield Edit("op", SWAPPED[type(node.op)]())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield Edit("value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield Edit("value", node.value + 1)


def _can_go(statement: ast.AST) -> bool:
    """Whether a statement can be dropped: a call, or an assignment to what exists already."""
    if isinstance(statement, ast.Expr):
        return isinstance(
            statement.value, ast.Call | ast.Yield | ast.YieldFrom
        ) and not _is_log_call(statement)
    return isinstance(statement, ast.AugAssign | ast.Raise | ast.Continue | ast.Break)


def _with(items: Sequence[ast.AST], n: int, *new: ast.AST) -> list[ast.AST]:
    """Items with others, or none, in place of the n-th."""
    return [*items[:n], *new, *items[n + 1 :]]


def _change(before: str, after: str) -> str:
    """The part that differs, in one line."""
    pairs = list(zip(before.splitlines(), after.splitlines(), strict=False))
    old, new = next((pair for pair in pairs if pair[0] != pair[1]), (before, after))
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, same - 40)
    return f"{old[start:].strip()[:90]}  ->  {new[start:].strip()[:90]}"


def _of_lua(source: str) -> Iterator[tuple[int, int, str, str]]:
    lines = source.splitlines(keepends=True)
    for n, line in enumerate(lines):
        code, comment, rest = line.partition("--")
        changed = [code.replace(old, new, 1) for old, new in LUA_SWAPS if old in code]
        if LUA_STATEMENT.fullmatch(code.strip()):
            changed.append("")
        for new in changed:
            text = "".join([*lines[:n], new + comment + rest if new else "\n", *lines[n + 1 :]])
            yield n + 1, n + 1, f"{code.strip()}  ->  {new.strip() or 'nothing'}", text
