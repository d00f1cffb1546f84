"""Batches: delete, replay or notify of all jobs that match, in two steps."""

from dataclasses import replace
from typing import Annotated, Literal

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import Field
from typing_extensions import TypedDict

from jobs.domain import errors
from jobs.domain.timestamps import rfc3339
from jobs.store.batch_actions import FAILED_LISTED_MAX, Action, Batch
from jobs.views import Time
from receiver.context import current_services
from receiver.job_actions import begin_batch, load_batch
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.query import BatchQuery, NotificationQuery
from receiver.schemas.responses import CountProblem

blueprint = Blueprint("batches", __name__, url_prefix="/api")

BatchStatus = Literal["under way", "ended", "stopped"]


class FailedJobView(TypedDict):
    """A job that the batch could not act on."""

    id: str
    reason: str


class BatchView(TypedDict):
    """A batch of jobs that are deleted, replayed or notified of, and how far it is."""

    id: str
    action: Action
    status: BatchStatus
    total: Annotated[int, Field(description="jobs that matched when it began")]
    done: int
    left: Annotated[int, Field(description="0 when it is over: some may have gone meanwhile")]
    failed: Annotated[list[FailedJobView], Field(description=f"the first {FAILED_LISTED_MAX}")]
    waits_for: Annotated[str | None, Field(description="why it does not go on at present")]
    created_at: Time
    ended_at: Time | None


def batch_view(batch: Batch) -> BatchView:
    failed_jobs = [FailedJobView(id=job.id, reason=job.reason) for job in batch.failed_jobs]
    return {
        "id": batch.id,
        "action": batch.action,
        "status": _status(batch),
        "total": batch.total,
        "done": batch.done,
        "left": batch.jobs_left,
        "failed": failed_jobs,
        "waits_for": batch.waits_for,
        "created_at": rfc3339(batch.created_at),
        "ended_at": rfc3339(batch.ended_at) if batch.ended_at else None,
    }


def _status(batch: Batch) -> BatchStatus:
    if not batch.ended_at:
        return "under way"
    if batch.is_stopped:
        return "stopped"
    return "ended"


_SPEC = EndpointSpec(
    scope="admin",
    query=BatchQuery,
    responses={
        202: ResponseSpec("The batch; `Location` has its address.", BatchView),
        409: ResponseSpec("`count_changed`: another number of jobs matches now.", CountProblem),
        428: ResponseSpec("`count_required`: how many jobs match.", CountProblem),
    },
    errors=(errors.BadRequest, errors.TooManyJobs, errors.QueueFull),
)
_FORMER_SPEC = replace(_SPEC, successor="batches.replay_jobs")


@blueprint.delete("/jobs")
@_SPEC
def delete_jobs() -> ResponseReturnValue:
    """Delete all jobs that match. Asked without `count`, it answers 428 with their number.

    `count` and `until`, both sent back, begin the deletion of just these jobs, with their media and
    inputs, whatever their status. At least one filter besides `until` must be given.
    """
    return _begin(Action.DELETE)


@blueprint.post("/replays")
@_SPEC
def replay_jobs() -> ResponseReturnValue:
    """Replay all jobs that match and have failed, expired or are lost. In two steps.

    Asked without `count`, it answers 428 with their number. `count` and `until`, both sent back,
    have BFL asked again for just these. At least one filter besides `until` must be given.
    """
    return _begin(Action.REPLAY)


@blueprint.post("/rescues")
@_FORMER_SPEC
def rescue_jobs() -> ResponseReturnValue:
    """Former name of `POST /api/replays`. It does the same."""
    return _begin(Action.REPLAY)


@blueprint.post("/notifications")
@replace(_SPEC, query=NotificationQuery)
def repeat_notifications() -> ResponseReturnValue:
    """Notify once more of all jobs that match and ended at `since` or later. In two steps.

    Asked without `count`, it answers 428 with their number. `count` and `until`, both sent back,
    begin it. Notifications have the same ids as before, and are tried for a day as those were.
    """
    query = NotificationQuery.read()
    batch = begin_batch(
        current_services(), Action.NOTIFY, query.search(), query.count, ended_since=query.since
    )
    return batch_view(batch), 202, {"Location": f"/api/batches/{batch.id}"}


def _begin(action: Action) -> ResponseReturnValue:
    query = BatchQuery.read()
    batch = begin_batch(current_services(), action, query.search(), query.count)
    return batch_view(batch), 202, {"Location": f"/api/batches/{batch.id}"}


@blueprint.get("/batches/<batch_id>")
@EndpointSpec(
    scope="admin",
    responses={200: ResponseSpec("The batch.", BatchView)},
    errors=(errors.UnknownBatch,),
)
def get_batch(batch_id: str) -> BatchView:
    """Get a batch. It is kept for a week."""
    return batch_view(load_batch(current_services(), batch_id))


@blueprint.delete("/batches/<batch_id>")
@EndpointSpec(
    scope="admin",
    responses={200: ResponseSpec("The batch, which is over.", BatchView)},
    errors=(errors.UnknownBatch,),
)
def stop_batch(batch_id: str) -> BatchView:
    """Stop a batch. Jobs that it has acted on stay as they are. No change if it is over already."""
    batch = load_batch(current_services(), batch_id)
    current_services().batches.stop(batch.id, current_services().store.now())
    return batch_view(load_batch(current_services(), batch_id))
