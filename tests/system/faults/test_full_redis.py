"""Redis is filled to the byte through the API while BFL is away; then only the cause goes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.harness import Client, Stack, TcpProxy, stopped_stack, wait_for
from tests.harness.notifications import NEW
from tests.harness.webhook_receiver import Hook

ROOM_BYTES = 300_000
FILLER = {"text": "x" * 1500}
FILLERS_MAX = 1000
IN_A_ROW = 20  # buffers of the server come and go
JOBS = 6
DONE_WITHIN_SECONDS = 60.0


@pytest.fixture
def way_to_bfl(env: Stack) -> Iterator[TcpProxy]:
    with TcpProxy(int(env.sandbox.url.rpartition(":")[2])) as proxy:
        env.sandbox._engine.origins = [proxy.url]  # noqa: SLF001 - its URLs lead through the proxy
        env.installation.settings["BFL_SANDBOX_URL"] = proxy.url
        yield proxy


@pytest.fixture
def env(tmp_path: Path, hook: Hook) -> Iterator[Stack]:
    with stopped_stack(tmp_path, NOTIFY_URL=hook.url, NOTIFY_SECRET=NEW) as stopped:
        yield stopped


def fill(env: Stack) -> None:
    """Announce jobs until Redis refuses them for good."""
    redis = env.installation.redis
    with redis.client() as client:
        used: Any = client.info("memory")
        redis.set_maxmemory(used["used_memory"] + ROOM_BYTES)
    refused = 0
    for n in range(FILLERS_MAX):
        status = env.client.put_job(f"filler-{n}", metadata=FILLER).status_code
        assert status in (201, 503)
        refused = refused + 1 if status == 503 else 0
        if refused == IN_A_ROW:
            return
    raise AssertionError("Redis is never full")


def pending(client: Client, task_id: str) -> int:
    return client.callback({"id": task_id, "status": "Pending"}).status_code


def test_everything_is_done_although_redis_stays_full_and_all_processes_are_restarted(
    env: Stack, way_to_bfl: TcpProxy, hook: Hook
) -> None:
    installation = env.installation
    installation.start()
    installation.wait_until_ready(path="/readyz")
    way_to_bfl.refuse()
    queued = [env.posted() for _ in range(JOBS)]
    called = [env.finished() for _ in range(JOBS)]
    for task in called:
        env.announce(task)

    fill(env)
    wait_for("an unknown task is refused", lambda: pending(env.client, uuid4().hex) == 503)
    assert {pending(env.client, task.id) for task in called} == {200}
    assert env.client.jobs(status="queued", limit=200)
    wait_for("it is named", lambda: "of maxmemory" in env.client.get("/readyz").text)

    installation.redis.set_maxmemory(1)  # what is freed from now on makes no room
    installation.stop()
    installation.start()
    way_to_bfl.pass_on()
    assert {env.sandbox.call_back(task.id).outcome for task in called} == {200}
    for task in called:
        env.stored(task, DONE_WITHIN_SECONDS)
    for job in queued:
        env.stored_job(job, DONE_WITHIN_SECONDS)
    hook.called(2 * JOBS)
    assert pending(env.client, "unknown") == 503, "it is still full"

    assert [process.stop() for process in installation.worker] == [0], "it works without RQ"
    installation.start("worker")
    installation.redis.set_maxmemory(0)
    assert pending(env.client, "unknown") == 200
    wait_for("RQ works again", lambda: "fluxkeep_workers 1.0" in env.client.get("/metrics").text)
