"""Strict JSON parser (RFC 8259): no duplicate names, no NaN, bounded depth and size."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from jobs.domain.errors import FluxkeepError, InvalidJson

DEPTH_MAX = 34  # an input has 31; a call of a tool adds three
VALUES_MAX = 100_000  # ten million take half a minute to parse and block every other request
# Beyond this size of a body: long numbers take quadratic time, to read and to write.
LARGE_BYTES = 2**20
NUMBER_MAX_CHARS = 128
NO_OBJECT = "The body is not a JSON object."

SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def loads(body: bytes, error: type[FluxkeepError] = InvalidJson) -> Any:
    """Parse a body. Raises `error`."""
    try:
        opened = body.count(b"[") + body.count(b"{")
        if opened + body.count(b",") > VALUES_MAX:
            raise error(f"The body holds more than {VALUES_MAX:,} values.")
        # json.loads would also accept UTF-16, UTF-32 and a byte order mark.
        text = body.decode("utf-8")
        decoder = _STRICT
        if len(body) > LARGE_BYTES:
            decoder = _STRICT_LARGE
        value = decoder.decode(text)
        if SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # fails for a lone surrogate
    except (ValueError, RecursionError) as problem:
        raise error(f"The body is not strict JSON: {explain(problem)}.") from None
    if opened > DEPTH_MAX and not is_shallow(value, DEPTH_MAX):
        raise error(f"The body is nested too deeply: {DEPTH_MAX} levels at most.")
    return value


def explain(problem: ValueError | RecursionError) -> str:
    """Say where a body cannot be parsed, without any of its text."""
    if isinstance(problem, RecursionError):
        return "too many levels"
    if isinstance(problem, json.JSONDecodeError):
        return f"line {problem.lineno}, column {problem.colno}: {problem.msg}"
    if isinstance(problem, UnicodeError):
        return f"byte {getattr(problem, 'start', 0) + 1} is not UTF-8"
    return str(problem)


def load_object(body: bytes, error: type[FluxkeepError] = InvalidJson) -> dict[str, Any]:
    """Parse a body that is a JSON object. Raises `error`."""
    value = loads(body, error)
    if not isinstance(value, dict):
        raise error(NO_OBJECT)
    return value


def is_shallow(value: Any, levels: int) -> bool:
    """Whether at most `levels` lists and objects stand in one another."""
    if not isinstance(value, dict | list):
        return True
    if levels <= 0:
        return False
    children: Iterable[Any] = value
    if isinstance(value, dict):
        children = value.values()
    return all(is_shallow(child, levels - 1) for child in children)


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _short_integer(digits: str) -> int:
    _require_short(digits)
    return int(digits)


def _short_finite(digits: str) -> float:
    _require_short(digits)
    return _finite(digits)


def _require_short(digits: str) -> None:
    if len(digits) > NUMBER_MAX_CHARS:
        raise ValueError(f"a number has more than {NUMBER_MAX_CHARS} digits")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same name twice")
    return members


_STRICT = json.JSONDecoder(
    parse_float=_finite, parse_constant=_refuse_constant, object_pairs_hook=_unique
)
_STRICT_LARGE = json.JSONDecoder(
    parse_int=_short_integer,
    parse_float=_short_finite,
    parse_constant=_refuse_constant,
    object_pairs_hook=_unique,
)
