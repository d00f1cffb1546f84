"""Batching: concurrent Lua scripts share one connection and one round trip to Redis.

Each callback needs a script. In a burst, sending, receiving and waking up cost more than the
scripts: while one round trip is under way, scripts queue, and the next round trip takes all of
them. redis-py would also check before each command that the connection is alive, which costs a
turn of gevent's loop; here a dead connection is noticed when it is used, and then redis-py's own
retries apply.
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

BATCH_MAX = 64
LARGE_BYTES = 64 * 1024  # sent over a connection of its own, so that the others need not wait


class _Run:
    """One script: the packed command, then its answer or error."""

    __slots__ = ("answer", "done", "error", "packed")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.done = False
        self.answer: Any = None
        self.error: RedisError | None = None

    def finish(self, answer: Any = None, error: RedisError | None = None) -> None:
        self.done, self.answer, self.error = True, answer, error


class Batching:
    """Keeps one connection of the client's pool."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._reset()

    def _reset(self) -> None:
        self._process_id = os.getpid()
        self._connection: Any = None  # redis-py's type lacks methods that every connection has
        self._waiting: deque[_Run] = deque()  # append and popleft need no lock
        self._round_trip = threading.Lock()

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run a registered script. Raises RedisError."""
        if self._process_id != os.getpid():  # a child must not use its parent's connection
            self._reset()
        packed = hiredis.pack_command(("EVALSHA", script.sha, len(keys), *keys, *args))
        if len(packed) > LARGE_BYTES:
            return script(keys=keys, args=args)
        run = _Run(packed)
        self._waiting.append(run)
        try:
            with self._round_trip:
                while not run.done:
                    self._send_batch(run)
        except BaseException:
            with contextlib.suppress(ValueError, IndexError):  # interrupted: it must not be sent
                self._waiting.remove(run)
            raise
        if isinstance(run.error, NoScriptError):
            return script(keys=keys, args=args)
        if run.error:
            raise run.error
        return run.answer

    def _send_batch(self, own: _Run) -> None:
        """One round trip for all that wait.

        When it fails, those that came meanwhile fail with it: each has waited for one time-out
        already and must not wait for a second.
        """
        batch = list(self._take(BATCH_MAX)) or [own]
        try:
            answers = self._answers(b"".join(run.packed for run in batch), len(batch))
            for run, answer in zip(batch, answers, strict=True):
                run.finish(answer, answer if isinstance(answer, ResponseError) else None)
        except RedisError as error:
            for run in (*batch, *self._take(len(self._waiting))):
                run.finish(error=error)
        except BaseException:  # only this thread was interrupted
            self._waiting.extendleft(run for run in reversed(batch) if not run.done)
            raise

    def _take(self, most: int) -> Iterator[_Run]:
        with contextlib.suppress(IndexError):
            for _ in range(most):
                yield self._waiting.popleft()

    def _answers(self, packed: bytes, count: int) -> list[Any]:
        connection = self._connection = (
            self._connection or self.redis.connection_pool.get_connection()
        )
        try:
            answers = _answers_with_retries(connection, packed, count)
        except BaseException:  # a late answer would be read as that of the next command
            connection.disconnect()
            raise
        outage.end()
        return answers


def _answers_with_retries(connection: Any, packed: bytes, count: int) -> list[Any]:
    try:
        return _exchange(connection, packed, count)
    except RedisConnectionError:  # it may have died while idle, which is no failed try
        connection.disconnect()
    return list(
        connection.retry.call_with_retry(
            lambda: _exchange(connection, packed, count), lambda _error: connection.disconnect()
        )
    )


def _exchange(connection: Any, packed: bytes, count: int) -> list[Any]:
    connection.send_packed_command([packed])
    return [_answer(connection) for _ in range(count)]


def _answer(connection: Any) -> Any:
    """The script's result, or the error that it returned."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
