"""Object keys: `YYYY/MM/DD/<job id>-<n>-<fencing token>.<extension>`, and their companions.

No two workers have the same fencing token, so no worker writes another worker's key (I9).
Objects of an input are `<job id>-input-<SHA-256>.<extension>`. First bytes tell the extension.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum

HEAD_BYTES = 64  # tell the media type
OPAQUE = "application/octet-stream"  # stored whole without parsing, never shown inline
THUMBNAIL_TYPE = "image/webp"
EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/heif": "heif",  # with a coding that its brands do not tell
    "video/mp4": "mp4",
    OPAQUE: "bin",
}
# Brands of `ftyp` (ISO/IEC 23008-12 and AVIF): an image and a video begin with the same box.
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_HEIF_BRANDS = frozenset({b"mif1", b"mif2", b"msf1", b"miaf", b"1pic"})
_BRAND_BYTES = 4
_FIRST_COMPATIBLE_BRAND_AT = 16
_KEY = re.compile(
    r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9_-]{1,128}-[0-9]{1,3}-[0-9]{1,20}"
    rf"\.({'|'.join(EXTENSIONS.values())}|json|thumb\.webp)"
)
_INPUT = re.compile(
    r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9_-]{1,128}-input-[0-9a-f]{64}"
    rf"\.({'|'.join(EXTENSIONS.values())})"
)


class ObjectKind(StrEnum):
    """Kinds of objects that Fluxkeep writes."""

    MEDIA = "media"
    SIDECAR = "sidecar"
    THUMBNAIL = "thumbnail"
    INPUT = "input"


def object_key(job_id: str, created_at: float, number: int, token: int, content_type: str) -> str:
    """Build the key of a job's file by its number; `created_at` is in unix seconds."""
    return f"{job_key_prefix(job_id, created_at)}{number}-{token}.{EXTENSIONS[content_type]}"


def input_key(job_id: str, created_at: float, sha256: str, content_type: str) -> str:
    prefix = job_key_prefix(job_id, created_at)
    return f"{prefix}input-{sha256}.{EXTENSIONS[content_type]}"


def job_key_prefix(job_id: str, created_at: float) -> str:
    return f"{day_of(created_at)}/{job_id}-"


def day_of(at: float) -> str:
    """Format the directory for jobs created on a day (UTC)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y/%m/%d")


def kind_of(key: str) -> ObjectKind | None:
    """Classify a key; None if Fluxkeep does not write such keys."""
    if _INPUT.fullmatch(key):
        return ObjectKind.INPUT
    if not _KEY.fullmatch(key):
        return None
    if key.endswith(".json"):
        return ObjectKind.SIDECAR
    if key.endswith(".thumb.webp"):
        return ObjectKind.THUMBNAIL
    return ObjectKind.MEDIA


def content_type_of(key: str) -> str | None:
    """The media type by the extension of a key; None for a sidecar."""
    extension = key.rpartition(".")[2]
    for content_type, known_extension in EXTENSIONS.items():
        if extension == known_extension:
            return content_type
    return None


def sniffed_type(head: bytes) -> str | None:
    """The media type by the first HEAD_BYTES of a file; None for what BFL does not deliver."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _type_of_brands(head)
    return None


def _type_of_brands(head: bytes) -> str:
    """The type of a file that begins with `ftyp`: the major brand decides, then the others."""
    major_brand = head[8:12]
    if major_brand in _AVIF_BRANDS:
        return "image/avif"
    if major_brand in _HEIC_BRANDS:
        return "image/heic"
    if major_brand not in _HEIF_BRANDS:
        return "video/mp4"
    end = min(int.from_bytes(head[:4], "big"), len(head))
    compatible_brands = {
        head[at : at + _BRAND_BYTES] for at in range(_FIRST_COMPATIBLE_BRAND_AT, end, _BRAND_BYTES)
    }
    if compatible_brands & _AVIF_BRANDS:
        return "image/avif"
    if compatible_brands & _HEIC_BRANDS:
        return "image/heic"
    return "image/heif"


def job_id_of(key: str) -> str:
    return key.rpartition("/")[2].rsplit("-", 2)[0]


def file_number_of(key: str) -> int:
    return int(_stem(key).rsplit("-", 2)[1])


def fencing_token_of(key: str) -> int:
    return int(_stem(key).rsplit("-", 1)[1])


def sidecar_key(key: str) -> str:
    """Return the key of an object's sidecar, the JSON that describes its job."""
    return f"{_stem(key)}.json"


def thumbnail_key(key: str) -> str:
    return f"{_stem(key)}.thumb.webp"


def companion_keys(key: str) -> tuple[str, ...]:
    """Return the keys that are deleted together with an object."""
    return sidecar_key(key), thumbnail_key(key)


def possible_object_keys(companion: str) -> tuple[str, ...]:
    """Return the keys of all objects that a companion may belong to."""
    return tuple(f"{_stem(companion)}.{extension}" for extension in EXTENSIONS.values())


def _stem(key: str) -> str:
    directory, slash, name = key.rpartition("/")
    return f"{directory}{slash}{name.partition('.')[0]}"
