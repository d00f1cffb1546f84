"""Scripts of Redis run without all that redis-py does around a command.

Every callback waits for one. redis-py looks whether the connection still lives, which costs a turn
of gevent's loop, measures for observers there are none of, and goes through the arguments twice:
together about as much as all else that is done for a callback. Here a connection that has died is
found out by using it. Retries, health checks and time-outs stay redis-py's own.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import hiredis
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from jobs.outage import outage


class Express:
    """Runs scripts over connections that are taken from the client's pool and kept."""

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._idle: list[Any] = []  # typed as less than every connection of a pool can do
        self._process = os.getpid()

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """What a registered script returns. Raises RedisError."""
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        packed = hiredis.pack_command(command)
        connection = self._taken()
        try:
            return _answer(connection, packed)
        except NoScriptError:
            return script(keys=keys, args=args)
        finally:
            self._idle.append(connection)

    def _taken(self) -> Any:
        if self._process != os.getpid():  # two processes must not talk over one connection
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.get_connection()


def _answer(connection: Any, packed: bytes) -> Any:
    with contextlib.suppress(RedisConnectionError):  # it may have died while nobody used it
        answer = _asked(connection, packed)
        outage.is_over()
        return answer
    return connection.retry.call_with_retry(
        lambda: _asked(connection, packed), lambda _error: connection.disconnect()
    )


def _asked(connection: Any, packed: bytes) -> Any:
    connection.send_packed_command([packed])
    return connection.read_response()
