"""HTML forms, read like any other body: with a time limit and a size limit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any, cast

from flask import g, request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from jobs.domain.errors import BadRequest
from jobs.input_parts import InputPart
from jobs.storage.error_translation import translate_errors
from receiver import input_body, request_body
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services

FORM_MAX_BYTES = 256 * 1024
FIELDS_MAX = 100


def form() -> dict[str, str]:
    """The fields of this request, the last of each name. Raises BadRequest."""
    if "form" not in g:
        _parse(BytesIO(request_body.read(request.environ, FORM_MAX_BYTES)))
    return cast(dict[str, str], g.form)


def values(name: str) -> list[str]:
    """All fields of this name, in their order."""
    form()
    return cast(MultiDict[str, str], g.form_fields).getlist(name)


def files() -> list[tuple[str, InputPart]]:
    """The uploaded files in their order, with the names of their fields, inside `uploaded`."""
    return cast(list[tuple[str, InputPart]], g.get("files", []))


@contextmanager
def uploaded() -> Iterator[None]:
    """Stage a form's files. Raises BadRequest, BodyTooLarge, TooManyWaiting, StorageError."""
    most = largest_upload() + FORM_MAX_BYTES
    with input_body.receive_pieces(most) as pieces, input_body.staged_files() as open_file:

        def open_staged_file(**_headers: Any) -> _StagedFile:
            return _StagedFile(open_file())

        uploads = _parse(cast(IO[bytes], _PieceStream(pieces)), open_staged_file)
        g.files = _uploaded_parts(uploads)
        yield


def _uploaded_parts(uploads: MultiDict[str, FileStorage]) -> list[tuple[str, InputPart]]:
    """The uploaded files with the names of their fields; empty files are left out."""
    named_parts: list[tuple[str, InputPart]] = []
    for name, uploads_of_field in uploads.lists():
        for upload in uploads_of_field:
            if not upload.filename:  # a control in which no file was chosen
                continue
            staged_file = cast(_StagedFile, upload.stream)
            part = run_in_thread(InputPart.of_file, "input", staged_file.file)
            if part.size_bytes:
                named_parts.append((name, part))
    return named_parts


def largest_upload() -> int:
    """Bytes that fit into an input as base64."""
    return current_services().settings.max_input_bytes // 4 * 3


class _PieceStream:
    """The pieces of a body as werkzeug reads a stream: each read returns one piece of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int = -1) -> bytes:
        return next(self._pieces, b"")


class _StagedFile:
    """A file that threads write: a slow disk must not stop the event loop."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, data: bytes) -> None:
        with translate_errors():
            run_in_thread(self.file.write, data)

    def seek(self, at: int) -> None:
        self.file.seek(at)


def _parse(
    stream: IO[bytes], open_file: Callable[..., Any] | None = None
) -> MultiDict[str, FileStorage]:
    """Keep the fields in `g`, and return the files."""
    parser = FormDataParser(open_file, FORM_MAX_BYTES, max_form_parts=FIELDS_MAX)
    try:
        parsed = parser.parse(stream, request.mimetype, None, request.mimetype_params)
    except RequestEntityTooLarge:
        raise BadRequest("The form is too large or has too many fields.") from None
    _, g.form_fields, uploads = parsed
    g.form = {name: texts[-1] for name, texts in g.form_fields.lists()}
    return uploads
