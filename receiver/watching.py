"""`GET /api/events` and `GET /api/jobs/<id>/events`: what happens, as it happens."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from jobs.errors import Crowded, FluxkeepError, UnknownJob
from jobs.events import Mark
from jobs.job import Job
from receiver import samples
from receiver.access import requires
from receiver.broadcast import Broadcast
from receiver.contract import STREAM, Answer, Contract, Tag
from receiver.presence import Presence
from receiver.questions import EventsQuery
from receiver.rescues import known_job
from receiver.wiring import wired

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
TOLD = Answer(
    what="Server-Sent Events: `job` with the job as data per change, `forgotten` with its id.",
    media=(STREAM,),
    sample=samples.stream,
)

blueprint = Blueprint("watching", __name__, url_prefix="/api")


@blueprint.get("/events")
@requires("read")
@Contract(
    name="watchAll",
    summary="Watch all jobs",
    tag=Tag.WATCHING,
    query=EventsQuery,
    headers=("Last-Event-ID",),
    answers={200: TOLD},
    errors=(Crowded,),
)
def of_all() -> ResponseReturnValue:
    """Never ends by itself. A `reset` says that what was missed is not held any more."""
    return endless(None)


@blueprint.get("/jobs/<job_id>/events")
@requires("read")
@Contract(
    name="watchJob",
    summary="Watch one job",
    tag=Tag.WATCHING,
    query=EventsQuery,
    headers=("Last-Event-ID",),
    answers={200: TOLD, 204: Answer(what="It has ended, and everything was told.")},
    errors=(UnknownJob, Crowded),
)
def of_one(job_id: str) -> ResponseReturnValue:
    """Ends with the job; 204 to who comes again after that, which tells a browser to stop."""
    place = EventsQuery.read().place
    job = known_job(wired().services, job_id)
    if place and job.state.terminal and not _anything_after(place, job):
        return "", 204
    return _stream(job.id, place, to_its_end=True)


def endless(job_id: str | None) -> Response:
    """Of one job or of all (None), whatever has ended. Raises Crowded, StoreUnavailable."""
    return _stream(job_id, EventsQuery.read().place)


def _anything_after(place: Mark, job: Job) -> bool:
    stretch = wired().fanout.after(place, job.id)
    return bool(stretch.events) or not stretch.whole


def _stream(job_id: str | None, place: Mark | None, *, to_its_end: bool = False) -> Response:
    """Raises Crowded, StoreUnavailable, UnknownJob."""
    parts = wired()
    follower = parts.fanout.join(job_id)
    try:
        # Read once more: from here on every change is heard of.
        job = known_job(parts.services, job_id) if job_id and to_its_end else None
    except FluxkeepError:
        parts.fanout.leave(follower)
        raise
    broadcast = Broadcast(
        fanout=parts.fanout,
        retold=parts.retold,
        follower=follower,
        client=Presence(),
        place=place or follower.since,
        job=job,
        resumed=place is not None,
    )
    response = Response(iter(broadcast), mimetype=STREAM, headers=HEADERS)
    response.call_on_close(lambda: parts.fanout.leave(follower))
    return response
