"""Jobs API: announce, show, list, replay and delete jobs."""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from jobs import kept_inputs, views
from jobs.bfl import parsing
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from jobs.storage.layout import day_of
from jobs.store.commit import Change, CommitOptions
from jobs.views import JobView
from receiver import input_body, input_storage, job_actions, ownership, request_body
from receiver.api.long_poll import watch
from receiver.context import current_services, part
from receiver.feed.broker import Broker
from receiver.job_actions import delete_or_erase, load_job, update_sidecar
from receiver.schemas.bodies import Announcement, validate_with_input
from receiver.schemas.endpoint_spec import EndpointSpec
from receiver.schemas.formats import NO_ID, format_cursor
from receiver.schemas.query import ListQuery, ShowQuery
from receiver.schemas.responses import JobPage

blueprint = Blueprint("api", __name__, url_prefix="/api/jobs")

ANNOUNCED_RETRY_SECONDS = 60.0

log = logging.getLogger(__name__)


@blueprint.put("/<job_id>")
@EndpointSpec(
    scope="submit",
    body=Announcement,
    is_body_required=False,
    responses={200: JobView, 201: JobView},
    errors=(
        errors.WrongStatus,
        errors.OtherKey,
        errors.TooManyAnnounced,
        errors.StorageError,
        errors.StorageFull,
    ),
)
def announce_job(job_id: str) -> ResponseReturnValue:
    """Announce a job. Its caller submitted it; 201 if no callback brought it before."""
    if not parsing.TASK_ID.fullmatch(job_id):
        raise errors.InvalidField("task_id", NO_ID)
    with input_body.received(default=b"{}") as received:
        body = validate_with_input(Announcement, received.fields)
        if body.input is None and received.bytes > input_body.FURTHER_MAX_BYTES:
            raise request_body.too_large(input_body.FURTHER_MAX_BYTES)
        change = _record(job_id, body)
    current_services().task_hosts.learn_from_caller(body.polling_url)
    log.info("job %s: announced, %s", change.after.id, change.after.status)
    if change.after.status is Status.STORED:
        update_sidecar(current_services(), change.after.id)
    return views.job_view(current_services(), change.after), 200 if change.before else 201


def _record(job_id: str, body: Announcement) -> Change[Job]:
    """Record a new job, or extend a known one. Raises WrongStatus, OtherKey, TooManyAnnounced."""
    details = body.model_dump(exclude_unset=True, exclude_none=True, exclude={"input"})
    store = current_services().store
    try:
        known = current_services().catalog.recall(job_id)
    except errors.ArchiveUnavailable:  # unless Redis knows that only the archive has it
        known = None
    if known:
        ownership.require_changeable(known)  # before anything of its input is stored
    own_id, created_at = (known.id, known.created_at) if known else (job_id, store.now())
    packed = kept_inputs.pack(body.input or {}, current_services().settings.max_input_bytes)
    is_kept = body.input is not None and current_services().settings.keep_inputs
    # The first one stays, and Fluxkeep has that of its own submissions.
    is_stored = is_kept and not (known and known.request.kept_input is not None)
    files = packed.files(own_id, created_at) if is_stored else ()

    def merge(job: Job | None, now: float) -> Job:
        if job is None:
            timeouts = current_services().settings.timeouts
            job = Job.awaited(job_id, now, timeouts, model=details.get("model"))
            job = job.with_event(now, EventCode.JOB_ANNOUNCED).evolve(created_at=created_at)
            # It counts against MAX_ANNOUNCED of its key until BFL confirms it.
            job = job.with_request(announced_by=g.api_key.name)
        _require_joinable(job, details, has_input=body.input is not None)
        if job.request.key is None and not job.is_submission:
            job = job.with_request(key=g.api_key.name)
            # Also once that key is removed no other account learns of this task.
            job = job.with_submission(bfl_key=current_services().bfl_key_of(g.api_key.name))
        after = job.with_details(now, details)
        if not is_stored or after.request.kept_input is not None:
            return after
        if day_of(after.created_at) != day_of(created_at):  # the names of the objects begin with it
            raise errors.StoreUnavailable("the job was made by somebody else: send it again")
        return after.with_request(kept_input=packed.values, input_files=files)

    def write(note: str | None) -> Change[Job]:
        options = CommitOptions(input_note=note)
        update = partial(store.update, own_id, merge, options, new=known is None)
        return current_services().catalog.recalling(own_id, update)

    try:
        return input_storage.record(current_services(), packed.parts, files, write, is_new_id=False)
    except errors.NoFreeSlot:
        raise errors.TooManyAnnounced(retry_after=ANNOUNCED_RETRY_SECONDS) from None


def _require_joinable(job: Job, details: Mapping[str, Any], *, has_input: bool) -> None:
    """Raises OtherKey, and WrongStatus for a change of what Fluxkeep submits itself."""
    # The operator's API key goes where these say: a caller must not change them.
    fixed = {"model": job.model, "polling_url": job.polling.polling_url}
    if job.is_submission and has_input:
        raise errors.WrongStatus("Fluxkeep submits this job itself, and has its input")
    if job.is_submission and any(details.get(one, fixed[one]) != fixed[one] for one in fixed):
        raise errors.WrongStatus(
            "Fluxkeep submits this job itself: its model and polling_url cannot change"
        )
    ownership.require_changeable(job)


@blueprint.get("/<job_id>")
@EndpointSpec(
    scope="read",
    query=ShowQuery,
    responses={200: JobView},
    errors=(errors.UnknownJob, errors.TooManyWaiting),
)
def get_job(job_id: str) -> ResponseReturnValue:
    """Get a job, or wait until it ends. The response comes then, or after `wait` seconds."""
    query = ShowQuery.read()
    is_author = g.api_key.has_scope("submit")
    link_seconds = query.link_seconds(current_services().settings)
    if query.wait:
        changes = watch(current_services(), part(Broker), job_id, query.wait)
        job = deque(filter(None, changes), maxlen=1).pop()
    else:
        job = load_job(current_services(), job_id)
    return views.job_view(current_services(), job, link_seconds, with_input=is_author)


@blueprint.get("")
@EndpointSpec(scope="read", query=ListQuery, responses={200: JobPage})
def list_jobs() -> JobPage:
    """List and search. Newest first; new jobs do not shift the pages of a cursor."""
    query = ListQuery.read()
    link_seconds = query.link_seconds(current_services().settings)
    page = ownership.page(current_services(), query.search(), query.limit, query.cursor)
    return {
        "jobs": views.job_views(current_services(), page.jobs, link_seconds),
        "next_cursor": format_cursor(page.last) if page.last else None,
    }


_REPLAY_SPEC = EndpointSpec(
    scope="admin", responses={202: JobView}, errors=(errors.UnknownJob, errors.WrongStatus)
)


@blueprint.post("/<job_id>/replays")
@_REPLAY_SPEC
def replay_job(job_id: str) -> ResponseReturnValue:
    """Replay a job. BFL is asked again; only for `failed`, `expired` and `lost` jobs."""
    return views.job_view(
        current_services(), job_actions.replay_job(current_services(), job_id)
    ), 202


@blueprint.post("/<job_id>/rescues")
@replace(_REPLAY_SPEC, successor="api.replay_job")
def rescue_job(job_id: str) -> ResponseReturnValue:
    """Former name of `POST /api/jobs/{job_id}/replays`. It does the same."""
    return views.job_view(
        current_services(), job_actions.replay_job(current_services(), job_id)
    ), 202


@blueprint.delete("/<job_id>")
@EndpointSpec(
    scope="submit",
    responses={
        202: "No record has this id: the storage is searched for its objects.",
        204: "The job was deleted.",
    },
    errors=(
        errors.UnknownJob,
        errors.OtherKey,
        errors.WrongStatus,
        errors.StorageError,
        errors.QueueFull,
    ),
)
def delete_job(job_id: str) -> ResponseReturnValue:
    """Delete a job, its media and its input. For ever; without a record soon, and by its own id.

    A key of scope `submit` takes back a job of its own while that is `queued` and nothing was sent
    to BFL: its reserve is returned to the budget. 409 once it was sent.
    """
    if not g.api_key.has_scope("admin"):
        job_actions.cancel_job(current_services(), job_id)
        return "", 204
    return "", 204 if delete_or_erase(current_services(), job_id) else 202
