"""`/jobs/<id>`: one job with its media, next steps, timeline and actions."""

import hashlib
import re
import uuid
from contextlib import suppress
from operator import attrgetter

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from jobs import kept_inputs
from jobs.domain.errors import ArchiveUnavailable
from jobs.domain.job import Job
from jobs.domain.status import REPLAYABLE
from jobs.domain.submission import is_cancellable
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from receiver import job_actions, ownership
from receiver.api.repeats import repeat_fields
from receiver.context import current_services
from receiver.dashboard import event_stream, form_body
from receiver.dashboard.form.page import IDEMPOTENCY_FIELD
from receiver.dashboard.job_card import card, cards
from receiver.dashboard.session import requires_scope
from receiver.dashboard.submit import submit_as_visitor

NEWER_MAX = 24  # lists begin at the newest job
RELATED_MAX = 24

blueprint = Blueprint("job", __name__, url_prefix="/jobs/<job_id>")


@blueprint.get("")
@requires_scope("read")
def show(job_id: str) -> ResponseReturnValue:
    """Show a job, by its own id or by BFL's task id."""
    event_stream.begin_page()
    job = job_actions.load_job(current_services(), job_id)
    newer = older = None
    with suppress(ArchiveUnavailable):
        position = Position(job.created_at, job.id)
        before = ownership.page(current_services(), Search(), 1, position).jobs
        since = ownership.page(current_services(), Search(since=job.created_at), NEWER_MAX, None)
        after = [one.id for one in since.jobs if (one.created_at, one.id) > position]
        newer = after[-1] if after and not since.last else None  # else it is far to seek
        older = before[0].id if before else None
    kept = job.request.public_input if g.api_key.has_scope("submit") else None
    return render_template(
        "job.html",
        newer=newer,
        older=older,
        job=card(current_services(), job),
        input=kept_inputs.with_links(kept, current_services().links_to(job, is_input=True))
        if kept
        else {},
        is_input_complete=kept_inputs.is_complete(job),
        is_replayable=job.status in REPLAYABLE,
        is_cancellable=is_cancellable(job) and ownership.is_changeable(job),
        has_seed=_has_seed(job),
        related=cards(current_services(), _related_jobs(job)),
        idempotency_key=str(uuid.uuid4()),
        curl=f'curl -s {current_services().base_url()}/api/jobs/{job.id} -H "x-key: $FLUXKEEP_KEY"',
    )


@blueprint.get("/variants")
@requires_scope("read")
def show_repeats(job_id: str) -> ResponseReturnValue:
    return redirect(url_for("dashboard.job.show", job_id=job_id, _anchor="variants"), 303)


@blueprint.post("/variants")
@requires_scope("submit")
def make_repeats(job_id: str) -> ResponseReturnValue:
    """Submit the input again, with other seeds if it takes any; a repeated click makes no more."""
    job, fields = job_actions.load_job(current_services(), job_id), form_body.form()
    key = fields.get(IDEMPOTENCY_FIELD, "")
    count = int(fields["n"]) if re.fullmatch(r"[1-8]", fields.get("n", ""), re.ASCII) else 1
    for n in range(count):
        seed = int.from_bytes(hashlib.sha256(f"{key} {n}".encode()).digest()[:4], "big")
        changes = {"input": {"seed": seed}} if _has_seed(job) else {}
        submit_as_visitor(repeat_fields(current_services(), job, changes), f"{key}-{n}", job.id)
    return redirect(url_for("dashboard.job.show", job_id=job.id, _anchor="variants"), 303)


@blueprint.get("/replay", defaults={"action": "replay"})
@blueprint.get("/delete", defaults={"action": "delete"})
@requires_scope("admin")
def ask_confirmation(job_id: str, action: str) -> ResponseReturnValue:
    job = job_actions.load_job(current_services(), job_id)
    return render_template(f"{action}.html", job=card(current_services(), job))


@blueprint.post("/replay")
@requires_scope("admin")
def replay(job_id: str) -> ResponseReturnValue:
    job = job_actions.replay_job(current_services(), job_id)
    flash("The replay has started: Fluxkeep polls BFL for this job again.")
    return redirect(url_for("dashboard.job.show", job_id=job.id), 303)


@blueprint.get("/cancel")
@requires_scope("read")
def show_cancellable(job_id: str) -> ResponseReturnValue:
    """Show the job, whose page has the button: a login leads back to the path of the form."""
    return redirect(url_for("dashboard.job.show", job_id=job_id), 303)


@blueprint.post("/cancel")
@requires_scope("submit")
def cancel(job_id: str) -> ResponseReturnValue:
    job_actions.cancel_job(current_services(), job_id)
    flash("The job is cancelled: nothing was sent to BFL.")
    return redirect(url_for("dashboard.gallery.show"), 303)


@blueprint.post("/delete")
@requires_scope("admin")
def delete(job_id: str) -> ResponseReturnValue:
    job_actions.delete_job(current_services(), job_actions.load_job(current_services(), job_id))
    flash("The job and its media are deleted.")
    return redirect(url_for("dashboard.gallery.show"), 303)


def _has_seed(job: Job) -> bool:
    given = job.request.kept_input or {}
    endpoint = current_services().schemas.endpoints().get(job.model or "")
    known = endpoint.modes[endpoint.mode_of(given)].fields if endpoint else {}
    return "seed" in given or "seed" in known


def _related_jobs(job: Job) -> list[Job]:
    """The job that this one repeats, other repeats of it, and repeats of this one; oldest first.

    Of the repeats the newest are shown, and while the database is away those that Redis has.
    """
    original = job.request.repeats
    own, repeats = {job.id: job}, dict[str, Job]()
    with suppress(ArchiveUnavailable):
        if original and (parent := current_services().catalog.load(original, exactly=True)):
            own |= {original: parent} if ownership.is_visible(parent) else {}
    for job_id in filter(None, (original, job.id)):
        with suppress(ArchiveUnavailable):
            page = ownership.page(current_services(), Search(repeats=job_id), RELATED_MAX, None)
            repeats |= {one.id: one for one in page.jobs if one.id not in own}
    oldest_first = attrgetter("created_at")
    newest = sorted(repeats.values(), key=oldest_first)[-RELATED_MAX:]
    return sorted((*own.values(), *newest), key=oldest_first)
