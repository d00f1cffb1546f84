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
# In UTF-8. BFL's report repeats the prompt, twice to six times as long where JSON escapes it, and
# at most `ANSWER_MAX_BYTES` of it are read.
TEXT_MAX_BYTES = 256 * 1024
VALUES_MAX_BYTES = 8192  # of JSON, on the record
JSON_MAX_BYTES = 4 * 2**20  # of an input without its images and long texts
FILES_MAX = 32
DEPTH_MAX = 31  # of lists and objects in one another

_REFERENCE = re.compile(r"(input|text|json):([0-9]{1,2})", re.ASCII)
_VALUES = "values"
_BEGIN_OF_A_FILE = re.compile(rb"data:|[A-Za-z0-9+/=\r\n]{64}", re.IGNORECASE)
_PROMPT = "prompt"  # a field with this word in its name is a text, also if it reads like base64
# How PNG, JPEG, WebP and GIF begin as base64: however small, images are no values of a record.
_IMAGE = re.compile(r"data:image/|iVBORw0KGgo|/9j/|UklGR|R0lGOD", re.ASCII)
DATA_URL = re.compile(r"data:[a-z0-9.+/-]{0,64};base64,", re.ASCII | re.IGNORECASE)


class PackedInput(NamedTuple):
    """An input as it is kept: values with references, and the parts that they name."""

    values: Mapping[str, Any]
    parts: tuple[InputPart, ...] = ()

    def files(self, job_id: str, created_at: float) -> tuple[MediaFile, ...]:
        """The objects of the parts. Their names hold their SHA-256: equal bytes have one name."""
        files: list[MediaFile] = []
        for part in self.parts:
            key = input_key(job_id, created_at, part.sha256, part.content_type)
            files.append(
                MediaFile(
                    key=key,
                    content_type=part.content_type,
                    bytes=part.size_bytes,
                    sha256=part.sha256,
                    role=Role.INPUT,
                )
            )
        return tuple(files)


class Reference(NamedTuple):
    """A text in the values that stands for an object, named by its number."""

    text: str
    encoding: Encoding
    number: int


def pack(fields: Mapping[str, Any], max_bytes: int) -> PackedInput:
    """Divide an input into values and parts.

    Raises what `require_limits` raises, and Invalid for a text that is too long.
    """
    values = without_webhook(fields)
    part_texts = _texts_for_parts(values)
    if len(part_texts) > FILES_MAX:  # before any is decoded or hashed
        raise too_many_parts()
    if part_texts:
        parts_by_text = {text: _part_of(text) for text in part_texts}
        values = replace_texts(values, parts_by_text)
    require_limits(values, max_bytes)
    _require_short_texts(values, "input")
    return _refer_to_parts(values)


def _texts_for_parts(values: Mapping[str, Any]) -> list[str]:
    """The texts that become objects, without repetitions, in their order."""
    part_texts = dict[str, None]()
    for text in texts(values):
        is_long = len(text) > TEXT_MAX_CHARS
        # A text that reads like a reference would be taken for one.
        if is_long or _REFERENCE.fullmatch(text) or is_image(text):
            part_texts[text] = None
    return list(part_texts)


def _refer_to_parts(values: Mapping[str, Any]) -> PackedInput:
    """Put references in place of the parts. Equal parts have one number."""
    parts = dict[tuple[str, str], InputPart]()
    for part in parts_in(values):
        parts[_content_of(part)] = part
    numbers = dict[tuple[str, str], int]()
    for number, content in enumerate(parts):
        numbers[content] = number

    def refer(leaf: Any) -> Any:
        if not isinstance(leaf, InputPart):
            return leaf
        number = numbers[_content_of(leaf)]
        return f"{leaf.encoding}:{number}"

    kept_values = values
    if parts:
        kept_values = map_leaves(values, refer)
    text = _json(kept_values)
    if len(text) <= VALUES_MAX_BYTES:
        return PackedInput(kept_values, tuple(parts.values()))
    if len(parts) == FILES_MAX:
        raise too_many_parts()
    part_of_values = InputPart.of_bytes("json", text)
    return PackedInput({_VALUES: f"json:{len(parts)}"}, (*parts.values(), part_of_values))


def require_limits(values: Mapping[str, Any], max_bytes: int) -> None:
    """Check an input with its parts in place. Raises BadRequest, Invalid or BodyTooLarge."""
    if not strict_json.is_shallow(values, DEPTH_MAX):
        raise BadRequest(f"the input is nested too deeply: {DEPTH_MAX} levels at most")
    parts = list(parts_in(values))
    different_parts = {_content_of(part) for part in parts}
    if len(different_parts) > FILES_MAX:
        raise too_many_parts()
    size = len(_json(values))
    if size > JSON_MAX_BYTES:
        raise BodyTooLarge(
            f"an input may have {JSON_MAX_BYTES:,} bytes of JSON without images and long texts"
        )
    size_with_parts = size + sum(part.json_bytes for part in parts)
    if size_with_parts > max_bytes:
        raise too_large(max_bytes)


def _require_short_texts(values: Any, path: str, *, is_prompt: bool = False) -> None:
    """Refuse texts with which BFL's report would be too long. Raises Invalid, which names them.

    Images are no texts. A prompt is a text also if it reads like base64, as a row of letters does.
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

    A text that is stored already counts as a file too, so that it is accepted once more.
    """
    head = part.head()
    is_stored = not head
    if is_stored:
        return True
    return _BEGIN_OF_A_FILE.match(head) is not None


def too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"an input may have {max_bytes:,} bytes of JSON, its images included (MAX_INPUT_BYTES)"
    )


def load(storage: MediaStorage, job: Job) -> dict[str, Any] | None:
    """The input with its parts, `data:` URLs as base64; None if deleted. Raises StorageError."""
    files = job.request.input_files
    values = load_values(storage, job)
    if values is None or not _has_all_objects(values, len(files)):
        return None
    for file in files:
        if storage.size(file.key) != file.bytes:
            return None
    return with_parts(values, files)


def load_values(storage: MediaStorage, job: Job) -> dict[str, Any] | None:
    """The values with their references; None if they are not kept any more. Raises StorageError."""
    kept_input = job.request.kept_input
    if kept_input is None or not is_complete(job):
        return None
    file = _file_of_values(kept_input, job.request.input_files)
    if file is None:
        return dict(kept_input)
    if file.bytes > JSON_MAX_BYTES or storage.size(file.key) != file.bytes:
        return None
    body = b"".join(storage.read(file.key))
    return strict_json.load_object(body, StorageError)


def _file_of_values(
    kept_input: Mapping[str, Any], files: tuple[MediaFile, ...]
) -> MediaFile | None:
    """The object that holds the values, if they are too long for the record."""
    for reference in _references(kept_input):
        if reference.encoding == "json":
            return files[reference.number]
    return None


def with_parts(values: Mapping[str, Any], files: tuple[MediaFile, ...]) -> dict[str, Any]:
    """The values with parts in place of references; a reference to no object stays."""
    parts_by_text = dict[str, InputPart]()
    for reference in _references(values):
        if reference.number < len(files):
            part = InputPart.of_object(reference.encoding, files[reference.number])
            parts_by_text[reference.text] = part
    return dict(replace_texts(values, parts_by_text))


def prompt(job: Job) -> str:
    """The prompt of the kept input if it is a short text; else empty."""
    public_input = job.request.public_input
    if public_input is None:
        return ""
    text = public_input.get("prompt")
    if not isinstance(text, str) or _REFERENCE.fullmatch(text):
        return ""
    return text.strip()


def shown_prompt(job: Job, *, with_input: bool) -> str:
    """The caller's prompt for those who may see the input; else BFL's, which may be enhanced."""
    text: Any = ""
    if with_input:
        text = prompt(job)
    if not text:
        text = job.result.get("prompt", "")
    if not isinstance(text, str):
        return ""
    return text.strip()


def is_complete(job: Job) -> bool:
    """Whether the objects of the kept input, if there is one, were not deleted with the media."""
    kept_input = job.request.kept_input
    if kept_input is None:
        return True
    return _has_all_objects(kept_input, len(job.request.input_files))


def _has_all_objects(values: Mapping[str, Any], object_count: int) -> bool:
    """Whether every reference in the values names one of the objects, which are counted from 0."""
    return all(reference.number < object_count for reference in _references(values))


def file_numbers(values: Mapping[str, Any]) -> list[int]:
    """The numbers of the objects that the values hold as base64, in order."""
    return [reference.number for reference in _references(values) if reference.encoding == "input"]


def with_texts(
    storage: MediaStorage, job: Job, values: Mapping[str, Any], max_bytes: int
) -> dict[str, Any]:
    """The values with long texts in place of their references. Raises StorageError.

    A text is empty if its object is gone, or if it does not fit the rest of `max_bytes`.
    """
    remaining_bytes = max_bytes
    long_texts = dict[str, str]()
    files = job.request.input_files
    for reference in _references(values):
        if reference.encoding != "text":
            continue
        long_texts[reference.text] = ""
        if reference.number >= len(files):
            continue
        key = files[reference.number].key
        size = storage.size(key)
        if not size:
            continue
        remaining_bytes -= size
        if remaining_bytes >= 0:
            body = b"".join(storage.read(key))
            long_texts[reference.text] = body.decode("utf-8", "replace")
    return dict(replace_texts(values, long_texts))


def with_links(values: Mapping[str, Any], links: list[str]) -> dict[str, Any]:
    """The values with links in place of references; None in place of a deleted object."""
    links_by_text = dict[str, str | None]()
    for reference in _references(values):
        links_by_text[reference.text] = None
        if reference.number < len(links):
            links_by_text[reference.text] = links[reference.number]
    return dict(replace_texts(values, links_by_text))


def _references(values: Mapping[str, Any]) -> Iterator[Reference]:
    for text in texts(values):
        match = _REFERENCE.fullmatch(text)
        if match is not None:
            encoding: Any = match[1]
            yield Reference(text, encoding, int(match[2]))


def is_image(text: str) -> bool:
    """Whether a string begins as an image in base64 or a `data:` URL does."""
    return _IMAGE.match(text) is not None


def _part_of(text: str) -> InputPart:
    """Decode a text if encoding its bytes again restores it; else take the text as it is."""
    encoded = text
    prefix = DATA_URL.match(text)
    if prefix:
        encoded = text[prefix.end() :]
    with suppress(ValueError):
        body = base64.b64decode(encoded, validate=True)
        if base64.b64encode(body).decode() == encoded:
            return InputPart.of_bytes("input", body)
    return InputPart.of_bytes("text", text.encode())


def _content_of(part: InputPart) -> tuple[str, str]:
    """The content by which parts with equal bytes are one, whatever their encoding is."""
    return part.sha256, part.content_type


def _json(values: Mapping[str, Any]) -> bytes:
    """Encode values; a part is an empty string."""
    return json.dumps(values, ensure_ascii=False, default=_empty_text).encode()


def _empty_text(_part: InputPart) -> str:
    return ""


def too_many_parts() -> Invalid:
    return Invalid(
        [{"field": "input", "message": f"give at most {FILES_MAX} images and long texts"}]
    )
