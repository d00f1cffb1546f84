"""Workers killed and stopped while they draw thumbnails: what is stored stays as it is."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from resource import RLIMIT_CPU, prlimit

import pytest
from PIL import Image

from tests.harness import TestBucket, processes
from tests.harness.images import encoded
from tests.harness.invariants import assert_invariants
from tests.harness.parts import services_over
from tests.harness.patience import wait_for
from tests.harness.process import Process
from tests.harness.stack import Stack, stopped_stack, without_links
from tests.harness.tcp_proxy import Tripwire
from tests.sandbox import Task
from worker.thumbnail_child import CPU_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture
def stack(tmp_path: Path, bucket: TestBucket) -> Iterator[Stack]:
    """Nobody works yet; media are in a bucket."""
    with stopped_stack(tmp_path, bucket=bucket) as stopped:
        stopped.installation.start("web", "sweep")
        yield stopped


def endless_image() -> bytes:
    """Twenty thousand scans, which nobody has the time to draw."""
    body = encoded(Image.new("L", (5000, 5000), 128), "image/jpeg", progressive=True)
    starts = [at for at in range(len(body)) if body[at : at + 2] == b"\xff\xda"]
    scan = body[starts[1] : starts[2]]
    return body[: starts[2]] + scan * 20_000 + b"\xff\xd9"


def a_worker_that_draws_for_ever(stack: Stack) -> tuple[Process, Task]:
    (worker,) = stack.installation.start("worker")
    task = stack.generate(body_base64=b64encode(endless_image()).decode())
    stack.stored(task)
    wait_for("it is drawn", lambda: any(map(is_drawing, worker.offspring())))
    return worker, task


def is_drawing(pid: int) -> bool:
    return "worker.thumbnail_child" in processes.command_line(pid)


def test_a_worker_killed_between_thumbnail_and_record_costs_nothing(stack: Stack) -> None:
    installation = stack.installation
    with Tripwire(installation.redis.port) as wire:
        url = installation.redis.url_through(wire.port)
        (worker,) = installation.start("worker", REDIS_URL=url)
        slow = encoded(Image.new("RGB", (5000, 5000), "navy"), "image/png")  # half a second
        task = stack.generate(body_base64=b64encode(slow).decode())
        stack.client.wait_for(task.id, "stored")
        wire.arm(b"fluxkeep:events")  # records of what has ended are packed; the change is told
        wire.wait()
        worker.kill_all()
    before = stack.stored(task)
    assert before["media"][0]["thumbnail_url"] is None
    assert [key for key in installation.stored_objects.sizes() if key.endswith(".thumb.webp")]
    assert_invariants(installation)
    with installation.redis.client() as redis:  # the lease of the thumbnail runs out
        store = services_over(redis).store
        store.change(task.id, lambda job, now: job.with_thumbnails(due_at=now))
    installation.start("worker")
    after = stack.stored_with_thumbnails(task)
    assert after["media"][0]["thumbnail_url"]
    assert without_links(after) == without_links(before)
    stack.settled()


def test_sigterm_while_a_thumbnail_is_made_ends_the_worker_at_once(stack: Stack) -> None:
    worker, task = a_worker_that_draws_for_ever(stack)
    worker.terminate_all()
    assert worker.wait(30) == 0
    stack.stored(task)
    assert not any(map(is_drawing, worker.offspring()))
    assert stack.awaiting_thumbnails() == [task.id], "the next one may try"
    assert_invariants(stack.installation, idle=True)


def test_an_image_that_cannot_be_drawn_is_given_up_and_the_next_one_drawn(stack: Stack) -> None:
    worker, endless = a_worker_that_draws_for_ever(stack)
    (drawing,) = filter(is_drawing, worker.offspring())
    wait_for("its limit", lambda: prlimit(drawing, RLIMIT_CPU)[0] == CPU_SECONDS)
    prlimit(drawing, RLIMIT_CPU, (1, prlimit(drawing, RLIMIT_CPU)[1]))  # in place of 10 s
    task = stack.generate(format="jpeg")
    assert stack.stored_with_thumbnails(task, timeout=60)["media"][0]["thumbnail_url"]
    assert stack.stored_with_thumbnails(endless, timeout=60)["media"][0]["thumbnail_url"] is None
    stack.settled()
