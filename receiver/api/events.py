"""`GET /api/events` and `GET /api/jobs/<id>/events`: Server-Sent Events."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from jobs.errors import FluxkeepError, TooManyWaiting, UnknownJob
from jobs.job import Job
from jobs.store.events import EventPosition
from receiver.api.replays import known_job
from receiver.auth import requires
from receiver.context import app_state
from receiver.feed.client_socket import ClientSocket
from receiver.feed.sse import EventStream
from receiver.openapi import examples
from receiver.schemas.endpoint import STREAM, EndpointSpec, ResponseSpec, Tag
from receiver.schemas.query import EventsQuery

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVENTS = ResponseSpec(
    "Server-Sent Events: `job` with each changed job, `forgotten` with the id of a deleted one.",
    content_types=(STREAM,),
    example=examples.stream,
)

blueprint = Blueprint("watching", __name__, url_prefix="/api")


@blueprint.get("/events")
@requires("read")
@EndpointSpec(
    operation_id="watchAll",
    summary="Watch all jobs",
    tag=Tag.WATCHING,
    query=EventsQuery,
    headers=("Last-Event-ID",),
    responses={200: EVENTS},
    errors=(TooManyWaiting,),
)
def of_all() -> ResponseReturnValue:
    """Never ends by itself. A `reset` says that what was missed is not held any more."""
    return endless(None)


@blueprint.get("/jobs/<job_id>/events")
@requires("read")
@EndpointSpec(
    operation_id="watchJob",
    summary="Watch one job",
    tag=Tag.WATCHING,
    query=EventsQuery,
    headers=("Last-Event-ID",),
    responses={200: EVENTS, 204: ResponseSpec("It has ended, and everything was told.")},
    errors=(UnknownJob, TooManyWaiting),
)
def of_one(job_id: str) -> ResponseReturnValue:
    """Ends with the job; 204 to who comes again after that, which tells a browser to stop."""
    position = EventsQuery.read().position
    job = known_job(app_state().services, job_id)
    if position and job.status.terminal and not _has_events_after(position, job):
        return "", 204
    return _stream(job.id, position, until_final=True)


def endless(job_id: str | None) -> Response:
    """Changes of one job or of all (None), also after its end. Raises Crowded, StoreUnavailable."""
    return _stream(job_id, EventsQuery.read().position)


def _has_events_after(position: EventPosition, job: Job) -> bool:
    batch = app_state().broker.after(position, job.id)
    return bool(batch.events) or not batch.complete


def _stream(
    job_id: str | None, position: EventPosition | None, *, until_final: bool = False
) -> Response:
    """Raises Crowded, StoreUnavailable, UnknownJob."""
    broker, services = app_state().broker, app_state().services
    subscriber = broker.subscribe(job_id)
    try:
        begin = position or services.events.end()
        # Read again: the stream tells every change after `begin`.
        job = known_job(services, job_id) if job_id and until_final else None
    except FluxkeepError:
        broker.unsubscribe(subscriber)
        raise
    stream = EventStream(
        broker=broker,
        cache=app_state().job_cache,
        subscriber=subscriber,
        client=ClientSocket(),
        position=begin,
        job=job,
        resumes=position is not None,
    )
    response = Response(iter(stream), mimetype=STREAM, headers=HEADERS)
    response.call_on_close(lambda: broker.unsubscribe(subscriber))
    return response
