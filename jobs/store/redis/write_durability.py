"""DURABILITY: how safe a write must be before its caller gets a 2xx."""

from enum import StrEnum
from typing import Any

from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from jobs.domain.errors import InvalidSettings
from jobs.store.redis.keys import BARRIER
from jobs.store.redis.scripts import Command

WAIT_MILLISECONDS = 1500  # less than the time-out of a web process's connection


class NotDurable(RedisError):
    """The write is in the primary's memory, but not yet as durable as DURABILITY demands."""


class Durability(StrEnum):
    """Levels; each waits for the earlier writes of the same connection."""

    MEMORY = "memory"
    FSYNC = "fsync"
    REPLICA = "replica"

    def is_reached(self, answer: Any) -> bool:
        if isinstance(answer, ResponseError):
            return False
        return bool(answer[0] if self is Durability.FSYNC else answer)


# The Redis command that waits; empty for `memory`.
COMMANDS: dict[Durability, Command] = {
    Durability.MEMORY: (),
    Durability.FSYNC: ("WAITAOF", 1, 0, WAIT_MILLISECONDS),
    Durability.REPLICA: ("WAIT", 1, WAIT_MILLISECONDS),
}


def probe(redis: Any, durability: Durability) -> bool:
    """Write a test key and wait for it as a callback does; returns whether it was in time.

    Raises RedisError, and InvalidSettings when the server cannot do it at all.
    """
    if durability is Durability.MEMORY:
        return True
    try:
        with redis.pipeline(transaction=False) as pipe:
            pipe.set(BARRIER, "")
            pipe.execute_command(*COMMANDS[durability])
            _, answer = pipe.execute()
    except OutOfMemoryError:  # it can, once there is room: a process may start
        raise
    except ResponseError as error:
        raise InvalidSettings(f"DURABILITY: {_reason(str(error))}") from None
    return durability.is_reached(answer)


def _reason(error: str) -> str:
    if "appendonly" in error:
        return "fsync needs a server with appendonly yes"
    if "unknown command" in error:
        return "fsync needs WAITAOF, which Redis and Valkey have since 7.2"
    return "the server refuses WAIT or WAITAOF to this user"
