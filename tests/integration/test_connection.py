"""Connections to Redis: closed and made anew when the server is not the primary."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError, WatchError
from redis.retry import Retry

from jobs.config.settings import load
from jobs.domain.errors import StoreUnavailable
from jobs.store.redis.connection import CONNECTIONS_MAX, NotPrimary, connect
from jobs.store.redis.outages import LoggedRetry
from jobs.store.redis.script_pipeline import ScriptPipeline
from tests.harness import RedisServer
from tests.harness.doctor_output import NEEDED
from tests.harness.replication import ReplicatedRedis

CODES = ("READONLY", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED", "LOADING")
# The error at the first call, then the number of the call.
REFUSE_ONCE = """
local calls = redis.call('INCR', KEYS[1])
return calls == 1 and redis.error_reply(ARGV[1] .. ' the reason') or calls
"""


def connected(url: str, retry: Retry, seconds: float = 5.0) -> Redis:
    """A client as a process of Fluxkeep has it."""
    return connect(load(NEEDED | {"REDIS_URL": url, "MEDIA_URL": "memory://"}), retry, seconds)


def once_more() -> Retry:
    return Retry(NoBackoff(), 1)


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with connected(redis_server.url, once_more()) as client:
        yield client


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ReplicatedRedis]:
    with ReplicatedRedis(tmp_path / "redis") as replicated:
        yield replicated


def by_pipeline(redis: Any, code: str) -> Any:
    with redis.pipeline(transaction=False) as pipe:
        pipe.eval(REFUSE_ONCE, 1, "key", code)
        return pipe.execute()[0]


def refuse_once(redis: Any) -> Any:
    return redis.register_script(REFUSE_ONCE)


WAYS: dict[str, Callable[[Any, str], Any]] = {
    "a command": lambda redis, code: redis.eval(REFUSE_ONCE, 1, "key", code),
    "a script": lambda redis, code: refuse_once(redis)(keys=["key"], args=[code]),
    "kept": lambda redis, code: ScriptPipeline(redis).run(refuse_once(redis), ["key"], [code]),
    "a pipeline": by_pipeline,
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_server_that_is_not_the_primary_is_left_and_asked_again_on_a_new_connection(
    redis: Any, way: Callable[[Any, str], Any], code: str
) -> None:
    redis.script_load(REFUSE_ONCE)
    before = redis.info("stats")["total_connections_received"]
    assert way(redis, code) == 2
    assert redis.info("stats")["total_connections_received"] > before
    with pytest.raises(RedisConnectionError):  # without a primary the retries end
        redis.eval("return redis.error_reply(ARGV[1] .. ' the reason')", 0, code)


def test_an_error_of_a_command_costs_no_connection(redis: Any) -> None:
    before = redis.client_id()
    with pytest.raises(Exception, match=r"wrong kind of value|WRONGTYPE"):
        redis.eval("redis.call('SET', 'a', 1) return redis.call('LPOP', 'a')", 0)
    assert redis.client_id() == before


def test_a_replica_refuses_a_transaction(redis: Any, redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.replicaof("127.0.0.1", "1")
    with redis.pipeline() as pipe:
        pipe.set("a", 1)
        with pytest.raises(NotPrimary):
            pipe.execute()


def test_an_outage_does_not_end_with_a_connection_that_may_do_nothing(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    without_password = f"redis://127.0.0.1:{redis_server.port}/0"
    for url, expected in (
        (without_password, pytest.raises(StoreUnavailable)),
        (redis_server.url, nullcontext()),
    ):
        with connected(url, LoggedRetry(NoBackoff(), 2)) as client, expected:
            ScriptPipeline(client).run(client.register_script("return 1"), [], [])
    begins, ends = (record.getMessage() for record in caplog.records)
    assert begins == "Redis is unavailable: AuthenticationError"
    assert ends.startswith("Redis is available again")


def test_an_outage_ends_with_an_answer_and_with_nothing_less(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """redis-py calls a kept connection made, and a command sent, although nobody is there."""
    with connected(redis_server.url, LoggedRetry(NoBackoff(), 1), 1.0) as client:
        kept = [client.client() for _ in range(4)]
        subscriber = client.pubsub()
        subscriber.subscribe("channel")
        assert all(each.ping() for each in kept)
        redis_server.kill()
        for _ in range(3):
            for each in (*kept, client):
                with pytest.raises(RedisConnectionError):
                    each.get("key")
            with suppress(RedisConnectionError):
                subscriber.subscribe("channel")
        redis_server.start()
        assert client.get("key") is None
        assert "Redis is available again" in caplog.messages[-1]
        begins = [text for text in caplog.messages if text.startswith("Redis is unavailable")]
        assert len(begins) == 1 and len(caplog.messages) == 2
        with suppress(RedisConnectionError):
            subscriber.close()
        for each in kept:
            each.close()


def test_an_answer_that_refuses_a_command_ends_an_outage(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(redis_server.url, LoggedRetry(NoBackoff(), 0)) as client:
        redis_server.kill()
        with pytest.raises(RedisConnectionError):
            client.get("key")
        redis_server.start()
        with pytest.raises(ResponseError):
            client.eval("redis.call('SET', 'a', 1) return redis.call('LPOP', 'a')", 0)
    assert "Redis is available again" in caplog.messages[-1]


def test_the_pool_is_bounded_and_the_url_can_make_it_smaller(redis_server: RedisServer) -> None:
    url = f"{redis_server.url}?max_connections=4"
    for address, most in ((redis_server.url, CONNECTIONS_MAX), (url, 4)):
        with connected(address, Retry(NoBackoff(), 0), 0.1) as client:
            pool = client.connection_pool
            taken = [pool.get_connection() for _ in range(most)]
            with pytest.raises(Exception, match="No connection available"):
                client.ping()
            for connection in taken:
                pool.release(connection)
            assert client.ping()


def test_a_socket_in_the_file_system_is_a_way_to_redis(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    try:
        server.stop()
        with (server.local.directory / "redis.conf").open("a") as configuration:
            configuration.write("unixsocket redis.sock\n")
        server.start()
        url = f"unix://:{server.local.password}@{server.local.directory}/redis.sock"
        with connected(url, once_more()) as client:
            assert client.ping()
    finally:
        server.kill()


def test_after_a_failover_no_kept_connection_reads_from_a_server_that_cannot_follow(
    replicated: ReplicatedRedis,
) -> None:
    with connected(replicated.url, once_more()) as client:
        kept = [client.client() for _ in range(3)]  # each has a connection of its own
        assert [each.get("key") for each in (client, *kept)] == [None] * 4
        replicated.switch_over(can_follow=False)
        assert client.set("key", "new")
        assert [each.get("key") for each in kept] == [b"new"] * len(kept)


def test_a_watch_outlives_a_failover(replicated: ReplicatedRedis) -> None:
    with connected(replicated.url, once_more()) as client, client.pipeline() as pipe:
        pipe.watch("key")
        assert client.get("key") is None
        replicated.switch_over(can_follow=False)
        assert client.set("key", "new")
        pipe.multi()
        pipe.set("key", "old")
        with pytest.raises(WatchError):
            pipe.execute()
