"""`/submit`: a form that submits a generation as `POST /api/jobs` does."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, g, redirect, request
from flask.typing import ResponseReturnValue

from jobs import kept_inputs
from jobs.bfl.model_schemas import Kind
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.input_parts import InputPart
from receiver.auth import count_request
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services
from receiver.dashboard import form_body
from receiver.dashboard.form import page, posted_form
from receiver.dashboard.form.input_form import InputForm
from receiver.dashboard.form.kept_files import INPUT_DELETED
from receiver.dashboard.form.page import IDEMPOTENCY_FIELD
from receiver.dashboard.session import requires_scope
from receiver.idempotency_key import IdempotencyKey
from receiver.idempotent_submission import enqueue_once
from receiver.job_actions import load_job
from receiver.problem_details import STATUS
from receiver.schemas.bodies import validate_with_input
from receiver.schemas.submission import SubmissionBody

PUBLIC_KINDS = (Kind.INTEGER, Kind.NUMBER, Kind.FLAG, Kind.CHOICE)
_FORM_CHANGED = "This form was sent before with other values. Submit again to make another job."

blueprint = Blueprint("submit", __name__)


@blueprint.get("/submit")
@requires_scope("submit")
def show() -> ResponseReturnValue:
    """The form; `again` names a job whose input fills it."""
    original_id = request.args.get("again")
    if original_id:
        return _show_repeat(load_job(current_services(), original_id))
    fields = request.args.to_dict()
    fields[IDEMPOTENCY_FIELD] = ""  # each page that is opened gets a new one
    return page.render(fields)


def _show_repeat(job: Job) -> str:
    """The form with the input of a job. Raises StorageError."""
    services = current_services()
    kept_values = _kept_values(job)
    form = InputForm.for_input(services.schemas.endpoints(), job.model or "", kept_values)
    values = run_in_thread(
        kept_inputs.with_texts, services.storage, job, kept_values, form_body.FORM_MAX_BYTES
    )
    form_texts = form.texts_of(values)
    fields = {"model": job.model or ""}
    fields.update(form_texts.texts)
    fields["more"] = ""
    if form_texts.further_values:
        fields["more"] = json.dumps(form_texts.further_values, indent=1, ensure_ascii=False)
    fields["metadata"] = ""
    if job.metadata:
        fields["metadata"] = json.dumps(dict(job.metadata), ensure_ascii=False)
    fields["repeats"] = job.id
    messages = {}
    if not kept_inputs.is_complete(job):
        messages[""] = INPUT_DELETED
    return page.render(fields, messages)


def _kept_values(job: Job) -> dict[str, Any]:
    """The input of a job with references to its files; empty if the input is not kept."""
    if job.request.public_input is None:
        return {}
    return run_in_thread(kept_inputs.load_values, current_services().storage, job) or {}


@blueprint.post("/submit")
@requires_scope("submit", uploads=True)
def send() -> ResponseReturnValue:
    """Enqueue the job and show the form again, with the job next to it."""
    fields = {name: value.strip() for name, value in form_body.form().items()}
    if "show" in fields:  # without a script: the fields of another model
        return page.render(fields)
    try:
        submission = posted_form.read(fields)
        idempotency_key = fields.get(IDEMPOTENCY_FIELD, "")
        job = submit_as_visitor(submission.body, idempotency_key, submission.repeats)
    except errors.Invalid as error:
        return page.render(fields, _messages_by_field(error)), 422
    except (errors.IdempotencyKeyReused, errors.InvalidField):
        fields[IDEMPOTENCY_FIELD] = ""
        return page.render(fields, {"": _FORM_CHANGED}), 409
    except errors.FluxkeepError as error:
        message = errors.as_sentence(str(error))
        return page.render(fields, {"": message}), STATUS[type(error)]
    query = {"job": job.id}
    query.update(_public_fields(fields))
    return redirect(f"/submit?{urlencode(query)}", 303)


def _messages_by_field(error: errors.Invalid) -> dict[str, str]:
    """The API's messages by the names of the form's fields: `input.images.0` is in `images`."""
    messages = {}
    for problem in error.errors:
        name, _, _ = problem["field"].removeprefix("input.").partition(".")
        messages[name] = problem["message"]
    return messages


def _public_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields that fill the form again from its URL, which proxies log: nothing private."""
    form = posted_form.form_of(fields)
    public_names = {"model", form.selector}
    for name, field in form.fields.items():
        if field.kind in PUBLIC_KINDS:
            public_names.add(name)
    return {name: text for name, text in fields.items() if text and name in public_names}


def submit_as_visitor(body: dict[str, Any], idempotency_key: str, repeats: str | None) -> Job:
    """Submit a body of the API with the key of the session. Raises what the API raises."""
    submission = validate_with_input(SubmissionBody, body)
    count_request(g.api_key.name)
    body_json = json.dumps(body, default=_sha256_of)
    digest = hashlib.sha256(body_json.encode()).hexdigest()
    key = IdempotencyKey(f"visitor {g.api_key.name}", idempotency_key)
    return enqueue_once(current_services(), submission, Submission(), key, digest, repeats)


def _sha256_of(part: InputPart) -> str:
    """A file in the digest of a body."""
    return part.sha256
