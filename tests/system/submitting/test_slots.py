"""A hundred jobs at once: within the limits of BFL, in order, and no slot is lost."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.harness import Stack, running_stack, wait_for
from tests.sandbox import Settings, Task

JOBS, AT_ONCE = 100, 8
TOTAL_MAX, NARROW_MAX = 24, 6  # what both sides hold by default
NARROW, WIDE = "flux-kontext-max", "flux-2-pro"
WORKERS = 3
GENERATION_SECONDS = 3.0  # long enough to fill every slot on a slow machine
HANG_SECONDS = 60.0
SENDERS = WORKERS - 1  # one is left for rescues
# Workers that were told of different jobs reach BFL in any order.
OVERTAKING_MAX = 5 * WORKERS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def three_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    usual = Settings(generation_seconds=GENERATION_SECONDS)
    with running_stack(tmp_path_factory.mktemp("hall"), usual, WORKER_CONCURRENCY="1") as env:
        env.installation.start("worker", n=WORKERS - 1)
        yield env


def flood(env: Stack, *models: str) -> list[dict[str, Any]]:
    """All of them handed in at once, the first model first."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda model: env.posted(model, seconds=None), models))


def made(env: Stack, jobs: list[dict[str, Any]]) -> list[Task]:
    """The tasks of these jobs in the order of BFL's taking them: one each."""
    prompts = {job["body"]["input"]["prompt"] for job in jobs}
    tasks = [task for task in env.sandbox.tasks() if task.input["prompt"] in prompts]
    assert len(tasks) == len(jobs)
    return sorted(tasks, key=lambda task: task.created_at)


def displacement(env: Stack, jobs: list[dict[str, Any]]) -> int:
    """By how many places anybody's turn differs from the order of handing in."""
    known = sorted((env.client.job(job["id"])["created_at"], n) for n, job in enumerate(jobs))
    queue = [jobs[n]["body"]["input"]["prompt"] for _, n in known]
    served = [task.input["prompt"] for task in made(env, jobs)]
    return max(abs(queue.index(prompt) - n) for n, prompt in enumerate(served))


def test_a_flood_is_submitted_within_the_limits_in_order_and_stored(three_workers: Stack) -> None:
    jobs = flood(three_workers, *[NARROW] * 20, *[WIDE] * (JOBS - 20))
    settled = three_workers.settled(90)
    assert {job.status for job in settled} == {"stored"} and len(settled) == JOBS
    peak = three_workers.sandbox.peak
    assert peak.peak <= TOTAL_MAX and peak.peak_by_model[NARROW] <= NARROW_MAX
    assert peak.peak == TOTAL_MAX, "no slot stays empty while somebody waits"
    assert peak.refused <= 10  # each is tried again
    assert len(three_workers.requests()) == JOBS + peak.refused
    wide, narrow = jobs[20:], jobs[:20]
    for kind in (wide, narrow):
        assert displacement(three_workers, kind) <= OVERTAKING_MAX
    first_wide = made(three_workers, wide)[0].created_at
    assert first_wide < made(three_workers, narrow)[NARROW_MAX + 6].created_at, (
        "others are not held up"
    )
    assert three_workers.queue_keys() == [] and three_workers.input_notes() == []


def test_workers_killed_while_bfl_answers_pay_nothing_twice(three_workers: Stack) -> None:
    """Two workers wait for BFL's answer to tasks that it has made; all three are killed."""
    before = len(three_workers.requests())
    hung = [three_workers.posted(submit_hang=HANG_SECONDS, seconds=0.5) for _ in range(SENDERS)]
    jobs = flood(three_workers, *[WIDE] * 30)
    wait_for("the workers hang", lambda: all(three_workers.tasks(job) for job in hung))
    youngest = max(task.created_at for job in hung for task in three_workers.tasks(job))
    for worker in three_workers.installation.worker:
        worker.kill_all()
    assert time.time() < youngest + HANG_SECONDS, "else BFL had answered"
    three_workers.installation.start("worker", n=WORKERS)
    settled = three_workers.settled(90, idle=False)
    assert {job.status for job in settled} == {"stored"}
    assert [len(three_workers.requests(job)) for job in hung] == [1] * SENDERS
    assert (
        len(three_workers.requests()) - before
        == len(jobs) + len(hung) + three_workers.sandbox.peak.refused
    )
    assert three_workers.sandbox.peak.peak <= TOTAL_MAX
    assert three_workers.queue_keys() == [] and three_workers.input_notes() == []
