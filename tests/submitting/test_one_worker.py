"""One worker in this process: whom it lets go first, what it tells others, what it never sends."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local_redis import free_port
from jobs import services as wiring
from jobs import submission
from jobs.errors import NotSent, TransferFailed
from jobs.job import LEASE_SECONDS, Job
from jobs.keys import ACTIVE, INPUTS, LINE, LINES, RECORDS
from jobs.report import Failure
from jobs.services import Services
from jobs.settings import load
from jobs.slots import EVERYTHING, Next
from jobs.states import Doubt, State
from tests.harness import RedisServer
from tests.sandbox import Sandbox
from worker import turn
from worker.claim import Claim
from worker.sweep import sweep

BASE = {
    "WEBHOOK_SECRET": "w",
    "SECRET_KEY": "s",
    "API_KEYS": "a:key:admin",
    "MAX_ACTIVE": "2,small=1",
}
KEY = "bfl-key-canary-71f0"
INPUT = b'{"prompt": "a", "sandbox": {"callback": "never", "seconds": 0}}'
STOPS = 30


class Bench:
    """A line, and the worker in front of it."""

    def __init__(self, wired: Services, box: Sandbox) -> None:
        self.wired, self.box = wired, box
        self.redis: Any = wired.redis

    def post(self, job_id: str, model: str = "large", given: bytes = INPUT) -> None:
        def begin(job: Job | None, now: float) -> Job:
            return job or submission.in_line(job_id, model, now, {})

        self.wired.store.change(job_id, begin, new=True, submission=given)

    def admit(self) -> Claim:
        found = self.wired.slots.next()
        claim = Claim.admit(self.wired, found) if found else None
        assert claim
        return claim

    def next(self) -> str | None:
        found = self.wired.slots.next(only_look=True)
        return found.job_id if found else None

    def job(self, job_id: str) -> Job:
        job = self.wired.store.load(job_id)
        assert job is not None
        return job

    def hints(self) -> int:
        return int(self.redis.llen(self.wired.hints.queue_key))

    def without_hints(self) -> None:
        self.redis.delete(self.wired.hints.queue_key)

    def posts(self) -> int:
        return len([seen for seen in self.box.requests if seen.method == "POST"])


def built(redis_server: RedisServer, tmp_path: Path, **more: str) -> Services:
    media = {"MEDIA_URL": (tmp_path / "media").as_uri()}
    return wiring.build(load(BASE | media | more), redis_server.client())


@pytest.fixture
def bench(redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox) -> Iterator[Bench]:
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url, BFL_API_KEY=KEY)
    yield Bench(wired, sandbox)
    wired.redis.close()


def test_the_longest_waiting_of_those_who_may_goes_first(bench: Bench) -> None:
    for job_id, model in (("a", "small"), ("b", "small"), ("c", "large"), ("d", "other")):
        bench.post(job_id, model)
    assert bench.admit().job.id == "a"
    assert bench.admit().job.id == "c", "the slot of its model is taken"
    assert bench.next() is None


def test_a_slot_that_is_given_back_goes_to_the_head_of_the_line(bench: Bench) -> None:
    for job_id in "abcd":
        bench.post(job_id)
    claim, _ = bench.admit(), bench.admit()
    assert bench.next() is None
    bench.without_hints()
    claim.commit(lambda job, now: submission.refused(job, now, Failure("a", "b")))
    assert bench.next() == "c" and bench.hints() == 1


def test_a_job_that_is_ready_wakes_one_worker_for_itself_and_one_for_the_line(
    bench: Bench,
) -> None:
    for job_id in "abc":
        bench.post(job_id)
    for _ in range(2):
        assert turn.take(bench.wired, "x")
    bench.without_hints()
    bench.box.call_back(bench.job("a").task_id or "")  # nobody listens, but BFL is done

    def ready(job: Job | None, now: float) -> Job | None:
        return job and job.looked_at(now + 61)

    bench.wired.store.change("a", ready)
    bench.without_hints()
    assert turn.take(bench.wired, "a") and bench.job("a").state is State.READY
    assert bench.hints() == 2


def test_each_that_is_submitted_calls_the_next(bench: Bench) -> None:
    for job_id in "abc":
        bench.post(job_id)
    bench.without_hints()
    turn.take(bench.wired, "a")
    assert bench.hints() == 1
    bench.without_hints()
    turn.take(bench.wired, "b")
    assert bench.hints() == 0, "there is no slot for another"


def test_nobody_is_woken_for_a_slot_that_nobody_waits_for(bench: Bench) -> None:
    bench.post("a")
    claim = bench.admit()
    bench.without_hints()
    claim.commit(lambda job, now: submission.refused(job, now, Failure("a", "b")))
    assert bench.hints() == 0


def test_who_was_put_off_keeps_its_place(bench: Bench) -> None:
    for job_id in "ab":
        bench.post(job_id)
    bench.admit().commit(lambda job, now: submission.back_in_line(job, now, "busy"))
    assert bench.next() == "a"


def test_the_slot_of_a_worker_that_died_is_given_back_and_nothing_sent_again(
    bench: Bench,
) -> None:
    bench.post("a", "small")
    bench.post("b", "small")
    bench.admit()
    patience = bench.wired.settings.patience
    for later in (LEASE_SECONDS, patience.callback_grace):

        def look(job: Job | None, now: float, late: float = later) -> Job | None:
            return job and submission.looked_at(job, now + late, patience)

        bench.wired.store.change("a", look)
    assert bench.job("a").doubt is Doubt.SILENT and bench.next() == "b"


def test_a_slot_is_not_given_twice_by_workers_that_looked_at_the_same_time(bench: Bench) -> None:
    for job_id in "abc":
        bench.post(job_id, "small")
    found = bench.wired.slots.next()
    assert found and Claim.admit(bench.wired, found)
    late = Next("b", "small", ())
    assert Claim.admit(bench.wired, late) is None, "its record would be the second"
    assert bench.job("b").waits
    assert bench.redis.zcard(f"{ACTIVE}:small") == 1


def test_who_came_back_to_the_line_is_not_taken_out_by_one_who_was_late(bench: Bench) -> None:
    bench.post("a")
    claim = bench.admit()
    seen = bench.job("a").version  # what the late one sees: another worker has it
    claim.commit(lambda job, now: submission.back_in_line(job, now, "busy"))
    bench.wired.slots.leave(Next("a", "large", ()), seen)
    assert bench.next() == "a"


def test_a_name_in_line_without_a_record_holds_nobody_up(bench: Bench) -> None:
    bench.redis.zadd(f"{LINE}large", {"ghost": 1.0})
    bench.post("a")
    turn.take(bench.wired, "a")
    assert bench.job("a").state is State.SUBMITTED


def test_a_record_that_cannot_be_read_holds_nobody_up(bench: Bench) -> None:
    bench.post("broken")
    bench.redis.set(f"{RECORDS}broken", "1 {")
    bench.post("a")
    turn.take(bench.wired, "a")
    assert bench.job("a").state is State.SUBMITTED


def test_a_place_that_was_lost_is_found_again(bench: Bench) -> None:
    bench.post("a")
    bench.redis.delete(f"{LINE}large", LINES)
    assert bench.next() is None

    def look(job: Job | None, now: float) -> Job | None:
        return job and submission.looked_at(job, now, bench.wired.settings.patience)

    bench.wired.store.change("a", look)
    assert bench.next() == "a"


def test_one_probe_goes_after_a_pause_and_the_others_wait_for_its_outcome(bench: Bench) -> None:
    for job_id in "abc":
        bench.post(job_id)
    bench.wired.slots.pause(EVERYTHING, "no credits", -1.0)
    found = bench.wired.slots.next()
    assert found and found.probes == (EVERYTHING,)
    assert bench.wired.slots.next() is None
    (pause,) = bench.wired.slots.pauses()
    assert pause.reason == "no credits" and pause.until > bench.wired.store.now() + 50
    bench.wired.slots.resume(found.probes)
    assert bench.next() == "a"


def test_a_pause_of_one_model_leaves_the_others_going(bench: Bench) -> None:
    bench.post("a", "small")
    bench.post("b")
    bench.wired.slots.pause("small", "busy", 60.0)
    assert bench.next() == "b"


def test_the_sweep_wakes_a_worker_when_a_pause_is_over(bench: Bench) -> None:
    bench.post("a")
    bench.wired.slots.pause(EVERYTHING, "no", 60.0)
    bench.without_hints()
    sweep(bench.wired)
    assert bench.hints() == 0
    bench.wired.slots.pause(EVERYTHING, "no", -1.0)
    sweep(bench.wired)
    assert bench.hints() == 1


def test_a_worker_that_is_told_to_stop_leaves_no_job_that_nobody_has(bench: Bench) -> None:
    """Whenever the signal comes: the job is back in line, or BFL's answer is on record."""
    for n in range(STOPS):
        bench.post(f"job-{n}", given=INPUT)
        stop = threading.Thread(target=_stop_when_admitted, args=(bench, f"job-{n}"))
        stop.start()
        turn.take(bench.wired, "x")
        stop.join()
        job = bench.job(f"job-{n}")
        assert job.lease_until is None and (job.waits or job.task_id)
        bench.wired.store.forget(job)


def _stop_when_admitted(bench: Bench, job_id: str) -> None:
    for _ in range(10_000):
        if bench.job(job_id).fence:
            os.kill(os.getpid(), signal.SIGTERM)
            return


@pytest.fixture(autouse=True)
def _sigterm_after_the_turn_is_harmless() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


def test_without_a_key_nothing_is_sent_to_bfl(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    wired = built(redis_server, tmp_path)
    bench = Bench(wired, sandbox)
    with pytest.raises(NotSent, match="BFL_API_KEY"):
        wired.api.submitted("flux-2-pro", b"{}", 5.0)
    bench.post("a")
    turn.take(wired, "a")
    assert bench.job("a").waits and "BFL_API_KEY" in str(bench.job("a").timeline[-1].detail)
    wired.redis.close()


def test_where_nobody_listens_nothing_was_sent(redis_server: RedisServer, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=nowhere)
    with pytest.raises(NotSent):
        wired.api.submitted("flux-2-pro", b"{}", 5.0)
    wired.redis.close()


def test_an_answer_that_does_not_come_in_time_leaves_a_doubt(bench: Bench) -> None:
    late = b'{"prompt": "a", "sandbox": {"submit_hang": 5}}'
    with pytest.raises(TransferFailed) as caught:
        bench.wired.api.submitted("flux-2-pro", late, 0.5)
    assert not isinstance(caught.value, NotSent)


def test_an_input_that_is_gone_fails_the_job(bench: Bench) -> None:
    bench.post("a")
    bench.redis.delete(f"{INPUTS}a")
    turn.take(bench.wired, "a")
    failure = bench.job("a").failure
    assert failure and failure.code == "input_lost" and bench.posts() == 0


def test_a_refused_input_is_kept_for_a_day(bench: Bench) -> None:
    bench.post("a")
    claim = bench.admit()
    assert bench.redis.ttl(f"{INPUTS}a") == -1
    claim.commit(lambda job, now: submission.refused(job, now, Failure("a", "b")))
    assert 86_000 < bench.redis.ttl(f"{INPUTS}a") <= 86_400


def test_only_the_key_of_the_operator_goes_to_bfl(bench: Bench) -> None:
    bench.post("a")
    turn.take(bench.wired, "a")
    (seen,) = bench.box.requests
    assert seen.headers["x-key"] == KEY and seen.headers["content-type"] == "application/json"
    assert "authorization" not in seen.headers and KEY.encode() not in seen.body
