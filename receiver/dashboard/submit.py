"""`/submit`: a form that submits a generation as `POST /api/jobs` does."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs import views
from jobs.errors import (
    FluxkeepError,
    IdempotencyKeyReused,
    Invalid,
    InvalidField,
    QueueFull,
    RateLimited,
    StoreUnavailable,
)
from jobs.job import Job
from jobs.views import JobView
from receiver import rate_limits
from receiver.api.submissions import SubmissionBody, SubmissionRequest, enqueue_once
from receiver.context import services
from receiver.dashboard import forms, session
from receiver.dashboard.access import requires_scope
from receiver.schemas.bodies import validate

# Suggestions from BFL's documentation; any other model may be typed, and BFL decides.
MODELS = (
    *("flux-2-max", "flux-2-pro", "flux-2-pro-preview", "flux-2-flex"),
    *("flux-2-klein-9b", "flux-2-klein-9b-preview", "flux-2-klein-4b"),
    *("flux-kontext-max", "flux-kontext-pro", "flux-pro-1.1-ultra", "flux-pro-1.1"),
    *("flux-pro", "flux-dev", "flux-3-image", "flux-3-video"),
)
RATIOS = ("1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "21:9", "9:21")
NUMBERS = ("width", "height", "seed")
FIELDS = ("model", "prompt", "aspect_ratio", *NUMBERS)
PRIVATE_FIELDS = ("prompt",)  # never in a URL: proxies log URLs
IDEMPOTENCY_FIELD = "idempotency_key"
METADATA = {"made by": "the dashboard"}

_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_FORM_CHANGED = "This form was sent before with other values. Submit again to make another job."

blueprint = Blueprint("submit", __name__)


@blueprint.get("/submit")
@requires_scope("submit")
def show() -> ResponseReturnValue:
    return _page({name: request.args.get(name, "") for name in FIELDS})


@blueprint.post("/submit")
@requires_scope("submit")
def send() -> ResponseReturnValue:
    """Enqueue the job and show the form again, with the job next to it."""
    fields = {name: value.strip() for name, value in forms.form().items()}
    try:
        job = _enqueue(fields)
    except Invalid as error:
        return _page(fields, {one["field"]: one["message"] for one in error.errors}), 422
    except (IdempotencyKeyReused, InvalidField):
        return _page(fields | {IDEMPOTENCY_FIELD: ""}, {"": _FORM_CHANGED}), 409
    except RateLimited as error:
        return _page(fields, {"": str(error)}), 429
    except (QueueFull, StoreUnavailable) as error:
        return _page(fields, {"": str(error)}), 503
    public = [name for name in FIELDS if fields.get(name) and name not in PRIVATE_FIELDS]
    query = {"job": job.id, **{name: fields[name] for name in public}}
    return redirect(f"/submit?{urlencode(query)}", 303)


def submit_as_visitor(body: dict[str, Any], idempotency_key: str, sent: str) -> Job:
    """Submit a body of the API with the key of the session.

    `sent` is the form as it was sent: the same key with another form is refused.
    Raises what the API raises.
    """
    visitor = session.current_visitor()
    assert visitor is not None  # requires_scope made sure of it
    submission = SubmissionRequest.of(validate(SubmissionBody, body))
    rate_limits.count_request(visitor.name)
    g.key_name = visitor.name
    key = (f"visitor {visitor.name}", idempotency_key)
    return enqueue_once(services(), submission, key, sent.encode())


def _enqueue(fields: Mapping[str, str]) -> Job:
    """Raises Invalid with every wrong field, and what the API's own submission raises."""
    filled: dict[str, Any] = {name: fields[name] for name in FIELDS[1:] if fields.get(name)}
    body = {"model": fields.get("model", ""), "input": filled, "metadata": METADATA}
    if errors := [*_body_errors(body), *_input_errors(filled)]:
        raise Invalid(errors)
    filled |= {name: int(filled[name]) for name in NUMBERS if name in filled}
    return submit_as_visitor(body, fields.get(IDEMPOTENCY_FIELD, ""), json.dumps(body))


def _body_errors(body: dict[str, Any]) -> list[dict[str, str]]:
    try:
        validate(SubmissionBody, body)
    except Invalid as error:
        return error.errors
    return []


def _input_errors(filled: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Errors that hold for every model; BFL checks the rest."""
    if "prompt" not in filled:
        yield {"field": "prompt", "message": "Describe the picture."}
    for name in NUMBERS:
        if not _is_number(filled.get(name)):
            yield {"field": name, "message": "Enter a whole number."}
    if "aspect_ratio" in filled and {"width", "height"} & filled.keys():
        message = "Choose either an aspect ratio, or width and height."
        yield {"field": "aspect_ratio", "message": message}


def _is_number(text: str | None) -> bool:
    return text is None or bool(_NUMBER.fullmatch(text))


def _page(fields: Mapping[str, str], errors: Mapping[str, str] | None = None) -> str:
    return render_template(
        "submit.html",
        values={name: fields.get(name, "") for name in FIELDS},
        errors=errors or {},
        idempotency_key=fields.get(IDEMPOTENCY_FIELD) or str(uuid.uuid4()),
        models=MODELS,
        ratios=RATIOS,
        job=_submitted_job() if request.method == "GET" else None,
    )


def _submitted_job() -> JobView | None:
    """The job that this form made; None if it was deleted since."""
    job_id = request.args.get("job")
    try:
        job = services().store.load(job_id) if job_id else None
        return views.job_view(services(), job) if job else None
    except FluxkeepError:
        return None
