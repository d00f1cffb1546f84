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
from jobs.bfl.input_problems import NAME_MAX_CHARS, suggest_name
from jobs.domain import errors
from jobs.domain.bfl_report import Failure
from jobs.domain.job import Job
from jobs.domain.job_record import ClientWebhook, Submission
from jobs.net import lenient_json
from jobs.net.http_client import HEADER_VALUE
from receiver import input_body
from receiver.api.submissions import SUBMISSION_ERRORS
from receiver.auth import current_key_name
from receiver.context import current_services
from receiver.idempotent_submission import enqueue_request
from receiver.ownership import is_visible
from receiver.schemas.bodies import Url, accepted_by, validate, validate_with_input
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.formats import PUBLIC_URL, anchor, documented_pattern
from receiver.schemas.query import Query, TaskId
from receiver.schemas.responses import Relayed
from receiver.schemas.submission import SubmissionBody

# BFL answers a submission in half a second, and some clients time out after five.
ACCEPTANCE_SECONDS = 4.0
FIRST_POLL_SECONDS = 0.02
POLL_BACKOFF = 1.3


class ModelConverter(PathConverter):
    """URL converter: every path under /v1 that may be a model."""

    _bfl_only = "|".join(bfl_submissions.BFL_ONLY_PATHS)
    regex = f"(?!(?:get_result|credits)$|(?:{_bfl_only})(?:/|$))[^/].*?"


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
    webhook_secret: Annotated[str, Field(max_length=1024, pattern=anchor(HEADER_VALUE))] | None = (
        None
    )

    def client_webhook(self) -> ClientWebhook | None:
        if not self.webhook_url:
            return None
        return ClientWebhook(self.webhook_url, self.webhook_secret)


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
    responses={
        200: compat.BflSubmission,
        400: Relayed,
        404: Relayed,
        422: Relayed,
        "4XX": Relayed,
    },
    errors=SUBMISSION_ERRORS,
)
def bfl_submit(model: str) -> ResponseReturnValue:
    """Submit as to BFL. A refusal is relayed if it comes at once."""
    _refuse_dry_run()
    with input_body.receive() as received:
        webhook_fields = validate(WebhookFields, received.fields)
        model_input = bfl_submissions.without_webhook(received.fields)
        body = validate_with_input(SubmissionBody, {"model": model, "input": model_input})
        details = Submission(client_webhook=webhook_fields.client_webhook())
        job = enqueue_request(current_services(), body, details, received.digest)
    job = _await_acceptance(job)
    if job.error and job.error.http_status:
        return _relayed_response(job.error), job.error.http_status
    # The origin by which the client reaches us: some clients send their key to no other one.
    return compat.submission_response(job, current_services().base_url())


def _await_acceptance(job: Job) -> Job:
    """The job when BFL has answered its submission, or after ACCEPTANCE_SECONDS."""
    interval_seconds = FIRST_POLL_SECONDS
    until = time.monotonic() + ACCEPTANCE_SECONDS
    while job.task_id is None and not job.status.terminal and time.monotonic() < until:
        time.sleep(interval_seconds)
        interval_seconds *= POLL_BACKOFF
        current_job = current_services().store.load(job.id)
        if current_job:  # not deleted meanwhile
            job = current_job
    return job


def _relayed_response(error: Failure) -> dict[str, Any]:
    """BFL's error response, with a `message` if it has none."""
    response: dict[str, Any] = {"message": error.message}
    if isinstance(error.answer, dict):
        response.update(error.answer)
    else:
        response["detail"] = error.message
    return response


def _refuse_dry_run() -> None:
    """Raise InvalidField: a dry run, however it is misspelt, must cost nothing.

    Other parameters are ignored, as by BFL.
    """
    for name in request.args:
        if suggest_name(name, ["dry_run"]):
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
    except errors.StoreUnavailable:
        return _poll_response(compat.response_without_result(task_id))
    if job is None or not is_visible(job):
        return _poll_response(compat.unknown_task_response(task_id), HTTPStatus.NOT_FOUND)
    links = current_services().links_to(job)
    waiting_reasons = views.waiting_reasons(current_services(), job)
    return _poll_response(compat.poll_response(job, links, waiting_reasons))


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
        bfl_key_name = current_services().bfl_key_of(current_key_name())
        answer = current_services().bfl_clients[bfl_key_name].credits()
    except errors.BflUnavailable as error:
        return compat.error_response(str(error), str(error)), HTTPStatus.SERVICE_UNAVAILABLE
    if answer.is_key_refused:
        text = "BFL refuses the API key of this Fluxkeep"
        return compat.error_response(text, text), HTTPStatus.BAD_GATEWAY
    return Response(_readable_json(answer.body), answer.status, mimetype="application/json")


def _readable_json(body: bytes) -> bytes:
    """BFL's answer as JSON that every client can read; unchanged if it is no JSON object."""
    try:
        return to_json(lenient_json.load_object(body))
    except errors.BadRequest:
        return body
