"""Scripts that run over kept connections: as safe as those that redis-py runs."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from jobs.express import Express
from tests.harness import RedisServer

ECHO = "return {KEYS[1], ARGV[1], #ARGV}"


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client() as client:
        yield client


def test_a_script_gets_its_keys_and_arguments_of_every_kind(redis: Redis) -> None:
    express, script = Express(redis), redis.register_script("return {KEYS[1], unpack(ARGV)}")
    answer = express.run(script, ["key"], ["é", b"\0\xff", 7, 0.1, 1795267466.2749913])
    assert answer == [b"key", "é".encode(), b"\0\xff", b"7", b"0.1", b"1795267466.2749913"]


def test_a_script_that_redis_has_lost_is_loaded_again(redis: Redis) -> None:
    express, script = Express(redis), redis.register_script(ECHO)
    for _ in range(2):
        assert express.run(script, ["key"], ["word"]) == [b"key", b"word", 1]
        redis.script_flush()


def test_a_connection_that_was_cut_is_made_again(redis: Redis, redis_server: RedisServer) -> None:
    express, script = Express(redis), redis.register_script(ECHO)
    express.run(script, ["key"], ["word"])
    with redis_server.client() as other:
        for client in other.client_list(_type="normal"):
            if client["cmd"] != "client|list":
                other.client_kill_filter(_id=client["id"])
    assert express.run(script, ["key"], ["word"]) == [b"key", b"word", 1]


def test_what_a_script_complains_of_is_said_and_costs_no_connection(redis: Redis) -> None:
    express, script = Express(redis), redis.register_script("return redis.call('NONSENSE')")
    before = redis.info("clients")["connected_clients"]
    for _ in range(5):
        with pytest.raises(ResponseError):
            express.run(script, [], [])
    assert redis.info("clients")["connected_clients"] <= before + 1


def test_those_who_run_scripts_at_once_get_their_own_answers(redis: Redis) -> None:
    express, script = Express(redis), redis.register_script(ECHO)

    def asked(n: int) -> bool:
        return bool(express.run(script, ["key"], [n]) == [b"key", b"%d" % n, 1])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(asked, range(400)))


def test_a_child_process_does_not_talk_over_the_connection_of_its_parent(redis: Redis) -> None:
    express, script = Express(redis), redis.register_script(ECHO)
    express.run(script, ["key"], ["parent"])
    before = redis.info("clients")["connected_clients"]
    child = os.fork()
    if child == 0:
        answer = express.run(script, ["key"], ["child"])
        is_own = redis.info("clients")["connected_clients"] == before + 2
        os._exit(0 if is_own and answer == [b"key", b"child", 1] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert express.run(script, ["key"], ["parent"]) == [b"key", b"parent", 1]
