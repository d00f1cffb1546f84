"""Numbers of the jobs that only the archive has, by status, and by status and API key."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jobs.domain.job import Job
from jobs.domain.status import TERMINAL, Status
from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.scripts import Command

NEWEST = "newest"  # the creation time of the newest job that only the archive has
# The sweep notes the time of a pass in Redis and in the database, one after the other. If the two
# times differ by more than this, one of them has lost data.
SAME_PASS_SECONDS = 60.0
# When the sweep last wrote rows; a Redis that came back older has an older time.
LAST_PASS = "last_pass"  # noqa: S105 - no password


class ArchivedJobs(NamedTuple):
    """Numbers of the jobs that only the archive has, and the creation time of the newest.

    `last_pass` is the time at which rows were written last.
    """

    by_status: Mapping[Status, int]
    newest: float
    last_pass: float


def count_names(status: Status, key: str | None) -> list[str]:
    """The names of the numbers that count an archived job: of all API keys, and of its own."""
    if not key:
        return [status.value]
    return [status.value, count_name_of_key(status, key)]


def count_name_of_key(status: Status, key: str) -> str:
    return f"{status}:{key}"


class ArchivedJobCounts:
    """Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    def load(self) -> ArchivedJobs | None:
        """None when Redis has lost the numbers."""
        numbers = dict(self._redis.zrange(keys.COLD, 0, -1, withscores=True))
        newest = numbers.get(NEWEST.encode())
        last_pass = numbers.get(LAST_PASS.encode())
        if newest is None or last_pass is None:
            return None
        by_status = {status: int(numbers.get(status.encode(), 0)) for status in TERMINAL}
        return ArchivedJobs(by_status, newest, last_pass)

    def include(self, jobs: Iterable[Job], newest: float) -> None:
        """Count further jobs that only the archive has, and raise the time of the newest job."""
        increments = Counter[str]()
        for job in jobs:
            increments.update(count_names(job.status, job.request.key))
        commands: list[Command] = [("ZADD", keys.COLD, "GT", newest, NEWEST)]
        commands += [
            ("ZADD", keys.COLD, "INCR", increment, name) for name, increment in increments.items()
        ]
        self._redis.write_essential(*commands)

    def end_pass(self, at: float) -> None:
        """Note when rows were written, as the database does with the rows."""
        self._redis.write_essential(("ZADD", keys.COLD, "XX", "GT", at, LAST_PASS))

    def replace(self, counts: Mapping[str, int], newest: float, last_pass: float) -> None:
        """Set the numbers after Redis has lost them, or has come back older.

        The newest only rises: another sweep may have evicted a job meanwhile.
        """
        numbers: dict[str, float] = {}
        for member in self._redis.zrange(keys.COLD, 0, -1):
            numbers[member.decode()] = 0  # a number that is not among `counts` becomes 0
        numbers.pop(NEWEST, None)
        numbers.update(counts)
        numbers[LAST_PASS] = last_pass
        commands: list[Command] = [
            ("ZADD", keys.COLD, number, name) for name, number in numbers.items()
        ]
        commands.append(("ZADD", keys.COLD, "GT", newest, NEWEST))
        self._redis.write_essential(*commands)
