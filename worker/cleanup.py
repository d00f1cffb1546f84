"""Clears away what has been kept long enough, in small bites and beside the jobs under way.

It runs in a thread of the sweep process: a storage that hangs must not keep anybody from the
jobs that are due. Whatever is cut off in the middle is found again, because a record says that
its media are gone only once they are.
"""

import logging
import threading
import time

from jobs.errors import StorageError, StoreUnavailable, UnreadableRecord
from jobs.job import Job
from jobs.retention import Cutoffs, media_deleted
from jobs.services import Services
from jobs.storage.base import MediaStore, companions, job_id_of

LOOK_EVERY_SECONDS = 5.0
REST_SECONDS = 0.05  # between two bites
BITE = 50
BITE_SECONDS = 2.0
REFUSED_SECONDS = 300.0
WAITING_SECONDS = 60.0  # for who has somebody to be told first
REFUSALS_MAX = 3  # then the storage is left in peace for a while

log = logging.getLogger(__name__)


def start(services: Services, stop: threading.Event) -> threading.Thread:
    """Clear away until told to stop."""
    thread = threading.Thread(
        target=_run, args=(Clearance(services), stop), name="retention", daemon=True
    )
    thread.start()
    return thread


def _run(clearance: "Clearance", stop: threading.Event) -> None:
    pause = 0.0
    while not stop.wait(pause):
        try:
            pause = REST_SECONDS if clearance.step() else LOOK_EVERY_SECONDS
        except StoreUnavailable as error:
            log.warning("%s", error)
            pause = LOOK_EVERY_SECONDS


class Clearance:
    """One sweeper's work; another may do the same at the same time. Raises StoreUnavailable."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # What the storage refused, what is not ready, and until when: the others come first.
        self._put_off: dict[str, float] = {}

    def step(self) -> bool:
        """A bounded bite of what is due; returns whether there is more of it."""
        self._forget_put_off()
        retention = self._services.settings.retention
        cutoffs = retention.cutoffs(self._services.store.now())
        until, refusals, looked = time.monotonic() + BITE_SECONDS, 0, 0
        for name, is_object in self._due(cutoffs):
            if time.monotonic() > until or refusals == REFUSALS_MAX:
                break
            refusals += not self._is_seen_to(name, cutoffs, is_object=is_object)
            looked += 1
        return looked > 0 and not refusals

    def _forget_put_off(self) -> None:
        now = time.monotonic()
        self._put_off = {name: until for name, until in self._put_off.items() if until > now}

    def _due(self, cutoffs: Cutoffs) -> list[tuple[str, bool]]:
        """Ids of jobs, then keys of objects that have no record any more."""
        ended, most = self._services.cleanup_queue, BITE + len(self._put_off)
        found = [(job_id, False) for job_id in ended.due(cutoffs, most)]
        found += [(key, True) for key in ended.orphans(cutoffs, most)]
        return [one for one in found if one[0] not in self._put_off]

    def _is_seen_to(self, name: str, cutoffs: Cutoffs, *, is_object: bool) -> bool:
        """Cleared, or put off; False when the storage refuses."""
        try:
            if not self._clear(name, cutoffs, is_object=is_object):
                self._put_off[name] = time.monotonic() + WAITING_SECONDS
        except StorageError as error:
            log.warning("retention: %s: the storage refuses: %s", name, error)
            self._put_off[name] = time.monotonic() + REFUSED_SECONDS
            return False
        return True

    def _clear(self, name: str, cutoffs: Cutoffs, *, is_object: bool) -> bool:
        if is_object:
            return _clear_object(self._services, name)
        return _clear_job(self._services, name, cutoffs)


def _clear_job(services: Services, job_id: str, cutoffs: Cutoffs) -> bool:
    try:
        job = services.store.load(job_id)
    except UnreadableRecord as error:
        job = None
        log.error("job %s: %s It is kept.", job_id, error)  # noqa: TRY400 - the trace says no more
    if job is None or not job.status.terminal:
        services.cleanup_queue.remove(job_id)
        return True
    if job.notices:  # whoever submitted it is about to be told where the media are
        return False
    media_due = bool(job.kept) and job.end <= cutoffs.media
    after = _clear_media(services, job) if media_due else job
    if after and after.end <= cutoffs.jobs:
        return _retire(services, after)
    return media_due


def _clear_media(services: Services, job: Job) -> Job | None:
    """The objects first: as long as the record names them, somebody will see to them."""
    for file in job.kept:
        services.media.delete(file.key)
    change = services.store.update(job.id, lambda job, now: job and media_deleted(job, now))
    for file in job.kept:
        _clear_companions(services.media, file.key)
    log.info("job %s: its media have been kept long enough", job.id)
    return change.after


def _clear_companions(media: MediaStore, key: str) -> None:
    """Once more: who changed the record meanwhile may have described the objects again."""
    for each in companions(key):
        media.remove(each)


def _retire(services: Services, job: Job) -> bool:
    """The record goes; media that outlive it are explained by what stands beside them."""
    finite = services.settings.retain_media_days is not None
    left = [file.key for file in job.kept] if finite else []
    gone = services.store.delete_unchanged(job, left)
    if gone:
        log.info("job %s: its record has been kept long enough", job.id)
    return gone


def _clear_object(services: Services, key: str) -> bool:
    """Unless a record has come back that answers for it."""
    job = services.store.load(job_id_of(key))
    if job is None or key not in [file.key for file in job.kept]:
        services.media.delete(key)
    services.cleanup_queue.remove_orphan(key)
    return True
