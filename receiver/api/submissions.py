"""`POST /api/jobs`: queue a submission to BFL."""

import hashlib
import json
import logging
import re
import uuid
from typing import Annotated, Any, Literal, NamedTuple, Self

from flask import Blueprint, has_request_context, request
from flask.typing import ResponseReturnValue
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, SecretStr

from jobs import drafts, submission, view_types, views
from jobs.bfl import submissions as dialect
from jobs.bfl.hosts import region_of
from jobs.client_webhook import ClientWebhook
from jobs.config.settings import BFL_REGIONS
from jobs.errors import IdempotencyKeyReused, Invalid, InvalidField, QueueFull, UrlRefused
from jobs.job import Job
from jobs.net.urls import LOOPBACK, parse
from jobs.services import Services
from jobs.signing import idempotent_id
from receiver import request_body
from receiver.auth import given_key, requires
from receiver.context import services
from receiver.openapi import examples
from receiver.schemas.bodies import Metadata, ModelPath, NotifyUrl, allowed, validated
from receiver.schemas.endpoint import EndpointSpec, RequestBodySpec, ResponseSpec, Tag

# An input may hold pictures as base64; BFL accepts up to 20 MB of them.
BODY_MAX_BYTES = 32 * 2**20
IDEMPOTENT_SECONDS = 86400.0
GENERATIONS_MAX = 400  # more days than a job is kept

IDEMPOTENCY_KEY = r"[\x21-\x7e]{1,255}"

RequestKey = tuple[str, str]  # API key and Idempotency-Key

NOTIFIED = "BFL calls Fluxkeep about this job; name your own receiver in notify_url"
Region = Literal["global", "eu", "us", "eu1", "us1"] | None

log = logging.getLogger(__name__)
blueprint = Blueprint("submissions", __name__, url_prefix="/api/jobs")


def _generation(model: str) -> str:
    if not dialect.is_generation(model):
        raise ValueError(dialect.refuse_no_generation(model))
    return model


class SubmissionBody(BaseModel):
    """The body of a submission."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[ModelPath, AfterValidator(_generation)]
    input: dict[str, JsonValue]
    metadata: Metadata = None
    notify_url: NotifyUrl = None
    region: Annotated[Region, Field(description="of BFL; BFL_API_URL where none is named")] = None


class SubmissionRequest(NamedTuple):
    """A submission request: the input for BFL, and the facts for our record."""

    model: str
    input: dict[str, Any]
    facts: dict[str, Any]

    @classmethod
    def of(cls, given: SubmissionBody, caller: ClientWebhook | None = None) -> Self:
        """Raises Invalid when the input holds a webhook: BFL calls Fluxkeep."""
        if wrong := [name for name in dialect.WEBHOOK_FIELDS if name in given.input]:
            raise Invalid([{"field": f"input.{name}", "message": NOTIFIED} for name in wrong])
        said = {
            "metadata": given.metadata,
            "notify_url": given.notify_url,
            "region": given.region,
            "caller": caller,
        }
        facts = {name: value for name, value in said.items() if value is not None}
        return cls(given.model, given.input, facts)


@blueprint.post("")
@requires("submit")
@EndpointSpec(
    operation_id="submitJob",
    summary="Submit to BFL",
    tag=Tag.JOBS,
    headers=("Idempotency-Key",),
    body=RequestBodySpec(body_type=SubmissionBody, examples={"a picture": examples.SUBMISSION}),
    responses={
        202: ResponseSpec(
            "The queued job.",
            view_types.Job,
            headers=("Location",),
            example=examples.queued,
        )
    },
    errors=(IdempotencyKeyReused, QueueFull),
    callback_field="notify_url",
)
def submit() -> ResponseReturnValue:
    """202 with the queued job; the same job again under the same `Idempotency-Key`."""
    raw = request_body.read(BODY_MAX_BYTES)
    body = validated(SubmissionBody, raw)
    allowed("notify_url", body.notify_url, services().trust.app)
    job = enqueue_request(services(), SubmissionRequest.of(body), raw)
    return views.job(services(), job), 202, {"Location": f"/api/jobs/{job.id}"}


def enqueue_request(services: Services, asked: SubmissionRequest, raw: bytes) -> Job:
    """Queue the job of this request, unless its `Idempotency-Key` already made one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return enqueue(services, asked)
    return enqueue_once(services, asked, (given_key(), key), raw)


def enqueue(
    services: Services,
    asked: SubmissionRequest,
    job_id: str | None = None,
    request_digest: str | None = None,
) -> Job:
    """Record and queue a new job with its input, or return the one that has this id.

    Raises Invalid for a region that BFL_API_URL excludes, and for a draft that is not there.
    """
    _check_region(services, asked.facts.get("region"))
    draft = drafts.find(services, asked.input)
    own_id = job_id or str(uuid.uuid4())
    given = json.dumps(asked.input, ensure_ascii=False).encode()
    facts = {
        **asked.facts,
        "request": request_digest,
        "base_url": _known_origin(services),
        "input_bytes": len(given),
    }

    def begin(job: Job | None, now: float) -> Job:
        return job or _created(services, own_id, asked.model, now, facts, draft)

    change = services.store.change(own_id, begin, new=True, submission=given)
    assert change.after is not None  # `begin` always makes one
    if change.written:
        log.info("job %s: queued for %s", own_id, asked.model)
    return change.after


def _check_region(services: Services, region: str | None) -> None:
    """Nothing of a job leaves the region of BFL_API_URL."""
    bound = services.settings.region
    if region and bound and region_of(parse(BFL_REGIONS[region]).origin.host) != bound:
        raise Invalid([{"field": "region", "message": f"this Fluxkeep keeps its jobs in {bound}"}])


def _created(
    services: Services,
    job_id: str,
    model: str,
    now: float,
    facts: dict[str, Any],
    draft: drafts.Bundle | None,
) -> Job:
    job = submission.create(job_id, model, now, facts)
    if draft:
        job = job.with_event(now, "enhances a draft", job=draft.job.id, file=draft.position)
    if dialect.is_bound_to_region(model) and services.origin_of(job).host == dialect.BFL_HOST:
        return job.with_event(now, "perhaps the wrong region", reason=dialect.BOUND_TO_REGION)
    return job


def _known_origin(services: Services) -> str | None:
    """Our origin as the caller reaches it; a sandbox must not send secrets to just any host."""
    found = base_url(services)
    calls = services.settings.bfl_reaches_us
    abroad = found and parse(found).origin.host.strip("[]") not in LOOPBACK
    return None if calls and abroad else found


def base_url(services: Services) -> str | None:
    """Our origin by the caller's Host header, where there is no PUBLIC_URL."""
    if services.settings.public_url or not has_request_context():
        return None
    try:
        return str(parse(request.host_url).origin)
    except UrlRefused:
        return None


def enqueue_once(services: Services, asked: SubmissionRequest, key: RequestKey, raw: bytes) -> Job:
    """The job that this key made within a day, or a new one.

    Raises BadField, and KeyReused when the key came with another request before.
    """
    if not re.fullmatch(IDEMPOTENCY_KEY, key[1]):
        raise InvalidField("Idempotency-Key", "1 to 255 printable ASCII characters without spaces")
    digest = hashlib.sha256(f"{request.path}\0".encode())  # under /v1 it names the model
    digest.update(raw)
    request_digest = digest.hexdigest()[:32]
    job = enqueue(services, asked, _own_id(services, key), request_digest)
    if job.request != request_digest:
        raise IdempotencyKeyReused
    return job


def _own_id(services: Services, key: RequestKey) -> str:
    """Derive the id from the key and its holder: concurrent requests make one job.

    A job that was made under an older SECRET_KEY is found as well.
    """
    found = [_place(services, secret, key) for secret in services.settings.secret_key]
    return next((job_id for job_id, made in found if made), found[0][0])


def _place(services: Services, secret: SecretStr, key: RequestKey) -> tuple[str, bool]:
    """The id of the job that this key made within a day, and True; else the next free id."""
    for generation in range(GENERATIONS_MAX):
        job_id = idempotent_id(secret, *key, str(generation))
        known = services.store.load(job_id)
        if known is None or services.store.now() < known.created_at + IDEMPOTENT_SECONDS:
            return job_id, known is not None
    raise IdempotencyKeyReused("this Idempotency-Key was used too often")
