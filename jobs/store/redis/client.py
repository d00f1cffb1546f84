"""Redis client of the stores: redis-py's, with errors and replies as the stores need them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.commands.core import Script

from jobs.store.redis import scripts
from jobs.store.redis.outages import unavailable
from jobs.store.redis.scripts import Command

_ESSENTIAL_WRITES = scripts.read("essential_writes")


class StoreClient:
    """A client whose commands raise StoreUnavailable and never RedisError.

    Replies are Any: redis-py's types leave open whether they are bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def __getattr__(self, command: str) -> Any:
        return unavailable()(getattr(self._redis, command))

    def register_script(self, lua: str) -> Script:
        return _Script(self._redis, lua)

    @contextmanager
    def round_trip(self) -> Iterator[Any]:
        """A pipeline of commands; no transaction, which a full Redis refuses."""
        with unavailable(), self._redis.pipeline(transaction=False) as pipe:
            yield pipe

    def key_pages(self, prefix: str, count: int) -> Iterator[list[str]]:
        """The keys with a prefix, page by page in no order; some may come twice."""
        cursor: int | None = None
        while cursor != 0:  # which comes with the last page
            cursor, page = self.scan(cursor or 0, f"{prefix}*", count)
            if page:
                yield [key.decode() for key in page]

    def member_pages(self, sorted_set: str, count: int) -> Iterator[list[str]]:
        """The members of a sorted set, page by page in no order; some may come twice."""
        cursor: int | None = None
        while cursor != 0:  # which comes with the last page
            cursor, page = self.zscan(sorted_set, cursor or 0, count=count)
            yield [member.decode() for member, _score in page]

    def write_essential(self, *commands: Command) -> None:
        """Run commands in one step, which Redis takes although its memory is full.

        For what frees memory in the end, and for what such work needs: its size must be bounded.
        """
        self.eval(_ESSENTIAL_WRITES, 0, *scripts.flat(commands))


class _Script(Script):
    @unavailable()
    def __call__(self, *args: Any, **options: Any) -> Any:
        return super().__call__(*args, **options)
