"""`/jobs/<id>`: one job, large; what happened to it, what comes next, and what can be done."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from jobs import strict_json
from jobs.errors import BadReport
from jobs.job import Job
from receiver import removal, rescues
from receiver.dashboard.card import Card, cards
from receiver.dashboard.guard import changed_by, shown_to
from receiver.rescues import known_job
from receiver.wiring import services

INPUT_SHOWN_MAX_BYTES = 64 * 1024  # what holds pictures is not for reading

blueprint = Blueprint("job", __name__, url_prefix="/jobs/<job_id>")


@blueprint.get("")
@shown_to("read")
def show(job_id: str) -> ResponseReturnValue:
    """By either of its ids."""
    job = known_job(services(), job_id)
    return render_template(
        "job.html",
        job=_card(job),
        asked=_input(job),
        curl=f'curl -s {services().base_url(job)}/api/jobs/{job.id} -H "x-key: $FLUXKEEP_KEY"',
    )


@blueprint.get("/replay")
@shown_to("admin")
def consider_replay(job_id: str) -> ResponseReturnValue:
    return render_template("replay.html", job=_card(known_job(services(), job_id)))


@blueprint.post("/replay")
@changed_by("admin")
def replay(job_id: str) -> ResponseReturnValue:
    job = rescues.ask_for(services(), job_id)
    flash("It is back at work: BFL is asked again.")
    return _to(job)


@blueprint.get("/delete")
@shown_to("admin")
def consider_deletion(job_id: str) -> ResponseReturnValue:
    return render_template("delete.html", job=_card(known_job(services(), job_id)))


@blueprint.post("/delete")
@changed_by("admin")
def delete(job_id: str) -> ResponseReturnValue:
    removal.forget(services(), known_job(services(), job_id))
    flash("The job and its media are deleted.")
    return redirect(url_for("dashboard.gallery.show"), 303)


def _card(job: Job) -> Card:
    return cards(services(), [job])[0]


def _to(job: Job) -> ResponseReturnValue:
    return redirect(url_for("dashboard.job.show", job_id=job.id), 303)


def _input(job: Job) -> dict[str, Any]:
    """What is to be submitted, while it is kept and short enough to read."""
    if not 0 < job.input_bytes <= INPUT_SHOWN_MAX_BYTES:
        return {}
    kept = services().store.submission(job.id)
    try:
        said = strict_json.loads(kept) if kept else {}
    except BadReport:
        return {}
    return said if isinstance(said, dict) else {}
