"""Each refusal of Redis, switched on and off twenty times under load, leaves nothing behind."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from redis import Redis

from jobs.store.redis.connection import CONNECTIONS_MAX
from tests.harness import RedisServer, Stack, free_port, wait_for
from tests.sandbox import Task

pytestmark = pytest.mark.slow

TIMES = 20
BEFORE_SECONDS, ON_SECONDS, OFF_SECONDS = 0.1, 0.15, 0.05
DOWNLOAD: dict[str, Any] = {"size": 20_000, "drip": 100_000}  # it ends while Redis refuses
STORED_WITHIN_SECONDS = 60.0
LEAST_STOPS = 4  # of RQ's loop


class Refusal(NamedTuple):
    on: Callable[[Redis], object]
    off: Callable[[Redis], object]


def setting(name: str, on: object, off: object, *, reconnects: bool = False) -> Refusal:
    """By a setting of the server; some matter to new connections only, so that all are closed."""

    def switch(redis: Redis, value: object) -> None:
        redis.config_set(name, value)  # type: ignore[arg-type]
        if reconnects:
            redis.client_kill_filter(_type="normal", skipme=True)

    return Refusal(lambda redis: switch(redis, on), lambda redis: switch(redis, off))


def refusals(server: RedisServer) -> list[Refusal]:
    replica = Refusal(
        lambda redis: redis.replicaof("127.0.0.1", free_port()),
        lambda redis: redis.replicaof("NO", "ONE"),
    )
    return [
        setting("maxmemory", 1, 0),  # OOM
        Refusal(lambda _: server.refuse_writes(), lambda _: server.accept_writes()),  # MISCONF
        setting("min-replicas-to-write", 1, 0),  # NOREPLICAS
        replica,  # READONLY
        setting("requirepass", "another", server.local.password, reconnects=True),  # WRONGPASS
        setting("maxclients", 1, 10_000, reconnects=True),
    ]


def count(pid: int, what: str) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/{what}").iterdir())


def flap(stack: Stack, redis: Redis, refusal: Refusal) -> list[Task]:
    """Tasks that end before, while and after Redis refuses."""
    tasks = []
    for _ in range(TIMES):
        tasks.append(stack.generate(**DOWNLOAD))
        time.sleep(BEFORE_SECONDS)
        refusal.on(redis)
        with suppress(requests.RequestException):
            stack.client.get("/api/jobs")
        time.sleep(ON_SECONDS)
        refusal.off(redis)
        time.sleep(OFF_SECONDS)
    return tasks


def test_refusals_that_come_and_go_cost_no_connection_thread_or_job(stack: Stack) -> None:
    installation = stack.installation
    (web,), (worker,), (sweep,) = installation.web, installation.worker, installation.sweep
    pids = [*web.children(), worker.pid, sweep.pid]
    stack.stored(stack.generate())
    threads = {pid: count(pid, "task") for pid in pids}
    descriptors = {pid: count(pid, "fd") for pid in pids}
    server = installation.redis
    with server.client() as redis:
        tasks = [task for refusal in refusals(server) for task in flap(stack, redis, refusal)]
        for task in tasks:
            stack.stored(task, STORED_WITHIN_SECONDS)
        assert installation.logs("worker").count("RQ stopped") >= LEAST_STOPS
        assert redis.pubsub_channels() == []
        wait_for(
            "threads as before", lambda: all(count(pid, "task") <= threads[pid] for pid in pids)
        )
        most = {pid: descriptors[pid] + CONNECTIONS_MAX for pid in pids}
        assert all(count(pid, "fd") <= most[pid] for pid in pids), "its pool may have grown"
    stack.settled(idle=False)
