"""The form as a visitor sent it, read as the body of `POST /api/jobs`."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobs.domain.errors import BadRequest, Invalid, UnknownJob
from jobs.domain.job import Job
from jobs.domain.json_values import replace_texts
from jobs.input_parts import InputPart
from jobs.net import strict_json
from receiver.context import current_services
from receiver.dashboard import form_body
from receiver.dashboard.form import aspect_tiles
from receiver.dashboard.form.input_form import InputForm
from receiver.dashboard.form.kept_files import RepeatedFiles
from receiver.job_actions import load_job
from receiver.schemas.bodies import validate_with_input
from receiver.schemas.submission import SubmissionBody

METADATA = {"made by": "the dashboard"}


class PostedSubmission(NamedTuple):
    """The body of a submission, and the id of the job that it repeats."""

    body: dict[str, Any]
    repeats: str | None


def form_of(fields: Mapping[str, str]) -> InputForm:
    """The controls for the model and the mode that the fields of a page name."""
    filled_fields = {name: text for name, text in fields.items() if text}
    model = filled_fields.get("model", "")
    return InputForm.for_input(current_services().schemas.endpoints(), model, filled_fields)


def read(fields: Mapping[str, str]) -> PostedSubmission:
    """Read the fields and the uploads of this request.

    Raises Invalid with every wrong field, and WrongStatus or StorageError for a file of the
    repeated job that cannot be used.
    """
    form = form_of(fields)
    original = _repeated_job(fields)
    repeated_files = RepeatedFiles(original)
    texts = aspect_tiles.fill_in_tile(form.fields, fields)
    messages: dict[str, str] = {}
    further_values = _read_object(texts, "more", messages)
    metadata = _read_object(texts, "metadata", messages)
    files_of_further_values = repeated_files.load_all(further_values)
    reading = form.read(texts, _uploads(), repeated_files.load)
    messages.update(reading.messages)
    values = reading.values
    values.update(replace_texts(further_values, files_of_further_values))
    for name in form.required:
        if name not in values and name not in messages:
            messages[name] = "Fill this in: BFL requires it."
    body = {
        "model": texts.get("model", ""),
        "input": values,
        "metadata": metadata or METADATA,
    }
    _require_valid(body, messages)
    if original is None:
        return PostedSubmission(body, None)
    return PostedSubmission(body, original.id)


def _repeated_job(fields: Mapping[str, str]) -> Job | None:
    """The job that the form repeats; None if it repeats none, or one that was deleted."""
    try:
        return load_job(current_services(), fields.get("repeats", ""))
    except UnknownJob:
        return None


def _read_object(texts: Mapping[str, str], name: str, messages: dict[str, str]) -> dict[str, Any]:
    """The JSON object of a field; empty, with a message, if the text is none."""
    text = texts.get(name) or "{}"
    try:
        return strict_json.load_object(text.encode())
    except BadRequest:
        messages[name] = 'Enter a JSON object, such as {"key": 1}.'
        return {}


def _uploads() -> Mapping[str, list[InputPart]]:
    """The uploaded files by the name of their control."""
    uploads = defaultdict[str, list[InputPart]](list)
    for name, part in form_body.files():
        uploads[name].append(part)
    return uploads


def _require_valid(body: Mapping[str, Any], messages: Mapping[str, str]) -> None:
    """Raises Invalid with the form's messages and those of the API."""
    problems = [{"field": name, "message": message} for name, message in messages.items()]
    try:
        validate_with_input(SubmissionBody, body)
    except Invalid as error:
        problems += error.errors
    if problems:
        raise Invalid(problems)
