"""A Redis failover that leaves connections open to the old primary."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness import Installation, Stack, wait_for
from tests.harness.replication import ReplicatedRedis
from tests.sandbox import Sandbox

SURVIVED_WITHIN_SECONDS = 15.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[ReplicatedRedis]:
    with ReplicatedRedis(tmp_path / "redis") as replicated:
        yield replicated


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
