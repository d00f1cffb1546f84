"""The status API: expect a job, ask after it, list, replay, forget."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from jobs import bfl, sidecars
from jobs.errors import BadField, WrongState
from jobs.job import Job
from jobs.states import State
from receiver import rescues, shape
from receiver.access import requires
from receiver.aside import aside
from receiver.questions import Expectation, ListQuery, cursor, link_ttl
from receiver.rescues import known_job
from receiver.wiring import services

blueprint = Blueprint("api", __name__, url_prefix="/api/jobs")

# Of a job that Fluxkeep submits these decide where it goes, with the operator's key.
SETTLED = ("model", "polling_url")


@blueprint.put("/<task_id>")
@requires("submit")
def expect(task_id: str) -> ResponseReturnValue:
    """Expect a job that its caller submitted to BFL; joins a callback that came first."""
    if not bfl.TASK_ID.fullmatch(task_id):
        raise BadField("task_id: 1 to 128 of A-Z a-z 0-9 _ -")
    wired = services()
    facts = Expectation.read(wired.trust).facts()

    def join(job: Job | None, now: float) -> Job:
        known = job or Job.expected(task_id, now, wired.settings.patience).noted(now, "expected")
        _leave_settled(known, facts)
        return known.described(now, facts)

    known = wired.store.load(task_id)
    change = wired.store.change(known.id if known else task_id, join, new=known is None)
    assert change.after is not None  # `join` always makes one
    if change.after.state is State.STORED:
        sidecars.keep_true(wired.store, wired.media, task_id, aside)
    return shape.job(wired, change.after), 200 if change.before else 201


def _leave_settled(job: Job, facts: Mapping[str, Any]) -> None:
    """Raises WrongState when a job of ours would go elsewhere."""
    if job.ours and any(
        facts.get(name, getattr(job, name)) != getattr(job, name) for name in SETTLED
    ):
        raise WrongState(
            "Fluxkeep submits this job itself: its model and polling_url stay as they are"
        )


@blueprint.get("/<job_id>")
@requires("read")
def show(job_id: str) -> ResponseReturnValue:
    seconds = link_ttl(services().settings)
    return shape.job(services(), known_job(services(), job_id), seconds)


@blueprint.get("")
@requires("read")
def listing() -> ResponseReturnValue:
    """Newest first; the cursor is the last job's place, so new jobs do not shift the pages."""
    asked = ListQuery.read()
    wired = services()
    seconds = link_ttl(wired.settings)
    page = wired.pages.page(asked.states, asked.limit, asked.after)
    return {
        "jobs": shape.jobs(wired, page.jobs, seconds),
        "next_cursor": cursor(page.last) if page.last else None,
    }


@blueprint.post("/<job_id>/rescues")
@requires("admin")
def replay(job_id: str) -> ResponseReturnValue:
    """Ask BFL again and store: the one way out of `failed`, `expired` and `lost`."""
    return shape.job(services(), rescues.ask_for(services(), job_id)), 202


@blueprint.delete("/<job_id>")
@requires("admin")
def forget(job_id: str) -> ResponseReturnValue:
    """Delete the media, then the record: half done, it can be done again."""
    wired = services()
    job = known_job(wired, job_id)
    for file in job.media:
        aside(partial(wired.media.delete, file.key))
    wired.store.forget(job)
    # A rescue under way may have published some already; from here on it cannot commit.
    aside(lambda: wired.media.drop_uncommitted(job.id, job.created_at, len(job.urls)))
    return "", 204
