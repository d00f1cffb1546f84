"""Circuits: all jobs of the scope wait, and one at a time probes."""

from collections.abc import Iterator

import pytest

from tests.harness import Stack, running_stack, wait_for
from tests.system.submitting.conftest import events

JOBS = 4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("bank"), WORKER_CONCURRENCY="1") as env:
        env.installation.start("worker")
        yield env


# tests/integration/submitting/test_account.py has the other refusals.
def test_a_refused_account_pauses_everything_until_a_probe(two_workers: Stack) -> None:
    reason = "BFL says that the credits are used up"
    two_workers.sandbox.settings.change({"submit_fault": 402})
    seen = len(two_workers.requests())
    jobs = [two_workers.posted("flux-2-pro" if n % 2 else "flux-dev") for n in range(JOBS)]
    wait_for("a pause", two_workers.pauses)
    assert reason in two_workers.pauses()["*"]

    def told() -> list[str]:
        return [what for job in jobs for what in events(two_workers.client.job(job["id"]))]

    wait_for("it is told", lambda: "submission.requeued" in told())
    assert {two_workers.client.job(job["id"])["status"] for job in jobs} == {"queued"}
    first = len(two_workers.requests()) - seen
    assert first <= 2, "one a worker, before the first was answered"

    two_workers.end_circuits()
    jobs.append(two_workers.posted())  # wakes a worker
    wait_for("a probe", lambda: len(two_workers.requests()) - seen > first)
    jobs.append(two_workers.posted())
    wait_for("its outcome", lambda: reason in two_workers.pauses()["*"])
    assert len(two_workers.requests()) - seen == first + 1, "one probe at a time"

    two_workers.sandbox.settings.change({"submit_fault": None})
    wait_for("the probe's pause", lambda: float(two_workers.pauses()["*"].split()[0]) > 2)
    two_workers.end_circuits()
    for job in jobs:
        two_workers.stored_job(job)
    assert two_workers.pauses() == {} and two_workers.queue_keys() == []


def test_bfls_own_pause_is_kept(two_workers: Stack) -> None:
    job = two_workers.posted(submit_status=429, submit_times=1, retry_after=300)
    wait_for("a pause", two_workers.pauses)
    with two_workers.installation.redis.client() as redis:
        now = int(redis.time()[0])
    assert float(two_workers.pauses()["flux-2-pro"].split()[0]) > now + 250
    other = two_workers.posted("flux-dev")
    two_workers.stored_job(other)
    assert two_workers.client.job(job["id"])["status"] == "queued"
    two_workers.end_circuits()
    two_workers.posted("flux-dev")  # wakes a worker
    two_workers.stored_job(job)
