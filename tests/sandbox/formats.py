"""Decodable jpeg, png, webp and mp4 files of a wanted size, padded as each format allows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from zlib import crc32

from PIL import Image, ImageOps

SIZE = (512, 512)
COLOURS = ((0, 30), (70, 70))  # degrees on the colour wheel, and lightness


@lru_cache(maxsize=16)
def gradient(seed: int, size: tuple[int, int] = SIZE, form: str = "png") -> bytes:
    """Two colours that run into each other; the same seed draws the same image."""
    slope = Image.linear_gradient("L").rotate(seed % 4 * 90).resize(size)
    dark, bright = (f"hsl({(seed * 47 + turn) % 360}, 80%, {light}%)" for turn, light in COLOURS)
    file = BytesIO()
    ImageOps.colorize(slope, dark, bright).save(file, form)
    return file.getvalue()


IMAGES = Path(__file__).parent / "images"
LEAST_FILLER = 64  # what is smaller goes into the label: each format needs a few bytes to frame
COMMENT = 65_535  # the longest JPEG segment, its length field included


@dataclass(frozen=True)
class Noise:
    """A stretch of the noise stream of a name."""

    start: int
    length: int

    def __len__(self) -> int:
        return self.length


Part = bytes | Noise
Make = Callable[[Noise], Iterable[bytes]]
Build = Callable[[bytes, bytes, int, Make], Iterable[Part]]
Pixels = tuple[int, int] | None  # None for any


def measure(parts: Iterable[Part]) -> int:
    return sum(len(part) for part in parts)


def _fitted(form: str, build: Build) -> Callable[..., tuple[Part, ...]]:
    """A builder of files of exactly the wanted size, or of the natural one if that is larger."""

    def fit(name: str, size: int, make: Make, pixels: Pixels = None) -> tuple[Part, ...]:
        base = _image(form, name, pixels)
        label = f"made by the sandbox for {name} ".encode()
        natural = tuple(build(base, label, 0, make))
        room = size - measure(natural)
        if room <= 0:
            return natural
        if room < LEAST_FILLER:
            return tuple(build(base, label.ljust(len(label) + room), 0, make))
        return tuple(build(base, label, room, make))

    return fit


def _image(form: str, name: str, pixels: Pixels) -> bytes:
    """The whole file for a name."""
    number = crc32(name.encode())
    if form == "mp4":
        return MP4
    if pixels:
        return gradient(number, pixels, form)
    ready = {"jpeg": JPEGS[number % len(JPEGS)], "webp": WEBP}
    return ready.get(form) or gradient(number)


def _jpeg(base: bytes, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    body = 4 + int.from_bytes(base[4:6], "big")  # behind the JFIF segment
    yield base[:body] + _comment(len(label)) + label + base[body:-2]
    start = 0
    while filler >= 4:
        length = min(filler - 4, COMMENT - 2)
        yield _comment(length)
        yield Noise(start, length)
        start, filler = start + length, filler - 4 - length
    # Fill bytes may stand before any marker.
    yield b"\xff" * filler + base[-2:]


def _comment(length: int) -> bytes:
    return b"\xff\xfe" + (length + 2).to_bytes(2, "big")


def _png(base: bytes, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    yield base[:-12] + _png_chunk(b"tEXt", b"Comment\0" + label)
    if filler:
        noise = Noise(0, filler - 12)
        yield noise.length.to_bytes(4, "big") + b"fkPd"
        yield noise
        yield _running_crc(b"fkPd", make(noise)).to_bytes(4, "big")
    yield base[-12:]


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + crc32(kind + data).to_bytes(4, "big")


def _running_crc(kind: bytes, pieces: Iterable[bytes]) -> int:
    crc = crc32(kind)
    for piece in pieces:
        crc = crc32(piece, crc)
    return crc


def _webp(base: bytes, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    # RIFF chunks are padded to even lengths, so a webp of odd size does not exist.
    label, filler = label + b" " * (len(label) % 2), filler + filler % 2
    body = base[8:] + b"FKID" + len(label).to_bytes(4, "little") + label
    yield b"RIFF" + (len(body) + filler).to_bytes(4, "little") + body
    if filler:
        yield b"FKPD" + (filler - 8).to_bytes(4, "little")
        yield Noise(0, filler - 8)


def _mp4(base: bytes, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    yield base + (8 + len(label)).to_bytes(4, "big") + b"free" + label
    if filler:
        yield filler.to_bytes(4, "big") + b"free"
        yield Noise(0, filler - 8)


JPEGS = [path.read_bytes() for path in sorted(IMAGES.glob("*.jpeg"))]
WEBP = (IMAGES / "dawn.webp").read_bytes()
MP4 = (IMAGES / "dusk.mp4").read_bytes()
_BUILDERS: dict[str, Build] = {"jpeg": _jpeg, "png": _png, "webp": _webp, "mp4": _mp4}
FORMATS = {form: _fitted(form, build) for form, build in _BUILDERS.items()}
