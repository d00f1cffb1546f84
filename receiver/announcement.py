"""Announcement: record a job that its caller submitted to BFL itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import g

from jobs import kept_inputs
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.polling_policy import Timeouts
from jobs.domain.timeline import EventCode
from jobs.services import Services
from jobs.storage.layout import day_of
from jobs.store.commit import Change, CommitOptions
from receiver import input_storage, ownership
from receiver.schemas.bodies import Announcement

RETRY_SECONDS = 60.0


def record(services: Services, task_id: str, body: Announcement) -> Change[Job]:
    """Record a new job, or extend a recorded one.

    Raises WrongStatus, OtherKey, TooManyAnnounced, StorageError, StoreUnavailable.
    """
    recorded_job = _recorded_job(services, task_id)
    if recorded_job is None:
        own_id = task_id
        created_at = services.store.now()
    else:
        ownership.require_changeable(recorded_job)  # before anything of its input is stored
        own_id = recorded_job.id
        created_at = recorded_job.created_at
    packed_input = kept_inputs.pack(body.input or {}, services.settings.max_input_bytes)
    stores_input = _stores_input(services, body, recorded_job)
    input_files: tuple[MediaFile, ...] = ()
    if stores_input:
        input_files = packed_input.files(own_id, created_at)
    key_name = g.api_key.name
    announced = _AnnouncedJob(
        task_id=task_id,
        created_at=created_at,
        details=body.model_dump(exclude_unset=True, exclude_none=True, exclude={"input"}),
        has_input=body.input is not None,
        stores_input=stores_input,
        kept_input=packed_input.values,
        input_files=input_files,
        key_name=key_name,
        bfl_key=services.bfl_key_of(key_name),
        timeouts=services.settings.timeouts,
    )
    write = partial(_write, services, own_id, announced, recorded_job is None)
    try:
        return input_storage.record(
            services, packed_input.parts, input_files, write, is_new_id=False
        )
    except errors.NoFreeSlot:
        raise errors.TooManyAnnounced(retry_after=RETRY_SECONDS) from None


def _recorded_job(services: Services, task_id: str) -> Job | None:
    try:
        return services.catalog.recall(task_id)
    except errors.ArchiveUnavailable:
        # It may be a new job: the write fails if Redis knows that only the archive has the job.
        return None


def _stores_input(services: Services, body: Announcement, recorded_job: Job | None) -> bool:
    """Whether to store the input. The first input stays; a submission has its own."""
    if body.input is None or not services.settings.keep_inputs:
        return False
    return recorded_job is None or recorded_job.request.kept_input is None


def _write(
    services: Services, own_id: str, announced: "_AnnouncedJob", is_new: bool, note: str | None
) -> Change[Job]:
    options = CommitOptions(input_note=note)
    update = partial(services.store.update, own_id, announced.merge, options, assumes_new=is_new)
    return services.catalog.recalling(own_id, update)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AnnouncedJob:
    """A job as its caller announces it."""

    task_id: str
    created_at: float
    details: Mapping[str, Any]  # fields of the announcement, without the input
    has_input: bool
    stores_input: bool
    kept_input: Mapping[str, Any]
    input_files: tuple[MediaFile, ...]
    key_name: str
    bfl_key: str | None
    timeouts: Timeouts

    def merge(self, job: Job | None, now: float) -> Job:
        """The recorded job, or a new job, with the details and the input of the announcement."""
        if job is None:
            job = self._new_job(now)
        _require_joinable(job, self.details, has_input=self.has_input)
        if job.request.key is None and not job.is_submission:
            job = job.with_request(key=self.key_name)
            # Once that key is removed, no other account may learn of this task.
            job = job.with_submission(bfl_key=self.bfl_key)
        job = job.with_details(now, self.details)
        if self.stores_input and job.request.kept_input is None:
            return self._with_input(job)
        return job

    def _new_job(self, now: float) -> Job:
        job = Job.awaited(self.task_id, now, self.timeouts, model=self.details.get("model"))
        job = job.with_event(now, EventCode.JOB_ANNOUNCED)
        job = job.evolve(created_at=self.created_at)
        # It counts against MAX_ANNOUNCED of its key until BFL confirms it.
        return job.with_request(announced_by=self.key_name)

    def _with_input(self, job: Job) -> Job:
        # The object keys of the input begin with the day of the job's creation.
        if day_of(job.created_at) != day_of(self.created_at):
            raise errors.StoreUnavailable("the job was made by somebody else: send it again")
        return job.with_request(kept_input=self.kept_input, input_files=self.input_files)


def _require_joinable(job: Job, details: Mapping[str, Any], *, has_input: bool) -> None:
    """Require that the caller may change this job.

    Raises OtherKey, and WrongStatus for a change of a job that Fluxkeep submits itself.
    """
    if job.is_submission and has_input:
        raise errors.WrongStatus("Fluxkeep submits this job itself, and has its input")
    if job.is_submission:
        # The operator's BFL key goes to these: a caller must not change them.
        is_model_same = details.get("model", job.model) == job.model
        polling_url = job.polling.polling_url
        is_polling_url_same = details.get("polling_url", polling_url) == polling_url
        if not is_model_same or not is_polling_url_same:
            raise errors.WrongStatus(
                "Fluxkeep submits this job itself: its model and polling_url cannot change"
            )
    ownership.require_changeable(job)
