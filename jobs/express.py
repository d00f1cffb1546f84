"""Scripts of Redis run without all that redis-py does around a command, many at once.

Every callback waits for one. redis-py looks whether the connection still lives, which costs a turn
of gevent's loop, measures for observers there are none of, and goes through the arguments twice:
together about as much as all else that is done for a callback. Here a connection that has died is
found out by using it. Retries, health checks and time-outs stay redis-py's own.

While one round trip is under way, whoever comes waits, and the next one takes all of them: in a
burst of callbacks a dozen share what sending, receiving and waking up costs, here and in Redis.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import hiredis
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from jobs.outage import outage

TOGETHER_MAX = 64
LARGE_BYTES = 64 * 1024  # nobody else should have to wait until so much has been sent


class _Run:
    """One script on its way: what is sent, then what came of it."""

    __slots__ = ("answer", "error", "over", "packed")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.over = False
        self.answer: Any = None
        self.error: RedisError | None = None

    def end(self, answer: Any = None, error: RedisError | None = None) -> None:
        self.over, self.answer, self.error = True, answer, error


class Express:
    """Runs scripts over one connection of the client's pool, which is kept."""

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._connection: Any = None  # typed as less than every connection of a pool can do
        self._waiting: deque[_Run] = deque()  # threads put in and take out without a lock
        self._turn = threading.Lock()

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """What a registered script returns. Raises RedisError."""
        if self._process != os.getpid():  # two processes must not talk over one connection
            self._begin()
        packed = hiredis.pack_command(("EVALSHA", script.sha, len(keys), *keys, *args))
        if len(packed) > LARGE_BYTES:
            return script(keys=keys, args=args)
        run = _Run(packed)
        self._waiting.append(run)
        try:
            with self._turn:
                while not run.over:
                    self._take_along(run)
        except BaseException:
            with contextlib.suppress(ValueError, IndexError):  # told to stop: nobody waits for it
                self._waiting.remove(run)
            raise
        if isinstance(run.error, NoScriptError):
            return script(keys=keys, args=args)
        if run.error:
            raise run.error
        return run.answer

    def _take_along(self, own: _Run) -> None:
        """One round trip for all who wait by now. Those whom it fails are told so, all of them.

        Whoever was not sent yet, too: to wait for one time-out and then another is too long.
        """
        together = list(self._taken(TOGETHER_MAX)) or [own]
        try:
            answers = self._answers(b"".join(run.packed for run in together), len(together))
            for run, answer in zip(together, answers, strict=True):
                run.end(answer, answer if isinstance(answer, ResponseError) else None)
        except RedisError as error:
            for run in together:
                run.end(error=error)
            for run in self._taken(len(self._waiting)):
                run.end(error=error)
        except BaseException:  # only this one was told to stop
            self._waiting.extendleft(run for run in reversed(together) if not run.over)
            raise

    def _taken(self, most: int) -> Iterator[_Run]:
        with contextlib.suppress(IndexError):
            for _ in range(most):
                yield self._waiting.popleft()

    def _answers(self, packed: bytes, count: int) -> list[Any]:
        connection = self._connection = self._connection or self._pool.get_connection()
        try:
            answers = self._answers_over(connection, packed, count)
        except BaseException:  # what it still brings is the answer to something else
            connection.disconnect()
            raise
        outage.is_over()
        return answers

    def _answers_over(self, connection: Any, packed: bytes, count: int) -> list[Any]:
        try:
            return _asked(connection, packed, count)
        except RedisConnectionError:  # it may have died while nobody used it
            connection.disconnect()
        return list(
            connection.retry.call_with_retry(
                lambda: _asked(connection, packed, count), lambda _error: connection.disconnect()
            )
        )


def _asked(connection: Any, packed: bytes, count: int) -> list[Any]:
    connection.send_packed_command([packed])
    return [_answer(connection) for _ in range(count)]


def _answer(connection: Any) -> Any:
    """What a script returns, or what it complains of."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
