"""BFL-compatible API (`/v1`): BFL clients only change their base URL and key."""

import time
from http import HTTPStatus
from typing import Annotated, Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from werkzeug.routing import PathConverter

from jobs import views
from jobs.bfl import compat
from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.hosts import HostPolicy
from jobs.bfl.input_problems import NAME_MAX_CHARS, nearest
from jobs.domain import errors
from jobs.domain.job_record import ClientWebhook, Submission
from jobs.net import lenient_json
from jobs.net.http_client import HEADER_VALUE
from receiver import input_body
from receiver.api import submissions
from receiver.api.submissions import SubmissionBody
from receiver.auth import current_key_name
from receiver.context import current_services
from receiver.ownership import is_visible
from receiver.schemas.bodies import Url, accepted_by, validate, validate_with_input
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.formats import PUBLIC_URL, anchored, documented_pattern
from receiver.schemas.query import Query, TaskId
from receiver.schemas.responses import Relayed

# BFL answers a submission in half a second, and some clients time out after five.
ACCEPTANCE_SECONDS = 4.0
FIRST_POLL_SECONDS = 0.02
POLL_BACKOFF = 1.3


class ModelConverter(PathConverter):
    """URL converter: every path under /v1 that may be a model."""

    regex = (
        f"(?!(?:get_result|credits)$|(?:{'|'.join(bfl_submissions.BFL_ONLY_PATHS)})(?:/|$))[^/].*?"
    )


blueprint = Blueprint("bfl_compat", __name__, url_prefix="/v1")


class WebhookFields(BaseModel):
    """The client's own webhook, which BFL clients send among the model's input fields."""

    model_config = ConfigDict(strict=True)

    webhook_url: (
        Annotated[
            Url, accepted_by(HostPolicy.client_webhook_endpoint), documented_pattern(PUBLIC_URL)
        ]
        | None
    ) = None
    webhook_secret: (
        Annotated[str, Field(max_length=1024, pattern=anchored(HEADER_VALUE))] | None
    ) = None


class ResultQuery(Query):
    """Parameters of a poll; unknown ones are ignored, as BFL does."""

    model_config = ConfigDict(extra="ignore")
    repeated = frozenset({"id"})  # BFL's guide appends `id` to a polling URL that already has it

    id: TaskId


@blueprint.post("/<model:model>")
@EndpointSpec(
    scope="submit",
    headers=("Idempotency-Key",),
    body=WebhookFields,
    # BFL's error responses are relayed unchanged, if they come within ACCEPTANCE_SECONDS.
    responses={200: compat.BflSubmission, **dict.fromkeys((400, 404, 422, "4XX"), Relayed)},
    errors=(*submissions.BUDGET_ERRORS, errors.QueueFull, errors.StorageError, errors.StorageFull),
)
def bfl_submit(model: str) -> ResponseReturnValue:
    """Submit as to BFL. A refusal is relayed if it comes at once."""
    _refuse_dry_run()
    with input_body.received() as received:
        asked = validate(WebhookFields, received.fields)
        url = asked.webhook_url
        webhook = ClientWebhook(url, asked.webhook_secret) if url else None
        given = bfl_submissions.without_webhook(received.fields)
        body = validate_with_input(SubmissionBody, {"model": model, "input": given})
        details = Submission(client_webhook=webhook)
        job = submissions.enqueue_request(current_services(), body, details, received.digest)
    interval, until = FIRST_POLL_SECONDS, time.monotonic() + ACCEPTANCE_SECONDS
    while job.task_id is None and not job.status.terminal and time.monotonic() < until:
        time.sleep(interval)
        interval *= POLL_BACKOFF
        job = current_services().store.load(job.id) or job
    if job.error and job.error.http_status:
        answer, message = job.error.answer, job.error.message
        relayed = answer if isinstance(answer, dict) else {"detail": message}
        return {"message": message, **relayed}, job.error.http_status
    # As the client reaches us: some send their key to no other origin.
    return compat.submission_response(job, current_services().base_url())


def _refuse_dry_run() -> None:
    """Raise InvalidField: a dry run, however it is misspelt, must cost nothing.

    Other parameters are ignored, as by BFL.
    """
    for name in request.args:
        if nearest(name, ["dry_run"]):
            message = "BFL has no such parameter; POST /api/jobs?dry_run=true submits nothing"
            raise errors.InvalidField(name[:NAME_MAX_CHARS], message)


@blueprint.get("/get_result")
@EndpointSpec(
    scope="read",
    query=ResultQuery,
    responses={200: compat.BflTask, 404: ResponseSpec("No such task.", compat.BflTask)},
    uses_redis=False,
)
def bfl_result() -> ResponseReturnValue:
    """Poll as at BFL. By the job's own id or BFL's."""
    task_id = ResultQuery.read().id
    try:
        job = current_services().catalog.load(task_id)
        job = job if job and is_visible(job) else None
    except errors.StoreUnavailable:
        return _poll_response(compat.response_without_result(task_id))
    if job is None:
        return _poll_response(compat.unknown_task_response(task_id), HTTPStatus.NOT_FOUND)
    waiting = views.waiting_reasons(current_services(), job)
    return _poll_response(compat.poll_response(job, current_services().links_to(job), waiting))


def _poll_response(body: compat.BflTask, status: int = HTTPStatus.OK) -> ResponseReturnValue:
    return body, status, {"Retry-After": str(compat.RETRY_AFTER_SECONDS)}


@blueprint.get("/credits")
@EndpointSpec(
    scope="read",
    responses={
        200: compat.BflCredits,
        "default": ResponseSpec("BFL's response, whatever it is.", Any),
        502: ResponseSpec("BFL refuses the key of this Fluxkeep.", compat.BflError),
        503: ResponseSpec("BFL does not answer.", compat.BflError),
    },
    uses_redis=False,
)
def bfl_credits() -> ResponseReturnValue:
    """Credits left at BFL. Relayed from the operator's account."""
    try:
        key = current_services().bfl_key_of(current_key_name())
        answer = current_services().bfl_clients[key].credits()
    except errors.BflUnavailable as error:
        return compat.error_response(str(error), str(error)), HTTPStatus.SERVICE_UNAVAILABLE
    if answer.is_key_refused:
        text = "BFL refuses the API key of this Fluxkeep"
        return compat.error_response(text, text), HTTPStatus.BAD_GATEWAY
    return Response(_readable(answer.body), answer.status, mimetype="application/json")


def _readable(body: bytes) -> bytes:
    """BFL's answer as JSON that every client can read; unchanged if it is no JSON object."""
    try:
        return to_json(lenient_json.load_object(body))
    except errors.BadRequest:
        return body
