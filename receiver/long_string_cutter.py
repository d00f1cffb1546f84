"""Cut long strings out of JSON while it arrives; their bytes go to staged files.

Nothing here grows with the length of a string. What is left of the JSON is its skeleton, in which
a placeholder that nobody can guess stands for each long string.
"""

import base64
import codecs
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import IO, Any, AnyStr, cast

from jobs.domain.errors import BadRequest, BodyTooLarge, InvalidJson
from jobs.domain.json_values import replace_texts, texts
from jobs.input_parts import Encoding, InputPart
from jobs.kept_inputs import DATA_URL, FILES_MAX, JSON_MAX_BYTES, too_many_parts
from jobs.net import strict_json
from jobs.storage.error_translation import translate_errors

LONG_BYTES = 64 * 1024  # as it stands in the body
PIECE_BYTES = 64 * 1024
ESCAPES_MAX_CHARS = 12  # two \uXXXX of one character

_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
# Up to a string that does not end in this piece.
_PLAIN = re.compile(rb'(?:[^"]+|"[^"\\]*(?:\\.[^"\\]*)*")*', re.DOTALL)
# Complete escapes: the first half of a character beyond U+FFFF is none.
_COMPLETE = re.compile(
    r"[^\\]*(?:\\(?:[^u]|u(?![dD][89abAB])[^\\]{4}|u[dD][89abAB][^\\]{2}\\u[^\\]{4})[^\\]*)*"
)


class LongStringCutter:
    """Takes a body piece by piece; `open_file` opens a new staged file."""

    def __init__(self, open_file: Callable[[], IO[bytes]]) -> None:
        self._open_file = open_file
        self._skeleton = bytearray()
        self._string: bytearray | IO[bytes] | None = None  # the one that has begun
        self._long: dict[str, IO[bytes]] = {}  # by placeholder
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Raises BodyTooLarge, Invalid for too many long strings, StorageError."""
        piece, at = self._rest + piece, 0
        self._rest = b""
        while at < len(piece):
            if self._string is None:
                end = _end(_PLAIN, piece, at)
                self._skeleton += piece[at:end]
                self._string = bytearray() if end < len(piece) else None
            else:
                end = _end(_IN_STRING, piece, at)
                self._extend_string(piece[at:end])
                if piece[end : end + 1] == b"\\":  # the last byte: what it escapes comes next
                    self._rest = piece[end:]
                elif end < len(piece):
                    is_short = isinstance(self._string, bytearray)
                    text = self._string if is_short else list(self._long)[-1].encode()
                    self._skeleton += b'"' + cast(bytes, text) + b'"'
                    self._string = None
            at = end + 1
        if len(self._skeleton) > JSON_MAX_BYTES:
            raise BodyTooLarge(f"a body may have {JSON_MAX_BYTES:,} bytes without long texts")

    def _extend_string(self, found: bytes) -> None:
        if isinstance(self._string, bytearray):
            self._string += found
            if len(self._string) <= LONG_BYTES:
                return
            if len(self._long) == FILES_MAX:
                raise too_many_parts()
            found, self._string = bytes(self._string), self._open_file()
            self._long[secrets.token_hex(16)] = self._string
        assert self._string is not None
        with translate_errors():
            self._string.write(found)

    def finish(self) -> dict[str, Any]:
        """The object, with parts in place of long strings. Raises BadRequest, StorageError."""
        if self._string is not None:
            raise InvalidJson("The body is not strict JSON: it ends inside a text.")
        fields = strict_json.load_object(bytes(self._skeleton))
        parts = {placeholder: self._part(raw) for placeholder, raw in self._long.items()}
        if sum(text in parts for text in texts(fields)) < len(parts):
            raise BadRequest("A name in the body is too long.")
        return dict(replace_texts(fields, parts))

    def _part(self, raw: IO[bytes]) -> InputPart:
        """The bytes of base64 if encoding them again gives the same text, else the text."""
        decoders: tuple[tuple[Encoding, _Decoder], ...] = (
            ("input", _decoded),
            ("text", lambda found: (text.encode() for text in found)),
        )
        target = self._open_file()
        for encoding, decode in decoders:
            with translate_errors():
                try:
                    target.truncate(target.seek(0))
                    target.writelines(decode(_unescaped(raw)))
                except ValueError:
                    continue
                raw.truncate(0)
            return InputPart.of_file(encoding, target)
        raise InvalidJson("A long text in the body is not strict JSON.")


_Decoder = Callable[[Iterable[str]], Iterator[bytes]]


def _end(pattern: re.Pattern[AnyStr], text: AnyStr, at: int = 0) -> int:
    """The end of the match of a pattern that always matches."""
    found = pattern.match(text, at)
    assert found is not None
    return found.end()


def _unescaped(raw: IO[bytes]) -> Iterator[str]:
    """The text between the quotes of a JSON string. Raises ValueError if it is malformed."""
    raw.seek(0)
    rest = ""
    for text in codecs.iterdecode(iter(partial(raw.read, PIECE_BYTES), b""), "utf-8"):
        rest += text
        end = _end(_COMPLETE, rest)
        if len(rest) > end + ESCAPES_MAX_CHARS:
            raise ValueError("not an escape")
        yield json.loads(f'"{rest[:end]}"')
        rest = rest[end:]
    if rest:
        raise ValueError("an escape is cut off")


def _decoded(found: Iterable[str]) -> Iterator[bytes]:
    """Decode base64 by fours. Raises ValueError if encoding again gives another text."""
    rest, is_first, is_padded = "", True, False
    for text in found:
        prefix = DATA_URL.match(text) if is_first else None
        rest += text[prefix.end() :] if prefix else text
        end = len(rest) // 4 * 4
        body = base64.b64decode(rest[:end], validate=True)
        if is_padded or base64.b64encode(body).decode() != rest[:end]:
            raise ValueError("not canonical base64")
        is_first, is_padded = False, len(body) < end // 4 * 3
        rest = rest[end:]
        yield body
    if rest:
        raise ValueError("base64 is cut off")
