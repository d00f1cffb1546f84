"""Errors and silence of BFL: circuits open, and no task is lost.

What a step does to the record is in tests/unit/steps/submission.txt.
"""

import logging
import threading
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from jobs.bfl.client import BflClient
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.submission_queue import ALL_MODELS
from tests.harness import RedisServer, wait_for
from tests.harness.local_worker import LocalWorker, submission_body
from tests.harness.past_jobs import details
from worker.submit import CIRCUIT_PAUSES
from worker.sweep import sweep, sweep_job

SOON_SECONDS = 5.0
OUTAGES: list[dict[str, Any]] = [
    {"submit_status": 502},
    {"submit_status": 503},
    {"submit_cut": True},
]


def later(worker: LocalWorker, job_id: str, seconds: float, **lease: Any) -> None:
    """So much time passes for one job, and the sweep looks at it."""

    def age(job: Job, now: float) -> Job:
        aged = replace(job, deadline=job.deadline - seconds)
        return aged.with_polling(next_check_at=now - 1).with_lease(**lease)

    worker.store.change(job_id, age)
    sweep_job(worker.services, job_id)


@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_an_outage_pauses_the_model(worker: LocalWorker, outage: dict[str, Any]) -> None:
    for job_id in "abc":
        worker.post(job_id, given=submission_body(**outage))
    worker.post("d", "other", submission_body())
    worker.work(4)
    assert [worker.job(name).submission.unconfirmed for name in "abc"] == [True, False, False]
    assert worker.job("d").task_id, "other models go on"
    assert worker.job("a").submission.attempts == 0, "it uses up none of its tries"


def test_a_poisoned_job_holds_the_others_up_for_seconds_only(worker: LocalWorker) -> None:
    worker.post("poisoned", "small", submission_body(submit_status=500))
    worker.post("next", "small", submission_body())
    worker.work()
    assert worker.circuits()["small"] < 2 * CIRCUIT_PAUSES.first_seconds
    assert worker.job("poisoned").submission.attempts == 1
    worker.close_circuits()
    worker.work()
    assert worker.job("next").task_id and worker.circuits() == {}


def test_a_job_that_is_sent_again_after_an_error_goes_last(worker: LocalWorker) -> None:
    for job_id, outage in (("poisoned", OUTAGES[1]), ("next", {})):
        worker.post(job_id, given=submission_body(**outage))
    worker.work()
    later(worker, "poisoned", 0)
    assert worker.job("poisoned").submission.is_queued
    worker.close_circuits()
    assert worker.next() == "next"


@pytest.mark.parametrize("outage", [OUTAGES[1] | {"retry_after": 2}, OUTAGES[2]], ids=str)
def test_a_failed_probe_keeps_a_short_pause(worker: LocalWorker, outage: dict[str, Any]) -> None:
    worker.post("a", given=submission_body(**outage))
    worker.queue.open_circuit("large", "busy", -1.0)
    worker.queue.open_circuit(ALL_MODELS, "not reached", -1.0)
    worker.work()
    assert worker.job("a").submission.unconfirmed
    assert list(worker.circuits()) == ["large"]
    assert worker.circuits()["large"] < SOON_SECONDS


def test_a_probe_that_was_never_sent_lets_the_next_one_go(worker: LocalWorker) -> None:
    for job_id in "ab":
        worker.post(job_id)
    worker.lose_input("a")
    worker.queue.open_circuit(ALL_MODELS, "no", -1.0)
    worker.work()
    failure = worker.job("a").error
    assert failure and failure.code == "input_lost" and worker.posts() == 0
    assert worker.next() == "b"


def test_the_sweep_closes_a_circuit_that_no_job_could_probe(worker: LocalWorker) -> None:
    worker.post("a", "large")
    for scope in ("large", "small"):
        worker.queue.open_circuit(scope, "no", -2.0)
    sweep(worker.services)
    assert set(worker.circuits()) == {"large"}


def test_a_request_that_never_left_is_requeued_last(worker: LocalWorker) -> None:
    worker.post("a")
    worker.lose_input("a", "no\0key")
    worker.post("b", given=submission_body())
    worker.work()
    job = worker.job("a")
    assert job.submission.is_queued and not job.submission.unconfirmed and worker.posts() == 0
    assert "before anything was sent" in str(details(job, "submission.requeued"))
    assert "large" in worker.circuits()
    worker.close_circuits()
    assert worker.next() == "b"


def test_without_a_webhook_the_grace_ends_a_submission(
    worker: LocalWorker, services: Services
) -> None:
    worker.services.settings = services.settings  # without PUBLIC_URL
    worker.post("a", given=submission_body(submit_cut=True))
    worker.work()
    assert "not given a webhook" in str(details(worker.job("a"), "submission.unconfirmed"))
    later(worker, "a", worker.timeouts.grace(None) + 1)
    failure = worker.job("a").error
    assert failure and failure.code == "submission_unconfirmed"


def test_a_task_that_cannot_be_put_on_record_is_named_in_the_log(
    worker: LocalWorker, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis goes away between BFL's taking the task and its answer."""
    worker.post("a", given=submission_body(submit_hang=1.5))

    def break_down() -> None:
        wait_for("BFL has it", worker.sandbox.tasks)
        redis_server.kill()

    breakage = threading.Thread(target=break_down)
    breakage.start()
    with caplog.at_level(logging.INFO):
        worker.work()
    breakage.join()
    (task,) = worker.sandbox.tasks()
    assert f"job a: BFL accepted it as task {task.id}" in caplog.text


def test_a_key_that_cannot_be_sent_leaves_no_job_unconfirmed(worker: LocalWorker) -> None:
    services = worker.services
    # The settings refuse such a key; it stands for whatever we may get wrong ourselves.
    client = BflClient(SecretStr("ключ"), services.host_policy, services.bfl.origin)
    services.bfl_clients[None] = client
    worker.post("a")
    worker.work()
    job = worker.job("a")
    assert job.submission.is_queued and not job.submission.unconfirmed and worker.circuits()
