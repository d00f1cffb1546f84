"""The page with the form: its controls, prices, messages, and the job that the form made."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from flask import render_template, request

from jobs.bfl import model_names
from jobs.bfl.model_schemas import InputField, Kind
from jobs.domain.budgets import Price
from jobs.domain.errors import ArchiveUnavailable, FluxkeepError, StoreUnavailable
from jobs.domain.polling_policy import typical_seconds
from jobs.domain.status import Status
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.context import current_services
from receiver.dashboard import event_stream, form_body
from receiver.dashboard.form import aspect_tiles, kept_files
from receiver.dashboard.form.field_text import as_text, choice_texts
from receiver.dashboard.form.input_form import InputForm
from receiver.dashboard.form.posted_form import form_of
from receiver.dashboard.job_card import JobCard, card, cards
from receiver.job_actions import load_job

IDEMPOTENCY_FIELD = "idempotency_key"
RECENT_MAX = 8
SIZE_NAMES = ("width", "height")  # the first controls
SELDOM_NAMES = (  # fields that few visitors use: the form folds them away
    "disable_pup",
    "output_format",
    "prompt_upsampling",
    "safety_tolerance",
    "user",
)
SELDOM_LABELS = {"disable_pup": "prompt as written"}


def render(fields: Mapping[str, str], messages: Mapping[str, str] | None = None) -> str:
    """The page with the fields filled in, and with messages by field."""
    event_stream.begin_page()
    model = fields.get("model") or model_names.DEFAULT
    values = dict(fields)
    values["model"] = model
    form = form_of(values)
    endpoints = current_services().schemas.endpoints()
    models = sorted(endpoints, key=model_names.rank)
    errors = _at_shown_fields(messages or {}, form)
    seldom_names = [name for name in form.fields if name in SELDOM_NAMES]
    is_known = model in endpoints
    unknown_model = ""
    if not is_known:
        unknown_model = model_names.explain_unknown_model(model, endpoints)
    return render_template(
        "submit.html",
        values=values,
        recent=_recent_cards(),
        tiles=aspect_tiles.tile_values(form.fields),
        chosen_tile=aspect_tiles.chosen_tile(form.fields, fields),
        errors=errors,
        idempotency_key=fields.get(IDEMPOTENCY_FIELD) or str(uuid.uuid4()),
        models=models,
        prices=_prices(models, {}),
        price=_price_of_form(model, form, fields),
        is_known=is_known,
        unknown_model=unknown_model,
        purpose=model_names.purpose,
        seconds=typical_seconds(model),
        is_preview=model.endswith(model_names.PREVIEW),
        label=model_names.label,
        as_text=as_text,
        usual_names=_usual_names(form),
        seldom_names=seldom_names,
        seldom_labels=_seldom_labels(seldom_names),
        has_seldom_values=any(name in values or name in errors for name in seldom_names),
        has_control=_has_control,
        choice_texts=choice_texts,
        input_form=form,
        kept_files=kept_files.list_files(fields.get("repeats", "")),
        job=_submitted_card(),
        most_bytes=form_body.largest_upload(),
    )


def _recent_cards() -> list[JobCard]:
    """Cards of the last stored jobs; none while Redis or the database is away."""
    stored_jobs = Search(statuses=(Status.STORED,))
    try:
        recent_page = ownership.load_page(current_services(), stored_jobs, RECENT_MAX, None)
        return cards(current_services(), recent_page.jobs)
    except (StoreUnavailable, ArchiveUnavailable):
        return []


def _submitted_card() -> JobCard | None:
    """The card of the job that the form made; None if it made none, or the job was deleted."""
    if request.method != "GET":
        return None
    try:
        job = load_job(current_services(), request.args.get("job", ""))
        return card(current_services(), job)
    except FluxkeepError:
        return None


def _at_shown_fields(messages: Mapping[str, str], form: InputForm) -> dict[str, str]:
    """Messages about fields that the form does not show stand at "Other fields"."""
    shown_names = {"", "model", "metadata", form.selector, *form.fields}
    messages_by_field = {}
    messages_at_more = []
    for name, message in messages.items():
        if name in shown_names:
            messages_by_field[name] = message
        elif name == "more":
            messages_at_more.append(message)
        else:
            messages_at_more.append(f"{name}: {message}")
    if messages_at_more:
        messages_by_field["more"] = " ".join(messages_at_more)
    return messages_by_field


def _usual_names(form: InputForm) -> list[str]:
    """The fields that the form does not fold away: lengths of the image, then all others."""
    usual_names = [name for name in SIZE_NAMES if name in form.fields]
    for name in form.fields:
        if name not in SIZE_NAMES and name not in SELDOM_NAMES:
            usual_names.append(name)
    return usual_names


def _seldom_labels(names: Sequence[str]) -> list[str]:
    labels = []
    for name in sorted(names):
        label = SELDOM_LABELS.get(name, name)
        labels.append(label.replace("_", " "))
    return labels


def _has_control(name: str, field: InputField) -> bool:
    """Whether the form lists the field. A single choice that is the default is no choice.

    Files and the prompt have controls elsewhere on the page.
    """
    if name == "prompt" or field.kind.is_file:
        return False
    is_only_default = field.kind is Kind.CHOICE and field.choices == (field.default,)
    return field.is_required or not is_only_default


def _price_of_form(model: str, form: InputForm, fields: Mapping[str, str]) -> Price:
    """The price that an input such as the form's last had."""
    reading = form.read(fields, {}, _load_no_file)
    return _prices([model], reading.values)[model]


def _load_no_file(_text: str) -> None:
    """A price does not depend on what a file contains."""


def _prices(models: Sequence[str], values: Mapping[str, Any]) -> dict[str, Price]:
    """The prices that such an input last had with each model; unknown while Redis is away."""
    with suppress(StoreUnavailable):
        prices = current_services().budgets.prices(models, values)
        return dict(zip(models, prices, strict=True))
    return dict.fromkeys(models, Price())
