"""Makes decodable jpeg, png, webp and mp4 files of a wanted size, padded as each format allows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from tests.sandbox.gradient import gradient

PICTURES = Path(__file__).parent / "pictures"
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
Build = Callable[[str, bytes, int, Make], Iterable[Part]]


def measure(parts: Iterable[Part]) -> int:
    return sum(len(part) for part in parts)


def _fitted(build: Build) -> Callable[[str, int, Make], tuple[Part, ...]]:
    """A builder of files of exactly the wanted size, or of the natural one if that is larger."""

    def fit(name: str, size: int, make: Make) -> tuple[Part, ...]:
        label = f"made by the sandbox for {name} ".encode()
        natural = tuple(build(name, label, 0, make))
        room = size - measure(natural)
        if room <= 0:
            return natural
        if room < LEAST_FILLER:
            return tuple(build(name, label.ljust(len(label) + room), 0, make))
        return tuple(build(name, label, room, make))

    return fit


def _jpeg(name: str, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    base = _one_of(JPEGS, name)
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


def _png(name: str, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    base = gradient(crc32(name.encode()))
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


def _webp(name: str, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    # RIFF chunks are padded to even lengths, so a webp of odd size does not exist.
    label, filler = label + b" " * (len(label) % 2), filler + filler % 2
    base = WEBP[8:] + b"FKID" + len(label).to_bytes(4, "little") + label
    yield b"RIFF" + (len(base) + filler).to_bytes(4, "little") + base
    if filler:
        yield b"FKPD" + (filler - 8).to_bytes(4, "little")
        yield Noise(0, filler - 8)


def _mp4(name: str, label: bytes, filler: int, make: Make) -> Iterator[Part]:
    yield MP4 + (8 + len(label)).to_bytes(4, "big") + b"free" + label
    if filler:
        yield filler.to_bytes(4, "big") + b"free"
        yield Noise(0, filler - 8)


def _one_of(files: list[bytes], name: str) -> bytes:
    return files[crc32(name.encode()) % len(files)]


JPEGS = [path.read_bytes() for path in sorted(PICTURES.glob("*.jpeg"))]
WEBP = (PICTURES / "dawn.webp").read_bytes()
MP4 = (PICTURES / "dusk.mp4").read_bytes()
FORMATS = {
    "jpeg": _fitted(_jpeg),
    "png": _fitted(_png),
    "webp": _fitted(_webp),
    "mp4": _fitted(_mp4),
}
