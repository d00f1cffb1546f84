"""`/jobs/<id>`: one job with its media, next steps, timeline and actions."""

import hashlib
import re
import uuid
from operator import attrgetter
from typing import Any, NamedTuple

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
_COUNT = re.compile(r"[1-8]", re.ASCII)

blueprint = Blueprint("job", __name__, url_prefix="/jobs/<job_id>")


class Neighbours(NamedTuple):
    """The ids of the jobs that were created next; None at an end, or if it is far to seek."""

    newer: str | None = None
    older: str | None = None


@blueprint.get("")
@requires_scope("read")
def show(job_id: str) -> ResponseReturnValue:
    """Show a job, by its own id or by BFL's task id."""
    services = current_services()
    event_stream.begin_page()
    job = job_actions.load_job(services, job_id)
    neighbours = _neighbours(job)
    return render_template(
        "job.html",
        newer=neighbours.newer,
        older=neighbours.older,
        job=card(services, job),
        input=_shown_input(job),
        is_input_complete=kept_inputs.is_complete(job),
        is_replayable=job.status in REPLAYABLE,
        is_cancellable=is_cancellable(job) and ownership.is_changeable(job),
        has_seed=_has_seed(job),
        related=cards(services, _related_jobs(job)),
        idempotency_key=str(uuid.uuid4()),
        curl=f'curl -s {services.base_url()}/api/jobs/{job.id} -H "x-key: $FLUXKEEP_KEY"',
    )


def _neighbours(job: Job) -> Neighbours:
    """The jobs before and after this one; none while the database is away."""
    services = current_services()
    position = Position(job.created_at, job.id)
    try:
        older_page = ownership.load_page(services, Search(), 1, position)
        since = Search(since=job.created_at)
        newest_page = ownership.load_page(services, since, NEWER_MAX, None)
    except ArchiveUnavailable:
        return Neighbours()
    older = older_page.jobs[0].id if older_page.jobs else None
    newer_ids = []
    for candidate in newest_page.jobs:
        if (candidate.created_at, candidate.id) > position:
            newer_ids.append(candidate.id)
    # The list begins at the newest job: only on its last page this job's neighbour is known.
    if not newer_ids or newest_page.last is not None:
        return Neighbours(older=older)
    return Neighbours(newer=newer_ids[-1], older=older)


def _shown_input(job: Job) -> dict[str, Any]:
    """The input with links to its files; empty if it is not kept, or not for this visitor."""
    kept_input = job.request.public_input
    if not kept_input or not g.api_key.has_scope("submit"):
        return {}
    return kept_inputs.with_links(kept_input, current_services().links_to(job, is_input=True))


@blueprint.get("/variants")
@requires_scope("read")
def show_repeats(job_id: str) -> ResponseReturnValue:
    return redirect(url_for("dashboard.job.show", job_id=job_id, _anchor="variants"), 303)


@blueprint.post("/variants")
@requires_scope("submit")
def make_repeats(job_id: str) -> ResponseReturnValue:
    """Submit the input again, with other seeds if it takes any; a repeated click makes no more."""
    services = current_services()
    job = job_actions.load_job(services, job_id)
    fields = form_body.form()
    idempotency_key = fields.get(IDEMPOTENCY_FIELD, "")
    count = 1
    if _COUNT.fullmatch(fields.get("n", "")):
        count = int(fields["n"])
    has_seed = _has_seed(job)
    for number in range(count):
        changes = {}
        if has_seed:
            changes["input"] = {"seed": _seed_of(f"{idempotency_key} {number}")}
        body = repeat_fields(services, job, changes)
        submit_as_visitor(body, f"{idempotency_key}-{number}", job.id)
    return redirect(url_for("dashboard.job.show", job_id=job.id, _anchor="variants"), 303)


def _seed_of(name: str) -> int:
    """A seed that looks random; repeated clicks on one form have equal seeds."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big")


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
    """Whether the input has a seed, or its model takes one."""
    kept_input = job.request.kept_input or {}
    if "seed" in kept_input:
        return True
    endpoint = current_services().schemas.endpoints().get(job.model or "")
    if endpoint is None:
        return False
    mode = endpoint.mode_of(kept_input)
    return "seed" in endpoint.modes[mode].fields


def _related_jobs(job: Job) -> list[Job]:
    """The job that this one repeats, its other repeats, and repeats of this one; oldest first.

    Of the repeats the newest are shown, and while the database is away those that Redis has.
    """
    originals = {job.id: job}
    original_id = job.request.repeats
    if original_id:
        original = _load_visible(original_id)
        if original:
            originals[original.id] = original
    repeats: dict[str, Job] = {}
    for repeated_id in (original_id, job.id):
        if repeated_id:
            for repeat in _repeats_of(repeated_id):
                repeats[repeat.id] = repeat
    for job_id in originals:
        repeats.pop(job_id, None)
    newest_repeats = sorted(repeats.values(), key=attrgetter("created_at"))[-RELATED_MAX:]
    related = list(originals.values()) + newest_repeats
    return sorted(related, key=attrgetter("created_at"))


def _load_visible(job_id: str) -> Job | None:
    """The job of this id if the visitor may see it; None while the database is away."""
    try:
        job = current_services().catalog.load(job_id, exactly=True)
    except ArchiveUnavailable:
        return None
    if job is None or not ownership.is_visible(job):
        return None
    return job


def _repeats_of(job_id: str) -> list[Job]:
    """The newest repeats of a job; none while the database is away."""
    try:
        repeats = Search(repeats=job_id)
        return ownership.load_page(current_services(), repeats, RELATED_MAX, None).jobs
    except ArchiveUnavailable:
        return []
