"""The way of ended jobs into the archive, and out of Redis once their rows were read back.

Each step may be interrupted anywhere, run twice, or run by two sweeps at once.
"""

import logging
from collections import Counter
from collections.abc import Iterator

from jobs.archive.archive import Archive, State, Version
from jobs.domain.bfl_report import UNCONFIRMED_CODES
from jobs.domain.errors import StoreUnavailable
from jobs.domain.job import INCARNATION_SECONDS, Job
from jobs.domain.retention import DAY_SECONDS
from jobs.domain.status import TERMINAL, Status
from jobs.services import Services
from jobs.storage.layout import companion_keys
from jobs.store import codec
from jobs.store.archiving.counts import count_names
from jobs.store.archiving.schedule import NextLook
from jobs.store.commit import ARCHIVE_SECONDS, TOMBSTONE_SECONDS
from jobs.store.listing import Position
from jobs.store.search_conditions import Search

BATCH = 500
POLL_SECONDS = 2.0
BAD_RECORD_SECONDS = 3600.0  # until a job is looked at again whose row cannot be written
PRICE_SECONDS = 3600.0  # in which the sweep has asked BFL what a job cost
NOT_READY_SECONDS = 600.0  # of a job with notifications or thumbnails to come
# No request, pass or upload of a sidecar is older; an Idempotency-Key is known for a day.
ARCHIVED_LEAST_SECONDS = 600.0
CREATED_LEAST_SECONDS = DAY_SECONDS
# A deletion may be on record a moment later than one that was counted before it.
DELETION_OVERLAP = 60_000_000  # microseconds
BACKUP_DAYS = 8  # the age of a backup of the database that deletions are repeated for

log = logging.getLogger(__name__)


class Archiving:
    """The passes of one sweep. Raises ArchiveUnavailable and StoreUnavailable."""

    def __init__(self, services: Services, archive: Archive) -> None:
        self._services, self._archive = services, archive
        self._archiving = services.archiving
        self._unseen = self._archiving.schedule.scan_ended()  # pages, when the process starts
        self._day = 0  # of the last note about deletions

    def run_pass(self) -> float:
        """Look at the jobs that are due; return the seconds until the next pass."""
        self._archive.require_intact()
        now, state = self._services.store.now(), self._archive.state()
        self._follow_deletions(now, state)
        self._archive.erase_traces()
        self._follow_losses(now, state)
        try:  # some of the jobs that ended before there was a database
            self._archiving.schedule.add(next(self._unseen, []), now, only_new=True)
        except StoreUnavailable:  # the walk begins again
            self._unseen = self._archiving.schedule.scan_ended()
            raise
        due = dict(self._archiving.schedule.due_until(now, BATCH))
        if due:
            self._archive_jobs(due, now)
        return 0.0 if len(due) == BATCH else POLL_SECONDS

    # Deletions, which rows follow.

    def _follow_deletions(self, now: float, state: State) -> None:
        """Delete rows of deleted jobs; once more where a backup of the database came back."""
        deleted: list[tuple[str, int]] = []
        for deleted in self._archiving.deletions.pages(state.deletions_until - DELETION_OVERLAP):
            self._archive.delete(deleted)
        if deleted:
            self._archive.delete([], deletions_until=now * 1e6)
        day = int(now // DAY_SECONDS)
        if day == self._day:
            return
        self._archive.note_deletions(day, now * 1e6 - DELETION_OVERLAP)
        if until := self._archive.noted_deletions(day - BACKUP_DAYS):
            for deleted in self._archiving.deletions.pages(0, until):
                self._archive.delete(deleted)
            self._archiving.deletions.drop_until(until)
        self._day = day

    # What was lost.

    def _follow_losses(self, now: float, state: State) -> None:
        """Count anew, and look at every job, when Redis or the database lost data."""
        cold = self._archiving.counts.load()
        if cold and abs(cold.last_pass - state.last_pass) <= ARCHIVE_SECONDS:
            return
        if cold or state.last_pass:
            log.warning("Redis or the database lost data: all ended jobs are compared")
        counts = Counter({status.value: 0 for status in TERMINAL})
        for one, number in self._archive.counts_of_keys().items():
            counts.update(dict.fromkeys(count_names(*one), number))
        for job_ids in self._archiving.schedule.scan_ended():
            for row in self._archive.versions(job_ids).values():
                counts.subtract(count_names(Status(row.status), row.key))
            self._archiving.schedule.add(job_ids, now, only_new=False)
        self._drop_outranked_under_way()
        restored = self._services.daily_costs.restore(now)
        log.info("restored %d sums of costs and budgets", restored)
        self._archiving.counts.replace(counts, self._newest_cold(), state.last_pass)

    def _drop_outranked_under_way(self) -> None:
        """Delete records of jobs under way whose rows decide: Redis came back older.

        A late report must not end such a job once more (I5). It may have written the record before
        this look, which is then newer than its row; so is a replay, but not of what was stored.
        """
        for job_ids in self._archiving.schedule.scan_under_way():
            rows = self._archive.versions(job_ids)
            known = self._archiving.presences.load([*rows])
            outranked = []
            for job_id, row in rows.items():
                record = known[job_id].record
                job = codec.decode_if_readable(record) if record else None
                if job is None or known[job_id].hides(row.version):
                    continue
                if job.version < row.version or _has_ended_for_good(job, row):
                    outranked.append(job)
            self._give_way(outranked)

    def _newest_cold(self) -> float:
        """The creation time of the newest job that only the archive has; 0 without one."""
        position: Position | None = None
        while found := self._archive.page(Search(), BATCH, position):
            jobs = {row.job.id: row.job for row in found}
            known = self._archiving.presences.load([*jobs])
            for job in jobs.values():
                if known[job.id].record is None and not known[job.id].hides(job.version):
                    return job.created_at
            position = Position(found[-1].job.created_at, found[-1].job.id)
        return 0.0

    # Jobs that are due.

    def _archive_jobs(self, due: dict[str, float], now: float) -> None:
        known, rows = self._archiving.presences.load([*due]), self._archive.versions([*due])
        new, outranked, next_looks = list[Job](), list[Job](), dict[str, NextLook]()
        for job_id in due:
            row = rows.get(job_id)
            if row and known[job_id].hides(row.version):
                row = None
            record = known[job_id].record
            job = codec.decode_if_readable(record) if record else None
            if job is None:  # gone, or unreadable: doctor names it
                next_looks[job_id] = _refused(now) if record else NextLook(None)
            elif not job.status.terminal:
                next_looks[job_id] = NextLook(None)
            elif row is None or _is_newer(job, row):
                new.append(job)
            elif _is_outranked(job, row):
                outranked.append(job)
            elif (at := self._evict_at(job, row, now)) > now:
                next_looks[job_id] = NextLook(at)
            else:
                self._archiving.moves.evict(job)
        self._give_way(outranked)
        next_looks |= self._put(new, now)
        self._archiving.schedule.reschedule(
            (name, due[name], at) for name, at in next_looks.items()
        )

    def _give_way(self, jobs: list[Job]) -> None:
        """Delete records whose rows decide, and have the objects deleted that only they name."""
        rows = {row.job.id: row for row in self._archive.get_many([job.id for job in jobs])}
        for job in jobs:
            row = rows.get(job.id)
            if row is None:  # deleted in this moment: the next look decides
                continue
            keys = set(job.object_keys) - set(row.job.object_keys)
            left = [name for key in sorted(keys) for name in (key, *companion_keys(key))]
            if self._archiving.moves.give_way(job, row.job, left if row.is_complete else ()):
                log.warning("job %s: its record gives way to its row", job.id)

    def _put(self, jobs: list[Job], now: float) -> Iterator[tuple[str, NextLook]]:
        if not jobs:
            return
        refused = set(self._archive.put(jobs, now, now))
        self._archiving.counts.end_pass(now)
        for job in jobs:
            row = Version(
                version=job.version,
                status=job.status.value,
                archived_at=now,
                key=job.request.key,
                created_at=job.created_at,
                ended_at=job.end,
            )
            if job.id in refused:
                log.error("job %s: the database refuses its row; Redis keeps it", job.id)
                yield job.id, _refused(now)
            else:
                yield job.id, NextLook(max(self._evict_at(job, row, now), now))

    def _evict_at(self, job: Job, row: Version, now: float) -> float:
        """When the record may leave Redis: I24, a restored backup may lack a late row."""
        waits = job.notifications.pending or job.thumbnails.due_at is not None
        if waits or job.id in self._services.due.superseded:
            return now + NOT_READY_SECONDS
        settings = self._services.settings
        at = row.archived_at + settings.hot_days * DAY_SECONDS
        if job.polling.price_due_at is not None:  # the answer writes the record, and its row
            at = max(at, job.polling.price_due_at + PRICE_SECONDS)
        if settings.has_sandbox:  # so that an eviction can be tried
            return at
        at = max(at, row.archived_at + ARCHIVED_LEAST_SECONDS)
        at = max(at, job.created_at + CREATED_LEAST_SECONDS)
        code = job.error.code if job.error else None
        if job.is_submission and job.task_id is None and code in UNCONFIRMED_CODES:
            at = max(at, job.end + TOMBSTONE_SECONDS)  # BFL may have a task, and call
        return at


def _refused(now: float) -> NextLook:
    return NextLook(now + BAD_RECORD_SECONDS, is_refused=True)


def _is_newer(job: Job, row: Version) -> bool:
    """Whether a record says more than a row: the statement that writes rows asks the same."""
    return job.version > row.version and not (_is_lesser(job, row) or _is_made_anew(job, row))


def _is_outranked(job: Job, row: Version) -> bool:
    """Whether a record goes at once, because its row is of the job as it is."""
    is_other_job = abs(job.created_at - row.created_at) >= INCARNATION_SECONDS
    return _is_lesser(job, row) or is_other_job


def _is_lesser(job: Job, row: Version) -> bool:
    """Whether a record says less than a stored row, which stays (I26): Redis came back older."""
    if row.status != Status.STORED:
        return False
    ended_at = row.ended_at if job.ended_at is None else job.ended_at
    has_ended_again = ended_at >= row.ended_at + INCARNATION_SECONDS
    return job.status is not Status.STORED or has_ended_again


def _has_ended_for_good(job: Job, row: Version) -> bool:
    """Whether a record under way is of the same job as a row that nobody can replay."""
    is_final = row.status in (Status.STORED, Status.MODERATED)
    return is_final and not _is_made_anew(job, row)


def _is_made_anew(job: Job, row: Version) -> bool:
    """Whether a record is of a later job than its row, which was not deleted (I29).

    A callback made it while the database was away, or an announcement.
    """
    return job.created_at >= row.created_at + INCARNATION_SECONDS
