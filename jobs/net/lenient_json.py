"""Lenient JSON parser for what BFL itself says: answers over TLS, and proven callbacks.

An answer may belong to a task that was paid. So a byte order mark, UTF-16, a byte that is not
UTF-8, NaN, a name that stands twice and raw control characters are read as well as they can be.
Bounds of size, depth and number of values hold as in the strict parser.
"""

import json
import math
from typing import Any

from jobs.domain.errors import FluxkeepError, InvalidJson
from jobs.net import strict_json

# Beyond this length a number takes quadratic time to read.
NUMBER_MAX_CHARS = 128
_BYTE_ORDER_MARK = "\ufeff"
_PADDING = " \t\r\n\0"
_ENCODING_BYTES = 4  # tell UTF-8, UTF-16 and UTF-32
_FIRST_ESCAPED_BYTE = 0xDC80  # `surrogateescape` decodes byte 0x80 to this
_BYTES_BEYOND_ASCII = range(0x80, 0x100)


def load_object(body: bytes, error: type[FluxkeepError] = InvalidJson) -> dict[str, Any]:
    """Parse a body that is a JSON object. Raises `error`."""
    opened = body.count(b"[") + body.count(b"{")
    if opened + body.count(b",") > strict_json.VALUES_MAX:
        raise error(f"The body holds more than {strict_json.VALUES_MAX:,} values.")
    try:
        text = _text(body)
        value = _LENIENT.decode(text)
        if strict_json.SURROGATE_ESCAPE.search(text):
            value = _without_lone_surrogates(value)
    except (ValueError, RecursionError) as problem:
        raise error(f"The body is not JSON: {strict_json.explain(problem)}.") from None
    if not isinstance(value, dict):
        raise error(strict_json.NO_OBJECT)
    may_be_deep = opened > strict_json.DEPTH_MAX
    if may_be_deep and not strict_json.is_shallow(value, strict_json.DEPTH_MAX):
        raise error(f"The body is nested too deeply: {strict_json.DEPTH_MAX} levels at most.")
    return value


def _text(body: bytes) -> str:
    """Decode a body: its first bytes tell UTF-16 and UTF-32, all else is UTF-8."""
    encoding = json.detect_encoding(body[:_ENCODING_BYTES])
    if not encoding.startswith("utf-8"):
        text = body.decode(encoding, "replace")
    else:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = body.decode("utf-8", "surrogateescape").translate(_WINDOWS_1252)
    return text.lstrip(_BYTE_ORDER_MARK).strip(_PADDING)


def _windows_1252() -> dict[int, str]:
    """The probable meaning of a single byte beyond ASCII that is not UTF-8."""
    characters = dict[int, str]()
    for position, byte in enumerate(_BYTES_BEYOND_ASCII):
        escaped_byte = _FIRST_ESCAPED_BYTE + position
        characters[escaped_byte] = bytes([byte]).decode("cp1252", "replace")
    return characters


def _without_lone_surrogates(value: Any) -> Any:
    r"""Replace halves of a character, such as `"\ud83d"`: no other program could read them."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _integer(digits: str) -> int | None:
    if len(digits) > NUMBER_MAX_CHARS:
        return None
    return int(digits)


def _finite(digits: str) -> float | None:
    if len(digits) > NUMBER_MAX_CHARS:
        return None
    number = float(digits)
    if not math.isfinite(number):
        return None
    return number


def _no_number(_constant: str) -> None:
    """NaN and the infinities say as much as null."""


_WINDOWS_1252 = _windows_1252()
# `strict=False` allows control characters in strings. Of two equal names the last one counts.
_LENIENT = json.JSONDecoder(
    parse_int=_integer, parse_float=_finite, parse_constant=_no_number, strict=False
)
