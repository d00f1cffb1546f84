"""The store's part of archiving, whole: what it reads, writes and counts, each by its own class."""

from jobs.store.archiving.counts import ArchivedJobCounts
from jobs.store.archiving.deletion_log import DeletionLog
from jobs.store.archiving.moves import ArchiveMoves
from jobs.store.archiving.presence import PresenceReader
from jobs.store.archiving.schedule import ArchiveSchedule
from jobs.store.job_store import JobStore
from jobs.store.redis.client import StoreClient


class ArchivingStore:
    """Built once for each process. Every method of its parts raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, store: JobStore) -> None:
        self.presences = PresenceReader(redis)
        self.moves = ArchiveMoves(redis, store)
        self.schedule = ArchiveSchedule(redis)
        self.deletions = DeletionLog(redis)
        self.counts = ArchivedJobCounts(redis)
