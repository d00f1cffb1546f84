"""`/submit`: a form that submits a generation as `POST /api/jobs` does."""

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
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
from receiver import ownership
from receiver.api.submissions import SubmissionBody, enqueue_once
from receiver.auth import count_request
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services
from receiver.dashboard import event_stream, form_body
from receiver.dashboard.form import aspect_tiles
from receiver.dashboard.form.input_form import Errors, InputForm, as_text
from receiver.dashboard.job_card import JobCard, card, cards, path_of
from receiver.dashboard.session import requires_scope
from receiver.job_actions import load_job
from receiver.problem_details import STATUS
from receiver.schemas.bodies import validate_with_input

PUBLIC_KINDS = (Kind.INTEGER, Kind.NUMBER, Kind.FLAG, Kind.CHOICE)
IDEMPOTENCY_FIELD = "idempotency_key"
RECENT_MAX = 8
METADATA = {"made by": "the dashboard"}
_INPUT_DELETED = "Images or long texts of that job were deleted. Add them again."
_FORM_CHANGED = "This form was sent before with other values. Submit again to make another job."

blueprint = Blueprint("submit", __name__)


class KeptImage(NamedTuple):
    """A file of the input that fills the form: its number, and the path of a link to it."""

    n: int
    src: str
    is_image: bool


@blueprint.get("/submit")
@requires_scope("submit")
def show() -> ResponseReturnValue:
    """The form; `again` names a job whose input fills it."""
    if not (original := request.args.get("again")):
        return _page({**request.args.to_dict(), IDEMPOTENCY_FIELD: ""})
    job, storage, kept = load_job(current_services(), original), current_services().storage, None
    if job.request.public_input is not None:
        kept = run_in_thread(kept_inputs.load_values, storage, job)
    most = form_body.FORM_MAX_BYTES
    values = run_in_thread(kept_inputs.with_texts, storage, job, kept or {}, most)
    form = InputForm.of(current_services().schemas.endpoints(), job.model or "", kept or {})
    texts, more = form.texts(values)
    fields = {
        "model": job.model or "",
        **texts,
        "more": json.dumps(more, indent=1, ensure_ascii=False) if more else "",
        "metadata": json.dumps(dict(job.metadata), ensure_ascii=False) if job.metadata else "",
        "repeats": job.id,
    }
    return _page(fields, {} if kept_inputs.is_complete(job) else {"": _INPUT_DELETED})


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
        wrong = {
            one["field"].removeprefix("input.").partition(".")[0]: one["message"]
            for one in error.errors
        }
        return _page(fields, wrong), 422
    except (errors.IdempotencyKeyReused, errors.InvalidField):
        return _page(fields | {IDEMPOTENCY_FIELD: ""}, {"": _FORM_CHANGED}), 409
    except errors.FluxkeepError as error:
        return _page(fields, {"": errors.as_sentence(str(error))}), STATUS[type(error)]
    form = _input_form(fields)  # fills the form again: proxies log URLs
    kinds = {name: field.kind for name, field in form.fields.items()}
    public = {"model", form.selector, *(name for name in kinds if kinds[name] in PUBLIC_KINDS)}
    query = {name: text for name, text in fields.items() if text and name in public}
    return redirect(f"/submit?{urlencode({'job': job.id, **query})}", 303)


def submit_as_visitor(body: dict[str, Any], idempotency_key: str, repeats: str | None) -> Job:
    """Submit a body of the API with the key of the session. Raises what the API raises."""
    submission = validate_with_input(SubmissionBody, body)
    count_request(g.api_key.name)
    key = (f"visitor {g.api_key.name}", idempotency_key)
    request = json.dumps(body, default=lambda part: part.sha256)
    digest = hashlib.sha256(request.encode()).hexdigest()
    return enqueue_once(current_services(), submission, Submission(), key, digest, repeats)


def _enqueue(fields: Mapping[str, str]) -> Job:
    """Raises Invalid with every wrong field, and what the API's own submission raises."""
    messages, form, original = Errors(), _input_form(fields), None
    with suppress(errors.UnknownJob):  # it repeats none, or one that was deleted
        original = load_job(current_services(), fields.get("repeats", ""))
    fields = aspect_tiles.fill(form.fields, fields)
    load, uploads = partial(_load, original), defaultdict[str, list[InputPart]](list)
    for name, part in form_body.files():
        uploads[name].append(part)
    objects = {"more": dict[str, Any](), "metadata": dict[str, Any]()}
    for name in objects:
        try:
            objects[name] = strict_json.load_object((fields.get(name) or "{}").encode())
        except errors.BadRequest:
            messages[name] = 'Enter a JSON object, such as {"key": 1}.'
    numbers = kept_inputs.file_numbers(objects["more"]) if original else []
    files = {text: load(text) for text in map("input:{}".format, numbers)}
    given = form.read(fields, uploads, load, messages) | replace_texts(objects["more"], files)
    missing = form.required - given.keys() - messages.keys()
    messages |= dict.fromkeys(missing, "Fill this in: BFL requires it.")
    metadata = objects["metadata"] or METADATA
    body = {"model": fields.get("model", ""), "input": given, "metadata": metadata}
    wrong = [{"field": name, "message": message} for name, message in messages.items()]
    try:
        validate_with_input(SubmissionBody, body)
    except errors.Invalid as error:
        wrong += error.errors
    if wrong:
        raise errors.Invalid(wrong)
    repeats = original.id if original else None
    return submit_as_visitor(body, fields.get(IDEMPOTENCY_FIELD, ""), repeats)


def _input_form(fields: Mapping[str, str]) -> InputForm:
    given = {name: text for name, text in fields.items() if text}
    return InputForm.of(current_services().schemas.endpoints(), fields.get("model", ""), given)


def _load(original: Job | None, text: str) -> InputPart | None:
    """A file of the repeated job that a text names, or None. Raises WrongStatus, StorageError."""
    numbers = kept_inputs.file_numbers({"": text})
    if not numbers:
        return None
    files = original.request.input_files[numbers[0] :] if original else ()
    if not files or run_in_thread(current_services().storage.size, files[0].key) != files[0].bytes:
        raise errors.WrongStatus(_INPUT_DELETED)
    return InputPart.of_object("input", files[0])


def _page(fields: Mapping[str, str], messages: Mapping[str, str] | None = None) -> str:
    event_stream.begin_page()
    model, endpoints = (
        fields.get("model") or model_names.DEFAULT,
        current_services().schemas.endpoints(),
    )
    form, models = _input_form({**fields, "model": model}), sorted(endpoints, key=model_names.rank)
    recent, job = list[JobCard](), None
    with suppress(errors.StoreUnavailable, errors.ArchiveUnavailable):
        stored = Search(statuses=(Status.STORED,))
        recent = cards(
            current_services(), ownership.page(current_services(), stored, RECENT_MAX, None).jobs
        )
    with suppress(errors.FluxkeepError):  # the form made none, or it was deleted since
        if request.method == "GET":
            job = card(
                current_services(), load_job(current_services(), request.args.get("job", ""))
            )
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
        price=_prices([model], form.read(fields, {}, lambda _: None, Errors()))[model],
        is_known=model in endpoints,
        unknown_model=_explain_unknown_model(model, endpoints),
        purpose=model_names.purpose,
        seconds=typical_seconds(model),
        is_preview=model.endswith(model_names.PREVIEW),
        label=model_names.label,
        as_text=as_text,
        is_shown=_is_shown,
        choices_of=lambda field: [as_text(one) for one in field.choices],
        input_form=form,
        kept=_kept_images(fields.get("repeats", "")),
        job=job,
        most_bytes=form_body.largest_upload(),
    )


def _explain_unknown_model(model: str, known_models: Collection[str]) -> str:
    """A hint at the model that was probably meant: BFL decides."""
    if model in known_models:
        return ""
    return model_names.explain_unknown_model(model, known_models)


def _kept_images(job_id: str) -> list[KeptImage]:
    """The files of a job's input; none if the job is unknown."""
    with suppress(errors.FluxkeepError):
        job = load_job(current_services(), job_id)
        links, files = current_services().links_to(job, is_input=True), job.request.input_files
        return [
            KeptImage(n, path_of(link), file.content_type.startswith("image/"))
            for n, (link, file) in enumerate(zip(links, files, strict=True))
        ]
    return []


def _placed(messages: Mapping[str, str], form: InputForm) -> dict[str, str]:
    """Messages about fields that the form does not show stand at "Other fields"."""
    shown = {"", "model", "metadata", form.selector, *form.fields}
    placed, others = dict[str, str](), list[str]()
    for name, message in messages.items():
        if name in shown:
            placed[name] = message
        else:
            others.append(message if name == "more" else f"{name}: {message}")
    return placed | ({"more": " ".join(others)} if others else {})


def _is_shown(name: str, field: InputField) -> bool:
    """Files and the prompt have controls of their own; one choice is none."""
    has_choice = field.kind is not Kind.CHOICE or field.choices != (field.default,)
    return name != "prompt" and not field.kind.is_file and (field.is_required or has_choice)


def _prices(models: Sequence[str], values: Mapping[str, Any]) -> dict[str, Price]:
    """Prices that such an input last had with each model."""
    with suppress(errors.StoreUnavailable):
        return dict(zip(models, current_services().budgets.prices(models, values), strict=True))
    return dict.fromkeys(models, Price())
