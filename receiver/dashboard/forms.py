"""HTML forms, read like any other body: with a time limit and a size limit."""

from typing import cast
from urllib.parse import parse_qsl

from flask import g

from jobs.errors import BadRequest
from receiver import request_body

FORM_MAX_BYTES = 256 * 1024
FIELDS_MAX = 100


def form() -> dict[str, str]:
    """The fields of this request, the last of each name. Raises BadRequest."""
    if "form" not in g:
        g.form = _read()
    return cast(dict[str, str], g.form)


def _read() -> dict[str, str]:
    text = request_body.read(FORM_MAX_BYTES).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise BadRequest("The form has too many fields.") from None
