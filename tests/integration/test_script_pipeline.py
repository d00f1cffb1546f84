"""Scripts that run over kept connections: as safe as those that redis-py runs."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest
from redis import Redis

from jobs.domain.errors import StoreUnavailable
from jobs.store.redis.script_pipeline import ScriptPipeline
from tests.harness import RedisServer

ECHO = "return {KEYS[1], ARGV[1], #ARGV}"


class Echo:
    """A script that answers with what it was given."""

    def __init__(self, redis: Redis) -> None:
        self.pipeline, self.script = ScriptPipeline(redis), redis.register_script(ECHO)

    def answers(self, word: Any = "word") -> bool:
        answer = self.pipeline.run(self.script, ["key"], [word])
        return bool(answer == [b"key", str(word).encode(), 1])


@pytest.fixture
def echo(redis: Redis) -> Echo:
    echo = Echo(redis)
    assert echo.answers()
    return echo


def test_a_script_gets_its_keys_and_arguments_of_every_kind(redis: Redis) -> None:
    pipeline = ScriptPipeline(redis)
    script = redis.register_script("return {KEYS[1], unpack(ARGV)}")
    answer = pipeline.run(script, ["key"], ["é", b"\0\xff", 7, 0.1, 1795267466.2749913])
    assert answer == [b"key", "é".encode(), b"\0\xff", b"7", b"0.1", b"1795267466.2749913"]
    script = redis.register_script("return redis.call('NONSENSE')")
    before = redis.info("clients")["connected_clients"]
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            pipeline.run(script, [], [])
    assert redis.info("clients")["connected_clients"] <= before + 1, "it keeps its connection"


def test_what_redis_has_lost_is_made_again(
    redis: Redis, echo: Echo, redis_server: RedisServer
) -> None:
    redis.script_flush()
    assert echo.answers()
    with redis_server.client() as other:
        for client in other.client_list(_type="normal"):
            if client["cmd"] != "client|list":
                other.client_kill_filter(_id=client["id"])
    assert echo.answers()


def test_concurrent_scripts_get_their_own_answers(echo: Echo) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(echo.answers, range(400)))
        assert all(pool.map(echo.answers, ("x" * n for n in (1, 10**6, 2, 10**6))))  # alone


def test_a_child_process_has_its_own_connection(redis: Redis, echo: Echo) -> None:
    before = redis.info("clients")["connected_clients"]
    child = os.fork()
    if child == 0:
        answers = echo.answers("child")
        is_own = redis.info("clients")["connected_clients"] == before + 2
        os._exit(0 if is_own and answers else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert echo.answers("parent")


def test_every_caller_sees_the_end_of_redis(echo: Echo, redis_server: RedisServer) -> None:
    redis_server.kill()
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(echo.answers) for _ in range(64)]
    assert all(isinstance(call.exception(), StoreUnavailable) for call in calls)
    redis_server.start()
    assert echo.answers()


class Stop(BaseException):
    """The process was told to stop."""


def test_an_interrupted_call_leaves_no_answer_for_the_next(redis: Redis, echo: Echo) -> None:
    slow = redis.register_script("local n = 0 for i = 1, 1e8 do n = n + i end return 'late'")

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    try:
        slow.sha = redis.script_load(slow.script)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Stop):
            echo.pipeline.run(slow, [], [])
        assert echo.answers()
    finally:
        signal.signal(signal.SIGALRM, before)
