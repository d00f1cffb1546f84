"""Replay of a simulated run on a real Redis: the same commands and scripts at the same times."""

from collections.abc import Callable
from hashlib import sha1
from typing import Any

from redis import Redis

from tests.simulation.world import World

Command = tuple[float, list[bytes]]
UNIQUE = (b"TIME", b"XADD")  # by time
CALL_OF_TIME = b"redis.call('TIME')"


def recorded(world: World) -> list[Command]:
    """The list that fills with the commands of a run, those inside scripts left out."""
    log: list[Command] = []
    real: Callable[[list[bytes]], Any] = world.redis.execute

    def execute(command: list[bytes]) -> Any:
        log.append((world.redis.now, list(command)))
        return real(command)

    world.redis.execute = execute  # type: ignore[assignment, method-assign]
    return log


def replay(log: list[Command], redis: Redis) -> None:
    """Run the commands; scripts read the time of the simulation."""
    scripts: dict[bytes, bytes] = {}
    for now, words in log:
        name = words[0].upper()
        if name in (b"SCRIPT", b"EVAL"):
            source = words[2] if name == b"SCRIPT" else words[1]
            scripts[sha1(source, usedforsecurity=False).hexdigest().encode()] = source
        if name == b"EVAL":
            _execute(redis, [b"EVAL", _at(words[1], now), *words[2:]])
        elif name == b"EVALSHA" and words[1] in scripts:
            _execute(redis, [b"EVAL", _at(scripts[words[1]], now), *words[2:]])
        elif name not in (*UNIQUE, b"SCRIPT", b"EVALSHA"):
            _execute(redis, words)


def _execute(redis: Redis, words: list[bytes]) -> None:
    redis.execute_command(*words)  # type: ignore[no-untyped-call]


def _at(source: bytes, now: float) -> bytes:
    seconds, micros = divmod(round(now * 1e6), 1_000_000)
    return source.replace(CALL_OF_TIME, b"({'%d', '%d'})" % (seconds, micros))


def content(redis: Redis) -> dict[bytes, Any]:
    """All keys of a real server but streams, as the model has them."""
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: _scores(redis.zrange(key, 0, -1, withscores=True)),
    }
    kinds: dict[bytes, Any] = {key: redis.type(key) for key in redis.scan_iter()}
    return {key: read[kind](key) for key, kind in kinds.items() if kind in read}


def content_of_model(world: World) -> dict[bytes, Any]:
    """All keys of the model but streams."""
    data = world.redis.data.items()
    return {key: value for key, value in data if isinstance(value, bytes | dict | list | set)}


def _scores(pairs: Any) -> dict[bytes, float]:
    return dict(pairs)
