"""Errors and silence of BFL: circuits open, and no task is lost."""

import json
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
from jobs.store.keys import CIRCUITS
from jobs.store.submission_queue import ALL_MODELS
from tests.harness import RedisServer
from tests.harness.floor import one_turn
from tests.harness.patience import wait_for
from tests.sandbox import Sandbox
from tests.system.submitting.bench import Bench, built
from worker.submit import BACKOFF_MIN_SECONDS
from worker.sweep import check_job, sweep

SOON_SECONDS = 5.0


def asked(**switches: Any) -> bytes:
    return json.dumps({"prompt": "a", "sandbox": {"callback": "never", **switches}}).encode()


def pauses(bench: Bench) -> dict[str, float]:
    """By scope, the seconds that are left."""
    now = bench.wired.store.now()
    return {
        pause.scope: pause.until - now for pause in bench.wired.submission_queue.open_circuits()
    }


def end_pauses(bench: Bench) -> None:
    for pause in bench.wired.submission_queue.open_circuits():
        rest = json.dumps([pause.since, pause.attempts, pause.reason])
        bench.redis.hset(CIRCUITS, pause.scope, f"1.000 {rest}")


def later(bench: Bench, job_id: str, seconds: float, **check: Any) -> None:
    """So much time passes for one job, and the sweep looks at it."""

    def age(job: Job | None, now: float) -> Job | None:
        assert job
        return replace(
            job,
            deadline=job.deadline - seconds,
            check=replace(job.check, next_check_at=now - 1, **check),
        )

    bench.wired.store.update(job_id, age)
    check_job(bench.wired, job_id)


@pytest.mark.parametrize("status", [502, 503])
def test_an_outage_pauses_the_model_and_only_one_job_is_unconfirmed(
    bench: Bench, status: int
) -> None:
    for job_id in "abc":
        bench.post(job_id, given=asked(submit_status=status))
    bench.post("d", "other", asked())
    for _ in range(4):
        one_turn(bench.wired)
    assert [bench.job(name).submission.unconfirmed for name in "abc"] == [True, False, False]
    assert bench.job("d").task_id, "other models go on"


def test_a_job_that_always_gets_a_500_holds_the_others_up_for_seconds_only(bench: Bench) -> None:
    bench.post("poisoned", "small", asked(submit_status=500))
    bench.post("next", "small", asked())
    one_turn(bench.wired)
    assert pauses(bench)["small"] < 2 * BACKOFF_MIN_SECONDS
    end_pauses(bench)
    one_turn(bench.wired)
    assert bench.job("next").task_id and pauses(bench) == {}


def test_a_job_that_always_gets_a_500_is_submitted_ever_more_rarely_and_fails(bench: Bench) -> None:
    bench.post("a", given=asked(submit_status=500))
    is_queued: list[float] = []
    while not bench.job("a").status.terminal:
        assert len(is_queued) <= submission.RESUBMITS_MAX
        end_pauses(bench)
        one_turn(bench.wired)
        job = bench.job("a")
        if not job.status.terminal:
            is_queued.append((job.check.next_check_at or 0.0) - bench.wired.store.now())
            later(bench, "a", 60)
    grace = bench.wired.settings.timeouts.grace(None)
    expected = [grace * 2**n for n in range(submission.RESUBMITS_MAX)]
    assert is_queued == pytest.approx(expected, abs=SOON_SECONDS)
    failure = bench.job("a").error
    assert failure and failure.code == "bfl_unavailable"
    assert bench.posts() == 1 + submission.RESUBMITS_MAX


def test_an_outage_uses_up_none_of_a_jobs_tries(bench: Bench) -> None:
    bench.post("a", given=asked(submit_status=503))
    deadline = bench.job("a").deadline
    for _ in range(submission.RESUBMITS_MAX + 2):
        end_pauses(bench)
        one_turn(bench.wired)
        assert bench.job("a").submission.unconfirmed and bench.job("a").submission.attempts == 0
        assert bench.job("a").deadline == deadline, "a week, and no longer"
        later(bench, "a", 0)
    assert bench.job("a").submission.is_queued


@pytest.mark.parametrize(
    "switches", [{"submit_status": 503, "retry_after": 2}, {"submit_cut": True}]
)
def test_a_probe_without_success_does_not_make_a_short_pause_long(
    bench: Bench, switches: dict[str, Any]
) -> None:
    bench.post("a", given=asked(**switches))
    bench.wired.submission_queue.open_circuit("large", "busy", -1.0)
    bench.wired.submission_queue.open_circuit(ALL_MODELS, "not reached", -1.0)
    one_turn(bench.wired)
    assert bench.job("a").submission.unconfirmed
    assert list(pauses(bench)) == ["large"] and pauses(bench)["large"] < SOON_SECONDS


def test_a_probe_that_was_never_sent_lets_the_next_one_go(bench: Bench) -> None:
    for job_id in "ab":
        bench.post(job_id)
    bench.redis.delete("fluxkeep:input:a")
    bench.wired.submission_queue.open_circuit(ALL_MODELS, "no", -1.0)
    one_turn(bench.wired)
    assert bench.job("a").status is Status.FAILED and bench.next() == "b"


def test_a_pause_that_nobody_waits_to_probe_ends(bench: Bench) -> None:
    bench.post("a", "large")
    for scope in ("large", "small", ALL_MODELS):
        bench.wired.submission_queue.open_circuit(scope, "no", -2.0)
    bench.wired.submission_queue.open_circuit("other", "no", 60.0)
    sweep(bench.wired)
    assert set(pauses(bench)) == {"large", ALL_MODELS, "other"}
    bench.wired.store.delete(bench.job("a"))
    bench.redis.delete("fluxkeep:queues")
    sweep(bench.wired)
    assert set(pauses(bench)) == {"other"}, "its time is not over"


def test_a_time_out_pauses_the_model(bench: Bench) -> None:
    for job_id in "ab":
        bench.post(job_id, given=asked(submit_cut=True))
    for _ in range(2):
        one_turn(bench.wired)
    assert bench.job("a").submission.unconfirmed and bench.job("b").submission.is_queued


def test_one_worker_is_left_for_rescues(bench: Bench) -> None:
    for job_id in "ab":
        bench.post(job_id)
    bench.redis.sadd(bench.wired.rq_queue.workers_key, "one", "two")
    claim = bench.admit()
    assert bench.next() is None, "the other worker is not to wait for BFL as well"
    bench.redis.sadd(bench.wired.rq_queue.workers_key, "three")
    assert bench.next() == "b"
    bench.redis.srem(bench.wired.rq_queue.workers_key, "three")
    timeouts = bench.wired.settings.timeouts
    claim.commit(
        lambda job, now: submission.await_confirmation(job, now, "why", timeouts, calls=True)
    )
    assert bench.next() == "b", "it is not being sent any more"


def test_an_unanswered_submission_keeps_its_slot_as_long_as_a_generation_takes(
    bench: Bench,
) -> None:
    bench.post("a")
    claim, timeouts = bench.admit(), bench.wired.settings.timeouts
    claim.commit(
        lambda job, now: submission.await_confirmation(job, now, "why", timeouts, calls=True)
    )
    job, now = bench.job("a"), bench.wired.store.now()
    is_queued = submission.UNANSWERED_SLOT_SECONDS
    assert job.submission.slot and job.check.next_check_at == pytest.approx(
        now + is_queued, abs=SOON_SECONDS
    )
    later(bench, "a", 0)
    assert not bench.job("a").submission.slot, (
        "a few that hang must not keep all of them for an hour"
    )


def test_what_is_ours_to_blame_and_never_left_goes_back_in_line_behind_the_others(
    bench: Bench,
) -> None:
    bench.post("a", given=b"no json")
    bench.post("b", given=asked())
    one_turn(bench.wired)
    job = bench.job("a")
    assert job.submission.is_queued and not job.submission.unconfirmed and bench.posts() == 0
    assert "before anything was sent" in str(job.timeline[-1].detail)
    assert "large" in pauses(bench)
    end_pauses(bench)
    assert bench.next() == "b"


# Where BFL has nobody to call.


def silent_bench(bench: Bench, redis_server: RedisServer, tmp_path: Path) -> Bench:
    """As without PUBLIC_URL."""
    deaf = built(redis_server, tmp_path)
    assert not deaf.settings.bfl_reaches_us
    return Bench(replace(bench.wired, settings=deaf.settings), bench.box)


def test_without_anybody_to_call_silence_is_not_waited_for(
    bench: Bench, redis_server: RedisServer, tmp_path: Path
) -> None:
    bench = silent_bench(bench, redis_server, tmp_path)
    bench.post("a", given=asked(submit_cut=True))
    one_turn(bench.wired)
    assert "not given a webhook" in str(bench.job("a").timeline[-1].detail)
    later(bench, "a", bench.wired.settings.timeouts.grace(None) + 1)
    failure = bench.job("a").error
    assert failure and failure.code == "submission_unconfirmed"


def test_without_anybody_to_call_an_error_is_followed_by_another_try_after_a_pause(
    bench: Bench, redis_server: RedisServer, tmp_path: Path
) -> None:
    bench = silent_bench(bench, redis_server, tmp_path)
    bench.post("a", given=asked(submit_status=500))
    one_turn(bench.wired)
    check_job(bench.wired, "a")
    assert bench.job("a").submission.is_queued and bench.job("a").submission.attempts == 1
    assert "large" in pauses(bench)


def test_without_anybody_to_call_a_dead_workers_job_is_not_waited_for(
    bench: Bench, redis_server: RedisServer, tmp_path: Path
) -> None:
    bench = silent_bench(bench, redis_server, tmp_path)
    bench.post("a")
    bench.admit()
    later(bench, "a", 0, lease_until=1.0)
    job = bench.job("a")
    assert job.submission.unconfirmed and job.deadline < bench.wired.store.now() + 2 * 60


def test_a_task_that_cannot_be_put_on_record_is_named_in_the_log(
    bench: Bench, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis goes away between BFL's taking the task and its answer."""
    bench.post("a", given=asked(submit_hang=1.5))

    def break_down() -> None:
        wait_for("BFL has it", bench.box.tasks)
        redis_server.kill()

    breakage = threading.Thread(target=break_down)
    breakage.start()
    with caplog.at_level(logging.INFO):
        one_turn(bench.wired)
    breakage.join()
    (task,) = bench.box.tasks()
    assert f"job a: BFL took it as task {task.id}" in caplog.text


def test_a_key_that_cannot_be_sent_leaves_no_job_unconfirmed(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url)
    # The settings refuse such a key; it stands for whatever we may get wrong ourselves.
    wired = replace(wired, api=BflClient(SecretStr("ключ"), wired.trust, wired.api.origin))
    bench = Bench(wired, sandbox)
    bench.post("a")
    one_turn(wired)
    job = bench.job("a")
    assert job.submission.is_queued and not job.submission.unconfirmed and pauses(bench)
    wired.redis.close()
