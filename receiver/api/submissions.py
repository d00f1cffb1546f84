"""Submissions: `POST /api/jobs` queues a job for BFL."""

import logging
import re
import uuid
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from flask import (
    Blueprint,
    Response,
    after_this_request,
    has_request_context,
    jsonify,
    request,
)
from flask.typing import ResponseReturnValue
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
)

from jobs import drafts, kept_inputs, views
from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.hosts import API_HOSTS, region_of
from jobs.bfl.input_problems import (
    NAME_MAX_CHARS,
    InputFindings,
    InputProblem,
    judge,
    plain_name,
)
from jobs.domain import errors, submission
from jobs.domain.job import Job
from jobs.domain.job_record import Request, Submission
from jobs.domain.retention import DAY_SECONDS
from jobs.domain.timeline import EventCode
from jobs.net.urls import parse
from jobs.services import Services
from jobs.signing import idempotent_id
from jobs.store.commit import Change, CommitOptions
from jobs.views import JobView
from receiver import input_body, input_storage
from receiver.auth import current_key_name, request_key
from receiver.context import current_services, reader_origin
from receiver.ownership import is_visible
from receiver.schemas.bodies import Metadata, ModelPath, NotifyUrl, validate_with_input
from receiver.schemas.endpoint_spec import EndpointSpec
from receiver.schemas.formats import IDEMPOTENCY_KEY
from receiver.schemas.query import Query

IDEMPOTENCY_SECONDS = 86400.0
TRIES_MAX = 3
BUDGET_ERRORS = (errors.OverBudget, errors.PriceUnknown)

IdempotencyKey = tuple[str, str]  # API key (or session), and Idempotency-Key header

WEBHOOK_IN_INPUT = "BFL calls Fluxkeep for this job; give your own receiver as notify_url"
Region = Literal["global", "eu", "us", "eu1", "us1"] | None
OverBudgetChoice = Annotated[
    Literal["refuse", "wait"],
    Field(description="for a job that the key's budget has no room for: 402, or queued until then"),
]

log = logging.getLogger(__name__)
blueprint = Blueprint("submissions", __name__, url_prefix="/api/jobs")


def _require_generation(model: str) -> str:
    if not bfl_submissions.is_generation(model):
        raise ValueError(bfl_submissions.explain_no_generation(model))
    return model


def _refuse_webhook(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises Invalid: BFL calls Fluxkeep instead."""
    if wrong := [name for name in bfl_submissions.WEBHOOK_FIELDS if name in value]:
        raise errors.Invalid(
            [{"field": f"input.{name}", "message": WEBHOOK_IN_INPUT} for name in wrong]
        )
    return value


class SubmissionBody(BaseModel):
    """Body of `POST /api/jobs`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[ModelPath, AfterValidator(_require_generation)]
    input: Annotated[dict[str, JsonValue], AfterValidator(_refuse_webhook)]
    metadata: Metadata = None
    notify_url: NotifyUrl = None
    region: Annotated[
        Region,
        Field(description="BFL_API_URL decides if absent; `eu1` and `us1` are BFL's older hosts"),
    ] = None
    over_budget: OverBudgetChoice = "refuse"


DryRun = Annotated[
    bool, Field(description="`true` or `1` submits nothing, and says what it would cost")
]


class SubmissionQuery(Query):
    """Parameters of a submission."""

    dry_run: DryRun = False


class DryRunView(InputFindings):
    """What a submission would cost, in credits, and what BFL's document says of its input."""

    price: Annotated[float | None, Field(description="the last one that BFL named; null: none yet")]
    known: Annotated[
        bool, Field(description="for this mode and size; otherwise it is the model's dearest")
    ]
    left: Annotated[float | None, Field(description="of the key's budgets; null without one")]


class SubmittedJobView(JobView):
    """The job that was queued."""

    warnings: Annotated[
        list[InputProblem],
        Field(description="the model or fields that BFL's document does not know: perhaps typos"),
    ]


@blueprint.post("")
@EndpointSpec(
    scope="submit",
    query=SubmissionQuery,
    headers=("Idempotency-Key",),
    body=SubmissionBody,
    responses={200: DryRunView, 202: SubmittedJobView},
    errors=(*BUDGET_ERRORS, errors.QueueFull, errors.StorageError, errors.StorageFull),
)
def submit_job() -> ResponseReturnValue:
    """Submit to BFL. A repeated `Idempotency-Key` returns the same job."""
    is_dry_run = SubmissionQuery.read().dry_run
    with input_body.received() as received:
        body = validate_with_input(SubmissionBody, received.fields)
        if is_dry_run:
            return jsonify(dry_run(current_services(), body))
        job = enqueue_request(current_services(), body, Submission(), received.digest)
    return submitted(current_services(), job, body)


def submitted(services: Services, job: Job, body: SubmissionBody) -> ResponseReturnValue:
    """The 202 of a job, with warnings about its input."""
    view: SubmittedJobView = {
        **views.job_view(services, job),
        "warnings": judge(services.schemas.endpoints(), body.model, body.input)["warnings"],
    }
    return jsonify(view), HTTPStatus.ACCEPTED, {"Location": f"/api/jobs/{job.id}"}


def dry_run(services: Services, body: SubmissionBody) -> DryRunView:
    """Check a submission and tell its price, without a job.

    Raises what `enqueue_request` raises, but for a budget or queue that is full.
    """
    if has_request_context():
        _require_idempotency_key(request.headers.get("Idempotency-Key"))
    _require_region(services, body.region)
    _refuse_dry_run_in_input(services, body)
    drafts.find(services, body.input, is_visible)
    packed = kept_inputs.pack(body.input, services.settings.max_input_bytes)
    price = services.budgets.price(body.model, packed.values)
    findings = judge(services.schemas.endpoints(), body.model, body.input)
    return {
        "price": price.credits,
        "known": price.is_known,
        "left": services.budgets.left(current_key_name()),
        "problems": findings["problems"],
        "warnings": findings["warnings"],
    }


def enqueue_request(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    digest: str,
    repeats: str | None = None,
) -> Job:
    """Queue the job of this request, unless its `Idempotency-Key` already made one.

    `digest` is that of the request, in hex; `repeats` is the id of the job that it repeats.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return enqueue(services, body, details, repeats)
    return enqueue_once(services, body, details, (request_key(), key), digest, repeats)


def enqueue(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    repeats: str | None = None,
    job_id: str | None = None,
    rivals: tuple[str, ...] = (),
) -> Job:
    """Store its input, and record and queue a new job, or return the job with this id.

    Raises what `_record` raises.
    """
    return _record(services, body, details, repeats, job_id, rivals).after


def _record(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    repeats: str | None = None,
    job_id: str | None = None,
    rivals: tuple[str, ...] = (),
) -> Change[Job]:
    """Record and queue a new job, unless there is one with this id.

    Raises UnknownJob if there is one of its `rivals`, Invalid for a region that BFL_API_URL
    excludes, for a dry run among the fields and for a missing draft, what
    `kept_inputs.require_limits` raises, OverBudget, QueueFull, StorageError and StoreUnavailable.
    """
    _require_region(services, body.region)
    _refuse_dry_run_in_input(services, body)
    draft = drafts.find(services, body.input, is_visible)
    packed = kept_inputs.pack(body.input, services.settings.max_input_bytes)
    if packed.parts:
        services.store.require_room()
    own_id, created_at = job_id or str(uuid.uuid4()), services.store.now()
    files = packed.files(own_id, created_at)
    asked = Request(
        repeats=repeats,
        region=body.region,
        base_url=_callback_base_url(services),
        kept_input=packed.values,
        input_files=files,
        deletes_input=not services.settings.keep_inputs,
        key=current_key_name(),
        draft=draft,
    )

    def create(job: Job | None, now: float, refusal: errors.OverBudget | None = None) -> Job:
        if job:
            return job
        new = submission.create(own_id, body.model, now, asked, body.metadata, body.notify_url)
        if draft:
            event = EventCode.SUBMISSION_DRAFT_REFERENCED
            new = new.with_event(now, event, job=draft.job_id, file=draft.position)
        # The keys of the objects begin with the day of its creation.
        new = new.evolve(created_at=created_at).with_submission(
            client_webhook=details.client_webhook,
            request_digest=details.request_digest,
            bfl_key=services.bfl_key_of(asked.key),
        )
        return submission.await_budget(new, now, refusal) if refusal else new

    def write(note: str | None) -> Change[Job]:
        options = CommitOptions(input_note=note, rivals=rivals)
        try:
            return services.store.update(own_id, create, options, new=True)
        except errors.OverBudget as error:
            if body.over_budget == "refuse":
                raise
            awaiting = partial(create, refusal=error)
            return services.store.update(own_id, awaiting, options, new=True)

    change = input_storage.record(services, packed.parts, files, write, is_new_id=job_id is None)
    if change.written:
        log.info("job %s: queued for %s", own_id, body.model)
    return change


def _refuse_dry_run_in_input(services: Services, body: SubmissionBody) -> None:
    """Raise Invalid: BFL ignores the field, makes the picture, and bills it."""
    names = [name for name in body.input if plain_name(name) == plain_name("dry_run")]
    if not names:
        return
    endpoint = services.schemas.endpoints().get(body.model)
    documented = endpoint.modes[endpoint.mode_of(body.input)].fields if endpoint else {}
    for name in names:
        if name not in documented:
            message = "it belongs into the query: POST /api/jobs?dry_run=true submits nothing"
            raise errors.Invalid([{"field": f"input.{name[:NAME_MAX_CHARS]}", "message": message}])


def _require_region(services: Services, region: str | None) -> None:
    """A regional BFL_API_URL binds all jobs to its region. Raises Invalid."""
    required = services.settings.region
    if region and required and region_of(API_HOSTS[region]) != required:
        raise errors.Invalid(
            [{"field": "region", "message": f"this Fluxkeep keeps its jobs in {required}"}]
        )


def _callback_base_url(services: Services) -> str | None:
    """Our origin by the caller's Host header, for a sandbox to call back; else None.

    A sandbox calls loopback origins only: a forged Host must not receive secrets.
    """
    url = reader_origin() if services.settings.has_sandbox else None
    return url if url and parse(url).origin.is_loopback else None


def enqueue_once(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    key: IdempotencyKey,
    digest: str,
    repeats: str | None,
) -> Job:
    """Return the job of this key, or create one. Raises InvalidField, IdempotencyKeyReused."""
    _require_idempotency_key(key[1])
    details = replace(details, request_digest=digest[:32])
    for _ in range(TRIES_MAX):
        job, others = _find_job(services, key)
        is_replay = True
        if job is None:
            today = _ids(services, services.settings.secret_key[0], key)[0]
            try:
                change = _record(services, body, details, repeats, today, others)
                job = change.after
                is_replay = not change.written
            except errors.UnknownJob:  # the same request came first, on another day
                continue
            except errors.Evicted:  # and a moment ago the archive did not have it
                raise errors.ArchiveUnavailable("the archive lacks a job that it had") from None
        if job.submission.request_digest != details.request_digest:
            raise errors.IdempotencyKeyReused
        if is_replay:
            after_this_request(_mark_replay)
        return job
    raise errors.StoreUnavailable("a job of this Idempotency-Key comes and goes")


def _require_idempotency_key(key: str | None) -> None:
    """Raises InvalidField."""
    if key is not None and not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise errors.InvalidField(
            "Idempotency-Key", "give 1 to 255 printable ASCII characters without spaces"
        )


def _mark_replay(response: Response) -> Response:
    """Tell the caller that this request made no job: a request before it did."""
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _find_job(services: Services, key: IdempotencyKey) -> tuple[Job | None, tuple[str, ...]]:
    """The job that this key created within a day, durably; and ids that it must not get meanwhile.

    Older SECRET_KEYs are tried, too, to find a job that was created before a rotation.
    """
    secrets = services.settings.secret_key
    ids = [job_id for secret in secrets for job_id in _ids(services, secret, key)]
    created_after = services.store.now() - IDEMPOTENCY_SECONDS
    known = services.catalog.load_many(ids, or_new=True)
    for job in known.values():
        if job and job.created_at > created_after:
            return services.store.update(job.id, lambda found, _now: found).after or job, ()
    return None, tuple(job_id for job_id in ids[1:] if job_id not in known)


def _ids(services: Services, secret: SecretStr, key: IdempotencyKey) -> list[str]:
    """The ids of a key's jobs, of today and the days around it: one job also at midnight."""
    today = int(services.store.now() // DAY_SECONDS)
    return [idempotent_id(secret, *key, str(day)) for day in (today, today - 1, today + 1)]
