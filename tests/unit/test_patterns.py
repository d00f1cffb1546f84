"""Every regular expression of the product runs in linear time."""

import ast
import importlib
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy.procfile import ROOT

op: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

PACKAGES = ("jobs", "receiver", "worker")
SMALL_CHARS, LARGE_CHARS = 4 * 1024, 32 * 1024
# Eight times the input: linear is 8 times as long, quadratic 64 times.
GROWTH_MAX = 24
NOISE_SECONDS = 0.004  # a linear pattern needs less for 32 KB
TRIES = 3
SUFFIXES = ("", "\x00", "\n", "~")
PIECES_MAX = 40
SEARCHING = {"search", "sub", "subn", "findall", "finditer", "split"}


def _constant(node: ast.expr, names: dict[str, Any]) -> str | bytes | None:
    try:
        value = eval(compile(ast.Expression(node), "pattern", "eval"), names)  # noqa: S307 - ours
    except Exception:  # noqa: BLE001 - not known before it runs
        return None
    return value if isinstance(value, str | bytes) else None


def _patterns(path: Path) -> Iterator[tuple[str | bytes, bool]]:
    """The pattern of each `re.<function>(...)` call, and whether it is searched for."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    text = path.read_text()
    if not re.search(r"\bre\.", text):
        return
    names = vars(importlib.import_module(name))
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=function)):
                found = _constant(node.args[0], names)
                if found is not None and function != "escape":
                    yield found, _is_searched(function, found, names)


def _is_searched(function: str, pattern: str | bytes, names: dict[str, Any]) -> bool:
    """Whether it is applied at every position of a text, and not only at its beginning.

    A named pattern that is only handed on is matched as a whole; one in a table is searched for.
    """
    if function != "compile":
        return function in SEARCHING
    known = {name: one.pattern for name, one in names.items() if type(one) is re.Pattern}
    own = [name for name, one in known.items() if one == pattern]
    return not own or any((name, use) in _uses() for name in own for use in SEARCHING)


@cache
def _uses() -> set[tuple[str, str]]:
    """Names and the methods that are called on them, anywhere in the product."""
    return {use for path in _files() for use in re.findall(r"(\w+)\.([a-z]+)\(", path.read_text())}


def _files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def every_pattern() -> list[tuple[str | bytes, bool]]:
    found = list(dict.fromkeys(itertools.chain.from_iterable(map(_patterns, _files()))))
    assert len(found) > 40
    return found


def _samples(tree: Iterable[tuple[Any, Any]]) -> list[str]:
    """Texts that match each part of a pattern, depth first."""
    found = list[str]()
    for kind, value in tree:
        if kind is op.IN:
            found.append(_member(value))
        elif kind in (op.LITERAL, op.NOT_LITERAL, op.ANY):
            found.append(chr(value) if kind is op.LITERAL else "q")
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            found.append("".join(_samples(value[2])))
        elif kind is op.SUBPATTERN:
            found += ["".join(_samples(value[3])), *_samples(value[3])]
        elif kind is op.BRANCH:
            found += ["".join(_samples(branch)) for branch in value[1]]
    return found


def _member(items: list[tuple[Any, Any]]) -> str:
    if items[0][0] is op.NEGATE:
        return next(c for c in "q /:=\xff\xd0" if not any(_holds(item, c) for item in items[1:]))
    low = (c for c in map(chr, range(255, -1, -1)) if any(_holds(item, c) for item in items))
    first = items[0][1]
    return next(low, None) or chr(first[0] if isinstance(first, tuple) else first)


def _holds(item: tuple[Any, Any], char: str) -> bool:
    kind, value = item
    if kind is op.RANGE:
        return bool(value[0] <= ord(char) <= value[1])
    if kind is op.CATEGORY:
        return char.isspace() is (value is op.CATEGORY_SPACE)
    return bool(value == ord(char))


def worst_texts(pattern: str | bytes) -> Iterator[tuple[str, str, str]]:
    """Prefix, repeated part and suffix of adversarial texts."""
    flat = _samples(parser.parse(pattern))
    parts = [text for text in dict.fromkeys(flat) if text]
    runs = {"".join(flat[:n]) for n in range(1, len(flat) + 1)}
    runs |= {a + b for a, b in itertools.pairwise(flat)}
    repeated = [text for text in [*parts, *sorted(runs - {*parts}, key=len)] if text][:PIECES_MAX]
    for piece, suffix in itertools.product(repeated, SUFFIXES):
        yield "", piece, suffix
    for piece in parts[:PIECES_MAX]:
        yield "".join(flat), piece, "\x00"


def grows(call: Callable[[int], Any]) -> bool:
    """Whether the time of a call grows faster than its input."""
    for _ in range(TRIES):
        small, large = _seconds(call, SMALL_CHARS), _seconds(call, LARGE_CHARS)
        if large <= max(NOISE_SECONDS, GROWTH_MAX * small):
            return False
    return True


def _seconds(call: Callable[[int], Any], size: int) -> float:
    began = time.thread_time()
    call(size)
    return time.thread_time() - began


@pytest.mark.timeout(60, method="signal")
@pytest.mark.parametrize(("pattern", "searched"), every_pattern(), ids=repr)
def test_a_pattern_takes_linear_time_over_its_worst_texts(
    pattern: str | bytes, searched: bool
) -> None:
    compiled: Any = re.compile(pattern, re.IGNORECASE)
    for prefix, piece, suffix in worst_texts(pattern):

        def apply(size: int, parts: tuple[str, str, str] = (prefix, piece, suffix)) -> None:
            text = parts[0] + parts[1] * (size // len(parts[1])) + parts[2]
            subject = text.encode("latin-1", "replace") if isinstance(pattern, bytes) else text
            compiled.fullmatch(subject)
            for _ in compiled.finditer(subject) if searched else ():
                pass

        assert not grows(apply), f"{pattern!r} over {prefix!r} {piece!r}… {suffix!r}"
