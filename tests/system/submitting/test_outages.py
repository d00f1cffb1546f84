"""Errors and silence of BFL: circuits open, and no task is lost."""

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobs import submission
from jobs.bfl.client import BflClient
from jobs.job import Job
from jobs.status import Status
from jobs.store.submission_queue import ALL_MODELS
from tests.harness import RedisServer
from tests.harness.patience import wait_for
from tests.harness.worker_environment import process_one
from tests.sandbox import Sandbox
from tests.system.submitting.local_worker import (
    LocalWorker,
    built,
    circuit_seconds,
    close_circuits,
    submission_body,
)
from worker.submit import BACKOFF_MIN_SECONDS
from worker.sweep import check_job, sweep

SOON_SECONDS = 5.0


def later(local_worker: LocalWorker, job_id: str, seconds: float, **check: Any) -> None:
    """So much time passes for one job, and the sweep looks at it."""

    def age(job: Job | None, now: float) -> Job | None:
        assert job
        return replace(
            job,
            deadline=job.deadline - seconds,
            check=replace(job.check, next_check_at=now - 1, **check),
        )

    local_worker.wired.store.update(job_id, age)
    check_job(local_worker.wired, job_id)


@pytest.mark.parametrize("status", [502, 503])
def test_an_outage_pauses_the_model_and_only_one_job_is_unconfirmed(
    local_worker: LocalWorker, status: int
) -> None:
    for job_id in "abc":
        local_worker.post(job_id, given=submission_body(submit_status=status))
    local_worker.post("d", "other", submission_body())
    for _ in range(4):
        process_one(local_worker.wired)
    assert [local_worker.job(name).submission.unconfirmed for name in "abc"] == [True, False, False]
    assert local_worker.job("d").task_id, "other models go on"


def test_a_job_that_always_gets_a_500_holds_the_others_up_for_seconds_only(
    local_worker: LocalWorker,
) -> None:
    local_worker.post("poisoned", "small", submission_body(submit_status=500))
    local_worker.post("next", "small", submission_body())
    process_one(local_worker.wired)
    assert circuit_seconds(local_worker)["small"] < 2 * BACKOFF_MIN_SECONDS
    close_circuits(local_worker)
    process_one(local_worker.wired)
    assert local_worker.job("next").task_id and circuit_seconds(local_worker) == {}


def test_a_job_that_always_gets_a_500_is_submitted_ever_more_rarely_and_fails(
    local_worker: LocalWorker,
) -> None:
    local_worker.post("a", given=submission_body(submit_status=500))
    is_queued: list[float] = []
    while not local_worker.job("a").status.terminal:
        assert len(is_queued) <= submission.RESUBMITS_MAX
        close_circuits(local_worker)
        process_one(local_worker.wired)
        job = local_worker.job("a")
        if not job.status.terminal:
            is_queued.append((job.check.next_check_at or 0.0) - local_worker.wired.store.now())
            later(local_worker, "a", 60)
    grace = local_worker.wired.settings.timeouts.grace(None)
    expected = [grace * 2**n for n in range(submission.RESUBMITS_MAX)]
    assert is_queued == pytest.approx(expected, abs=SOON_SECONDS)
    failure = local_worker.job("a").error
    assert failure and failure.code == "bfl_unavailable"
    assert local_worker.posts() == 1 + submission.RESUBMITS_MAX


def test_an_outage_uses_up_none_of_a_jobs_tries(local_worker: LocalWorker) -> None:
    local_worker.post("a", given=submission_body(submit_status=503))
    deadline = local_worker.job("a").deadline
    for _ in range(submission.RESUBMITS_MAX + 2):
        close_circuits(local_worker)
        process_one(local_worker.wired)
        assert (
            local_worker.job("a").submission.unconfirmed
            and local_worker.job("a").submission.attempts == 0
        )
        assert local_worker.job("a").deadline == deadline, "a week, and no longer"
        later(local_worker, "a", 0)
    assert local_worker.job("a").submission.is_queued


@pytest.mark.parametrize(
    "switches", [{"submit_status": 503, "retry_after": 2}, {"submit_cut": True}]
)
def test_a_probe_without_success_does_not_make_a_short_pause_long(
    local_worker: LocalWorker, switches: dict[str, Any]
) -> None:
    local_worker.post("a", given=submission_body(**switches))
    local_worker.wired.submission_queue.open_circuit("large", "busy", -1.0)
    local_worker.wired.submission_queue.open_circuit(ALL_MODELS, "not reached", -1.0)
    process_one(local_worker.wired)
    assert local_worker.job("a").submission.unconfirmed
    assert (
        list(circuit_seconds(local_worker)) == ["large"]
        and circuit_seconds(local_worker)["large"] < SOON_SECONDS
    )


def test_a_probe_that_was_never_sent_lets_the_next_one_go(local_worker: LocalWorker) -> None:
    for job_id in "ab":
        local_worker.post(job_id)
    local_worker.redis.delete("fluxkeep:input:a")
    local_worker.wired.submission_queue.open_circuit(ALL_MODELS, "no", -1.0)
    process_one(local_worker.wired)
    assert local_worker.job("a").status is Status.FAILED and local_worker.next() == "b"


def test_an_open_circuit_without_jobs_to_probe_closes(local_worker: LocalWorker) -> None:
    local_worker.post("a", "large")
    for scope in ("large", "small", ALL_MODELS):
        local_worker.wired.submission_queue.open_circuit(scope, "no", -2.0)
    local_worker.wired.submission_queue.open_circuit("other", "no", 60.0)
    sweep(local_worker.wired)
    assert set(circuit_seconds(local_worker)) == {"large", ALL_MODELS, "other"}
    local_worker.wired.store.delete(local_worker.job("a"))
    local_worker.redis.delete("fluxkeep:queues")
    sweep(local_worker.wired)
    assert set(circuit_seconds(local_worker)) == {"other"}, "its time is not over"


def test_a_time_out_pauses_the_model(local_worker: LocalWorker) -> None:
    for job_id in "ab":
        local_worker.post(job_id, given=submission_body(submit_cut=True))
    for _ in range(2):
        process_one(local_worker.wired)
    assert (
        local_worker.job("a").submission.unconfirmed and local_worker.job("b").submission.is_queued
    )


def test_one_worker_is_left_for_rescues(local_worker: LocalWorker) -> None:
    for job_id in "ab":
        local_worker.post(job_id)
    local_worker.redis.sadd(local_worker.wired.rq_queue.workers_key, "one", "two")
    claim = local_worker.admit()
    assert local_worker.next() is None, "the other worker is not to wait for BFL as well"
    local_worker.redis.sadd(local_worker.wired.rq_queue.workers_key, "three")
    assert local_worker.next() == "b"
    local_worker.redis.srem(local_worker.wired.rq_queue.workers_key, "three")
    timeouts = local_worker.wired.settings.timeouts
    claim.commit(
        lambda job, now: submission.await_confirmation(job, now, "why", timeouts, has_webhook=True)
    )
    assert local_worker.next() == "b", "it is not being sent any more"


def test_an_unanswered_submission_keeps_its_slot_as_long_as_a_generation_takes(
    local_worker: LocalWorker,
) -> None:
    local_worker.post("a")
    claim, timeouts = local_worker.admit(), local_worker.wired.settings.timeouts
    claim.commit(
        lambda job, now: submission.await_confirmation(job, now, "why", timeouts, has_webhook=True)
    )
    job, now = local_worker.job("a"), local_worker.wired.store.now()
    is_queued = submission.UNANSWERED_SLOT_SECONDS
    assert job.submission.slot and job.check.next_check_at == pytest.approx(
        now + is_queued, abs=SOON_SECONDS
    )
    later(local_worker, "a", 0)
    assert not local_worker.job("a").submission.slot, (
        "a few that hang must not keep all of them for an hour"
    )


def test_a_request_that_never_left_is_requeued_last(
    local_worker: LocalWorker,
) -> None:
    local_worker.post("a", given=b"no json")
    local_worker.post("b", given=submission_body())
    process_one(local_worker.wired)
    job = local_worker.job("a")
    assert job.submission.is_queued and not job.submission.unconfirmed and local_worker.posts() == 0
    assert "before anything was sent" in str(job.timeline[-1].detail)
    assert "large" in circuit_seconds(local_worker)
    close_circuits(local_worker)
    assert local_worker.next() == "b"


# Where BFL has nobody to call.


def silent_worker(
    local_worker: LocalWorker, redis_server: RedisServer, tmp_path: Path
) -> LocalWorker:
    """As without PUBLIC_URL."""
    deaf = built(redis_server, tmp_path)
    assert not deaf.settings.bfl_reaches_us
    local_worker.wired.settings = deaf.settings
    return local_worker


def test_without_a_webhook_an_unanswered_submission_fails_after_the_grace(
    local_worker: LocalWorker, redis_server: RedisServer, tmp_path: Path
) -> None:
    local_worker = silent_worker(local_worker, redis_server, tmp_path)
    local_worker.post("a", given=submission_body(submit_cut=True))
    process_one(local_worker.wired)
    assert "not given a webhook" in str(local_worker.job("a").timeline[-1].detail)
    later(local_worker, "a", local_worker.wired.settings.timeouts.grace(None) + 1)
    failure = local_worker.job("a").error
    assert failure and failure.code == "submission_unconfirmed"


def test_without_a_webhook_an_error_is_retried_after_a_pause(
    local_worker: LocalWorker, redis_server: RedisServer, tmp_path: Path
) -> None:
    local_worker = silent_worker(local_worker, redis_server, tmp_path)
    local_worker.post("a", given=submission_body(submit_status=500))
    process_one(local_worker.wired)
    check_job(local_worker.wired, "a")
    assert (
        local_worker.job("a").submission.is_queued
        and local_worker.job("a").submission.attempts == 1
    )
    assert "large" in circuit_seconds(local_worker)


def test_without_a_webhook_the_job_of_a_dead_worker_ends_after_the_grace(
    local_worker: LocalWorker, redis_server: RedisServer, tmp_path: Path
) -> None:
    local_worker = silent_worker(local_worker, redis_server, tmp_path)
    local_worker.post("a")
    local_worker.admit()
    later(local_worker, "a", 0, lease_until=1.0)
    job = local_worker.job("a")
    assert job.submission.unconfirmed and job.deadline < local_worker.wired.store.now() + 2 * 60


def test_a_task_that_cannot_be_put_on_record_is_named_in_the_log(
    local_worker: LocalWorker, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis goes away between BFL's taking the task and its answer."""
    local_worker.post("a", given=submission_body(submit_hang=1.5))

    def break_down() -> None:
        wait_for("BFL has it", local_worker.box.tasks)
        redis_server.kill()

    breakage = threading.Thread(target=break_down)
    breakage.start()
    with caplog.at_level(logging.INFO):
        process_one(local_worker.wired)
    breakage.join()
    (task,) = local_worker.box.tasks()
    assert f"job a: BFL accepted it as task {task.id}" in caplog.text


def test_a_key_that_cannot_be_sent_leaves_no_job_unconfirmed(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url)
    # The settings refuse such a key; it stands for whatever we may get wrong ourselves.
    wired.bfl = BflClient(SecretStr("ключ"), wired.host_policy, wired.bfl.origin)
    local_worker = LocalWorker(wired, sandbox)
    local_worker.post("a")
    process_one(wired)
    job = local_worker.job("a")
    assert (
        job.submission.is_queued
        and not job.submission.unconfirmed
        and circuit_seconds(local_worker)
    )
    wired.redis.close()
