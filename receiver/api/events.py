"""Event streams: `GET /api/events` and `GET /api/jobs/<id>/events` (Server-Sent Events)."""

from functools import partial

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from jobs.domain.errors import FluxkeepError, TooManyWaiting, UnknownJob
from jobs.domain.job import Job
from jobs.store.change_stream import EventPosition
from receiver.auth import current_key_name
from receiver.context import current_services, part
from receiver.feed.broker import Broker
from receiver.feed.sse import EventStream, MessageCache
from receiver.job_actions import load_job
from receiver.ownership import owner
from receiver.schemas.endpoint_spec import STREAM, EndpointSpec, ResponseSpec
from receiver.schemas.query import EventsQuery

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVENTS = ResponseSpec(
    "Server-Sent Events: `job` with each changed job, `deleted` with the id of a deleted one.",
    content_types=(STREAM,),
)

_spec = partial(EndpointSpec, scope="read", query=EventsQuery, headers=("Last-Event-ID",))
blueprint = Blueprint("events", __name__, url_prefix="/api")


@blueprint.get("/events")
@_spec(responses={200: EVENTS}, errors=(TooManyWaiting,))
def watch_all() -> ResponseReturnValue:
    """Watch all jobs. A `reset` event: some missed events are no longer stored."""
    return stream(None)


@blueprint.get("/jobs/<job_id>/events")
@_spec(
    responses={200: EVENTS, 204: "The job has ended, and there are no more events."},
    errors=(UnknownJob, TooManyWaiting),
)
def watch_job(job_id: str) -> ResponseReturnValue:
    """Watch one job. The stream ends with it; a 204 after that stops a browser's reconnects."""
    position = EventsQuery.read().position
    job = load_job(current_services(), job_id)
    if position and job.status.terminal and not _has_events_after(position, job):
        return "", 204
    return stream(job.id, until_final=True)


def _has_events_after(position: EventPosition, job: Job) -> bool:
    """Read on past the events of others; from Redis, as the broker may not know the last yet."""
    while True:
        batch = current_services().events.events_after(position)
        if not batch.complete:  # the missing ones may be events of the job
            return True
        if any(event.job_id == job.id for event in batch.events):
            return True
        if batch.end == position:
            return False
        position = batch.end


def stream(job_id: str | None, *, until_final: bool = False) -> Response:
    """Stream changes of one job, also after its end unless `until_final`, or of all jobs (None).

    Raises InvalidField, TooManyWaiting, StoreUnavailable, UnknownJob.
    """
    broker = part(Broker)
    position = EventsQuery.read().position
    subscriber = broker.subscribe(job_id, current_key_name())
    try:
        start = position
        if start is None:
            start = current_services().events.end()
        job = None
        if job_id and until_final:
            # Read after `start`: the stream has every later change.
            job = load_job(current_services(), job_id)
    except FluxkeepError:
        broker.unsubscribe(subscriber)
        raise
    events = EventStream(
        broker,
        part(MessageCache),
        subscriber,
        start,
        job,
        resumes=position is not None,
        owner=owner(),
    )
    response = Response(iter(events), mimetype=STREAM, headers=HEADERS)
    response.call_on_close(lambda: broker.unsubscribe(subscriber))
    return response
