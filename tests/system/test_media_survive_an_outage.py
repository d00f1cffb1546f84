"""Redis is gone right after a download, and the URL is dead when it comes back."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness import TestBucket
from tests.harness.patience import wait_for
from tests.harness.stack import Stack, stopped_stack
from tests.sandbox import Task

URL_SECONDS = 45
OUTAGE_SECONDS = 50.0  # longer than a lease, and than the URLs live
STORED_WITHIN_SECONDS = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture
def stacks(tmp_path: Path, bucket: TestBucket) -> Iterator[list[Stack]]:
    """One stores in a directory, one in a bucket, so that both wait at the same time."""
    with ExitStack() as opened:
        found = [
            opened.enter_context(stopped_stack(tmp_path / name, bucket=storage))
            for name, storage in (("directory", None), ("bucket", bucket))
        ]
        for stack in found:
            stack.installation.start("web", "worker", "sweep")
            stack.installation.wait_until_ready(path="/readyz")
        yield found


def has_published(stack: Stack, task: Task, samples: int) -> bool:
    return len(stack.keys(task)) == samples


def test_media_that_were_verified_are_stored_when_redis_comes_back(stacks: list[Stack]) -> None:
    # The last file is under way when Redis goes, and is whole a few seconds later.
    fault: dict[str, Any] = {"size": 100_000, "drip": 40_000, "life": URL_SECONDS, "resign": False}
    tasks = [
        (stack, samples, stack.generate(samples=samples, **fault))
        for stack in stacks
        for samples in (2, 1)
    ]
    for stack, samples, task in tasks:
        stack.wait_for_download(task, samples)
    for stack in stacks:
        stack.installation.redis.stop()
    stopped_at = time.monotonic()
    for stack, samples, task in tasks:
        wait_for("its files are published", partial(has_published, stack, task, samples), 30)
    time.sleep(max(0.0, stopped_at + OUTAGE_SECONDS - time.monotonic()))
    for stack in stacks:
        stack.installation.redis.start()
    for stack, samples, task in tasks:
        job = stack.stored(task, STORED_WITHIN_SECONDS)
        assert len(job["media"]) == samples and len(stack.deliveries(task)) == samples
    for stack in stacks:
        stack.settled(timeout=120)
