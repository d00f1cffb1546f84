"""Media of any size: the same bytes every time for a name, and never held whole in memory."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from hashlib import md5, shake_256

from tests.sandbox.formats import FORMATS, Noise, Part, Pixels, measure
from tests.sandbox.task import Task

BLOCK = 65_536
BUNDLE_BYTES = 4096


@dataclass(frozen=True)
class Media:
    """An image or video as parts: literal bytes, and noise that is made when it is read."""

    name: str
    content_type: str
    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        return measure(self.parts)

    @cached_property
    def md5(self) -> str:
        """Base64, as Content-MD5 has it."""
        digest = md5(usedforsecurity=False)
        for piece in self.read():
            digest.update(piece)
        return b64encode(digest.digest()).decode()

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of at most 64 KiB."""
        offset, stop = 0, self.size if stop is None else stop
        for part in self.parts:
            length = len(part)
            low, high = max(start - offset, 0), min(stop - offset, length)
            if low < high:
                yield from _slices(part, low, high, self.name)
            offset += length

    def whole(self) -> bytes:
        return b"".join(self.read())


def media_of(task: Task, n: int) -> Media:
    """The n-th media file of a task."""
    if (body := _literal(task, n)) is not None:
        return Media(f"{task.id}/{n}", "text/html", (body,))
    if task.switches.drafts and _is_draft(task, n):
        # A draft bundle: bytes that only BFL can read.
        name = f"{task.id}/{n}"
        return Media(
            name, "application/octet-stream", (Noise(0, task.switches.size or BUNDLE_BYTES),)
        )
    return _media(f"{task.id}/{n}", task.format, task.switches.size, task.pixels)


def _is_draft(task: Task, n: int) -> bool:
    return task.switches.samples <= n < task.drafts_end


def _literal(task: Task, n: int) -> bytes | None:
    """The body that the switches give instead of generated media."""
    wanted = task.switches
    if wanted.draft_body is not None and _is_draft(task, n):
        return wanted.draft_body.encode()
    if wanted.body_base64 is not None:
        return b64decode(wanted.body_base64)
    return None if wanted.body is None else wanted.body.encode()


@lru_cache(maxsize=64)
def _media(name: str, form: str, size: int, pixels: Pixels) -> Media:
    content_type = "video/mp4" if form == "mp4" else f"image/{form}"
    make = partial(_noise, name=name)
    return Media(name, content_type, FORMATS[form](name, size, make, pixels))


def _slices(part: Part, low: int, high: int, name: str) -> Iterator[bytes]:
    if isinstance(part, Noise):
        yield from _noise(Noise(part.start + low, high - low), name)
    else:
        for start in range(low, high, BLOCK):
            yield part[start : min(start + BLOCK, high)]


def _noise(part: Noise, name: str) -> Iterator[bytes]:
    """A stretch of an endless stream whose blocks all differ, so that a swapped one is noticed."""
    position, end = part.start, part.start + part.length
    while position < end:
        index, low = divmod(position, BLOCK)
        block = index.to_bytes(8, "big") + _texture(name)
        yield block[low : low + end - position]
        position += BLOCK - low


@lru_cache(maxsize=64)
def _texture(name: str) -> bytes:
    return shake_256(name.encode()).digest(BLOCK - 8)
