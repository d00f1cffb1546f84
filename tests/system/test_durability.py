"""Redis with a replica: DURABILITY covers what it says, and a failover loses nothing."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness import Client, Installation, RedisServer, Stack, wait_for
from tests.harness.replication import ReplicatedRedis
from tests.sandbox import Sandbox

CALLBACKS = 24
SURVIVED_WITHIN_SECONDS = 15.0
REFUSED_WITHIN_SECONDS = 10.0  # 2 s, and the request itself on a busy machine


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[ReplicatedRedis]:
    with ReplicatedRedis(tmp_path / "redis") as replicated:
        yield replicated


@pytest.fixture
def web(tmp_path: Path, redis: ReplicatedRedis) -> Iterator[Installation]:
    """Not started yet: the level is the test's."""
    with closing(Installation(tmp_path, redis.primary, REDIS_URL=redis.url)) as installation:
        yield installation


def start(web: Installation, durability: str) -> Client:
    web.start("web", DURABILITY=durability)
    return web.client()


def call(client: Client, n: int) -> int:
    return client.callback({"id": f"job-{n}", "status": "Content Moderated"}).status_code


def acknowledged(client: Client, numbers: range) -> list[int]:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: call(client, n), numbers))
    assert set(answers) <= {200, 503}
    return [n for n, answer in zip(numbers, answers, strict=True) if answer == 200]


def on_record(client: Client) -> set[str]:
    return {job["id"] for job in client.jobs(limit=200)}


def test_with_replica_no_acknowledged_callback_is_lost_when_the_primary_is_killed(
    redis: ReplicatedRedis, web: Installation
) -> None:
    client = start(web, "replica")
    kept = acknowledged(client, range(CALLBACKS))
    assert len(kept) == CALLBACKS
    redis.link.hang()
    kept += acknowledged(client, range(CALLBACKS, 2 * CALLBACKS))
    redis.fail_over()
    # A new primary without a replica of its own acknowledges nothing either.
    wait_for("it answers", lambda: client.get("/api/jobs").ok)
    assert on_record(client) >= {f"job-{n}" for n in kept}
    assert call(client, 1000) == 503


def test_with_memory_what_the_replica_never_had_is_lost(
    redis: ReplicatedRedis, web: Installation
) -> None:
    """README documents this loss; the other levels prevent it."""
    client = start(web, "memory")
    redis.link.hang()
    assert len(acknowledged(client, range(CALLBACKS))) == CALLBACKS
    redis.fail_over()
    wait_for("it answers", lambda: client.get("/api/jobs").ok)
    assert on_record(client) == set()


def test_a_cut_replication_link_is_503_in_time_until_it_is_back(
    redis: ReplicatedRedis, web: Installation
) -> None:
    """Asking again does not help: what is on record only in memory is not acknowledged."""
    client = start(web, "replica")
    assert call(client, 0) == 200
    redis.link.hang()
    for n in (1, 1, 0):  # a new one, the same again, one that was acknowledged before
        began = time.monotonic()
        assert call(client, n) == 503
        assert time.monotonic() - began < REFUSED_WITHIN_SECONDS
    assert client.get("/api/jobs").ok and client.get("/api/jobs/job-1").ok
    assert client.request("DELETE", "/api/jobs/job-0").status_code == 503
    redis.link.pass_on()
    wait_for("it is acknowledged", lambda: call(client, 1) == 200)


@pytest.fixture
def alone(tmp_path: Path, redis_server: RedisServer) -> Iterator[Installation]:
    with closing(Installation(tmp_path, redis_server)) as installation:
        yield installation


def test_with_fsync_callbacks_that_come_together_share_a_wait_for_the_disk(
    alone: Installation, redis_server: RedisServer
) -> None:
    client = start(alone, "fsync")
    assert len(acknowledged(client, range(CALLBACKS))) == CALLBACKS
    with redis_server.client() as redis:
        is_queued = redis.info("commandstats")["cmdstat_waitaof"]["calls"]
    assert 1 <= is_queued < CALLBACKS


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('rename-command WAITAOF ""', "DURABILITY: fsync needs WAITAOF"),
        ("appendonly no", "DURABILITY: fsync needs a server with appendonly yes"),
    ],
)
def test_a_server_that_cannot_wait_for_its_disk_stops_the_start(
    alone: Installation, redis_server: RedisServer, line: str, reason: str
) -> None:
    redis_server.stop()
    with (redis_server.local.directory / "redis.conf").open("a") as configuration:
        configuration.write(f"{line}\n")
    redis_server.start()
    (web,) = alone.start("web", wait=False, DURABILITY="fsync")
    assert web.wait() != 0
    assert re.search(f"cannot start: {reason}", web.output())


# A planned failover, which leaves connections open to the old primary.


@pytest.fixture
def stack(tmp_path: Path, redis: ReplicatedRedis, sandbox: Sandbox) -> Iterator[Stack]:
    with closing(Installation(tmp_path, redis.primary, sandbox.url)) as installation:
        installation.settings |= {"REDIS_URL": redis.url}
        installation.start()
        installation.wait_until_ready(path="/readyz")
        yield Stack(sandbox, installation)


@pytest.mark.slow
def test_callbacks_and_rescues_go_on_after_the_primary_became_a_replica(
    redis: ReplicatedRedis, stack: Stack
) -> None:
    stack.stored(stack.generate())
    started = {name: found[0].pid for name, found in stack.installation.running.items()}
    redis.switch_over()
    wait_for("a callback is accepted", lambda: _is_accepted(stack), SURVIVED_WITHIN_SECONDS)
    stack.stored(stack.generate(), SURVIVED_WITHIN_SECONDS)
    wait_for("readiness", lambda: stack.client.get("/readyz").ok, SURVIVED_WITHIN_SECONDS)
    assert all(found[0].alive for found in stack.installation.running.values())
    assert {name: found[0].pid for name, found in stack.installation.running.items()} == started


def _is_accepted(stack: Stack) -> bool:
    body = {"id": "after-the-switch", "status": "Content Moderated"}
    return bool(stack.client.callback(body).status_code == 200)
