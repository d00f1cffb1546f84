"""Inputs on record: values there, images and long texts as objects in the storage.

In the values `input:<n>` stands for the n-th object as base64, and `text:<n>` for its text. Values
that are too long are an object, too: then `{"values": "json:<n>"}` is all that is on record.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from jobs.bfl.submissions import without_webhook
from jobs.domain.bfl_report import Role
from jobs.domain.errors import BadRequest, BodyTooLarge, Invalid, StorageError
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.json_values import map_leaves, replace_texts, texts
from jobs.input_parts import Encoding, InputPart, parts_in
from jobs.net import strict_json
from jobs.storage.base import MediaStorage
from jobs.storage.layout import input_key

TEXT_MAX_CHARS = 2048  # a longer text becomes an object
# Of UTF-8. BFL's report repeats the prompt, twice to six times as long where JSON escapes it, and
# at most `ANSWER_MAX_BYTES` of it are read.
TEXT_MAX_BYTES = 256 * 1024
VALUES_MAX_BYTES = 8192  # of JSON, on the record
JSON_MAX_BYTES = 4 * 2**20  # of an input without its images and long texts
FILES_MAX = 32
DEPTH_MAX = 31  # of lists and objects in one another

_REFERENCE = re.compile(r"(input|text|json):([0-9]{1,2})", re.ASCII)
_VALUES = "values"
_BEGIN_OF_A_FILE = re.compile(rb"data:|[A-Za-z0-9+/=\r\n]{64}", re.IGNORECASE)
_PROMPT = "prompt"  # in the names of fields that are texts, whatever they look like
# How PNG, JPEG, WebP and GIF begin as base64: however small, images are no values of a record.
_IMAGE = re.compile(r"data:image/|iVBORw0KGgo|/9j/|UklGR|R0lGOD", re.ASCII)
DATA_URL = re.compile(r"data:[a-z0-9.+/-]{0,64};base64,", re.ASCII | re.IGNORECASE)


class PackedInput(NamedTuple):
    """An input as it is kept: values with references, and the parts that they name."""

    values: Mapping[str, Any]
    parts: tuple[InputPart, ...] = ()

    def files(self, job_id: str, created_at: float) -> tuple[MediaFile, ...]:
        """The objects of the parts. Their names hold their SHA-256: equal bytes have one name."""
        return tuple(
            MediaFile(
                key=input_key(job_id, created_at, part.sha256, part.content_type),
                content_type=part.content_type,
                bytes=part.size_bytes,
                sha256=part.sha256,
                role=Role.INPUT,
            )
            for part in self.parts
        )


def pack(given: Mapping[str, Any], max_bytes: int) -> PackedInput:
    """Divide an input into values and parts.

    Raises what `require_limits` raises, and Invalid for a text that is too long.
    """
    plain = without_webhook(given)
    # A text that reads like a reference would be taken for one.
    found = dict.fromkeys(
        text
        for text in texts(plain)
        if len(text) > TEXT_MAX_CHARS or _REFERENCE.fullmatch(text) or is_image(text)
    )
    if len(found) > FILES_MAX:  # before any is decoded or hashed
        raise too_many_parts()
    long_texts = {text: _part_of(text) for text in found}
    values: dict[str, Any] = replace_texts(plain, long_texts) if found else plain
    require_limits(values, max_bytes)
    _require_short_texts(values, "input")
    parts = {_name(part): part for part in parts_in(values)}
    numbers = {name: n for n, name in enumerate(parts)}

    def refer(leaf: Any) -> Any:
        is_part = isinstance(leaf, InputPart)
        return f"{leaf.encoding}:{numbers[_name(leaf)]}" if is_part else leaf

    kept = map_leaves(values, refer) if parts else values
    text = _json(kept)
    if len(text) <= VALUES_MAX_BYTES:
        return PackedInput(kept, tuple(parts.values()))
    if len(parts) == FILES_MAX:
        raise too_many_parts()
    every = (*parts.values(), InputPart.of_bytes("json", text))
    return PackedInput({_VALUES: f"json:{len(parts)}"}, every)


def require_limits(values: Mapping[str, Any], max_bytes: int) -> None:
    """Check an input with its parts in place. Raises BadRequest, Invalid or BodyTooLarge."""
    if not strict_json.is_shallow(values, DEPTH_MAX):
        raise BadRequest(f"the input is nested too deeply: {DEPTH_MAX} levels at most")
    parts = list(parts_in(values))
    if len({_name(part) for part in parts}) > FILES_MAX:
        raise too_many_parts()
    size = len(_json(values))
    if size > JSON_MAX_BYTES:
        raise BodyTooLarge(
            f"an input may have {JSON_MAX_BYTES:,} bytes of JSON without images and long texts"
        )
    if size + sum(part.json_bytes for part in parts) > max_bytes:
        raise too_large(max_bytes)


def _require_short_texts(values: Any, path: str, *, is_prompt: bool = False) -> None:
    """Refuse texts that BFL's report would be too long with. Raises Invalid, which names them.

    Images are no texts. A prompt is one also if it reads like base64, as a row of letters does.
    """
    if isinstance(values, Mapping):
        for name, value in values.items():
            is_named_prompt = is_prompt or _PROMPT in name.lower()
            _require_short_texts(value, f"{path}.{name}", is_prompt=is_named_prompt)
    elif isinstance(values, list):
        for position, value in enumerate(values):
            _require_short_texts(value, f"{path}.{position}", is_prompt=is_prompt)
    elif isinstance(values, InputPart) and values.json_bytes > TEXT_MAX_BYTES:
        is_text = values.encoding == "text" and not _reads_like_a_file(values)
        if is_prompt or is_text:
            message = f"a text may have {TEXT_MAX_BYTES:,} bytes of UTF-8 (256 KiB)"
            raise Invalid([{"field": path, "message": message}])


def _reads_like_a_file(part: InputPart) -> bool:
    """Whether a text begins as a `data:` URL or as base64 does: some programs break its lines.

    A stored text was accepted before.
    """
    head = part.head()
    return not head or _BEGIN_OF_A_FILE.match(head) is not None


def too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"an input may have {max_bytes:,} bytes of JSON, its images included (MAX_INPUT_BYTES)"
    )


def load(storage: MediaStorage, job: Job) -> dict[str, Any] | None:
    """The input with its parts, `data:` URLs as base64; None if deleted. Raises StorageError."""
    files = job.request.input_files
    values = load_values(storage, job)
    if values is None or not all(n < len(files) for _, _, n in _references(values)):
        return None
    is_intact = all(storage.size(file.key) == file.bytes for file in files)
    return with_parts(values, files) if is_intact else None


def load_values(storage: MediaStorage, job: Job) -> dict[str, Any] | None:
    """The values with their references; None if they are not kept any more. Raises StorageError."""
    kept, files = job.request.kept_input, job.request.input_files
    if kept is None or not is_complete(job):
        return None
    found = (files[n] for _, encoding, n in _references(kept) if encoding == "json")
    file = next(found, None)
    if file is None:
        return dict(kept)
    if file.bytes > JSON_MAX_BYTES or storage.size(file.key) != file.bytes:
        return None
    return strict_json.load_object(b"".join(storage.read(file.key)), StorageError)


def with_parts(values: Mapping[str, Any], files: tuple[MediaFile, ...]) -> dict[str, Any]:
    found = {
        reference: InputPart.of_object(encoding, files[n])
        for reference, encoding, n in _references(values)
        if n < len(files)
    }
    return dict(replace_texts(values, found))


def prompt(job: Job) -> str:
    """The prompt of the kept input if it is a short text; else empty."""
    given = (job.request.public_input or {}).get("prompt")
    return given.strip() if isinstance(given, str) and not _REFERENCE.fullmatch(given) else ""


def shown_prompt(job: Job, *, with_input: bool) -> str:
    """The caller's prompt for those who may see the input; else BFL's, which may be enhanced."""
    found = (with_input and prompt(job)) or job.result.get("prompt")
    return found.strip() if isinstance(found, str) else ""


def is_complete(job: Job) -> bool:
    """Whether the objects of the kept input, if there is one, were not deleted with the media."""
    files = len(job.request.input_files)
    return all(n < files for _, _, n in _references(job.request.kept_input or {}))


def file_numbers(values: Mapping[str, Any]) -> list[int]:
    """The numbers of the objects that the values hold as base64, in order."""
    return [n for _, encoding, n in _references(values) if encoding == "input"]


def with_texts(
    storage: MediaStorage, job: Job, values: Mapping[str, Any], max_bytes: int
) -> dict[str, Any]:
    """Values with long texts; empty where one is gone, or all are too long. Raises StorageError."""
    left, found = max_bytes, dict[str, str]()
    files = job.request.input_files
    for reference, encoding, n in _references(values):
        if encoding == "text":
            size = storage.size(files[n].key) if n < len(files) else None
            left -= size or 0
            body = b"".join(storage.read(files[n].key)) if size and left >= 0 else b""
            found[reference] = body.decode("utf-8", "replace")
    return dict(replace_texts(values, found))


def with_links(values: Mapping[str, Any], links: list[str]) -> dict[str, Any]:
    """The values with links in place of references; None in place of what was deleted."""
    found = {
        reference: links[n] if n < len(links) else None for reference, _, n in _references(values)
    }
    return dict(replace_texts(values, found))


def _references(values: Mapping[str, Any]) -> Iterator[tuple[str, Encoding, int]]:
    for text in texts(values):
        if found := _REFERENCE.fullmatch(text):
            encoding: Any = found[1]
            yield text, encoding, int(found[2])


def is_image(text: str) -> bool:
    """Whether a string begins as an image in base64 or a `data:` URL does."""
    return _IMAGE.match(text) is not None


def _part_of(text: str) -> InputPart:
    """The bytes of base64 if encoding them again gives the same text, else the text."""
    prefix = DATA_URL.match(text)
    encoded = text[prefix.end() :] if prefix else text
    with suppress(ValueError):
        body = base64.b64decode(encoded, validate=True)
        if base64.b64encode(body).decode() == encoded:
            return InputPart.of_bytes("input", body)
    return InputPart.of_bytes("text", text.encode())


def _name(part: InputPart) -> tuple[str, str]:
    return part.sha256, part.content_type


def _json(values: Mapping[str, Any]) -> bytes:
    """Encode values; a part is an empty string."""
    return json.dumps(values, ensure_ascii=False, default=lambda _part: "").encode()


def too_many_parts() -> Invalid:
    return Invalid(
        [{"field": "input", "message": f"give at most {FILES_MAX} images and long texts"}]
    )
