"""`POST /api/jobs`: a job is put in line for BFL, and its caller need not come back."""

import hashlib
import json
import logging
import re
import uuid
from typing import Any, NamedTuple, Self

from flask import Blueprint, has_request_context, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, JsonValue, SecretStr

from jobs import shape, shown, submission
from jobs.caller import Caller
from jobs.errors import BadField, KeyReused, LineFull, RefusedUrl
from jobs.hosts import LOOPBACK, parse
from jobs.job import Job
from jobs.services import Services
from jobs.signing import idempotent_id
from receiver import body, samples
from receiver.access import given_key, requires
from receiver.bodies import Metadata, ModelPath, NotifyUrl, allowed, validated
from receiver.contract import Answer, Body, Contract, Tag
from receiver.wiring import services

# An input may hold pictures as base64; BFL takes up to 20 MB of them.
BODY_MAX_BYTES = 32 * 2**20
IDEMPOTENT_SECONDS = 86400.0
GENERATIONS_MAX = 400  # more days than a job is kept

IDEMPOTENCY_KEY = r"[\x21-\x7e]{1,255}"

OnceKey = tuple[str, str]  # who says so, and what they say

log = logging.getLogger(__name__)
blueprint = Blueprint("submissions", __name__, url_prefix="/api/jobs")


class Order(BaseModel):
    """The body of a submission."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: ModelPath
    input: dict[str, JsonValue]
    metadata: Metadata = None
    notify_url: NotifyUrl = None


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
    """202 with the job, `queued`; the same again under the same `Idempotency-Key`."""
    raw, wired = body.read(BODY_MAX_BYTES), services()
    order = validated(Order, raw)
    allowed("notify_url", order.notify_url, wired.trust.app)
    job = accepted(wired, Wish.of(order), raw)
    return shape.job(wired, job), 202, {"Location": f"/api/jobs/{job.id}"}


def accepted(wired: Services, wish: Wish, raw: bytes) -> Job:
    """The job of this request, put in line unless its `Idempotency-Key` says that it is."""
    key = request.headers.get("Idempotency-Key")
    return put_in_line(wired, wish) if key is None else once(wired, wish, (given_key(), key), raw)


def put_in_line(
    wired: Services, wish: Wish, job_id: str | None = None, request_digest: str | None = None
) -> Job:
    """A new job in line for BFL, on record with its input; or the one that has this id."""
    own_id = job_id or str(uuid.uuid4())
    given = json.dumps(wish.input, ensure_ascii=False).encode()
    facts = {
        **wish.facts,
        "request": request_digest,
        "reached_at": _known_origin(wired),
        "input_bytes": len(given),
    }

    def begin(job: Job | None, now: float) -> Job:
        return job or submission.create(own_id, wish.model, now, facts)

    change = wired.store.change(own_id, begin, new=True, submission=given)
    assert change.after is not None  # `begin` always makes one
    if change.written:
        log.info("job %s: in line for %s", own_id, wish.model)
    return change.after


def _known_origin(wired: Services) -> str | None:
    """Where our submitter reaches us, unless a sandbox would tell a host of its choice secrets."""
    found = reached_at(wired)
    calls = wired.settings.bfl_reaches_us
    abroad = found and parse(found).origin.host.strip("[]") not in LOOPBACK
    return None if calls and abroad else found


def reached_at(wired: Services) -> str | None:
    """Our origin as the caller wrote it, where PUBLIC_URL does not say."""
    if wired.settings.public_url or not has_request_context():
        return None
    try:
        return str(parse(request.host_url).origin)
    except RefusedUrl:
        return None


def once(wired: Services, wish: Wish, key: OnceKey, raw: bytes) -> Job:
    """The job that this key already made within a day, or a new one.

    Raises BadField, and KeyReused when the same key came with another request before.
    """
    if not re.fullmatch(IDEMPOTENCY_KEY, key[1]):
        raise BadField("Idempotency-Key", "1 to 255 printable ASCII characters without spaces")
    digest = hashlib.sha256(f"{request.path}\0".encode())  # where a model may be named, too
    digest.update(raw)
    asked = digest.hexdigest()[:32]
    job = put_in_line(wired, wish, _own_id(wired, key), asked)
    if job.request != asked:
        raise KeyReused
    return job


def _own_id(wired: Services, key: OnceKey) -> str:
    """An id that follows from the key and its holder: two requests at once cannot make two jobs.

    A job that was made under an older SECRET_KEY is found as well.
    """
    found = [_place(wired, secret, key) for secret in wired.settings.secret_key]
    return next((job_id for job_id, made in found if made), found[0][0])


def _place(wired: Services, secret: SecretStr, key: OnceKey) -> tuple[str, bool]:
    """The id of the job that this key made within a day, and True; else the next free one."""
    for generation in range(GENERATIONS_MAX):
        job_id = idempotent_id(secret, *key, str(generation))
        known = wired.store.load(job_id)
        if known is None or wired.store.now() < known.created_at + IDEMPOTENT_SECONDS:
            return job_id, known is not None
    raise KeyReused("this Idempotency-Key was used too often")
