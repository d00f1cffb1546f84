"""Delete objects of inputs that no record names, and inputs that are to be deleted."""

import logging
from collections.abc import Sequence

from jobs.domain.errors import StorageError, UnreadableRecord
from jobs.domain.job import Job
from jobs.services import Services

POLL_SECONDS = 2.0
BATCH = 100
RETRY_SECONDS = 300.0

log = logging.getLogger(__name__)


def run_batch(services: Services) -> float:
    """Process the notes that are due; return the seconds until the next batch."""
    delete_unrecorded(services, services.store.now())
    return POLL_SECONDS


def delete_unrecorded(services: Services, now: float) -> None:
    """Process the notes that are due at `now` (I23). Raises StoreUnavailable, StorageError."""
    for note in services.due.input_notes.members_until(now, BATCH):
        job_id, *keys = note.split(" ")
        try:
            _process_note(services, job_id, keys)
        except (StorageError, UnreadableRecord):
            services.due.input_notes.schedule(note, now + RETRY_SECONDS)
            raise
        services.due.input_notes.remove(note)


def _process_note(services: Services, job_id: str, keys: Sequence[str]) -> None:
    job = services.catalog.load(job_id, exactly=True)
    is_input_over = job is not None and _is_input_over(job)
    retained_keys = list[str]()
    if job is not None and not is_input_over:
        retained_keys = job.object_keys
    for key in keys:
        if key not in retained_keys:
            services.storage.delete(key)
    if is_input_over:  # once its objects are gone: until then it is tried again
        services.store.change(
            job_id, lambda job, _now: job.with_request(kept_input=None, input_files=())
        )
        log.info("job %s: its input is deleted", job_id)


def _is_input_over(job: Job) -> bool:
    """Whether the input is to be deleted, and is not needed again since a replay."""
    is_needed = job.task_id is None and not job.status.terminal
    return job.request.deletes_input and not is_needed
