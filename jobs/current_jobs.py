"""Jobs of the archive's rows as they are now: Redis is asked again after rows were read."""

from collections.abc import Sequence

from jobs.archive.rows import Row
from jobs.domain.job import Job
from jobs.store import codec
from jobs.store.archiving.presence import PresenceReader


class CurrentJobs:
    """Compares rows with Redis, which is the truth for as long as it has a record."""

    def __init__(self, presences: PresenceReader) -> None:
        self._presences = presences

    def load(self, rows: Sequence[Row]) -> dict[str, Job]:
        """The jobs of rows by id: as Redis has them, if it does (I25); without deleted ones (I27).

        A job whose record cannot be read is left out. Raises StoreUnavailable.
        """
        presences = self._presences.load([row.job.id for row in rows])
        jobs = dict[str, Job]()
        for row in rows:
            archived_job = row.job
            presence = presences[archived_job.id]
            if presence.record is not None:
                job = codec.decode_if_readable(presence.record)
                if job is not None:
                    jobs[job.id] = job
            elif not presence.hides(archived_job.version):
                jobs[archived_job.id] = archived_job
        return jobs
