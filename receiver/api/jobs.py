"""Jobs API: announce, show, list, replay and delete jobs."""

import logging
from dataclasses import replace

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from jobs import views
from jobs.bfl import parsing
from jobs.domain import errors
from jobs.domain.status import Status
from jobs.views import JobView
from receiver import announcement, input_body, job_actions, ownership, request_body
from receiver.api.long_poll import await_end
from receiver.context import current_services, part
from receiver.feed.broker import Broker
from receiver.job_actions import delete_or_erase, load_job, update_sidecar
from receiver.schemas.bodies import Announcement, validate_with_input
from receiver.schemas.endpoint_spec import EndpointSpec
from receiver.schemas.formats import ID_HINT, format_cursor
from receiver.schemas.query import ListQuery, ShowQuery
from receiver.schemas.responses import JobPage

blueprint = Blueprint("api", __name__, url_prefix="/api/jobs")

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
        raise errors.InvalidField("task_id", ID_HINT)
    with input_body.receive(default=b"{}") as received:
        body = validate_with_input(Announcement, received.fields)
        if body.input is None and received.bytes > input_body.FURTHER_MAX_BYTES:
            raise request_body.too_large(input_body.FURTHER_MAX_BYTES)
        change = announcement.record(current_services(), job_id, body)
    current_services().task_hosts.learn_from_caller(body.polling_url)
    job = change.after
    log.info("job %s: announced, %s", job.id, job.status)
    if job.status is Status.STORED:
        update_sidecar(current_services(), job.id)
    return views.job_view(current_services(), job), 200 if change.before else 201


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
        job = await_end(current_services(), part(Broker), job_id, query.wait)
    else:
        job = load_job(current_services(), job_id)
    return views.job_view(current_services(), job, link_seconds, with_input=is_author)


@blueprint.get("")
@EndpointSpec(scope="read", query=ListQuery, responses={200: JobPage})
def list_jobs() -> JobPage:
    """List and search. Newest first; new jobs do not shift the pages of a cursor."""
    query = ListQuery.read()
    link_seconds = query.link_seconds(current_services().settings)
    page = ownership.load_page(current_services(), query.search(), query.limit, query.cursor)
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
    job = job_actions.replay_job(current_services(), job_id)
    return views.job_view(current_services(), job), 202


@blueprint.post("/<job_id>/rescues")
@replace(_REPLAY_SPEC, successor="api.replay_job")
def rescue_job(job_id: str) -> ResponseReturnValue:
    """Former name of `POST /api/jobs/{job_id}/replays`. It does the same."""
    job = job_actions.replay_job(current_services(), job_id)
    return views.job_view(current_services(), job), 202


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
    """Delete a job, its media and its input. For ever.

    Objects of a job without a record are deleted soon, if the path has the job's own id. A key of
    scope `submit` takes back a job that it submitted itself, while the job is `queued` and nothing
    was sent to BFL: the reserve is returned to the budget. 409 once it was sent.
    """
    if not g.api_key.has_scope("admin"):
        job_actions.cancel_job(current_services(), job_id)
        return "", 204
    is_deleted = delete_or_erase(current_services(), job_id)
    return "", 204 if is_deleted else 202
