"""The presence of a job in Redis: its record, its tombstone, and its entry among the deletions."""

from collections.abc import Sequence
from typing import NamedTuple

from jobs.store.redis import keys, scripts
from jobs.store.redis.client import StoreClient

DELETED = ""  # tombstone of a deleted job; an archived job's tombstone has its status


class Presence(NamedTuple):
    """All that Redis has of a job; `deleted_at` is in microseconds, as versions are.

    `proven_at` is when Redis first saw a row that was as new as the record.
    """

    record: bytes | None
    tombstone: str | None
    deleted_at: int | None
    proven_at: float | None = None

    def hides(self, version: int) -> bool:
        """Whether a row of this version does not count, because its job was deleted (I27)."""
        if self.deleted_at is None:
            return (
                self.tombstone == DELETED
            )  # deleted by a process without an archive: it notes no time
        return self.deleted_at >= version


class PresenceReader:
    """Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient) -> None:
        self._load_script = redis.register_script(scripts.read("presence"))

    def load(self, job_ids: Sequence[str]) -> dict[str, Presence]:
        """The presence of each job, all read at one moment."""
        if not job_ids:
            return {}
        arguments = [keys.RECORD_PREFIX, keys.TOMBSTONE_PREFIX, *job_ids]
        names = [keys.DELETIONS, keys.ARCHIVE_PROVEN]
        answers = self._load_script(keys=names, args=arguments)
        presences: dict[str, Presence] = {}
        for job_id, (record, tombstone, deleted_at, proven_at) in zip(
            job_ids, answers, strict=True
        ):
            presences[job_id] = Presence(
                record, _text(tombstone), _microseconds(deleted_at), _seconds(proven_at)
            )
        return presences


def _text(tombstone: bytes | None) -> str | None:
    if tombstone is None:
        return None
    return tombstone.decode()


def _microseconds(score: bytes | None) -> int | None:
    if score is None:
        return None
    return int(float(score))


def _seconds(score: bytes | None) -> float | None:
    if score is None:
        return None
    return float(score)
