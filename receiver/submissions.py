"""`POST /api/jobs`: a job is put in line for BFL, and its caller need not come back."""

import hashlib
import json
import re
import uuid
from typing import Any, NamedTuple, Self

from flask import Blueprint, has_request_context, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from jobs import shape, submission
from jobs.caller import Caller
from jobs.errors import BadField, KeyReused, RefusedUrl
from jobs.hosts import parse
from jobs.job import Job
from jobs.limits import is_model
from jobs.services import Services
from receiver import body
from receiver.access import given_key, requires
from receiver.questions import Metadata, NotifyUrl, allowed, validated
from receiver.wiring import services

# An input may hold pictures as base64; BFL takes up to 20 MB of them.
BODY_MAX_BYTES = 32 * 2**20
MODEL_MAX_CHARS = 200
IDEMPOTENT_SECONDS = 86400.0
GENERATIONS_MAX = 400  # more days than a job is kept

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

blueprint = Blueprint("submissions", __name__, url_prefix="/api/jobs")


class Order(BaseModel):
    """The body of a submission."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field(max_length=MODEL_MAX_CHARS)
    input: dict[str, JsonValue]
    metadata: Metadata = None
    notify_url: NotifyUrl = None

    @field_validator("model")
    @classmethod
    def _path(cls, value: str) -> str:
        if not is_model(value):
            raise ValueError("a path of A-Z a-z 0-9 . _ - segments, as in flux-tools/vto-v2")
        return value


class Wish(NamedTuple):
    """What is to be submitted, and what goes with it on record."""

    model: str
    input: dict[str, Any]
    facts: dict[str, Any]

    @classmethod
    def of(cls, order: Order, caller: Caller | None = None) -> Self:
        said = {"metadata": order.metadata, "notify_url": order.notify_url, "caller": caller}
        facts = {name: value for name, value in said.items() if value is not None}
        return cls(order.model, order.input, facts)


@blueprint.post("")
@requires("submit")
def submit() -> ResponseReturnValue:
    """202 with the job, `queued`; the same again under the same `Idempotency-Key`."""
    raw, wired = body.read(BODY_MAX_BYTES), services()
    order = validated(Order, raw)
    allowed("notify_url", order.notify_url, wired.trust.app)
    job = accepted(wired, Wish.of(order), raw)
    return shape.job(wired, job), 202, {"Location": f"/api/jobs/{job.id}"}


def accepted(wired: Services, wish: Wish, raw: bytes) -> Job:
    """The job of this request, put in line unless its `Idempotency-Key` says that it is."""
    key = request.headers.get("Idempotency-Key")
    return put_in_line(wired, wish) if key is None else _once(wired, wish, key, raw)


def put_in_line(
    wired: Services, wish: Wish, job_id: str | None = None, request_digest: str | None = None
) -> Job:
    """A new job in line for BFL, on record with its input; or the one that has this id."""
    own_id = job_id or str(uuid.uuid4())
    facts = {**wish.facts, "request": request_digest, "reached_at": reached_at(wired)}

    def begin(job: Job | None, now: float) -> Job:
        return job or submission.in_line(own_id, wish.model, now, facts)

    given = json.dumps(wish.input, ensure_ascii=False).encode()
    change = wired.store.change(own_id, begin, new=True, submission=given)
    assert change.after is not None  # `begin` always makes one
    return change.after


def reached_at(wired: Services) -> str | None:
    """Our origin as the caller wrote it, where PUBLIC_URL does not say."""
    if wired.settings.public_url or not has_request_context():
        return None
    try:
        return str(parse(request.host_url).origin)
    except RefusedUrl:
        return None


def _once(wired: Services, wish: Wish, key: str, raw: bytes) -> Job:
    """The job that this key already made within a day, or a new one."""
    if not _KEY.fullmatch(key):
        raise BadField("Idempotency-Key: 1 to 255 printable ASCII characters without spaces")
    digest = hashlib.sha256(raw).hexdigest()[:32]
    job = put_in_line(wired, wish, _free_id(wired, key), digest)
    if job.request != digest:
        raise KeyReused
    return job


def _free_id(wired: Services, key: str) -> str:
    """An id that follows from the key and its holder: two requests at once cannot make two jobs."""
    for generation in range(GENERATIONS_MAX):
        seed = "\0".join((given_key(), key, str(generation)))
        digest = hashlib.sha256(
            b"fluxkeep idempotency 1\0" + seed.encode("utf-8", "replace")
        ).digest()
        job_id = str(uuid.UUID(bytes=digest[:16], version=4))
        known = wired.store.load(job_id)
        if known is None or wired.store.now() < known.created_at + IDEMPOTENT_SECONDS:
            return job_id
    raise KeyReused("this Idempotency-Key was used too often")
