"""BFL-compatible API (`/v1`): BFL clients work with only their base URL and key changed."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, field_validator
from werkzeug.routing import PathConverter

from jobs import views
from jobs.bfl import compat
from jobs.bfl import submissions as dialect
from jobs.bfl.hosts import HostPolicy
from jobs.client_webhook import ClientWebhook
from jobs.errors import (
    BadRequest,
    BflUnavailable,
    IdempotencyKeyReused,
    QueueFull,
    StoreUnavailable,
)
from jobs.job import Job
from jobs.net.headers import VALUE, is_header
from jobs.report import Failure
from receiver import request_body
from receiver.api import submissions
from receiver.api.submissions import BODY_MAX_BYTES, SubmissionBody, SubmissionRequest
from receiver.auth import requires
from receiver.context import services
from receiver.openapi import examples
from receiver.schemas.bodies import allowed, an_object, checked
from receiver.schemas.endpoint import EndpointSpec, RequestBodySpec, ResponseSpec, Tag
from receiver.schemas.patterns import anchored, said
from receiver.schemas.query import Query, TaskId
from receiver.schemas.responses import Relayed

# BFL answers a submission in half a second, and some clients time out after five.
TAKEN_SECONDS = 4.0
FIRST_LOOK_SECONDS = 0.02
LOOKS_SLOW_DOWN = 1.3


class ModelPath(PathConverter):
    """Every path under /v1 that is not another of BFL's own."""

    regex = "(?!(?:get_result|credits)$)[^/].*?"


blueprint = Blueprint("dropin", __name__, url_prefix="/v1")


class Webhook(BaseModel):
    """The client's own webhook, which a client of BFL sends within its input."""

    model_config = ConfigDict(strict=True)

    webhook_url: str | None = Field(default=None, min_length=1, max_length=2083)
    webhook_secret: Annotated[str, Field(max_length=1024), said(pattern=anchored(VALUE))] | None = (
        None
    )

    @field_validator("webhook_secret")
    @classmethod
    def _is_sent_as_header(cls, value: str | None) -> str | None:
        if value is not None and not is_header(value):
            raise ValueError("cannot be an HTTP header: it holds control characters or odd letters")
        return value

    def caller(self, trust: HostPolicy) -> ClientWebhook | None:
        """Raises Invalid."""
        if self.webhook_url is None:
            return None
        allowed("webhook_url", self.webhook_url, trust.caller)
        return ClientWebhook(self.webhook_url, self.webhook_secret)


class ResultQuery(Query):
    """Parameters of a poll; BFL ignores those that it does not know."""

    model_config = ConfigDict(extra="ignore")
    repeated = frozenset({"id"})  # BFL's guide appends it to a polling URL that has it already

    id: TaskId


# BFL's refusals are relayed as they are, if they come within a few seconds.
REFUSED: Mapping[int | str, ResponseSpec] = {
    status: ResponseSpec("BFL, or Fluxkeep itself, does not take it.", Relayed)
    for status in (400, 404, 422, "4XX")
}


@blueprint.post("/<model:model>")
@requires("submit")
@EndpointSpec(
    operation_id="bflSubmit",
    summary="Submit as to BFL",
    tag=Tag.BFL,
    headers=("Idempotency-Key",),
    body=RequestBodySpec(body_type=Webhook, examples={"a picture": examples.INPUT}),
    responses={
        200: ResponseSpec("The task.", compat.Taken, example=examples.taken),
        **REFUSED,
    },
    errors=(IdempotencyKeyReused, QueueFull),
    callback_field="webhook_url",
)
def submit(model: str) -> ResponseReturnValue:
    """BFL's answer to a submission, or its refusal when that comes at once."""
    if not dialect.is_generation(model):
        raise BadRequest(dialect.refuse_no_generation(model))
    raw = request_body.read(BODY_MAX_BYTES)
    given = an_object(raw)
    caller = checked(Webhook, given).caller(services().trust)
    asked = {name: value for name, value in given.items() if name not in dialect.WEBHOOK_FIELDS}
    order = checked(SubmissionBody, {"model": model, "input": asked})
    job = _settled(
        submissions.enqueue_request(services(), SubmissionRequest.of(order, caller), raw)
    )
    if job.error and job.error.status:
        return _refused(job.error, job.error.status)
    return compat.submitted(job, base_url())


def _settled(job: Job) -> Job:
    """Wait until BFL has taken or refused the job, or until TAKEN_SECONDS are over."""
    store, pause = services().store, FIRST_LOOK_SECONDS
    until = time.monotonic() + TAKEN_SECONDS
    while job.task_id is None and not job.status.terminal and time.monotonic() < until:
        time.sleep(pause)
        pause *= LOOKS_SLOW_DOWN
        job = store.load(job.id) or job
    return job


def _refused(failure: Failure, status: int) -> ResponseReturnValue:
    said = failure.said if isinstance(failure.said, dict) else {"detail": failure.message}
    return {"message": failure.message, **said}, status


@blueprint.get("/get_result")
@requires("read")
@EndpointSpec(
    operation_id="bflResult",
    summary="Ask as one asks BFL",
    tag=Tag.BFL,
    query=ResultQuery,
    responses={
        200: ResponseSpec(
            "The task.",
            compat.Told,
            headers=("Retry-After",),
            example=examples.finished,
        ),
        404: ResponseSpec(
            "No such task.",
            compat.Told,
            headers=("Retry-After",),
            example=examples.unknown,
        ),
    },
    uses_redis=False,
)
def get_result() -> ResponseReturnValue:
    """State of a job, by its own id or BFL's."""
    task_id = ResultQuery.read().id
    try:
        job = services().store.load(task_id)
    except StoreUnavailable:
        return _polled(compat.pending(task_id))
    if job is None:
        return _polled(compat.unknown(task_id), HTTPStatus.NOT_FOUND)
    links, waiting = services().links_to(job, base_url()), views.waiting_reasons(services(), job)
    return _polled(compat.told(job, links, waiting))


def _polled(said: compat.Told, status: int = HTTPStatus.OK) -> ResponseReturnValue:
    return said, status, {"Retry-After": str(compat.RETRY_AFTER_SECONDS)}


@blueprint.get("/credits")
@requires("read")
@EndpointSpec(
    operation_id="bflCredits",
    summary="What is left at BFL",
    tag=Tag.BFL,
    responses={
        200: ResponseSpec("BFL's own answer.", compat.Credits),
        "default": ResponseSpec("BFL's own answer, whatever it is.", Any),
        502: ResponseSpec("BFL refuses the key of this Fluxkeep.", compat.Error),
        503: ResponseSpec("BFL does not answer.", compat.Error),
    },
    uses_redis=False,
)
def credits_left() -> ResponseReturnValue:
    """BFL's own answer to the operator's key."""
    try:
        answer = services().api.credits()
    except BflUnavailable as error:
        return compat.error(str(error), str(error)), HTTPStatus.SERVICE_UNAVAILABLE
    if answer.key_refused:
        text = "BFL refuses the API key of this Fluxkeep"
        return compat.error(text, text), HTTPStatus.BAD_GATEWAY
    return Response(answer.body, answer.status, mimetype="application/json")


def base_url() -> str:
    """The origin that the client uses: some clients send their key to no other."""
    settings = services().settings
    return settings.public_url or submissions.base_url(services()) or settings.base_url
