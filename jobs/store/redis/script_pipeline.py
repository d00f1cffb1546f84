"""Pipeline of scripts: concurrent Lua scripts share one connection and one round trip to Redis.

Each callback needs a script. In a burst, sending, receiving and waking up cost more than the
scripts: while one round trip is under way, scripts queue, and the next round trip takes all of
them. redis-py would also check before each command that the connection is alive, which costs a
turn of gevent's loop; here a dead connection is noticed when it is used, and then redis-py's own
retries apply.
"""

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from jobs.store.redis.client import StoreClient
from jobs.store.redis.outages import unavailable
from jobs.store.redis.write_durability import COMMANDS, Durability, NotDurable

BATCH_MAX = 64
DURABLE_BATCH_MAX = 1024  # a disk may be flushed only once a second
LARGE_BYTES = 64 * 1024  # sent over a connection of its own, so that the others need not wait

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Run:
    """One script: the packed command, then its answer or error."""

    packed: bytes
    is_done: bool = False
    answer: Any = None
    error: RedisError | None = None

    def finish(self, answer: Any = None, error: RedisError | None = None) -> None:
        self.answer = answer
        self.error = error
        self.is_done = True


class ScriptPipeline:
    """Runs scripts over one connection of the client's pool.

    `commits` is for what callers must be able to rely on. With a `durability` it has a connection
    of its own, where each round trip ends with one wait for all of its writes. `pause` is called
    before each round trip: gevent then runs the requests that have arrived, and they join it.
    """

    def __init__(
        self,
        redis: Redis,
        durability: Durability = Durability.MEMORY,
        pause: Callable[[], object] = lambda: None,
        *,
        waits_for_durability: bool = False,
    ) -> None:
        self.client = StoreClient(redis)
        self._pool = redis.connection_pool
        self._pause = pause
        self.waits_for_durability = waits_for_durability
        self.commits = self
        if durability is not Durability.MEMORY and not waits_for_durability:
            self.commits = ScriptPipeline(redis, durability, pause, waits_for_durability=True)
        self._durability = durability
        self._wait = hiredis.pack_command(COMMANDS[durability]) if waits_for_durability else b""
        self._batch_max = DURABLE_BATCH_MAX if waits_for_durability else BATCH_MAX
        self._reset()

    def _reset(self) -> None:
        self._process_id = os.getpid()
        self._connection: Any = None  # redis-py's type lacks methods that every connection has
        self._waiting: deque[_Run] = deque()  # append and popleft need no lock
        self._round_trip = threading.Lock()

    @unavailable()
    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run a registered script. Raises StoreUnavailable."""
        packed = hiredis.pack_command(("EVALSHA", script.sha, len(keys), *keys, *args))
        try:
            return self._run(_Run(packed))
        except NoScriptError:
            # Loaded over another connection, it could go to a server that was the primary before.
            words = ("EVAL", script.script, len(keys), *keys, *args)
            return self._run(_Run(hiredis.pack_command(words)))

    def _run(self, run: _Run) -> Any:
        if self._process_id != os.getpid():  # a child must not use its parent's connection
            self._reset()
        if len(run.packed) > LARGE_BYTES:
            connection = self._pool.get_connection()
            try:
                self._exchange(connection, [run])
            finally:
                self._pool.release(connection)
        else:
            self._run_together(run)
        if run.error:
            raise run.error
        return run.answer

    def _run_together(self, run: _Run) -> None:
        self._waiting.append(run)
        try:
            with self._round_trip:
                while not run.is_done:
                    self._pause()
                    self._send_batch(run)
        finally:
            if not run.is_done:  # interrupted: it must not be sent
                with contextlib.suppress(ValueError, IndexError):
                    self._waiting.remove(run)

    def _send_batch(self, run_of_caller: _Run) -> None:
        """One round trip for all that wait.

        When it fails, those that came meanwhile fail with it: each has waited for one time-out
        already and must not wait for a second.
        """
        batch = self._take(self._batch_max)
        if not batch:
            batch = [run_of_caller]
        try:
            if self._connection is None:
                self._connection = self._pool.get_connection()
            self._exchange(self._connection, batch)
        except RedisError as error:
            failed_runs = batch + self._take(len(self._waiting))
            for run in failed_runs:
                run.finish(error=error)
        except BaseException:  # only this thread was interrupted: others send the rest
            self._waiting.extendleft(run for run in reversed(batch) if not run.is_done)
            raise

    def _take(self, most: int) -> list[_Run]:
        taken: list[_Run] = []
        with contextlib.suppress(IndexError):
            while len(taken) < most:
                taken.append(self._waiting.popleft())
        return taken

    def _exchange(self, connection: Any, batch: list[_Run]) -> None:
        """Raises RedisError when the whole round trip failed."""
        packed = b"".join(run.packed for run in batch) + self._wait
        try:
            answers_expected = len(batch)
            if self._wait:
                answers_expected += 1
            answers = _answers(connection, packed, answers_expected)
        except BaseException:  # a late answer would be read as that of the next command
            connection.disconnect()
            raise
        if self._wait and not self._durability.is_reached(answers.pop()):
            log.warning("DURABILITY=%s was not reached in time", self._durability)
            raise NotDurable
        for run, answer in zip(batch, answers, strict=True):
            if isinstance(answer, ResponseError):
                run.finish(error=answer)
            else:
                run.finish(answer)


def _answers(connection: Any, packed: bytes, count: int) -> list[Any]:
    try:
        return _round_trip(connection, packed, count)
    except RedisConnectionError:  # it may have died while idle, which is no failed try
        connection.disconnect()
    return list(
        connection.retry.call_with_retry(
            lambda: _round_trip(connection, packed, count), lambda _error: connection.disconnect()
        )
    )


def _round_trip(connection: Any, packed: bytes, count: int) -> list[Any]:
    """The results of the scripts, or the errors that they returned."""
    connection.send_packed_command([packed])
    answers: list[Any] = []
    for _ in range(count):
        try:
            answers.append(connection.read_response())
        except ResponseError as error:
            answers.append(error)
    return answers
