"""`/submit`: a generation for who has no program at hand, put in line like any other."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs import view_types, views
from jobs.errors import (
    FluxkeepError,
    IdempotencyKeyReused,
    Invalid,
    InvalidField,
    QueueFull,
    RateLimited,
    StoreUnavailable,
)
from receiver import rate_limits
from receiver.api.submissions import SubmissionBody, SubmissionRequest, enqueue_once
from receiver.context import services
from receiver.dashboard import forms, session
from receiver.dashboard.access import changed_by, shown_to
from receiver.schemas.bodies import validate

# What BFL's docs name; any other may be typed, and BFL decides.
MODELS = (
    *("flux-2-max", "flux-2-pro", "flux-2-pro-preview", "flux-2-flex"),
    *("flux-2-klein-9b", "flux-2-klein-9b-preview", "flux-2-klein-4b"),
    *("flux-kontext-max", "flux-kontext-pro", "flux-pro-1.1-ultra", "flux-pro-1.1"),
    *("flux-pro", "flux-dev", "flux-3-image", "flux-3-video"),
)
RATIOS = ("1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "21:9", "9:21")
NUMBERS = ("width", "height", "seed")
FIELDS = ("model", "prompt", "aspect_ratio", *NUMBERS)
UNTOLD = ("prompt",)  # in no URL: those are logged on their way, and cut
ONCE_FIELD = "once"
MADE_BY = {"made by": "the dashboard"}

_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_ASK_AGAIN = "You sent this form before, with other words. Send it again to make another job."

blueprint = Blueprint("submit", __name__)


@blueprint.get("/submit")
@shown_to("submit")
def show() -> ResponseReturnValue:
    return _page({name: request.args.get(name, "") for name in FIELDS})


@blueprint.post("/submit")
@changed_by("submit")
def send() -> ResponseReturnValue:
    """In line, and back to the form with the job beside it; a form that is sent twice is one."""
    given = {name: value.strip() for name, value in forms.form().items()}
    try:
        job_id = _enqueue(given)
    except Invalid as error:
        return _page(given, {one["field"]: one["message"] for one in error.errors}), 422
    except (IdempotencyKeyReused, InvalidField):
        return _page(given | {ONCE_FIELD: ""}, {"": _ASK_AGAIN}), 409
    except RateLimited as error:
        return _page(given, {"": str(error)}), 429
    except (QueueFull, StoreUnavailable) as error:
        return _page(given, {"": str(error)}), 503
    kept = {name: given[name] for name in FIELDS if given.get(name) and name not in UNTOLD}
    return redirect(f"/submit?{urlencode({'job': job_id, **kept})}", 303)


def _enqueue(given: Mapping[str, str]) -> str:
    """The id of the job. Raises Invalid, and whatever the API's own submission raises."""
    filled: dict[str, Any] = {name: given[name] for name in FIELDS[1:] if given.get(name)}
    asked = {"model": given.get("model", ""), "input": filled, "metadata": MADE_BY}
    if wrong := [*_wrong_by_api(asked), *_wrong(filled)]:
        raise Invalid(wrong)
    filled |= {name: int(filled[name]) for name in NUMBERS if name in filled}
    order = validate(SubmissionBody, asked)
    visitor = session.visitor()
    assert visitor is not None  # whoever has no session does not come here
    rate_limits.count_request(visitor.name)
    key = (f"visitor {visitor.name}", given.get(ONCE_FIELD, ""))
    return enqueue_once(services(), SubmissionRequest.of(order), key, json.dumps(asked).encode()).id


def _wrong_by_api(asked: dict[str, Any]) -> list[dict[str, str]]:
    try:
        validate(SubmissionBody, asked)
    except Invalid as error:
        return error.errors
    return []


def _wrong(filled: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """What is wrong with the input as far as a form can know: the rest is BFL's business."""
    if "prompt" not in filled:
        yield {"field": "prompt", "message": "Say what you want to see."}
    for name in NUMBERS:
        if not _is_number(filled.get(name)):
            yield {"field": name, "message": "A whole number, please."}
    if "aspect_ratio" in filled and {"width", "height"} & filled.keys():
        yield {"field": "aspect_ratio", "message": "Either this, or width and height."}


def _is_number(text: str | None) -> bool:
    return text is None or bool(_NUMBER.fullmatch(text))


def _page(given: Mapping[str, str], wrong: Mapping[str, str] | None = None) -> str:
    values = {name: given.get(name, "") for name in FIELDS}
    return render_template(
        "submit.html",
        values=values,
        wrong=wrong or {},
        once=given.get(ONCE_FIELD) or str(uuid.uuid4()),
        models=MODELS,
        ratios=RATIOS,
        job=_job() if request.method == "GET" else None,
    )


def _job() -> view_types.Job | None:
    """The job that the form made last; one that is gone leaves the form alone."""
    job_id = request.args.get("job")
    try:
        job = services().store.load(job_id) if job_id else None
        return views.job(services(), job) if job else None
    except FluxkeepError:
        return None
