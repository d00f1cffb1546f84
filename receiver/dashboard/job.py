"""`/jobs/<id>`: one job, large; what happened to it, what comes next, and what can be done."""

import json
import re
import uuid
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from jobs import drafts
from jobs.errors import BadRequest
from jobs.job import Job
from jobs.net import strict_json
from receiver import rate_limits
from receiver.api.job_actions import delete_job, load_job, replay_job
from receiver.api.submissions import SubmissionBody, SubmissionRequest, enqueue_once
from receiver.context import services
from receiver.dashboard import forms, session
from receiver.dashboard.access import changed_by, shown_to
from receiver.dashboard.job_card import Card, cards
from receiver.dashboard.submit import MADE_BY, ONCE_FIELD
from receiver.schemas.bodies import validate

ENHANCED_BY = "flux-3-video"  # of a draft whose caller named no model
INPUT_SHOWN_MAX_BYTES = 64 * 1024  # what holds pictures is not for reading

blueprint = Blueprint("job", __name__, url_prefix="/jobs/<job_id>")


@blueprint.get("")
@shown_to("read")
def show(job_id: str) -> ResponseReturnValue:
    """By either of its ids."""
    job = load_job(services(), job_id)
    return render_template(
        "job.html",
        job=_card(job),
        asked=_input(job),
        once=str(uuid.uuid4()),
        curl=f'curl -s {services().base_url(job)}/api/jobs/{job.id} -H "x-key: $FLUXKEEP_KEY"',
    )


@blueprint.post("/enhance")
@changed_by("submit")
def enhance(job_id: str) -> ResponseReturnValue:
    """Submit the final version of a draft; a button that is pressed twice makes one job."""
    job = load_job(services(), job_id)
    fields = forms.form()
    n = int(fields["n"]) if re.fullmatch(r"[0-9]{1,3}", fields.get("n", ""), re.ASCII) else 0
    asked = {
        "model": job.model or ENHANCED_BY,
        "input": {drafts.FIELD: {"job": job.id, "n": n}},
        "metadata": MADE_BY,
    }
    order = validate(SubmissionBody, asked)
    visitor = session.visitor()
    assert visitor is not None  # changed_by asks for a session
    rate_limits.count_request(visitor.name)
    key = (f"visitor {visitor.name}", fields.get(ONCE_FIELD, ""))
    return _to(
        enqueue_once(services(), SubmissionRequest.of(order), key, json.dumps(asked).encode())
    )


@blueprint.get("/replay")
@shown_to("admin")
def consider_replay(job_id: str) -> ResponseReturnValue:
    return render_template("replay.html", job=_card(load_job(services(), job_id)))


@blueprint.post("/replay")
@changed_by("admin")
def replay(job_id: str) -> ResponseReturnValue:
    job = replay_job(services(), job_id)
    flash("It is back at work: BFL is asked again.")
    return _to(job)


@blueprint.get("/delete")
@shown_to("admin")
def consider_deletion(job_id: str) -> ResponseReturnValue:
    return render_template("delete.html", job=_card(load_job(services(), job_id)))


@blueprint.post("/delete")
@changed_by("admin")
def delete(job_id: str) -> ResponseReturnValue:
    delete_job(services(), load_job(services(), job_id))
    flash("The job and its media are deleted.")
    return redirect(url_for("dashboard.gallery.show"), 303)


def _card(job: Job) -> Card:
    return cards(services(), [job])[0]


def _to(job: Job) -> ResponseReturnValue:
    return redirect(url_for("dashboard.job.show", job_id=job.id), 303)


def _input(job: Job) -> dict[str, Any]:
    """What is to be submitted, while it is kept and short enough to read."""
    if not 0 < job.submission.input_bytes <= INPUT_SHOWN_MAX_BYTES:
        return {}
    kept = services().store.submission(job.id)
    try:
        return strict_json.load_object(kept) if kept else {}
    except BadRequest:
        return {}
