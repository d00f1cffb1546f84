"""Errors and silence of BFL: circuits open, and no task is lost.

What a step does to the record is in tests/unit/steps/submission.txt.
"""

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobs.bfl.client import BflClient
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.submission_queue import ALL_MODELS
from tests.harness import RedisServer, wait_for
from tests.harness.worker_environment import WorkerEnvironment, built, submission_body
from tests.sandbox import Sandbox
from worker.submit import BACKOFF_MIN_SECONDS
from worker.sweep import sweep, sweep_job

SOON_SECONDS = 5.0
OUTAGES: list[dict[str, Any]] = [
    {"submit_status": 502},
    {"submit_status": 503},
    {"submit_cut": True},
]


def later(local_worker: WorkerEnvironment, job_id: str, seconds: float, **claim: Any) -> None:
    """So much time passes for one job, and the sweep looks at it."""

    def age(job: Job, now: float) -> Job:
        aged = replace(job, deadline=job.deadline - seconds)
        return aged.with_polling(next_check_at=now - 1).with_claim(**claim)

    local_worker.services.store.change(job_id, age)
    sweep_job(local_worker.services, job_id)


@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_an_outage_pauses_the_model_and_only_one_job_is_unconfirmed(
    local_worker: WorkerEnvironment, outage: dict[str, Any]
) -> None:
    for job_id in "abc":
        local_worker.post(job_id, given=submission_body(**outage))
    local_worker.post("d", "other", submission_body())
    local_worker.work(4)
    assert [local_worker.job(name).submission.unconfirmed for name in "abc"] == [True, False, False]
    assert local_worker.job("d").task_id, "other models go on"


def test_a_job_that_always_gets_a_500_holds_the_others_up_for_seconds_only(
    local_worker: WorkerEnvironment,
) -> None:
    local_worker.post("poisoned", "small", submission_body(submit_status=500))
    local_worker.post("next", "small", submission_body())
    local_worker.work()
    assert local_worker.circuits()["small"] < 2 * BACKOFF_MIN_SECONDS
    assert local_worker.job("poisoned").submission.attempts == 1
    local_worker.close_circuits()
    local_worker.work()
    assert local_worker.job("next").task_id and local_worker.circuits() == {}


def test_an_outage_uses_up_none_of_a_jobs_tries(local_worker: WorkerEnvironment) -> None:
    local_worker.post("a", given=submission_body(submit_status=503))
    before = local_worker.job("a")
    local_worker.work()
    after = local_worker.job("a")
    assert after.submission.unconfirmed and after.submission.attempts == 0
    assert after.deadline == before.deadline, "a week, and no longer"
    later(local_worker, "a", 0)
    assert local_worker.job("a").submission.is_queued


@pytest.mark.parametrize("outage", [OUTAGES[1] | {"retry_after": 2}, OUTAGES[2]], ids=str)
def test_a_probe_without_success_does_not_make_a_short_pause_long(
    local_worker: WorkerEnvironment, outage: dict[str, Any]
) -> None:
    local_worker.post("a", given=submission_body(**outage))
    local_worker.queue.open_circuit("large", "busy", -1.0)
    local_worker.queue.open_circuit(ALL_MODELS, "not reached", -1.0)
    local_worker.work()
    assert local_worker.job("a").submission.unconfirmed
    assert list(local_worker.circuits()) == ["large"]
    assert local_worker.circuits()["large"] < SOON_SECONDS


def test_a_probe_that_was_never_sent_lets_the_next_one_go(local_worker: WorkerEnvironment) -> None:
    for job_id in "ab":
        local_worker.post(job_id)
    local_worker.lose_input("a")
    local_worker.queue.open_circuit(ALL_MODELS, "no", -1.0)
    local_worker.work()
    assert local_worker.job("a").status is Status.FAILED and local_worker.next() == "b"


def test_the_sweep_closes_a_circuit_that_no_job_could_probe(
    local_worker: WorkerEnvironment,
) -> None:
    local_worker.post("a", "large")
    for scope in ("large", "small"):
        local_worker.queue.open_circuit(scope, "no", -2.0)
    sweep(local_worker.services)
    assert set(local_worker.circuits()) == {"large"}


def test_a_request_that_never_left_is_requeued_last(local_worker: WorkerEnvironment) -> None:
    local_worker.post("a")
    local_worker.lose_input("a", "no\0key")
    local_worker.post("b", given=submission_body())
    local_worker.work()
    job = local_worker.job("a")
    assert job.submission.is_queued and not job.submission.unconfirmed and local_worker.posts() == 0
    assert "before anything was sent" in str(job.timeline[-1].detail)
    assert "large" in local_worker.circuits()
    local_worker.close_circuits()
    assert local_worker.next() == "b"


# Where BFL has nobody to call.


@pytest.fixture
def unreachable(
    local_worker: WorkerEnvironment, redis_server: RedisServer, tmp_path: Path
) -> WorkerEnvironment:
    """A worker without PUBLIC_URL."""
    local_worker.services.settings = built(redis_server, tmp_path).settings
    assert not local_worker.services.settings.bfl_reaches_us
    return local_worker


def test_without_a_webhook_an_unanswered_submission_fails_after_the_grace(
    unreachable: WorkerEnvironment,
) -> None:
    unreachable.post("a", given=submission_body(submit_cut=True))
    unreachable.work()
    assert "not given a webhook" in str(unreachable.job("a").timeline[-1].detail)
    later(unreachable, "a", unreachable.services.settings.timeouts.grace(None) + 1)
    failure = unreachable.job("a").error
    assert failure and failure.code == "submission_unconfirmed"


def test_without_a_webhook_the_job_of_a_dead_worker_ends_after_the_grace(
    unreachable: WorkerEnvironment,
) -> None:
    unreachable.post("a")
    unreachable.admit()
    later(unreachable, "a", 0, lease_until=1.0)
    job = unreachable.job("a")
    assert job.submission.unconfirmed and job.deadline < unreachable.services.store.now() + 2 * 60


def test_a_task_that_cannot_be_put_on_record_is_named_in_the_log(
    local_worker: WorkerEnvironment, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis goes away between BFL's taking the task and its answer."""
    local_worker.post("a", given=submission_body(submit_hang=1.5))

    def break_down() -> None:
        wait_for("BFL has it", local_worker.sandbox.tasks)
        redis_server.kill()

    breakage = threading.Thread(target=break_down)
    breakage.start()
    with caplog.at_level(logging.INFO):
        local_worker.work()
    breakage.join()
    (task,) = local_worker.sandbox.tasks()
    assert f"job a: BFL accepted it as task {task.id}" in caplog.text


def test_a_key_that_cannot_be_sent_leaves_no_job_unconfirmed(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    services = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url)
    # The settings refuse such a key; it stands for whatever we may get wrong ourselves.
    client = BflClient(SecretStr("ключ"), services.host_policy, services.bfl.origin)
    services.bfl_clients[None] = client
    local_worker = WorkerEnvironment(services, sandbox)
    local_worker.post("a")
    local_worker.work()
    job = local_worker.job("a")
    assert job.submission.is_queued and not job.submission.unconfirmed and local_worker.circuits()
    services.redis.close()
