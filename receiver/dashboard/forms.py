"""HTML forms, read like any other body: with a time limit and a size limit."""

from io import BytesIO
from typing import cast

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from jobs.errors import BadRequest
from receiver import request_body

FORM_MAX_BYTES = 256 * 1024
UPLOAD_MAX_BYTES = 24 * 2**20  # as base64 it fits into an input
FIELDS_MAX = 100


def form(max_bytes: int = FORM_MAX_BYTES) -> dict[str, str]:
    """The fields of this request, the last of each name. Raises BadRequest."""
    if "form" not in g:
        g.form, g.files = _read(max_bytes)
    return cast(dict[str, str], g.form)


def files() -> list[tuple[str, bytes]]:
    """The uploaded files in their order, with the names of their fields."""
    return cast(list[tuple[str, bytes]], g.files)


def _read(max_bytes: int) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
    is_multipart = request.mimetype == "multipart/form-data"
    raw = request_body.read(max_bytes if is_multipart else FORM_MAX_BYTES)
    parser = FormDataParser(max_form_memory_size=FORM_MAX_BYTES, max_form_parts=FIELDS_MAX)
    try:
        _, fields, uploads = parser.parse(
            BytesIO(raw), request.mimetype, len(raw), request.mimetype_params
        )
    except RequestEntityTooLarge:
        raise BadRequest("The form is too large or has too many fields.") from None
    sent = ((name, one) for name, found in uploads.lists() for one in found if one.filename)
    last = {name: values[-1] for name, values in fields.lists()}
    return last, [(name, body) for name, one in sent if (body := one.read())]
