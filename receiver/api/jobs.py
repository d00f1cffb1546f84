"""The status API: expect a job, ask after it, list, replay, forget."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from jobs import sidecars, view_types, views
from jobs.bfl import parsing
from jobs.errors import (
    InvalidField,
    NoFreeSlot,
    RateLimited,
    StorageError,
    StoreUnavailable,
    TooManyWaiting,
    UnknownJob,
    WrongStatus,
)
from jobs.job import Job
from jobs.status import Status
from receiver.api import deletion, replays
from receiver.api.replays import known_job
from receiver.auth import requires
from receiver.blocking_calls import aside
from receiver.context import app_state, services
from receiver.feed.client_socket import ClientSocket
from receiver.feed.long_poll import LongPoll
from receiver.openapi import examples
from receiver.schemas.bodies import Expectation
from receiver.schemas.cursors import cursor
from receiver.schemas.endpoint import EndpointSpec, RequestBodySpec, ResponseSpec, Tag
from receiver.schemas.query import ListQuery, ShowQuery
from receiver.schemas.responses import JobPage

blueprint = Blueprint("api", __name__, url_prefix="/api/jobs")

# Of a job that Fluxkeep submits these decide where it goes, with the operator's key.
SETTLED = ("model", "polling_url")
TOO_MANY_UNCONFIRMED = (
    "This key has announced MAX_UNCONFIRMED jobs of which BFL has never said anything; "
    "their place is free again when BFL confirms them or they end."
)
UNCONFIRMED_RETRY_SECONDS = 60.0

log = logging.getLogger(__name__)


@blueprint.put("/<job_id>")
@requires("submit")
@EndpointSpec(
    operation_id="expectJob",
    summary="Expect a job",
    tag=Tag.JOBS,
    body=RequestBodySpec(
        body_type=Expectation, required=False, examples={"all of it": examples.EXPECTATION}
    ),
    responses={
        200: ResponseSpec(
            "The job, known before.",
            view_types.Job,
            example=examples.submitted,
        ),
        201: ResponseSpec(
            "The job, which is new.",
            view_types.Job,
            example=examples.submitted,
        ),
    },
    errors=(WrongStatus, RateLimited),
    callback_field="notify_url",
)
def expect(job_id: str) -> ResponseReturnValue:
    """By the task's id, for what its caller submitted; joins a callback that came first."""
    if not parsing.TASK_ID.fullmatch(job_id):
        raise InvalidField("task_id", "1 to 128 of A-Z a-z 0-9 _ -")
    facts = Expectation.read(services().trust).facts()

    def join(job: Job | None, now: float) -> Job:
        known = job or _expected(job_id, now, facts.get("model"))
        _leave_settled(known, facts)
        return known.with_details(now, facts)

    store = services().store
    known = store.load(job_id)
    try:
        change = store.update(known.id if known else job_id, join, new=known is None)
    except NoFreeSlot:
        raise RateLimited(TOO_MANY_UNCONFIRMED, UNCONFIRMED_RETRY_SECONDS) from None
    assert change.after is not None  # `join` always makes one
    log.info("job %s: expected, %s", change.after.id, change.after.status)
    if change.after.status is Status.STORED:
        _describe_again(change.after.id)
    return views.job(services(), change.after), 200 if change.before else 201


def _expected(job_id: str, now: float, model: str | None) -> Job:
    """A job that counts for its key until BFL confirms it."""
    timeouts = services().settings.timeouts
    job = Job.expected(job_id, now, timeouts, model=model).with_event(now, "expected")
    return replace(job, expected_by=g.key_name)


def _describe_again(job_id: str) -> None:
    """The record is changed whatever becomes of the sidecar: `repair` writes a stale one again."""
    try:
        sidecars.keep_true(services().store, services().media, job_id, aside)
    except (StorageError, StoreUnavailable) as error:
        log.warning("job %s: its note is stale: %s", job_id, error)


def _leave_settled(job: Job, facts: Mapping[str, Any]) -> None:
    """Raises WrongState when a job of ours would go elsewhere."""
    if job.is_submission and any(
        facts.get(name, getattr(job, name)) != getattr(job, name) for name in SETTLED
    ):
        raise WrongStatus(
            "Fluxkeep submits this job itself: its model and polling_url stay as they are"
        )


@blueprint.get("/<job_id>")
@requires("read")
@EndpointSpec(
    operation_id="getJob",
    summary="Ask for a job, or wait for its end",
    tag=Tag.JOBS,
    query=ShowQuery,
    responses={200: ResponseSpec("The job.", view_types.Job, example=examples.stored)},
    errors=(UnknownJob, TooManyWaiting),
)
def show(job_id: str) -> ResponseReturnValue:
    """The job; with `wait` once it has ended, or as it stands after so many seconds."""
    asked = ShowQuery.read()
    seconds = asked.links(services().settings)
    if not asked.wait:
        return views.job(services(), known_job(services(), job_id), seconds)
    parts = app_state()
    poll = LongPoll(parts.services, parts.broker, ClientSocket(), seconds)
    return poll.answer(job_id, asked.wait)


@blueprint.get("")
@requires("read")
@EndpointSpec(
    operation_id="listJobs",
    summary="List and search",
    tag=Tag.JOBS,
    query=ListQuery,
    responses={200: ResponseSpec("A page of jobs.", JobPage, example=examples.page)},
)
def listing() -> ResponseReturnValue:
    """Newest first; the cursor is the last job's place, so new jobs do not shift the pages."""
    asked = ListQuery.read()
    seconds = asked.links(services().settings)
    page = services().listing.page(asked.search(), asked.limit, asked.cursor)
    said: JobPage = {
        "jobs": views.jobs(services(), page.jobs, seconds),
        "next_cursor": cursor(page.last) if page.last else None,
    }
    return said


@blueprint.post("/<job_id>/rescues")
@requires("admin")
@EndpointSpec(
    operation_id="rescueJob",
    summary="Ask BFL again",
    tag=Tag.JOBS,
    responses={
        202: ResponseSpec(
            "The job, back at work.",
            view_types.Job,
            example=examples.submitted,
        )
    },
    errors=(UnknownJob, WrongStatus),
)
def replay(job_id: str) -> ResponseReturnValue:
    """Ask BFL again and store: the one way out of `failed`, `expired` and `lost`."""
    return views.job(services(), replays.ask_for(services(), job_id)), 202


@blueprint.delete("/<job_id>")
@requires("admin")
@EndpointSpec(
    operation_id="forgetJob",
    summary="Forget a job and delete its media",
    tag=Tag.JOBS,
    responses={204: ResponseSpec("It is gone.")},
    errors=(UnknownJob, StorageError),
)
def forget(job_id: str) -> ResponseReturnValue:
    """The job and its media, for good."""
    deletion.forget(services(), known_job(services(), job_id))
    return "", 204
