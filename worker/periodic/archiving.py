"""The way of ended jobs into the archive, and out of Redis once their rows were read back.

Each step may be interrupted anywhere, run twice, or run by two sweeps at once.
"""

import logging

from jobs.archive.archive import Archive, State
from jobs.domain.bfl_report import UNCONFIRMED_CODES
from jobs.domain.errors import StoreUnavailable
from jobs.domain.job import Job
from jobs.domain.retention import DAY_SECONDS
from jobs.services import Services
from jobs.store import codec
from jobs.store.archiving.presence import Presence
from jobs.store.archiving.schedule import NextLook
from jobs.store.commit import TOMBSTONE_SECONDS
from worker.periodic import row_comparison
from worker.periodic.archive_losses import ArchiveLosses, delete_outranked_records

BATCH = 500
POLL_SECONDS = 1.0  # a job that has just ended has no row for so long
SCORE_PRECISION_SECONDS = 1e-5  # a score has fewer digits than a time
BAD_RECORD_SECONDS = 3600.0  # until a job is looked at again whose row cannot be written
PRICE_SECONDS = 3600.0  # in which the sweep has asked BFL what a job cost
NOT_READY_SECONDS = 600.0  # of a job with notifications or thumbnails to come
# No request, pass or upload of a sidecar is older; an Idempotency-Key is known for a day.
PROVEN_LEAST_SECONDS = 600.0
CREATED_LEAST_SECONDS = DAY_SECONDS
# A deletion may be on record a moment later than one that was counted before it.
DELETION_OVERLAP = 60_000_000  # microseconds
BACKUP_DAYS = 8  # the age of a backup of the database that deletions are repeated for

log = logging.getLogger(__name__)


class Archiving:
    """The passes of one sweep. Raises ArchiveUnavailable and StoreUnavailable."""

    def __init__(self, services: Services, archive: Archive) -> None:
        self._services = services
        self._archive = archive
        self._archiving = services.archiving
        self._losses = ArchiveLosses(services, archive)
        self._unseen_pages = self._archiving.schedule.scan_ended()  # when the process starts
        self._day_of_last_note = 0

    def run_pass(self) -> float:
        """Look at the jobs that are due; return the seconds until the next pass."""
        self._archive.require_intact()
        now = self._services.store.now()
        state = self._archive.state()
        self._follow_deletions(now, state)
        self._archive.erase_traces()
        self._losses.follow(now, state)
        self._schedule_unseen(now)
        due_jobs = dict(self._archiving.schedule.due_until(now, BATCH))
        if due_jobs:
            self._archive_jobs(due_jobs, now)
        if len(due_jobs) == BATCH:
            return 0.0
        return POLL_SECONDS

    def _schedule_unseen(self, now: float) -> None:
        """Schedule some of the jobs that ended before there was a database."""
        try:
            job_ids = next(self._unseen_pages, [])
            self._archiving.schedule.add(job_ids, now, only_new=True)
        except StoreUnavailable:  # the walk begins again
            self._unseen_pages = self._archiving.schedule.scan_ended()
            raise

    # Deletions, which rows follow.

    def _follow_deletions(self, now: float, state: State) -> None:
        """Delete rows of deleted jobs; once more where a backup of the database came back."""
        deleted_until = state.deletions_until - DELETION_OVERLAP
        has_deleted = False
        for deletions in self._archiving.deletions.pages(deleted_until):
            self._archive.delete(deletions)
            has_deleted = True
        if has_deleted:
            self._archive.delete([], deletions_until=now * 1e6)
        day = int(now // DAY_SECONDS)
        if day == self._day_of_last_note:
            return
        self._archive.note_deletions(day, now * 1e6 - DELETION_OVERLAP)
        self._drop_old_deletions(day - BACKUP_DAYS)
        self._day_of_last_note = day

    def _drop_old_deletions(self, day: int) -> None:
        """Drop the deletions up to the note of a day, after their rows were deleted once more."""
        noted_until = self._archive.noted_deletions(day)
        if not noted_until:
            return
        for deletions in self._archiving.deletions.pages(0, noted_until):
            self._archive.delete(deletions)
        self._archiving.deletions.drop_until(noted_until)

    # Jobs that are due.

    def _archive_jobs(self, due_jobs: dict[str, float], now: float) -> None:
        """Write, evict or postpone each due job; `due_jobs` has the time at which each was due."""
        presences = self._archiving.presences.load([*due_jobs])
        rows = self._archive.versions([*due_jobs])
        jobs_to_write: list[Job] = []
        outranked_jobs: list[Job] = []
        next_looks: dict[str, NextLook] = {}
        for job_id, presence in presences.items():
            row = rows.get(job_id)
            if row is not None and presence.hides(row.version):
                row = None
            if presence.record is None:
                next_looks[job_id] = NextLook(None)
                continue
            job = codec.decode_if_readable(presence.record)
            if job is None:  # doctor names it
                next_looks[job_id] = _refused(now)
            elif not job.status.terminal:
                next_looks[job_id] = NextLook(None)
            elif row is None or row_comparison.is_newer(job, row):
                jobs_to_write.append(job)
            elif row_comparison.is_outranked(job, row):
                outranked_jobs.append(job)
            else:
                next_look = self._evict_or_postpone(job, presence, now)
                if next_look is not None:
                    next_looks[job_id] = next_look
        delete_outranked_records(self._services, self._archive, outranked_jobs)
        next_looks.update(self._write_rows(jobs_to_write))
        self._archiving.schedule.reschedule(
            (job_id, due_jobs[job_id], next_look) for job_id, next_look in next_looks.items()
        )

    def _evict_or_postpone(self, job: Job, presence: Presence, now: float) -> NextLook | None:
        """Evict a job whose row is proven, if it may leave Redis; else its next look."""
        if not _is_proven(job, presence):
            evict_at = self._evict_at(job, now, now)
            return NextLook(max(evict_at, now), proves_version=job.version)
        evict_at = self._evict_at(job, presence.proven_at or now, now)
        if evict_at > now:
            return NextLook(evict_at)
        self._archiving.moves.evict(job)
        return None

    def _write_rows(self, jobs: list[Job]) -> dict[str, NextLook]:
        if not jobs:
            return {}
        now = self._services.store.now()  # the pass may have begun long ago
        refused_ids = set(self._archive.put(jobs, now, now))
        self._archiving.counts.end_pass(now)
        next_looks = {}
        for job in jobs:
            if job.id in refused_ids:
                log.error("job %s: the database refuses its row; Redis keeps it", job.id)
                next_looks[job.id] = _refused(now)
            else:
                evict_at = self._evict_at(job, now, now)
                next_looks[job.id] = NextLook(max(evict_at, now), proves_version=job.version)
        return next_looks

    def _evict_at(self, job: Job, proven_at: float, now: float) -> float:
        """When the record may leave Redis: I24, a restored backup may lack a late row."""
        has_notifications = bool(job.notifications.pending)
        has_thumbnails_due = job.thumbnails.due_at is not None
        is_superseded = job.id in self._services.due.superseded
        if has_notifications or has_thumbnails_due or is_superseded:
            return now + NOT_READY_SECONDS
        settings = self._services.settings
        evict_at = proven_at + settings.hot_days * DAY_SECONDS
        if job.polling.price_due_at is not None:  # the answer writes the record, and its row
            evict_at = max(evict_at, job.polling.price_due_at + PRICE_SECONDS)
        if settings.has_sandbox:  # so that an eviction can be tried
            return evict_at
        evict_at = max(evict_at, proven_at + PROVEN_LEAST_SECONDS)
        evict_at = max(evict_at, job.created_at + CREATED_LEAST_SECONDS)
        if _may_be_called_about(job):
            evict_at = max(evict_at, job.end + TOMBSTONE_SECONDS)
        return evict_at


def _is_proven(job: Job, presence: Presence) -> bool:
    """Whether Redis saw before that the row is as new as this record (I24).

    The time in the row is that of a sweep, which may have been suspended before it wrote the row.
    """
    if presence.proven_at is None:
        return False
    written_at = job.version / 1e6
    return presence.proven_at >= written_at - SCORE_PRECISION_SECONDS


def _may_be_called_about(job: Job) -> bool:
    """Whether BFL may have a task of this submission whose id is unknown, and call about it."""
    if not job.is_submission or job.task_id is not None or job.error is None:
        return False
    return job.error.code in UNCONFIRMED_CODES


def _refused(now: float) -> NextLook:
    return NextLook(now + BAD_RECORD_SECONDS, is_refused=True)
