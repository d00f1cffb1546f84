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

from jobs import bfl_submissions as dialect
from jobs import shape, shown, submission
from jobs.caller import Caller
from jobs.errors import BadField, Invalid, KeyReused, LineFull, RefusedUrl
from jobs.hosts import LOOPBACK, parse, region_of
from jobs.job import Job
from jobs.services import Services
from jobs.settings import BFL_REGIONS
from jobs.signing import idempotent_id
from receiver import body, samples
from receiver.access import given_key, requires
from receiver.bodies import Metadata, ModelPath, NotifyUrl, allowed, validated
from receiver.contract import Answer, Body, Contract, Tag
from receiver.wiring import services

# An input may hold pictures as base64; BFL accepts up to 20 MB of them.
BODY_MAX_BYTES = 32 * 2**20
IDEMPOTENT_SECONDS = 86400.0
GENERATIONS_MAX = 400  # more days than a job is kept

IDEMPOTENCY_KEY = r"[\x21-\x7e]{1,255}"

OnceKey = tuple[str, str]  # API key and Idempotency-Key

NOTIFIED = "BFL calls Fluxkeep about this job; name your own receiver in notify_url"
Region = Literal["global", "eu", "us", "eu1", "us1"] | None

log = logging.getLogger(__name__)
blueprint = Blueprint("submissions", __name__, url_prefix="/api/jobs")


def _generation(model: str) -> str:
    if not dialect.is_generation(model):
        raise ValueError(dialect.refuse_no_generation(model))
    return model


class Order(BaseModel):
    """The body of a submission."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[ModelPath, AfterValidator(_generation)]
    input: dict[str, JsonValue]
    metadata: Metadata = None
    notify_url: NotifyUrl = None
    region: Annotated[Region, Field(description="of BFL; BFL_API_URL where none is named")] = None


class Wish(NamedTuple):
    """A submission request: the input for BFL, and the facts for our record."""

    model: str
    input: dict[str, Any]
    facts: dict[str, Any]

    @classmethod
    def of(cls, order: Order, caller: Caller | None = None) -> Self:
        """Raises Invalid when the input holds a webhook: BFL calls Fluxkeep."""
        if wrong := [name for name in dialect.WEBHOOK_FIELDS if name in order.input]:
            raise Invalid([{"field": f"input.{name}", "message": NOTIFIED} for name in wrong])
        said = {
            "metadata": order.metadata,
            "notify_url": order.notify_url,
            "region": order.region,
            "caller": caller,
        }
        facts = {name: value for name, value in said.items() if value is not None}
        return cls(order.model, order.input, facts)


@blueprint.post("")
@requires("submit")
@Contract(
    name="submitJob",
    summary="Submit to BFL",
    tag=Tag.JOBS,
    headers=("Idempotency-Key",),
    body=Body(kind=Order, samples={"a picture": samples.ORDER}),
    answers={
        202: Answer(
            what="The job, in line.", kind=shown.Job, headers=("Location",), sample=samples.queued
        )
    },
    errors=(KeyReused, LineFull),
    tells="notify_url",
)
def submit() -> ResponseReturnValue:
    """202 with the queued job; the same job again under the same `Idempotency-Key`."""
    raw, wired = body.read(BODY_MAX_BYTES), services()
    order = validated(Order, raw)
    allowed("notify_url", order.notify_url, wired.trust.app)
    job = accepted(wired, Wish.of(order), raw)
    return shape.job(wired, job), 202, {"Location": f"/api/jobs/{job.id}"}


def accepted(wired: Services, wish: Wish, raw: bytes) -> Job:
    """Queue the job of this request, unless its `Idempotency-Key` already made one."""
    key = request.headers.get("Idempotency-Key")
    return put_in_line(wired, wish) if key is None else once(wired, wish, (given_key(), key), raw)


def put_in_line(
    wired: Services, wish: Wish, job_id: str | None = None, request_digest: str | None = None
) -> Job:
    """Record and queue a new job with its input, or return the one that has this id.

    Raises Invalid for a region that BFL_API_URL excludes.
    """
    _check_region(wired, wish.facts.get("region"))
    own_id = job_id or str(uuid.uuid4())
    given = json.dumps(wish.input, ensure_ascii=False).encode()
    facts = {
        **wish.facts,
        "request": request_digest,
        "reached_at": _known_origin(wired),
        "input_bytes": len(given),
    }

    def begin(job: Job | None, now: float) -> Job:
        return job or _created(wired, own_id, wish.model, now, facts)

    change = wired.store.change(own_id, begin, new=True, submission=given)
    assert change.after is not None  # `begin` always makes one
    if change.written:
        log.info("job %s: in line for %s", own_id, wish.model)
    return change.after


def _check_region(wired: Services, region: str | None) -> None:
    """Nothing of a job leaves the region of BFL_API_URL."""
    bound = wired.settings.region
    if region and bound and region_of(parse(BFL_REGIONS[region]).origin.host) != bound:
        raise Invalid([{"field": "region", "message": f"this Fluxkeep keeps its jobs in {bound}"}])


def _created(wired: Services, job_id: str, model: str, now: float, facts: dict[str, Any]) -> Job:
    job = submission.create(job_id, model, now, facts)
    if dialect.is_bound_to_region(model) and wired.origin_of(job).host == dialect.BFL_HOST:
        return job.noted(now, "perhaps the wrong region", reason=dialect.BOUND_TO_REGION)
    return job


def _known_origin(wired: Services) -> str | None:
    """Our origin as the caller reaches it; a sandbox must not send secrets to just any host."""
    found = reached_at(wired)
    calls = wired.settings.bfl_reaches_us
    abroad = found and parse(found).origin.host.strip("[]") not in LOOPBACK
    return None if calls and abroad else found


def reached_at(wired: Services) -> str | None:
    """Our origin by the caller's Host header, where there is no PUBLIC_URL."""
    if wired.settings.public_url or not has_request_context():
        return None
    try:
        return str(parse(request.host_url).origin)
    except RefusedUrl:
        return None


def once(wired: Services, wish: Wish, key: OnceKey, raw: bytes) -> Job:
    """The job that this key made within a day, or a new one.

    Raises BadField, and KeyReused when the key came with another request before.
    """
    if not re.fullmatch(IDEMPOTENCY_KEY, key[1]):
        raise BadField("Idempotency-Key", "1 to 255 printable ASCII characters without spaces")
    digest = hashlib.sha256(f"{request.path}\0".encode())  # under /v1 it names the model
    digest.update(raw)
    asked = digest.hexdigest()[:32]
    job = put_in_line(wired, wish, _own_id(wired, key), asked)
    if job.request != asked:
        raise KeyReused
    return job


def _own_id(wired: Services, key: OnceKey) -> str:
    """Derive the id from the key and its holder: concurrent requests make one job.

    A job that was made under an older SECRET_KEY is found as well.
    """
    found = [_place(wired, secret, key) for secret in wired.settings.secret_key]
    return next((job_id for job_id, made in found if made), found[0][0])


def _place(wired: Services, secret: SecretStr, key: OnceKey) -> tuple[str, bool]:
    """The id of the job that this key made within a day, and True; else the next free id."""
    for generation in range(GENERATIONS_MAX):
        job_id = idempotent_id(secret, *key, str(generation))
        known = wired.store.load(job_id)
        if known is None or wired.store.now() < known.created_at + IDEMPOTENT_SECONDS:
            return job_id, known is not None
    raise KeyReused("this Idempotency-Key was used too often")
