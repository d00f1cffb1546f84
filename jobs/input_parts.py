"""Parts of an input: images and long texts, whose bytes no process holds as a whole."""

import base64
import codecs
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Self, cast

from jobs.domain.job_record import MediaFile
from jobs.domain.json_values import leaves
from jobs.storage.base import MediaStorage
from jobs.storage.error_translation import translate_errors
from jobs.storage.layout import HEAD_BYTES, OPAQUE, sniffed_type

READ_BYTES = 3 * 64 * 1024  # three bytes are four characters of base64

# What stood in the JSON: base64 of the bytes, their text in UTF-8, or a JSON value.
Encoding = Literal["input", "text", "json"]


@dataclass(frozen=True, slots=True)
class InputPart:
    """Bytes in place of a string. `source` is the bytes, the path of a staged file, or a key.

    The key is that of an object in the storage.
    """

    encoding: Encoding
    size_bytes: int
    sha256: str
    content_type: str
    source: bytes | Path | str = field(repr=False)

    @classmethod
    def of_bytes(cls, encoding: Encoding, body: bytes) -> Self:
        content_type = sniffed_type(body[:HEAD_BYTES]) or OPAQUE
        sha256 = hashlib.sha256(body).hexdigest()
        return cls(encoding, len(body), sha256, content_type, body)

    @classmethod
    def of_file(cls, encoding: Encoding, file: IO[bytes]) -> Self:
        """Read a staged file. Raises StorageError."""
        with translate_errors():
            file.flush()
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            content_type = sniffed_type(file.read(HEAD_BYTES)) or OPAQUE
            file.seek(0)
            sha256 = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
        return cls(encoding, size, sha256, content_type, Path(file.name))

    @classmethod
    def of_object(cls, encoding: Encoding, file: MediaFile) -> Self:
        return cls(encoding, file.bytes, file.sha256, file.content_type, file.key)

    @property
    def json_bytes(self) -> int:
        """The length of the string in JSON, before characters of a text are escaped."""
        if self.encoding == "input":
            return base64_bytes(self.size_bytes)
        return self.size_bytes

    def head(self) -> bytes:
        """The first bytes; empty for a part that is stored already. Raises StorageError."""
        match self.source:
            case bytes():
                return self.source[:HEAD_BYTES]
            case Path():
                with translate_errors(), self.source.open("rb") as file:
                    return file.read(HEAD_BYTES)
            case str():
                return b""

    def store(self, storage: MediaStorage, key: str) -> None:
        """Store the bytes; a staged file is moved. Raises StorageError."""
        match self.source:
            case bytes():
                storage.write(key, self.source)
            case Path():
                storage.publish(self.source, key)
            case str():
                storage.copy(self.source, key)


def base64_bytes(size: int) -> int:
    """The length of `size` bytes as base64: four characters for three bytes, rounded up."""
    triples = (size + 2) // 3
    return triples * 4


def parts_in(values: Any) -> Iterator[InputPart]:
    """Every part in the values of an input, each as often as it stands there."""
    return (leaf for leaf in leaves(values) if isinstance(leaf, InputPart))


class JsonBody:
    """The JSON of values as a stream of known length: files are encoded while they are read."""

    def __init__(self, values: Mapping[str, Any], files: Mapping[InputPart, IO[bytes]]) -> None:
        self._parts: list[InputPart] = []
        self._files = files
        mark = secrets.token_hex(16)

        def replace_by_mark(part: InputPart) -> str:
            self._parts.append(part)
            return mark

        text = json.dumps(values, ensure_ascii=False, default=replace_by_mark)
        # The texts before, between and behind the parts.
        self._texts = text.encode().split(mark.encode())
        self._length = sum(len(text_between) for text_between in self._texts)
        for part in self._parts:
            self._length += _encoded_bytes(part, files[part])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        *texts_before_parts, last_text = self._texts
        for text, part in zip(texts_before_parts, self._parts, strict=True):
            yield text
            yield from _encoded(part, self._files[part])
        yield last_text


@contextmanager
def opened(storage: MediaStorage, values: Any) -> Iterator[Mapping[InputPart, IO[bytes]]]:
    """Local files of all stored parts. Raises StorageError before the first byte is used."""
    with ExitStack() as stack:
        files = {}
        for part in dict.fromkeys(parts_in(values)):
            path = stack.enter_context(storage.local_copy(str(part.source)))
            with translate_errors():
                files[part] = stack.enter_context(path.open("rb"))
        yield files


def _encoded_bytes(part: InputPart, file: IO[bytes]) -> int:
    if part.encoding == "input":
        return base64_bytes(os.fstat(file.fileno()).st_size)
    return sum(len(piece) for piece in _encoded(part, file))


def _encoded(part: InputPart, file: IO[bytes]) -> Iterator[bytes]:
    """The content of a JSON string, without its quotes."""
    file.seek(0)
    if part.encoding == "input":
        for piece in _pieces(file):
            yield base64.b64encode(piece)
        return
    for text in codecs.iterdecode(_pieces(file), "utf-8", "replace"):
        quoted = json.dumps(text, ensure_ascii=False)
        yield quoted[1:-1].encode()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while True:
        piece = file.read(READ_BYTES)
        if not piece:
            return
        yield piece
