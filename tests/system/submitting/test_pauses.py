"""Circuits: all jobs of the scope wait, and one at a time probes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local_redis import free_port
from tests.harness.patience import wait_for
from tests.sandbox import Sandbox, Settings
from tests.system.submitting.desk import Desk, events, open_desk, stopped_desk

JOBS = 4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(
        tmp_path_factory.mktemp("bank"), Settings(), workers=2, WORKER_CONCURRENCY="1"
    ) as desk:
        yield desk


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (402, "BFL says that the credits are used up"),
        (401, "BFL refuses the API key"),
        (403, "BFL refuses the API key"),
    ],
)
def test_what_concerns_the_account_pauses_everything_until_a_probe_goes_through(
    bank: Desk, fault: int, reason: str
) -> None:
    bank.box.settings.change({"submit_fault": fault})
    seen = len(bank.requests())
    jobs = [bank.posted("flux-2-pro" if n % 2 else "flux-dev") for n in range(JOBS)]
    wait_for("a pause", bank.pauses)
    assert reason in bank.pauses()["*"]
    wait_for("it is told", lambda: "submission.requeued" in _told(bank, jobs))
    assert {bank.client.job(job["id"])["status"] for job in jobs} == {"queued"}
    first = len(bank.requests()) - seen
    assert first <= 2, "one a worker, before the first was answered"

    bank.end_pauses()
    jobs.append(bank.posted())  # wakes a worker
    wait_for("a probe", lambda: len(bank.requests()) - seen > first)
    jobs.append(bank.posted())
    wait_for("its outcome", lambda: reason in bank.pauses()["*"])
    assert len(bank.requests()) - seen == first + 1, "one probe at a time"

    bank.box.settings.change({"submit_fault": None})
    wait_for("the probe's pause", lambda: float(bank.pauses()["*"].split()[0]) > 2)
    bank.end_pauses()
    for job in jobs:
        bank.stored(job)
    assert bank.pauses() == {} and bank.left_in_line() == []


def _told(desk: Desk, jobs: list[dict[str, str]]) -> list[str]:
    return [what for job in jobs for what in events(desk.client.job(job["id"]))]


def test_too_many_active_tasks_are_waited_for_and_nobody_loses_a_place(bank: Desk) -> None:
    bank.box.settings.change({"max_active": 1})
    jobs = [bank.posted(seconds=0.3) for _ in range(2)]
    for job in jobs:
        bank.stored(job, 45)
    bank.box.settings.change({"max_active": 24})
    tasks = [bank.task(job) for job in jobs]
    assert [task.created_at for task in tasks] == sorted(task.created_at for task in tasks)
    assert any("submission.requeued" in events(bank.client.job(job["id"])) for job in jobs)
    assert bank.box.peak.refused <= 8


def test_bfls_own_pause_is_kept(bank: Desk) -> None:
    job = bank.posted(submit_status=429, submit_times=1, retry_after=300)
    wait_for("a pause", bank.pauses)
    with bank.scene.installation.redis.client() as redis:
        now = int(redis.time()[0])
    assert float(bank.pauses()["flux-2-pro"].split()[0]) > now + 250
    other = bank.posted("flux-dev")
    bank.stored(other)
    assert bank.client.job(job["id"])["status"] == "queued"
    bank.end_pauses()
    bank.posted("flux-dev")  # wakes a worker
    bank.stored(job)


def test_without_a_connection_a_job_stays_in_line(tmp_path: Path) -> None:
    port = free_port()
    with stopped_desk(tmp_path) as desk:
        installation = desk.scene.installation
        installation.settings["BFL_SANDBOX_URL"] = f"http://127.0.0.1:{port}"
        installation.start()
        installation.wait_until_ready()
        job = desk.posted()
        told = lambda: "submission.requeued" in events(desk.client.job(job["id"]))  # noqa: E731
        wait_for("it is put off", told)
        assert desk.client.job(job["id"])["status"] == "queued"
        with Sandbox(port=port) as box:
            desk.box = box
            desk.end_pauses()
            desk.posted()  # wakes a worker
            desk.stored(job)
            assert len(desk.requests(job)) == 1
