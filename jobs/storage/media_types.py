"""Media types by magic bytes. BFL delivers JPEG, PNG, WebP and MP4."""

from jobs.domain.errors import NotMedia

HEAD_BYTES = 16


def content_type(head: bytes) -> str:
    """Return the media type for the first HEAD_BYTES of a file. Raises NotMedia."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    raise NotMedia
