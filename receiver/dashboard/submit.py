"""`/submit`: a form that submits a generation as `POST /api/jobs` does."""

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs import drafts, inputs
from jobs.bfl import models
from jobs.domain.errors import (
    BadRequest,
    FluxkeepError,
    IdempotencyKeyReused,
    Invalid,
    InvalidField,
    UnknownJob,
    WrongStatus,
)
from jobs.domain.job import Job
from jobs.domain.record import Submission
from jobs.input_parts import InputPart
from jobs.net import strict_json
from receiver import rate_limits
from receiver.api.job_actions import load_job
from receiver.api.submissions import SubmissionBody, enqueue_once
from receiver.context import services
from receiver.dashboard import event_stream, forms, session
from receiver.dashboard.access import requires_scope
from receiver.dashboard.again import fields_of, kept_images
from receiver.dashboard.job_card import JobCard, card
from receiver.problem_details import STATUS
from receiver.schemas.bodies import validate, validate_with_input
from receiver.thread_pool import run_in_thread

FIELDS = ("model", "prompt", *models.FIELD_NAMES, "more", "metadata", "repeats")
# Never in a URL: proxies log URLs.
PRIVATE_FIELDS = ("prompt", "more", "metadata", drafts.FIELD)
IDEMPOTENCY_FIELD = "idempotency_key"
METADATA = {"made by": "the dashboard"}
KEPT = "kept-"

_INTEGER = re.compile(r"[0-9]{1,15}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_DRAFT = re.compile(r"([A-Za-z0-9_-]{1,128})(?: ([0-9]{1,3}))?", re.ASCII)
_INPUT_DELETED = "Images or long texts of that job were deleted. Add them again."
_FORM_CHANGED = "This form was sent before with other values. Submit again to make another job."

blueprint = Blueprint("submit", __name__)


@blueprint.get("/submit")
@requires_scope("submit")
def show() -> ResponseReturnValue:
    """The form; `again` names a job whose input fills it."""
    if again := request.args.get("again"):
        job = load_job(services(), again)
        errors = {} if inputs.is_complete(job) else {"": _INPUT_DELETED}
        return _page(fields_of(services(), job), errors)
    return _page({name: request.args.get(name, "") for name in FIELDS})


@blueprint.post("/submit")
@requires_scope("submit", uploads=True)
def send() -> ResponseReturnValue:
    """Enqueue the job and show the form again, with the job next to it."""
    fields = {name: value.strip() for name, value in forms.form().items()}
    if "show" in fields:  # without a script: the fields of another model
        return _page(fields)
    try:
        job = _enqueue(fields)
    except Invalid as error:
        return _page(fields, _messages(error)), 422
    except (IdempotencyKeyReused, InvalidField):
        return _page(fields | {IDEMPOTENCY_FIELD: ""}, {"": _FORM_CHANGED}), 409
    except FluxkeepError as error:
        return _page(fields, {"": str(error)}), STATUS[type(error)]
    public = [name for name in FIELDS if fields.get(name) and name not in PRIVATE_FIELDS]
    query = {"job": job.id, **{name: fields[name] for name in public if name != "repeats"}}
    return redirect(f"/submit?{urlencode(query)}", 303)


def submit_as_visitor(body: dict[str, Any], idempotency_key: str, repeats: str | None) -> Job:
    """Submit a body of the API with the key of the session. Raises what the API raises."""
    visitor = session.current_visitor()
    assert visitor is not None  # requires_scope made sure of it
    submission = validate_with_input(SubmissionBody, body)
    rate_limits.count_request(visitor.name)
    g.api_key = visitor
    key = (f"visitor {visitor.name}", idempotency_key)
    request = json.dumps(body, default=lambda part: part.sha256)
    digest = hashlib.sha256(request.encode()).hexdigest()
    return enqueue_once(services(), submission, Submission(), key, digest, repeats)


def _enqueue(fields: Mapping[str, str]) -> Job:
    """Raises Invalid with every wrong field, and what the API's own submission raises."""
    given = {name: fields[name] for name in ("prompt", *models.FIELD_NAMES) if fields.get(name)}
    model, errors = fields.get("model", ""), list(_input_errors(given))
    original = _original(fields)
    images = _images(fields, original)
    more = _parsed(fields.get("more", ""), "more", errors)
    if not ({"prompt", drafts.FIELD} & given.keys() or more or images):
        errors.append({"field": "prompt", "message": "Describe the picture."})
    metadata = _parsed(fields.get("metadata", ""), "metadata", errors) or METADATA
    body = {"model": model, "input": given, "metadata": metadata}
    try:
        validate(SubmissionBody, body)
    except Invalid as error:
        errors = [*error.errors, *errors]
    if errors:
        raise Invalid(errors)
    placed = models.place_images(model, images, more.keys())
    body["input"] = {name: _value(name, text) for name, text in given.items()} | placed | more
    repeats = original.id if original else None
    return submit_as_visitor(body, fields.get(IDEMPOTENCY_FIELD, ""), repeats)


def _original(fields: Mapping[str, str]) -> Job | None:
    """The job that the form repeats; None if it repeats none, or one that was deleted."""
    try:
        return load_job(services(), fields.get("repeats", ""))
    except UnknownJob:
        return None


def _messages(error: Invalid) -> dict[str, str]:
    """Messages by the field of the form that each is about."""
    return {
        one["field"].removeprefix("input.").partition(".")[0]: one["message"]
        for one in error.errors
    }


def _images(fields: Mapping[str, str], original: Job | None) -> list[InputPart]:
    """Images in the order of the form; raises WrongStatus."""
    found = {f"file-{n}": part for n, part in enumerate(forms.files())}
    kept = [name for name in fields if re.fullmatch(KEPT + "[0-9]{1,2}", name)]
    found |= {name: _kept_image(original, int(name.removeprefix(KEPT))) for name in kept}
    ordered = [name for name in fields.get("order", "").split() if name in found]
    names = dict.fromkeys((*ordered, *kept, *found))
    return [found[name] for name in names]


def _kept_image(original: Job | None, n: int) -> InputPart:
    """An image of the job that the form repeats. Raises WrongStatus, StorageError."""
    files = original.request.input_files if original else ()
    size = run_in_thread(services().storage.size, files[n].key) if n < len(files) else None
    if size is None or size != files[n].bytes:
        raise WrongStatus(_INPUT_DELETED)
    return InputPart.of_object("input", files[n])


def _parsed(text: str, field: str, errors: list[dict[str, str]]) -> dict[str, Any]:
    try:
        return strict_json.load_object(text.encode()) if text else {}
    except BadRequest:
        errors.append({"field": field, "message": 'Enter a JSON object, such as {"key": 1}.'})
        return {}


def _input_errors(given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Errors that hold for every model; BFL checks the rest."""
    for name, text in given.items():
        kind = models.KINDS.get(name)
        if kind == "integer" and not _INTEGER.fullmatch(text):
            yield {"field": name, "message": "Enter a whole number."}
        if kind == "number" and not _NUMBER.fullmatch(text):
            yield {"field": name, "message": "Enter a number."}
    if "aspect_ratio" in given and {"width", "height"} & given.keys():
        message = "Choose either an aspect ratio, or width and height."
        yield {"field": "aspect_ratio", "message": message}


def _value(name: str, text: str) -> Any:
    kind = models.KINDS.get(name)
    if kind == "flag":
        return text == "yes"
    if kind == "draft" and (found := _DRAFT.fullmatch(text)):
        return {"job": found[1], "n": int(found[2] or 0)}
    return {"integer": int, "number": float}.get(kind or "", str)(text)


def _page(fields: Mapping[str, str], errors: Mapping[str, str] | None = None) -> str:
    event_stream.begin_page()
    model = fields.get("model") or models.NAMES[0]
    input_form, original = models.input_form(model), fields.get("repeats", "")
    return render_template(
        "submit.html",
        values={name: fields.get(name, "") for name in FIELDS} | {"model": model},
        errors=_placed(errors or {}, input_form),
        idempotency_key=fields.get(IDEMPOTENCY_FIELD) or str(uuid.uuid4()),
        models=models.NAMES,
        input_form=input_form,
        kept=kept_images(services(), original) if original else [],
        job=_submitted_job() if request.method == "GET" else None,
        most_bytes=forms.largest_upload(),
    )


def _placed(errors: Mapping[str, str], input_form: models.InputForm) -> dict[str, str]:
    """Messages about fields that the form does not show stand at "Other fields"."""
    shown = {"", "model", "prompt", "metadata", *(field.name for field in input_form.fields)}
    found = {name: message for name, message in errors.items() if name in shown}
    others = [
        message if name == "more" else f"{name}: {message}"
        for name, message in errors.items()
        if name not in shown
    ]
    return found | ({"more": " ".join(others)} if others else {})


def _submitted_job() -> JobCard | None:
    """The job that this form made; None if there is none, or it was deleted since."""
    try:
        return card(services(), load_job(services(), request.args.get("job", "")))
    except FluxkeepError:
        return None
