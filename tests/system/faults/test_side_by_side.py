"""Two of each process at once do no double work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rq import Queue

from jobs.store.keys import PENDING_POLLS
from jobs.store.rq_queue import QUEUE_NAME
from tests.harness.patience import wait_for
from tests.harness.stack import Stack, running_stack

JOBS = 40
POLLED = 10


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path, CALLBACK_GRACE="4") as running:
        running.box.settings.max_active = 1000
        running.installation.start()
        running.installation.wait_until_ready()
        yield running


def test_two_of_everything_download_each_picture_once(stack: Stack) -> None:
    installation = stack.installation
    hooks = [f"{url}/webhooks/bfl" for url in installation.urls]
    assert len(hooks) == len(installation.worker) == len(installation.sweep) == 2
    silent = [stack.expected() for _ in range(POLLED)]
    called = [stack.generate(webhook_url=hooks[n % 2], callback=2) for n in range(JOBS - POLLED)]
    for task in called:
        assert stack.stored(task)["source"] == "callback"
        assert stack.outcomes(task, 2) == [200, 200]
        assert stack.polls(task) == []
    for task in silent:
        assert stack.stored(task)["source"] == "poll"
        assert len(stack.polls(task)) == 1
    for task in called + silent:
        assert len(stack.deliveries(task)) == len(stack.objects(task)) == 1
    assert len(stack.settled()) == JOBS


def test_two_sweepers_claim_no_job_twice(stack: Stack) -> None:
    stack.installation.kill("worker")
    tasks = [stack.expected() for _ in range(POLLED)]
    with stack.installation.redis.client() as redis:
        # Both sweepers find all of them due at the same time; each job is wanted once.
        wait_for("all are wanted", lambda: redis.zcard(PENDING_POLLS) == len(tasks))
        assert Queue(QUEUE_NAME, connection=redis).count == len(tasks)
    stack.installation.start("worker", n=2)
    for task in tasks:
        stack.stored(task)
        assert len(stack.polls(task)) == len(stack.deliveries(task)) == 1
    stack.settled()
