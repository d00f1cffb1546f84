"""`/submit`: a form that submits a generation as `POST /api/jobs` does."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs import kept_inputs
from jobs.bfl import model_names
from jobs.bfl.model_schemas import InputField, Kind
from jobs.domain import errors
from jobs.domain.budgets import Price
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.domain.media_references import replace_texts
from jobs.domain.polling_policy import typical_seconds
from jobs.domain.status import Status
from jobs.input_parts import InputPart
from jobs.net import strict_json
from jobs.store.search_conditions import Search
from receiver import ownership, rate_limits
from receiver.api.submissions import SubmissionBody, enqueue_once
from receiver.blocking_calls import run_in_thread
from receiver.context import services
from receiver.dashboard import event_stream, form_body
from receiver.dashboard.access import requires_scope
from receiver.dashboard.form import aspect_tiles
from receiver.dashboard.form.input_form import Errors, InputForm, as_text
from receiver.dashboard.form.kept_input import fields_of, kept_images
from receiver.dashboard.job_card import JobCard, card, cards
from receiver.job_actions import load_job
from receiver.problem_details import STATUS
from receiver.schemas.bodies import validate_with_input

PUBLIC_KINDS = (Kind.INTEGER, Kind.NUMBER, Kind.FLAG, Kind.CHOICE)
IDEMPOTENCY_FIELD = "idempotency_key"
OTHER_MODEL = "other_model"
RECENT_MAX = 8
METADATA = {"made by": "the dashboard"}
_INPUT_DELETED = "Images or long texts of that job were deleted. Add them again."
_FORM_CHANGED = "This form was sent before with other values. Submit again to make another job."

blueprint = Blueprint("submit", __name__)


@blueprint.get("/submit")
@requires_scope("submit")
def show() -> ResponseReturnValue:
    """The form; `again` names a job whose input fills it."""
    if original := request.args.get("again"):
        job = load_job(services(), original)
        messages = {} if kept_inputs.is_complete(job) else {"": _INPUT_DELETED}
        return _page(fields_of(services(), job), messages)
    return _page({**request.args.to_dict(), IDEMPOTENCY_FIELD: ""})


@blueprint.post("/submit")
@requires_scope("submit", uploads=True)
def send() -> ResponseReturnValue:
    """Enqueue the job and show the form again, with the job next to it."""
    fields = {name: value.strip() for name, value in form_body.form().items()}
    if "show" in fields:  # without a script: the fields of another model
        return _page(fields)
    try:
        job = _enqueue(fields)
    except errors.Invalid as error:
        return _page(fields, _messages(error)), 422
    except (errors.IdempotencyKeyReused, errors.InvalidField):
        return _page(fields | {IDEMPOTENCY_FIELD: ""}, {"": _FORM_CHANGED}), 409
    except errors.FluxkeepError as error:
        return _page(fields, {"": errors.as_sentence(str(error))}), STATUS[type(error)]
    return redirect(f"/submit?{urlencode({'job': job.id, **_public(fields)})}", 303)


def submit_as_visitor(body: dict[str, Any], idempotency_key: str, repeats: str | None) -> Job:
    """Submit a body of the API with the key of the session. Raises what the API raises."""
    submission = validate_with_input(SubmissionBody, body)
    rate_limits.count_request(g.api_key.name)
    key = (f"visitor {g.api_key.name}", idempotency_key)
    request = json.dumps(body, default=lambda part: part.sha256)
    digest = hashlib.sha256(request.encode()).hexdigest()
    return enqueue_once(services(), submission, Submission(), key, digest, repeats)


def _enqueue(fields: Mapping[str, str]) -> Job:
    """Raises Invalid with every wrong field, and what the API's own submission raises."""
    messages, form, original = Errors(), _input_form(fields), _original(fields)
    fields = aspect_tiles.fill(form.fields, fields)
    load = partial(_load, original)
    more, metadata = (_object(fields, name, messages) for name in ("more", "metadata"))
    numbers = kept_inputs.file_numbers(more) if original else []
    files = {text: load(text) for text in map("input:{}".format, numbers)}
    given = form.read(fields, _uploads(), load, messages) | replace_texts(more, files)
    missing = form.required - given.keys() - messages.keys()
    messages |= dict.fromkeys(missing, "Fill this in: BFL requires it.")
    body = {"model": fields.get("model", ""), "input": given, "metadata": metadata or METADATA}
    wrong = [{"field": name, "message": message} for name, message in messages.items()]
    try:
        validate_with_input(SubmissionBody, body)
    except errors.Invalid as error:
        wrong += error.errors
    if wrong:
        raise errors.Invalid(wrong)
    repeats = original.id if original else None
    return submit_as_visitor(body, fields.get(IDEMPOTENCY_FIELD, ""), repeats)


def _object(fields: Mapping[str, str], name: str, messages: Errors) -> dict[str, Any]:
    """A JSON object, empty for no text."""
    with suppress(errors.BadRequest):
        return strict_json.load_object((fields.get(name) or "{}").encode())
    messages[name] = 'Enter a JSON object, such as {"key": 1}.'
    return {}


def _input_form(fields: Mapping[str, str]) -> InputForm:
    given = {name: text for name, text in fields.items() if text}
    return InputForm.of(services().schemas.endpoints(), fields.get("model", ""), given)


def _public(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields that a URL may have to fill the form again: proxies log URLs."""
    form = _input_form(fields)
    kinds = {name: field.kind for name, field in form.fields.items()}
    public = {"model", form.selector, *(name for name in kinds if kinds[name] in PUBLIC_KINDS)}
    return {name: text for name, text in fields.items() if text and name in public}


def _original(fields: Mapping[str, str]) -> Job | None:
    """The job that the form repeats; None if it repeats none, or one that was deleted."""
    try:
        return load_job(services(), fields.get("repeats", ""))
    except errors.UnknownJob:
        return None


def _messages(error: errors.Invalid) -> dict[str, str]:
    """Messages by the field of the form that each is about."""
    return {
        one["field"].removeprefix("input.").partition(".")[0]: one["message"]
        for one in error.errors
    }


def _uploads() -> dict[str, list[InputPart]]:
    """The uploaded files by the name of their field."""
    found: dict[str, list[InputPart]] = {}
    for name, part in form_body.files():
        found.setdefault(name, []).append(part)
    return found


def _load(original: Job | None, text: str) -> InputPart | None:
    """A file of the job that the form repeats; None if the text names none.

    Raises WrongStatus, StorageError.
    """
    numbers = kept_inputs.file_numbers({"": text})
    if not numbers:
        return None
    files = original.request.input_files[numbers[0] :] if original else ()
    if not files or run_in_thread(services().storage.size, files[0].key) != files[0].bytes:
        raise errors.WrongStatus(_INPUT_DELETED)
    return InputPart.of_object("input", files[0])


def _page(fields: Mapping[str, str], messages: Mapping[str, str] | None = None) -> str:
    event_stream.begin_page()
    model = fields.get("model") or model_names.DEFAULT
    form, original = _input_form({**fields, "model": model}), fields.get("repeats", "")
    endpoints, recent = services().schemas.endpoints(), _recent()
    models = sorted(endpoints, key=model_names.rank)
    values = form.read(fields, {}, lambda _: None, Errors())
    return render_template(
        "submit.html",
        values={**fields, "model": model},
        recent=recent,
        tiles=aspect_tiles.tiles(form.fields),
        tile_chosen=aspect_tiles.chosen(form.fields, fields),
        errors=_placed(messages or {}, form),
        idempotency_key=fields.get(IDEMPOTENCY_FIELD) or str(uuid.uuid4()),
        models=models,
        prices=_prices(models, {}),
        price=_prices([model], values)[model],
        is_known=model in endpoints,
        purpose=model_names.purpose,
        seconds=typical_seconds(model),
        is_preview=model.endswith(model_names.PREVIEW),
        label=model_names.label,
        as_text=as_text,
        is_shown=_is_shown,
        choices_of=lambda field: [as_text(one) for one in field.choices],
        input_form=form,
        kept=kept_images(services(), original) if original else [],
        job=_submitted_job() if request.method == "GET" else None,
        most_bytes=form_body.largest_upload(),
    )


def _is_shown(name: str, field: InputField) -> bool:
    """Files and the prompt have controls of their own; one choice is none."""
    has_choice = field.kind is not Kind.CHOICE or field.choices != (field.default,)
    return name != "prompt" and not field.kind.is_file and (field.is_required or has_choice)


def _prices(models: Sequence[str], values: Mapping[str, Any]) -> dict[str, Price]:
    """Prices that such an input last had with each model."""
    with suppress(errors.StoreUnavailable):
        return dict(zip(models, services().budgets.prices(models, values), strict=True))
    return dict.fromkeys(models, Price())


def _recent() -> list[JobCard]:
    """The last jobs with media; none while they cannot be read."""
    stored = Search(statuses=(Status.STORED,))
    with suppress(errors.StoreUnavailable, errors.ArchiveUnavailable):
        return cards(services(), ownership.page(services(), stored, RECENT_MAX, None).jobs)
    return []


def _placed(messages: Mapping[str, str], form: InputForm) -> dict[str, str]:
    """Messages about fields that the form does not show stand at "Other fields"."""
    shown = {"", "model", "metadata", form.selector, *form.fields}
    found = {name: message for name, message in messages.items() if name in shown}
    others = [
        message if name == "more" else f"{name}: {message}"
        for name, message in messages.items()
        if name not in shown
    ]
    return found | ({"more": " ".join(others)} if others else {})


def _submitted_job() -> JobCard | None:
    """The job that this form made; None if there is none, or it was deleted since."""
    try:
        return card(services(), load_job(services(), request.args.get("job", "")))
    except errors.FluxkeepError:
        return None
