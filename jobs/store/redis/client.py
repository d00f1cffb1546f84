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
# Redis begins a scan at this cursor, and returns it with the last page.
_FIRST_CURSOR = 0
_LAST_CURSOR = 0


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
        pattern = f"{prefix}*"
        cursor = _FIRST_CURSOR
        while True:
            cursor, page = self.scan(cursor, pattern, count)
            if page:
                yield [key.decode() for key in page]
            if cursor == _LAST_CURSOR:
                return

    def member_pages(self, sorted_set: str, count: int) -> Iterator[list[str]]:
        """The members of a sorted set, page by page in no order; some may come twice."""
        cursor = _FIRST_CURSOR
        while True:
            cursor, page = self.zscan(sorted_set, cursor, count=count)
            yield [member.decode() for member, _score in page]
            if cursor == _LAST_CURSOR:
                return

    def write_essential(self, *commands: Command) -> None:
        """Run commands in one step, which Redis takes although its memory is full.

        They are for work that frees memory in the end. Their size must be bounded.
        """
        self.eval(_ESSENTIAL_WRITES, 0, *scripts.flat(commands))


class _Script(Script):
    @unavailable()
    def __call__(self, *args: Any, **options: Any) -> Any:
        return super().__call__(*args, **options)
