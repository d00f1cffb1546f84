"""Delete objects of inputs that no record names, and inputs that are to be forgotten."""

import logging

from jobs.errors import StorageError, UnreadableRecord
from jobs.job import Job
from jobs.services import Services
from jobs.store.commit import REPLAY_SECONDS

POLL_SECONDS = 2.0
BATCH = 100
RETRY_SECONDS = 300.0

log = logging.getLogger(__name__)


def run_batch(services: Services) -> float:
    """Process the notes that are due; return the seconds until the next batch."""
    delete_unrecorded(services, services.store.now())
    return POLL_SECONDS


def delete_unrecorded(services: Services, now: float) -> None:
    """Process the notes that are due at `now`. Raises StoreUnavailable, StorageError."""
    for note in services.due.input_notes.until(now, BATCH):
        job_id, *keys = note.split(" ")
        try:
            job = services.store.load(job_id, exactly=True)
            if job and _is_done_with(job, now):
                job = _forget(services, job)
            named = job.object_keys if job else []
            for key in keys:
                if key not in named:
                    services.storage.delete(key)
        except (StorageError, UnreadableRecord):
            services.due.input_notes.schedule(note, now + RETRY_SECONDS)
            raise
        services.due.input_notes.remove(note)


def _is_done_with(job: Job, now: float) -> bool:
    """Whether an input that is to be forgotten is of no use any more."""
    is_replayable = not job.status.terminal or now < job.end + REPLAY_SECONDS
    return job.submission.forgets_input and (job.task_id is not None or not is_replayable)


def _forget(services: Services, job: Job) -> Job | None:
    """Delete the objects first: as long as the record names them, it is tried again."""
    for file in job.submission.input_files:
        services.storage.delete(file.key)
    log.info("job %s: its input is forgotten", job.id)
    return services.store.update(job.id, _without_input).after


def _without_input(job: Job | None, _now: float) -> Job | None:
    return job and job.with_submission(kept_input=None, input_files=())
