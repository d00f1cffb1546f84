"""New submission: store its input, then record and queue its job."""

import logging
import uuid
from dataclasses import dataclass
from functools import partial

from jobs import drafts, kept_inputs
from jobs.domain import errors, submission
from jobs.domain.job import Job
from jobs.domain.job_record import Request, Submission
from jobs.domain.timeline import EventCode
from jobs.net.urls import parse
from jobs.services import Services
from jobs.store.commit import Change, CommitOptions
from jobs.store.job_store import JobStore
from receiver import input_storage
from receiver.auth import current_key_name
from receiver.context import reader_origin
from receiver.ownership import is_visible
from receiver.schemas.submission import SubmissionBody
from receiver.submission_checks import refuse_dry_run_in_input, require_region

log = logging.getLogger(__name__)


def enqueue(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    repeats: str | None = None,
    job_id: str | None = None,
) -> Job:
    """Store an input, and record and queue its job, or return the job with this id.

    Raises the errors of `record`.
    """
    return record(services, body, details, repeats, job_id).after


def record(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    repeats: str | None = None,
    job_id: str | None = None,
    rivals: tuple[str, ...] = (),
) -> Change[Job]:
    """Record and queue a new job, unless there is one with this id.

    Raises UnknownJob if there is one of its `rivals`, Invalid for a region that BFL_API_URL
    excludes, for a dry run among the fields and for a missing draft, the errors of
    `kept_inputs.require_limits`, OverBudget, QueueFull, StorageError and StoreUnavailable.
    """
    require_region(services, body.region)
    refuse_dry_run_in_input(services, body)
    draft = drafts.find(services, body.input, is_visible)
    packed_input = kept_inputs.pack(body.input, services.settings.max_input_bytes)
    if packed_input.parts:
        services.store.require_room()
    new_id = job_id
    if new_id is None:
        new_id = str(uuid.uuid4())
    created_at = services.store.now()
    files = packed_input.files(new_id, created_at)
    request = Request(
        repeats=repeats,
        region=body.region,
        base_url=_callback_base_url(services),
        kept_input=packed_input.values,
        input_files=files,
        deletes_input=not services.settings.keep_inputs,
        key=current_key_name(),
        draft=draft,
    )
    new_job = _NewJob(
        id=new_id,
        created_at=created_at,
        body=body,
        request=request,
        details=details,
        bfl_key=services.bfl_key_of(request.key),
    )
    write = _Writer(services.store, new_job, rivals).write
    is_new_id = job_id is None
    change = input_storage.record(services, packed_input.parts, files, write, is_new_id=is_new_id)
    if change.written:
        log.info("job %s: queued for %s", new_id, body.model)
    return change


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewJob:
    """A job before it is on record."""

    id: str
    created_at: float
    body: SubmissionBody
    request: Request
    details: Submission  # has the client's webhook and the digest of the request
    bfl_key: str | None

    def queued(self, now: float) -> Job:
        """The job, waiting for a concurrency slot."""
        body = self.body
        job = submission.create(
            self.id, body.model, now, self.request, body.metadata, body.notify_url
        )
        draft = self.request.draft
        if draft:
            event = EventCode.SUBMISSION_DRAFT_REFERENCED
            job = job.with_event(now, event, job=draft.job_id, file=draft.position)
        # The object keys of the input begin with the day of the job's creation.
        job = job.evolve(created_at=self.created_at)
        return job.with_submission(
            client_webhook=self.details.client_webhook,
            request_digest=self.details.request_digest,
            bfl_key=self.bfl_key,
        )


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the record of a new job. A job that has its id already stays as it is."""

    store: JobStore
    new_job: _NewJob
    rivals: tuple[str, ...]

    def write(self, note: str | None) -> Change[Job]:
        """Raises OverBudget, unless the job may wait for its budget."""
        options = CommitOptions(input_note=note, rivals=self.rivals)
        try:
            return self.store.update(self.new_job.id, self._queue, options, assumes_new=True)
        except errors.OverBudget as refusal:
            if self.new_job.body.over_budget == "refuse":
                raise
            await_budget = partial(self._await_budget, refusal)
            return self.store.update(self.new_job.id, await_budget, options, assumes_new=True)

    def _queue(self, recorded_job: Job | None, now: float) -> Job:
        if recorded_job:
            return recorded_job
        return self.new_job.queued(now)

    def _await_budget(
        self, refusal: errors.OverBudget, recorded_job: Job | None, now: float
    ) -> Job:
        if recorded_job:
            return recorded_job
        return submission.await_budget(self.new_job.queued(now), now, refusal)


def _callback_base_url(services: Services) -> str | None:
    """Our origin by the caller's Host header, for a sandbox to call back; else None.

    A sandbox calls loopback origins only: a forged Host must not receive secrets.
    """
    if not services.settings.has_sandbox:
        return None
    url = reader_origin()
    if url is None or not parse(url).origin.is_loopback:
        return None
    return url
