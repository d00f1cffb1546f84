"""A submission that was answered with 503 is not made afterwards."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import services
from jobs.store import commit
from tests.harness import Stack, stopped_stack, wait_for


@pytest.fixture
def env(tmp_path: Path) -> Iterator[Stack]:
    with stopped_stack(tmp_path) as opened:
        opened.installation.start("web")
        yield opened


def test_redis_is_given_less_time_for_a_new_job_than_its_caller_waits() -> None:
    assert commit.SUBMISSION_LATE_SECONDS < services.WEB_TIMEOUT_SECONDS


@pytest.mark.parametrize("path", ["/api/jobs", "/v1/flux-2-pro"])
def test_what_was_answered_with_503_is_not_submitted_later(env: Stack, path: str) -> None:
    redis, caller = env.installation.redis, env.installation.client("submit")
    body = env.request_body()
    env.post(env.request_body())  # the web process has its connection and knows the time
    redis.pause()
    began = time.monotonic()
    try:
        asked = body if path == "/api/jobs" else body["input"]
        answer = caller.request("POST", path, json=asked)
        longer_than_the_web_waits = began + services.WEB_TIMEOUT_SECONDS + 0.3
        time.sleep(max(0.0, longer_than_the_web_waits - time.monotonic()))
    finally:
        redis.resume()
    assert answer.status_code == 503
    wait_for("Redis", lambda: env.client.get("/api/jobs").status_code == 200)
    assert len(env.client.jobs()) == 1
