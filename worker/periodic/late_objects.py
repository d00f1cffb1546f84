"""Delete objects that late processes wrote of jobs that were deleted or stored before (I9, I12).

Several sweeps may do so at once: an object that another sweep has deleted is not found.
"""

import logging
from collections.abc import Sequence
from itertools import groupby

from jobs.domain.errors import FluxkeepError, UnreadableRecord
from jobs.services import Services
from jobs.storage.layout import (
    ObjectKind,
    companion_keys,
    day_of,
    fencing_token_of,
    job_id_of,
    kind_of,
)
from jobs.store.late_objects import LateObjectsNote

POLL_SECONDS = 5.0
INTERVAL_SECONDS = 0.05
RETRY_SECONDS = 60.0
BATCH = 500

log = logging.getLogger(__name__)


def step(services: Services) -> float:
    """Look at the noted jobs that are due; return the seconds until the next step.

    Raises StorageError, StoreUnavailable and ArchiveUnavailable.
    """
    count = delete_due(services, services.store.now())
    return INTERVAL_SECONDS if count == BATCH else POLL_SECONDS


def delete_due(services: Services, now: float) -> int:
    """Look at the noted jobs that are due at `now`; return their number."""
    members = services.due.late_objects.members_until(now, BATCH)
    notes = sorted([LateObjectsNote.parse(member) for member in members], key=_day)
    for _day_of_notes, notes_of_day in groupby(notes, key=_day):
        _look(services, list(notes_of_day), now)
    return len(members)


def _day(note: LateObjectsNote) -> str:
    return day_of(note.created_at)


def _look(services: Services, notes: Sequence[LateObjectsNote], now: float) -> None:
    """Look for objects of noted jobs of one day: a directory is read once for all."""
    try:
        _delete_late_objects(services, notes)
    except FluxkeepError:
        for note in notes:
            services.due.late_objects.schedule(note.member, now + RETRY_SECONDS)
        raise
    for note in notes:
        services.due.late_objects.schedule(note.member, note.next_look(now))


def _delete_late_objects(services: Services, notes: Sequence[LateObjectsNote]) -> None:
    tokens: dict[str, int] = {}
    deleted_jobs: set[str] = set()
    for note in notes:
        tokens[note.job_id] = max(note.fencing_token, tokens.get(note.job_id, 0))
        if not note.is_stored:
            deleted_jobs.add(note.job_id)
    late_keys: dict[str, list[str]] = {}
    for listed in services.storage.list_objects_of(tokens, notes[0].created_at):
        if kind_of(listed.key) is ObjectKind.INPUT:  # which has a note of its own (I23)
            continue
        job_id = job_id_of(listed.key)
        if fencing_token_of(listed.key) <= tokens[job_id]:
            late_keys.setdefault(job_id, []).append(listed.key)
    for job_id, keys in late_keys.items():
        _delete_unless_recorded(services, job_id, keys, is_deleted=job_id in deleted_jobs)


def _delete_unless_recorded(
    services: Services, job_id: str, keys: Sequence[str], *, is_deleted: bool
) -> None:
    """Delete late objects, except those that a record names or that its job may take over.

    The record of a deleted job is of one that was made anew. A stored job without a record is left
    alone: its retention may be over, and its media stay.
    """
    try:
        job = services.catalog.load(job_id, exactly=True)
    except UnreadableRecord as error:
        log.error("job %s: %s Its objects are kept.", job_id, error)  # noqa: TRY400 - the trace says no more
        return
    if job is None and not is_deleted:
        return
    if job is not None and not job.status.terminal:
        return
    retained: set[str] = set()
    if job is not None:
        for file in job.present_media:
            retained.add(file.key)
            retained.update(companion_keys(file.key))
    late_keys = [key for key in keys if key not in retained]
    for key in late_keys:
        services.storage.delete(key)
    if late_keys:
        log.info("job %s: %d late objects deleted", job_id, len(late_keys))
