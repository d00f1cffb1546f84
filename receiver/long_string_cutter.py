"""Cut long strings out of JSON while it arrives; their bytes go to staged files.

Nothing here grows with the length of a string. The JSON without its long strings is its skeleton,
in which a placeholder that nobody can guess stands for each of them.
"""

import base64
import codecs
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import IO, Any, AnyStr

from jobs.domain.errors import BadRequest, BodyTooLarge, InvalidJson
from jobs.domain.json_values import replace_texts, texts
from jobs.input_parts import InputPart
from jobs.kept_inputs import DATA_URL, FILES_MAX, JSON_MAX_BYTES, too_many_parts
from jobs.net import strict_json
from jobs.storage.error_translation import translate_errors

LONG_BYTES = 64 * 1024  # of a string as it stands in the body, with its escapes
PIECE_BYTES = 64 * 1024
ESCAPES_MAX_CHARS = 12  # two \uXXXX of one character

_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
# JSON up to a string that does not end in this piece.
_PLAIN = re.compile(rb'(?:[^"]+|"[^"\\]*(?:\\.[^"\\]*)*")*', re.DOTALL)
# Text with complete escapes: the first half of a character beyond U+FFFF is not complete.
_COMPLETE = re.compile(
    r"[^\\]*(?:\\(?:[^u]|u(?![dD][89abAB])[^\\]{4}|u[dD][89abAB][^\\]{2}\\u[^\\]{4})[^\\]*)*"
)


class LongStringCutter:
    """Takes a body piece by piece; `open_file` opens a new staged file."""

    def __init__(self, open_file: Callable[[], IO[bytes]]) -> None:
        self._open_file = open_file
        self._skeleton = bytearray()
        # The string that has begun: in memory as long as it is short, then in a file.
        self._string: bytearray | IO[bytes] | None = None
        self._long_strings: dict[str, IO[bytes]] = {}  # by placeholder
        # A backslash at the end of a piece: the next piece begins with the character it escapes.
        self._withheld = b""

    def feed(self, piece: bytes) -> None:
        """Raises BodyTooLarge, Invalid for too many long strings, StorageError."""
        piece = self._withheld + piece
        self._withheld = b""
        position = 0
        while position < len(piece):
            if self._string is None:
                position = self._feed_skeleton(piece, position)
            else:
                position = self._feed_string(piece, position)
        if len(self._skeleton) > JSON_MAX_BYTES:
            raise BodyTooLarge(f"a body may have {JSON_MAX_BYTES:,} bytes without long texts")

    def _feed_skeleton(self, piece: bytes, start: int) -> int:
        """Take the JSON to the next string; return the position after its opening quote."""
        end = _end(_PLAIN, piece, start)
        self._skeleton += piece[start:end]
        if end < len(piece):
            self._string = bytearray()
        return end + 1

    def _feed_string(self, piece: bytes, start: int) -> int:
        """Take the text of a string; return the position after its closing quote."""
        end = _end(_IN_STRING, piece, start)
        self._extend_string(piece[start:end])
        if piece[end : end + 1] == b"\\":
            self._withheld = piece[end:]
        elif end < len(piece):
            self._end_string()
        return end + 1

    def _extend_string(self, text: bytes) -> None:
        if isinstance(self._string, bytearray):
            self._string += text
            if len(self._string) <= LONG_BYTES:
                return
            if len(self._long_strings) == FILES_MAX:
                raise too_many_parts()
            text = bytes(self._string)
            self._string = self._open_file()
            self._long_strings[secrets.token_hex(16)] = self._string
        assert self._string is not None
        with translate_errors():
            self._string.write(text)

    def _end_string(self) -> None:
        """Put a short string into the skeleton, or the placeholder of a long one."""
        if isinstance(self._string, bytearray):
            text = bytes(self._string)
        else:
            latest_placeholder = list(self._long_strings)[-1]
            text = latest_placeholder.encode()
        self._skeleton += b'"' + text + b'"'
        self._string = None

    def finish(self) -> dict[str, Any]:
        """The object, with parts in place of long strings. Raises BadRequest, StorageError."""
        if self._string is not None:
            raise InvalidJson("The body is not strict JSON: it ends inside a text.")
        fields = strict_json.load_object(bytes(self._skeleton))
        parts: dict[str, InputPart] = {}
        for placeholder, raw in self._long_strings.items():
            parts[placeholder] = self._part(raw)
        placeholders_in_values = [text for text in texts(fields) if text in parts]
        if len(placeholders_in_values) < len(parts):
            raise BadRequest("A name in the body is too long.")
        return dict(replace_texts(fields, parts))

    def _part(self, raw: IO[bytes]) -> InputPart:
        """The bytes that base64 encodes, if encoding them again gives that text, else the text."""
        target = self._open_file()
        if _convert(raw, target, _decode_base64):
            return InputPart.of_file("input", target)
        if _convert(raw, target, _encode_utf8):
            return InputPart.of_file("text", target)
        raise InvalidJson("A long text in the body is not strict JSON.")


def _end(pattern: re.Pattern[AnyStr], text: AnyStr, start: int = 0) -> int:
    """The end of the match of a pattern that always matches."""
    match = pattern.match(text, start)
    assert match is not None
    return match.end()


def _convert(
    raw: IO[bytes], target: IO[bytes], converter: Callable[[Iterable[str]], Iterator[bytes]]
) -> bool:
    """Write the converted text of a JSON string to a file, and empty the file of the string.

    Returns False if the text cannot be converted.
    """
    with translate_errors():
        try:
            target.truncate(target.seek(0))
            target.writelines(converter(_unescape(raw)))
        except ValueError:
            return False
        raw.truncate(0)
    return True


def _unescape(raw: IO[bytes]) -> Iterator[str]:
    """The text between the quotes of a JSON string. Raises ValueError if it is malformed."""
    raw.seek(0)
    pieces = iter(partial(raw.read, PIECE_BYTES), b"")
    pending = ""  # the end of the text so far, which may be a part of an escape
    for text in codecs.iterdecode(pieces, "utf-8"):
        pending += text
        end = _end(_COMPLETE, pending)
        if len(pending) > end + ESCAPES_MAX_CHARS:
            raise ValueError("not an escape")
        yield json.loads(f'"{pending[:end]}"')
        pending = pending[end:]
    if pending:
        raise ValueError("an escape is cut off")


def _encode_utf8(pieces: Iterable[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece.encode()


def _decode_base64(pieces: Iterable[str]) -> Iterator[bytes]:
    """Decode base64 by fours. Raises ValueError if encoding again gives another text."""
    pending = ""  # up to three characters, until the next piece completes the four
    is_first = True
    is_padded = False
    for piece in pieces:
        if is_first:
            pending = _without_data_url(piece)
            is_first = False
        else:
            pending += piece
        end = len(pending) // 4 * 4
        complete = pending[:end]
        decoded = base64.b64decode(complete, validate=True)
        if is_padded or base64.b64encode(decoded).decode() != complete:
            raise ValueError("not canonical base64")
        is_padded = len(decoded) < end // 4 * 3
        pending = pending[end:]
        yield decoded
    if pending:
        raise ValueError("base64 is cut off")


def _without_data_url(text: str) -> str:
    """The text without the prefix of a data URL, if it has one."""
    prefix = DATA_URL.match(text)
    if prefix is None:
        return text
    return text[prefix.end() :]
