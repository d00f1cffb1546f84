"""The model of Redis answers as a real server does, and ends in the same records (I2)."""

import random
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import OutOfMemoryError, ResponseError

from tests.harness import RedisServer
from tests.simulation.connection import client
from tests.simulation.redis_model import RedisModel
from tests.simulation.replay import content, content_of_model, recorded, replay
from tests.simulation.scheduler import Chooser
from tests.simulation.world import Faults, World

HISTORIES = 30
STEPS = 60
KEYS = ("a", "b", "c")
MEMBERS = ("x", "y", "z")
LUA = """
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
local set = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
return {before, set, #set, redis.call('ZCARD', KEYS[2]), tonumber(ARGV[2]) / 2, false}
"""
LUA_WRITES = """
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
"""
LUA_INCREMENTS = "return redis.call('ZADD', KEYS[1], unpack(ARGV))"


def command(chance: random.Random) -> list[Any]:
    """One command, often of the wrong type for its key."""
    key, member = chance.choice(KEYS), chance.choice(MEMBERS)
    score, low, high = chance.randint(-3, 9), chance.randint(-3, 9), chance.randint(-3, 9)
    return chance.choice(
        [
            ["SET", key, score],
            ["SET", key, score, "NX"],
            ["GET", f"s{key}"],
            ["SET", f"s{key}", member, "EX", 100],
            ["TTL", f"s{key}"],
            ["DEL", key, f"s{key}"],
            ["EXISTS", key, f"s{key}"],
            ["MGET", f"s{key}", "none"],
            ["HSET", f"h{key}", member, score],
            ["HGET", f"h{key}", member],
            ["HDEL", f"h{key}", member],
            ["HEXISTS", f"h{key}", member],
            ["HGETALL", f"h{key}"],
            ["HVALS", f"h{key}"],
            ["HINCRBY", f"h{key}", "n", score],
            ["SADD", f"set{key}", member],
            ["SREM", f"set{key}", member],
            ["SCARD", f"set{key}"],
            ["SMEMBERS", f"set{key}"],
            ["RPUSH", f"l{key}", member, score],
            ["LPOP", f"l{key}"],
            ["LRANGE", f"l{key}", low, high],
            ["ZADD", f"z{key}", score + 0.5, member],
            ["ZADD", f"z{key}", "XX", score, member],
            ["ZADD", f"z{key}", "NX", score, member],
            ["ZADD", f"z{key}", "GT", score, member],
            ["ZADD", f"z{key}", "LT", score, member],
            ["EVAL", LUA_INCREMENTS, 1, f"z{key}", "INCR", score, member],
            ["EVAL", LUA_INCREMENTS, 1, f"z{key}", "XX", "INCR", score, member],
            ["ZREMRANGEBYSCORE", f"z{key}", "-inf", low],
            ["ZREMRANGEBYRANK", f"z{key}", low, high],
            ["ZREVRANGE", f"z{key}", low, high],
            ["ZREVRANGEBYSCORE", f"z{key}", high, low, "WITHSCORES", "LIMIT", 0, 2],
            ["ZSCAN", f"z{key}", 0, "COUNT", 500],
            ["ZREM", f"z{key}", member],
            ["ZSCORE", f"z{key}", member],
            ["ZRANGE", f"z{key}", low, high, "WITHSCORES"],
            ["ZRANGEBYSCORE", f"z{key}", "-inf", f"({high}", "LIMIT", 0, 2],
            ["ZCOUNT", f"z{key}", low, "+inf"],
            ["EVAL", LUA, 2, f"s{key}", f"z{key}", score, high],
            ["EVAL", LUA_WRITES, 2, f"h{key}", f"z{key}", member, score],
        ]
    )


def answer(redis: Redis, words: list[Any]) -> Any:
    try:
        found: Any = redis.execute_command(*words)  # type: ignore[no-untyped-call]
    except OutOfMemoryError:
        return "OOM"
    except ResponseError as error:
        return str(error).split()[0]
    if words[0] == "ZSCAN":  # in any order
        return sorted(found[1])
    return sorted(found) if words[0] == "SMEMBERS" else found


@pytest.fixture
def real(redis_server: RedisServer) -> Redis:
    return Redis.from_url(redis_server.url, protocol=2)


@pytest.mark.parametrize("is_full", [False, True], ids=["with room", "full"])
def test_they_answer_alike(real: Redis, redis_server: RedisServer, *, is_full: bool) -> None:
    for seed in range(HISTORIES):
        chance, redis_model = random.Random(seed), RedisModel(1e9)
        model = client(redis_model)
        redis_server.set_maxmemory(0)
        real.flushall()
        for n in range(STEPS):
            if is_full and n == STEPS // 2:
                redis_server.set_maxmemory(1)
                redis_model.is_full = True
            words = command(chance)
            assert answer(model, words) == answer(real, words), (seed, words)


SITUATIONS = {
    "kills": partial(World, Faults(kills=2, stalls=1, duplicates=2)),
    "deletion": partial(World, Faults(kills=1, duplicates=3, deleted_at=2.5)),
    "submissions": partial(
        World, Faults(kills=1, clocks=1, bfl=3, duplicates=1), models=("flux-dev", "flux-2-pro")
    ),
}


@settings(
    max_examples=12, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(sorted(SITUATIONS)), seed=st.integers(0, 2**16))
def test_a_simulated_run_ends_alike_on_a_real_server(real: Redis, name: str, seed: int) -> None:
    real.flushall()
    world = SITUATIONS[name](Chooser(seed))
    log = recorded(world)
    world.run()
    replay(log, real)
    assert content(real) == content_of_model(world)
