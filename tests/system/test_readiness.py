"""`/healthz` reports that the process lives, `/readyz` which check fails."""

import time
from typing import Any

import pytest
import requests

from jobs.store.redis.keys import HEARTBEATS
from receiver.checks import READINESS_MAX_AGE_SECONDS, UNKNOWN
from receiver.checks.processes import HEARTBEAT_MAX_SECONDS
from tests.harness import Installation, Stack, wait_for
from tests.harness.doctor_output import PROBES
from tests.harness.parts import services_over
from tests.harness.stored_objects import a_file_in_place_of

ANSWER_WITHIN_SECONDS = 15.0


def readiness(installation: Installation) -> requests.Response:
    """The answer to a probe, which has no key, once no result is cached."""
    time.sleep(READINESS_MAX_AGE_SECONDS)
    return requests.get(f"{installation.url}/readyz", timeout=30)


def wrong_parts(installation: Installation) -> dict[str, str]:
    answer = readiness(installation)
    body: dict[str, Any] = answer.json()
    wrong = {part: message for part, message in body["checks"].items() if message != "ok"}
    assert answer.status_code == (503 if wrong else 200)
    return wrong


def silent_since(installation: Installation, process: str, seconds: float) -> None:
    """The process left its last sign of life so long ago."""
    with installation.redis.client() as redis:
        redis.hset(HEARTBEATS, process, str(services_over(redis).store.now() - seconds))


def test_an_installation_that_works_is_ready_and_left_as_it_is(stack: Stack) -> None:
    answer = readiness(stack.installation)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": dict.fromkeys(PROBES, "ok")}
    assert stack.staged() == []


@pytest.mark.parametrize(("process", "limit"), HEARTBEAT_MAX_SECONDS.items())
def test_a_stopped_process_is_named_when_its_last_heartbeat_is_too_old(
    stack: Stack, process: str, limit: float
) -> None:
    installation = stack.installation
    installation.kill(process)
    try:
        silent_since(installation, process, limit - 5)
        assert wrong_parts(installation) == {}
        silent_since(installation, process, limit + 5)
        wrong = wrong_parts(installation)
        assert list(wrong) == [process] and "last seen" in wrong[process]
    finally:
        installation.start(process)
    wait_for(f"{process} is seen again", lambda: not wrong_parts(installation), 30)


@pytest.mark.parametrize(("seconds", "is_named"), [(5, False), (900, True)])
def test_a_rescue_that_has_waited_for_a_worker_for_over_a_minute_is_reported(
    stack: Stack, seconds: float, is_named: bool
) -> None:
    installation = stack.installation
    installation.kill("worker")
    task = stack.generate()
    try:
        assert stack.outcomes(task) == [200]
        with installation.redis.client() as redis:
            store = services_over(redis).store
            ready_at = store.now() - seconds
            store.change(
                task.id, lambda job, _: job.evolve(delivery=job.delivery.evolve(ready_at=ready_at))
            )
        wrong = wrong_parts(installation)
        assert list(wrong) == (["rescues"] if is_named else [])
        assert not is_named or "has waited 9" in wrong["rescues"]
    finally:
        installation.start("worker")
    stack.stored(task)


@pytest.mark.parametrize("directory", [".", ".staging"])
def test_a_storage_that_is_missing_or_cannot_be_written_is_named_without_its_path(
    stack: Stack, directory: str
) -> None:
    with a_file_in_place_of(stack.installation.media / directory):
        wrong = wrong_parts(stack.installation)
        assert list(wrong) == ["storage"]
        assert str(stack.installation.media) not in wrong["storage"]
    assert wrong_parts(stack.installation) == {}


@pytest.mark.parametrize("fault", ["down", "hung"])
def test_without_redis_it_is_alive_and_not_ready(stack: Stack, fault: str) -> None:
    installation = stack.installation
    redis = installation.redis
    redis.kill() if fault == "down" else redis.pause()
    try:
        assert requests.get(f"{installation.url}/healthz", timeout=30).status_code == 200
        began = time.monotonic()
        wrong = wrong_parts(installation)
        assert "redis" in wrong and "storage" not in wrong
        assert wrong["worker"] == wrong["submissions"] == UNKNOWN
        assert time.monotonic() - began < ANSWER_WITHIN_SECONDS
        assert str(redis.port) not in wrong["redis"]
    finally:
        redis.start() if fault == "down" else redis.resume()
    wait_for("ready again", lambda: not wrong_parts(installation), 30)
