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
from functools import partial
from itertools import zip_longest
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
    """Bytes in place of a string: `source` is these, a staged file, or the key of an object."""

    encoding: Encoding
    size_bytes: int
    sha256: str
    content_type: str
    source: bytes | Path | str = field(repr=False)

    @classmethod
    def of_bytes(cls, encoding: Encoding, body: bytes) -> Self:
        kind = sniffed_type(body[:HEAD_BYTES]) or OPAQUE
        return cls(encoding, len(body), hashlib.sha256(body).hexdigest(), kind, body)

    @classmethod
    def of_file(cls, encoding: Encoding, file: IO[bytes]) -> Self:
        """Read a staged file. Raises StorageError."""
        with translate_errors():
            file.flush()
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            kind = sniffed_type(file.read(HEAD_BYTES)) or OPAQUE
            file.seek(0)
            sha256 = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
        return cls(encoding, size, sha256, kind, Path(file.name))

    @classmethod
    def of_object(cls, encoding: Encoding, file: MediaFile) -> Self:
        return cls(encoding, file.bytes, file.sha256, file.content_type, file.key)

    @property
    def json_bytes(self) -> int:
        """The length of the string, without what a text would have to escape."""
        return base64_bytes(self.size_bytes) if self.encoding == "input" else self.size_bytes

    def head(self) -> bytes:
        """The first bytes; none of a part that is stored already. Raises StorageError."""
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
    return (size + 2) // 3 * 4


def parts_in(values: Any) -> Iterator[InputPart]:
    """Every part in the values of an input, each as often as it stands there."""
    return (leaf for leaf in leaves(values) if isinstance(leaf, InputPart))


class JsonBody:
    """The JSON of values as a stream of known length: files are encoded while they are read."""

    def __init__(self, values: Mapping[str, Any], files: Mapping[InputPart, IO[bytes]]) -> None:
        self._parts: list[tuple[InputPart, IO[bytes]]] = []
        mark = secrets.token_hex(16)

        def take(part: InputPart) -> str:
            self._parts.append((part, files[part]))
            return mark

        text = json.dumps(values, ensure_ascii=False, default=take)
        self._texts = text.encode().split(mark.encode())
        self._length = sum(map(len, self._texts))
        for part, file in self._parts:
            if part.encoding == "input":
                self._length += base64_bytes(os.fstat(file.fileno()).st_size)
            else:
                self._length += sum(map(len, _encoded(part, file)))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        for text, one in zip_longest(self._texts, self._parts):
            yield text
            if one:
                yield from _encoded(*one)


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


def _encoded(part: InputPart, file: IO[bytes]) -> Iterator[bytes]:
    """The content of a JSON string, without its quotes."""
    file.seek(0)
    pieces = iter(partial(file.read, READ_BYTES), b"")
    if part.encoding == "input":
        yield from map(base64.b64encode, pieces)
        return
    for text in codecs.iterdecode(pieces, "utf-8", "replace"):
        yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
