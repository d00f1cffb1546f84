"""Jobs API: expect, show, list, replay and delete jobs."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from jobs import inputs, sidecars, views
from jobs.bfl import parsing
from jobs.errors import (
    InvalidField,
    NoFreeSlot,
    QueueFull,
    RateLimited,
    StorageError,
    StoreUnavailable,
    TooManyWaiting,
    UnknownJob,
    WrongStatus,
)
from jobs.job import Job
from jobs.status import Status
from jobs.store.commit import Change
from jobs.timeline import EventCode
from jobs.views import JobView
from receiver.api.job_actions import delete_or_erase, load_job, replay_job
from receiver.api.long_poll import wait_for_end
from receiver.context import part, services
from receiver.feed.broker import Broker
from receiver.openapi import examples
from receiver.schemas.bodies import Expectation
from receiver.schemas.endpoint import EndpointSpec, ResponseSpec, Tag
from receiver.schemas.formats import format_cursor
from receiver.schemas.query import ListQuery, ShowQuery
from receiver.schemas.responses import JobPage
from receiver.thread_pool import run_in_thread

blueprint = Blueprint("api", __name__, url_prefix="/api/jobs")

TOO_MANY_UNCONFIRMED = (
    "This key has announced MAX_UNCONFIRMED jobs that BFL has not confirmed; "
    "announce more once BFL confirms them or they end."
)
UNCONFIRMED_RETRY_SECONDS = 60.0

log = logging.getLogger(__name__)


@blueprint.put("/<job_id>")
@EndpointSpec(
    scope="submit",
    summary="Announce a job",
    tag=Tag.JOBS,
    body=Expectation,
    body_example=examples.EXPECTATION,
    is_body_required=False,
    responses={
        200: ResponseSpec("The existing job.", JobView, example=examples.SUBMITTED),
        201: ResponseSpec("The new job.", JobView, example=examples.SUBMITTED),
    },
    errors=(WrongStatus, RateLimited, StorageError),
)
def expect_job(job_id: str) -> ResponseReturnValue:
    """Record a job that its caller submitted to BFL. The callback may have come first."""
    if not parsing.TASK_ID.fullmatch(job_id):
        raise InvalidField("task_id", "1 to 128 of A-Z a-z 0-9 _ -")
    body = Expectation.read()
    change = _record(job_id, body)
    assert change.after is not None  # `merge` always returns a job
    log.info("job %s: announced, %s", change.after.id, change.after.status)
    if body.input is not None:
        keep_input(change.after, body.input)
    if change.after.status is Status.STORED:
        _update_sidecar(change.after.id)
    return views.job_view(services(), change.after), 200 if change.before else 201


def _record(job_id: str, body: Expectation) -> Change:
    """Record a new job, or what the body adds to a known one. Raises WrongStatus, RateLimited."""
    details = body.given()

    def merge(job: Job | None, now: float) -> Job:
        known = job or _announced(job_id, now, details.get("model"))
        if known.is_submission and body.input is not None:
            raise WrongStatus("Fluxkeep submits this job itself: it has its input")
        _check_fixed_fields(known, details)
        return known.with_details(now, details)

    store = services().store
    known = store.load(job_id)
    try:
        return store.update(known.id if known else job_id, merge, new=known is None)
    except NoFreeSlot:
        raise RateLimited(TOO_MANY_UNCONFIRMED, UNCONFIRMED_RETRY_SECONDS) from None


def _announced(job_id: str, now: float, model: str | None) -> Job:
    """A new job that counts against MAX_UNCONFIRMED of its key until BFL confirms it."""
    timeouts = services().settings.timeouts
    job = Job.expected(job_id, now, timeouts, model=model).with_event(now, EventCode.JOB_EXPECTED)
    return job.with_check(announced_by=g.api_key.name).with_submission(key=g.api_key.name)


def keep_input(job: Job, given: Mapping[str, Any]) -> None:
    """Keep the input unless the job is deleted meanwhile.

    Raises StorageError; the caller repeats the request.
    """
    if not services().settings.keep_inputs or job.submission.kept_input is not None:
        return
    kept = run_in_thread(inputs.store, services().storage, job, given)
    if kept is None:
        return
    change = services().store.update(job.id, lambda job, _now: job and kept.on_record(job))
    if change.after is None:
        for file in kept.files:
            run_in_thread(services().storage.delete, file.key)


def _update_sidecar(job_id: str) -> None:
    """A failure leaves a stale sidecar, which `repair` rewrites; the record is changed anyway."""
    try:
        sidecars.update(services().store, services().storage, job_id, run_in_thread)
    except (StorageError, StoreUnavailable) as error:
        log.warning("job %s: its sidecar is stale: %s", job_id, error)


def _check_fixed_fields(job: Job, details: Mapping[str, Any]) -> None:
    """Raises WrongStatus for a change of where Fluxkeep submits a job."""
    # The operator's API key goes where these say: a caller must not change them.
    fixed = {"model": job.model, "polling_url": job.check.polling_url}
    if job.is_submission and any(
        details.get(name, value) != value for name, value in fixed.items()
    ):
        raise WrongStatus(
            "Fluxkeep submits this job itself: its model and polling_url cannot change"
        )


@blueprint.get("/<job_id>")
@EndpointSpec(
    scope="read",
    summary="Get a job, or wait until it ends",
    tag=Tag.JOBS,
    query=ShowQuery,
    responses={200: ResponseSpec("The job.", JobView, example=examples.STORED)},
    errors=(UnknownJob, TooManyWaiting),
)
def get_job(job_id: str) -> ResponseReturnValue:
    """One job; with `wait` the response comes when it ends, or after so many seconds."""
    query = ShowQuery.read()
    view = views.job_view_with_input if g.api_key.has_scope("submit") else views.job_view
    link_seconds = query.link_seconds(services().settings)
    if query.wait:
        job = wait_for_end(services(), part(Broker), job_id, query.wait)
    else:
        job = load_job(services(), job_id)
    return view(services(), job, link_seconds)


@blueprint.get("")
@EndpointSpec(
    scope="read",
    summary="List and search",
    tag=Tag.JOBS,
    query=ListQuery,
    responses={200: ResponseSpec("A page of jobs.", JobPage, example=examples.PAGE)},
)
def list_jobs() -> JobPage:
    """Jobs, newest first. The cursor is the last job's position: new jobs do not shift pages."""
    query = ListQuery.read()
    link_seconds = query.link_seconds(services().settings)
    page = services().listing.page(query.search(), query.limit, query.cursor)
    return {
        "jobs": views.job_views(services(), page.jobs, link_seconds),
        "next_cursor": format_cursor(page.last) if page.last else None,
    }


@blueprint.post("/<job_id>/rescues")
@EndpointSpec(
    scope="admin",
    summary="Replay a job",
    tag=Tag.JOBS,
    responses={202: ResponseSpec("The reopened job.", JobView, example=examples.SUBMITTED)},
    errors=(UnknownJob, WrongStatus),
)
def rescue_job(job_id: str) -> ResponseReturnValue:
    """Ask BFL again and store the result; only for `failed`, `expired` and `lost` jobs."""
    return views.job_view(services(), replay_job(services(), job_id)), 202


@blueprint.delete("/<job_id>")
@EndpointSpec(
    scope="admin",
    summary="Delete a job and its media",
    tag=Tag.JOBS,
    responses={
        202: ResponseSpec("No record has this id: the storage is searched for its objects."),
        204: ResponseSpec("The job was deleted."),
    },
    errors=(UnknownJob, StorageError, QueueFull),
)
def forget_job(job_id: str) -> ResponseReturnValue:
    """Delete a job, its media and its input for ever; without a record soon, and by its own id."""
    return "", 204 if delete_or_erase(services(), job_id) else 202
