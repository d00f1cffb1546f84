"""What bytes are, by their own word: the four formats BFL delivers, and whether they are whole."""

from pathlib import Path

from PIL import Image

from jobs.errors import NotMedia

HEAD_BYTES = 16
TAIL_BYTES = 65_536


def content_type(head: bytes) -> str:
    """The media type by magic bytes, never by a header. Raises NotMedia."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    raise NotMedia


def is_whole(path: Path, kind: str) -> bool:
    """Whether a file ends the way its format ends: all there is to tell a body without a length."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, size - TAIL_BYTES))
        tail = file.read()
    if kind == "image/jpeg":
        return b"\xff\xd9" in tail
    if kind == "image/png":
        return tail[-8:-4] == b"IEND"
    if kind == "image/webp":
        return int.from_bytes(head[4:8], "little") + 8 <= size
    return _boxes_end_at(path, size)


def _boxes_end_at(path: Path, size: int) -> bool:
    """An MP4 is a chain of boxes, each with its length in front (ISO/IEC 14496-12)."""
    at = 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8:
                return length == 0 and len(header) >= 8  # 0 means "to the end of the file"
            at += length
    return at == size


def pixels(path: Path, kind: str) -> tuple[int | None, int | None]:
    """Width and height of an image from its header alone; unknown for what cannot be read."""
    if not kind.startswith("image/"):
        return None, None
    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None, None
