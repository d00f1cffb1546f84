"""`/jobs/<id>`: one job with its media, next steps, timeline and actions."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from jobs import kept_inputs
from jobs.domain.errors import ArchiveUnavailable
from jobs.domain.job import Job
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.api.repeats import repeat_fields
from receiver.context import services
from receiver.dashboard import event_stream, form_body, session
from receiver.dashboard.access import requires_scope
from receiver.dashboard.form.kept_input import related_jobs
from receiver.dashboard.job_card import card, cards
from receiver.dashboard.submit import IDEMPOTENCY_FIELD, submit_as_visitor
from receiver.job_actions import delete_job, load_job, replay_job

NEWER_MAX = 24  # lists begin at the newest job

blueprint = Blueprint("job", __name__, url_prefix="/jobs/<job_id>")


@blueprint.get("")
@requires_scope("read")
def show(job_id: str) -> ResponseReturnValue:
    """Show a job, by its own id or by BFL's task id."""
    event_stream.begin_page()
    job = load_job(services(), job_id)
    newer, older = _neighbours(job)
    return render_template(
        "job.html",
        newer=newer,
        older=older,
        job=card(services(), job),
        input=_input(job),
        is_input_complete=kept_inputs.is_complete(job),
        has_seed=_has_seed(job),
        related=cards(services(), related_jobs(services(), job)),
        idempotency_key=str(uuid.uuid4()),
        curl=f'curl -s {services().base_url()}/api/jobs/{job.id} -H "x-key: $FLUXKEEP_KEY"',
    )


@blueprint.get("/variants")
@requires_scope("read")
def show_repeats(job_id: str) -> ResponseReturnValue:
    return _redirect_to_repeats(job_id)


@blueprint.post("/variants")
@requires_scope("submit")
def make_repeats(job_id: str) -> ResponseReturnValue:
    """Submit the job's input again, with other seeds where the model takes one.

    A repeated click makes no more jobs.
    """
    job, fields = load_job(services(), job_id), form_body.form()
    key = fields.get(IDEMPOTENCY_FIELD, "")
    count = int(fields["n"]) if re.fullmatch(r"[1-8]", fields.get("n", ""), re.ASCII) else 1
    for n in range(count):
        seed = int.from_bytes(hashlib.sha256(f"{key} {n}".encode()).digest()[:4], "big")
        changes = {"input": {"seed": seed}} if _has_seed(job) else {}
        body = repeat_fields(services(), job, changes)
        submit_as_visitor(body, f"{key}-{n}", job.id)
    return _redirect_to_repeats(job.id)


@blueprint.get("/replay", defaults={"action": "replay"})
@blueprint.get("/delete", defaults={"action": "delete"})
@requires_scope("admin")
def ask_confirmation(job_id: str, action: str) -> ResponseReturnValue:
    job = load_job(services(), job_id)
    return render_template(f"{action}.html", job=card(services(), job))


@blueprint.post("/replay")
@requires_scope("admin")
def replay(job_id: str) -> ResponseReturnValue:
    job = replay_job(services(), job_id)
    flash("The replay has started: Fluxkeep polls BFL for this job again.")
    return redirect(url_for("dashboard.job.show", job_id=job.id), 303)


@blueprint.post("/delete")
@requires_scope("admin")
def delete(job_id: str) -> ResponseReturnValue:
    delete_job(services(), load_job(services(), job_id))
    flash("The job and its media are deleted.")
    return redirect(url_for("dashboard.gallery.show"), 303)


def _neighbours(job: Job) -> tuple[str | None, str | None]:
    """The ids of the next newer and older jobs; None where there is none or it is far to seek."""
    with suppress(ArchiveUnavailable):
        position = Position(job.created_at, job.id)
        older = [one.id for one in ownership.page(services(), Search(), 1, position).jobs]
        since = ownership.page(services(), Search(since=job.created_at), NEWER_MAX, None)
        newer = [one.id for one in since.jobs if (one.created_at, one.id) > position]
        return newer[-1] if newer and not since.last else None, older[0] if older else None
    return None, None


def _has_seed(job: Job) -> bool:
    given = job.request.kept_input or {}
    endpoint = services().schemas.endpoints().get(job.model or "")
    known = endpoint.modes[endpoint.mode_of(given)].fields if endpoint else {}
    return "seed" in given or "seed" in known


def _redirect_to_repeats(job_id: str) -> ResponseReturnValue:
    return redirect(url_for("dashboard.job.show", job_id=job_id, _anchor="variants"), 303)


def _input(job: Job) -> Mapping[str, Any]:
    """The input of a job, for visitors who may submit."""
    visitor, kept = session.current_visitor(), job.request.public_input
    if kept is None or visitor is None or not visitor.has_scope("submit"):
        return {}
    return kept_inputs.with_links(kept, services().links_to(job, is_input=True))
