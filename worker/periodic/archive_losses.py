"""Losses of Redis or the database: all ended jobs are compared with their rows once more."""

import logging
from collections import Counter

from jobs.archive.archive import Archive, State
from jobs.domain.job import Job
from jobs.domain.status import TERMINAL, Status
from jobs.services import Services
from jobs.storage.layout import companion_keys
from jobs.store import codec
from jobs.store.archiving.counts import SAME_PASS_SECONDS, count_names
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from worker.periodic import row_comparison

PAGE_ROWS = 500

log = logging.getLogger(__name__)


class ArchiveLosses:
    """Detects losses for the passes of a sweep. Raises ArchiveUnavailable, StoreUnavailable."""

    def __init__(self, services: Services, archive: Archive) -> None:
        self._services = services
        self._archive = archive
        self._archiving = services.archiving

    def follow(self, now: float, state: State) -> None:
        """Count anew, and look at every job, when Redis or the database lost data."""
        archived_jobs = self._archiving.counts.load()
        if archived_jobs is not None:
            difference = abs(archived_jobs.last_pass - state.last_pass)
            if difference <= SAME_PASS_SECONDS:
                return
        if archived_jobs is not None or state.last_pass:
            log.warning("Redis or the database lost data: all ended jobs are compared")
        counts = self._count_rows()
        for job_ids in self._archiving.schedule.scan_ended():
            for row in self._archive.versions(job_ids).values():
                counts.subtract(count_names(Status(row.status), row.key))
            self._archiving.schedule.add(job_ids, now, only_new=False)
        self._drop_outranked_under_way()
        restored_sums = self._services.daily_costs.restore(now)
        log.info("restored %d sums of costs and budgets", restored_sums)
        self._archiving.counts.replace(counts, self._newest_without_record(), state.last_pass)

    def _count_rows(self) -> Counter[str]:
        """The numbers of all rows by status, and by status and API key."""
        counts = Counter({status.value: 0 for status in TERMINAL})
        for (status, key), number in self._archive.counts_of_keys().items():
            for name in count_names(status, key):
                counts[name] += number
        return counts

    def _drop_outranked_under_way(self) -> None:
        """Delete records of jobs under way whose rows decide: Redis came back older.

        A late report must not end such a job once more (I5). A record may be newer than its row
        because a late report wrote it before this look, or because an operator replayed the job;
        but nobody can replay a stored or a moderated job.
        """
        for job_ids in self._archiving.schedule.scan_under_way():
            rows = self._archive.versions(job_ids)
            presences = self._archiving.presences.load([*rows])
            outranked_jobs = []
            for job_id, row in rows.items():
                presence = presences[job_id]
                if presence.record is None or presence.hides(row.version):
                    continue
                job = codec.decode_if_readable(presence.record)
                if job is None:
                    continue
                if job.version < row.version or row_comparison.has_ended_for_good(job, row):
                    outranked_jobs.append(job)
            delete_outranked_records(self._services, self._archive, outranked_jobs)

    def _newest_without_record(self) -> float:
        """The creation time of the newest job that only the archive has; 0 without one."""
        position: Position | None = None
        while True:
            rows = self._archive.page(Search(), PAGE_ROWS, position)
            if not rows:
                return 0.0
            presences = self._archiving.presences.load([row.job.id for row in rows])
            for row in rows:
                presence = presences[row.job.id]
                if presence.record is None and not presence.hides(row.job.version):
                    return row.job.created_at
            oldest_job = rows[-1].job
            position = Position(oldest_job.created_at, oldest_job.id)


def delete_outranked_records(services: Services, archive: Archive, jobs: list[Job]) -> None:
    """Delete records that are older than their rows, and the objects that only the records name."""
    job_ids = [job.id for job in jobs]
    rows = {row.job.id: row for row in archive.get_many(job_ids)}
    for job in jobs:
        row = rows.get(job.id)
        if row is None:  # deleted in this moment: the next look decides
            continue
        unnamed_objects: list[str] = []
        if row.is_complete:
            for key in sorted(set(job.object_keys) - set(row.job.object_keys)):
                unnamed_objects.append(key)
                unnamed_objects.extend(companion_keys(key))
        if services.archiving.moves.delete_outranked_record(job, row.job, unnamed_objects):
            log.warning("job %s: its record gives way to its row", job.id)
