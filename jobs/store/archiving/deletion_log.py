"""Log of the deletions of jobs: their rows do not count any more, and are deleted later."""

import math
from collections.abc import Iterator

from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient

PAGE = 500


class DeletionLog:
    """Deleted jobs by the microsecond of their deletion. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    def pages(self, since: float, until: float = math.inf) -> Iterator[list[tuple[str, int]]]:
        """Deleted jobs with the microsecond of their deletion, page by page; some come twice."""
        limit = PAGE
        is_last = False
        while not is_last:
            members = self._redis.zrangebyscore(
                keys.DELETIONS, since, until, 0, limit, withscores=True
            )
            is_last = len(members) < limit
            if not is_last:
                _, latest = members[-1]
                if latest == since:  # a page is not enough for one microsecond
                    limit *= 2
                since = latest
            if members:
                yield [(member.decode(), int(deleted_at)) for member, deleted_at in members]

    def drop_until(self, until: float) -> None:
        """Drop the deletions that no row and no backup of the database needs any more."""
        self._redis.zremrangebyscore(keys.DELETIONS, "-inf", until)
