"""State of an installation at one moment: its jobs in Redis, and its stored objects."""

from dataclasses import dataclass

from redis import Redis

from jobs.domain.job import Job
from jobs.store import codec
from jobs.store.redis import keys
from tests.harness.installation import Installation
from tests.harness.stored_objects import StoredObjects


@dataclass(frozen=True)
class State:
    """State of an installation at one moment."""

    installation: Installation
    redis: Redis
    jobs: list[Job]
    sizes: dict[str, int]  # of the stored objects
    is_idle: bool

    @property
    def stored_objects(self) -> StoredObjects:
        return self.installation.stored_objects


def all_jobs(redis: Redis) -> list[Job]:
    names = list(redis.scan_iter(f"{keys.RECORD_PREFIX}*"))
    found = redis.mget(names) if names else []
    return [codec.decode(record) for record in found if isinstance(record, bytes)]


def members(redis: Redis, key: str) -> set[str]:
    return {text(member) for member in redis.zrange(key, 0, -1)}


def text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
