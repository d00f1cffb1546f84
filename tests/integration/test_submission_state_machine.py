"""Submissions, refusals, crashes and callbacks in any order, on a real Redis (I13, I14)."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from jobs import ingest, submission
from jobs import services as wiring
from jobs.config.settings import load
from jobs.errors import ClaimLost
from jobs.job import Job
from jobs.report import Failure, Report, SubmissionReceipt
from jobs.status import REOPENABLE, ReportKind, Source
from jobs.store.keys import CIRCUITS, QUEUE_PREFIX, QUEUES
from jobs.store.submission_queue import ALL_MODELS
from jobs.timeouts import Timeouts
from tests.harness import RedisServer
from tests.harness.required_settings import SECRETS
from tests.harness.submission_queue import SMALL_MAX, TOTAL_MAX, SubmissionQueueMachine, aged
from worker.claim import Claim
from worker.sweep import check_job, sweep

ENVIRONMENT = SECRETS | {"MAX_ACTIVE": f"{TOTAL_MAX},small={SMALL_MAX}"}
PROFILE = settings(
    max_examples=40,
    stateful_step_count=40,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
MODELS = ("small", "large", "other")
INDEXES = st.integers(0, 1000)
REPORT_KINDS = st.sampled_from(ReportKind)


def unanswered(job: Job, now: float, timeouts: Timeouts) -> Job:
    return submission.await_confirmation(job, now, "why", timeouts, has_webhook=True)


def answered_500(job: Job, now: float, timeouts: Timeouts) -> Job:
    return submission.back_off(job, now, "500", timeouts, has_webhook=True, is_counted=True)


def answered_503(job: Job, now: float, timeouts: Timeouts) -> Job:
    return submission.back_off(job, now, "503", timeouts, has_webhook=True, is_counted=False)


UNCONFIRMED = (unanswered, answered_500, answered_503)


class Submissions(SubmissionQueueMachine):
    """Callers, workers that submit, BFL and misfortune, one step at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts = self.services.settings.timeouts
        self.numbers = count()
        self.sending: list[Claim] = []
        self.crashed: list[Claim] = []
        self.tasks: list[tuple[str, str]] = []  # what BFL took: job, task
        self.unanswered: set[str] = set()  # sent, and nobody knows what became of it

    # Callers.

    @rule(model=st.sampled_from(MODELS))
    def post(self, model: str) -> None:
        job_id = f"job-{next(self.numbers)}"
        self.store.update(
            job_id,
            lambda job, now: job or submission.create(job_id, model, now),
            new=True,
            submission=b'{"prompt": "a"}',
        )
        self.posted.append(job_id)

    @precondition(lambda self: self.posted)
    @rule(index=INDEXES)
    def forget(self, index: int) -> None:
        job = self.job(index)
        self.store.delete(job)
        self.posted.remove(job.id)
        self.unanswered.discard(job.id)

    @precondition(lambda self: self.posted)
    @rule(index=INDEXES)
    def replay(self, index: int) -> None:
        before = self.job(index)
        change = self.store.update(before.id, self._reopened)
        assert change.written is (before.status in REOPENABLE)
        self.unanswered.discard(before.id)  # the operator takes that upon himself

    def _reopened(self, job: Job | None, now: float) -> Job | None:
        return submission.reopen(job, now, self.timeouts) if job else None

    # Workers.

    @rule()
    def admit(self) -> None:
        found = self.submission_queue.next()
        if found is None:
            return
        head = self.redis.zrange(QUEUE_PREFIX + found.model, 0, 0)[0].decode()
        assert found.job_id == head, "first come, first served"
        claim = Claim.admit(self.services, found)
        assert claim is not None, "nobody else was there"
        assert claim.job.id not in self.unanswered, "what BFL may have is not sent again by itself"
        self.sending.append(claim)

    @rule()
    def admit_at_the_same_moment(self) -> None:
        """Two workers are told the same name."""
        found = self.submission_queue.next()
        if found is None:
            return
        first, second = (Claim.admit(self.services, found) for _ in range(2))
        assert first is not None and second is None
        self.sending.append(first)

    @precondition(lambda self: self.sending)
    @rule(index=INDEXES, early=st.booleans())
    def taken(self, index: int, early: bool) -> None:
        """BFL's answer, which is true whoever holds the job by now."""
        claim = self.sending.pop(index % len(self.sending))
        self._take(claim, early=early)

    @precondition(lambda self: self.crashed)
    @rule(index=INDEXES)
    def taken_by_one_thought_dead(self, index: int) -> None:
        self._take(self.crashed.pop(index % len(self.crashed)), early=False)

    def _take(self, claim: Claim, *, early: bool) -> None:
        task_id = f"task-{next(self.numbers)}"
        if claim.job.id in self.posted:
            self.tasks.append((claim.job.id, task_id))
            if early:  # the callback is quicker than the answer
                self._apply_report(claim.job.id, task_id, ReportKind.PROGRESS)
        answer = SubmissionReceipt(task_id=task_id, cost=3.0)

        def take(job: Job | None, now: float) -> Job | None:
            return (
                submission.confirm(job, now, answer, self.timeouts, has_webhook=True)
                if job
                else None
            )

        self.store.update(claim.job.id, take)
        self.submission_queue.close_circuits(claim.half_open)
        self.unanswered.discard(claim.job.id)

    @precondition(lambda self: self.sending)
    @rule(index=INDEXES, scope=st.sampled_from([ALL_MODELS, None]))
    def postpone(self, index: int, scope: str | None) -> None:
        """429 for its model, or 402 for all."""
        claim = self.sending.pop(index % len(self.sending))
        self.submission_queue.open_circuit(scope or claim.job.model or "", "no", 60.0)
        self._commit(claim, lambda job, now: submission.requeue(job, now, "no"))

    @precondition(lambda self: self.sending)
    @rule(index=INDEXES)
    def refused(self, index: int) -> None:
        claim = self.sending.pop(index % len(self.sending))
        self._commit(claim, lambda job, now: submission.refuse(job, now, Failure("bad", "no")))

    @precondition(lambda self: self.sending)
    @rule(index=INDEXES, step=st.sampled_from(UNCONFIRMED), took=st.booleans(), early=st.booleans())
    def unconfirmed(self, index: int, step: Any, took: bool, early: bool) -> None:
        claim = self.sending.pop(index % len(self.sending))
        job_id = claim.job.id
        if took and job_id in self.posted:
            self.tasks.append((job_id, f"task-{next(self.numbers)}"))
            if early:
                self._apply_report(*self.tasks[-1], ReportKind.PROGRESS)
        self._commit(claim, lambda job, now: step(job, now, self.timeouts))
        if step is unanswered:
            self.unanswered.add(job_id)

    @precondition(lambda self: self.sending)
    @rule(index=INDEXES)
    def crash(self, index: int) -> None:
        claim = self.sending.pop(index % len(self.sending))
        self.crashed.append(claim)
        self.unanswered.add(claim.job.id)

    @precondition(lambda self: self.sending)
    @rule(index=INDEXES)
    def hand_back(self, index: int) -> None:
        """A worker is told to stop before it has sent anything."""
        self._commit(self.sending.pop(index % len(self.sending)), Job.release)

    def _commit(self, claim: Claim, step: Callable[[Job, float], Job]) -> None:
        try:
            claim.commit(step)
        except ClaimLost:
            job = self.store.load(claim.job.id)
            assert (
                job is None
                or job.check.lease_until is None
                or job.check.fencing_token != claim.job.check.fencing_token
            )

    # BFL.

    @precondition(lambda self: self.tasks)
    @rule(index=INDEXES, kind=REPORT_KINDS)
    def call_back(self, index: int, kind: ReportKind) -> None:
        """For the task on record or for a twin of it."""
        job_id, task_id = self.tasks[index % len(self.tasks)]
        if self.store.load(job_id):
            self._apply_report(job_id, task_id, kind)

    def _apply_report(self, job_id: str, task_id: str, kind: ReportKind) -> None:
        before = self.store.load(job_id)
        ready = kind is ReportKind.READY
        report = Report(
            task_id=task_id,
            kind=kind,
            source=Source.CALLBACK,
            urls=("https://delivery.bfl.ai/a",) if ready else (),
            error=Failure("bfl_error", "no") if kind is ReportKind.FAILED else None,
        )
        after = ingest.apply_report(self.store, report, self.timeouts, job_id)
        assert before is not None
        if before.status.terminal:
            assert after.status is before.status
        else:
            resent = before.submission.unconfirmed and before.submission.sent_at is not None
            assert after.task_id is not None or resent
            if after.task_id is not None:
                self.unanswered.discard(job_id)

    # Time and misfortune.

    @precondition(lambda self: self.posted)
    @rule(index=INDEXES, late=st.booleans())
    def time_passes(self, index: int, late: bool) -> None:
        """Until somebody must look at it, its lease over; or until its deadline."""
        job = self.job(index)
        if job.status.terminal:
            return
        moved = {"next_check_at": -1.0, "lease_until": -1.0} | ({"deadline": -1.0} if late else {})
        self._age(job.id, moved)
        check_job(self.services, job.id)
        assert not (late and job.submission.is_queued) or self.loaded(job.id).status.terminal
        self.sending = [claim for claim in self.sending if claim.job.id != job.id]

    def _age(self, job_id: str, moved: dict[str, float]) -> None:
        def step(job: Job | None, now: float) -> Job | None:
            return aged(job, now, moved) if job else None

        self.store.update(job_id, step)

    @rule()
    def circuits_close(self) -> None:
        for pause in self.submission_queue.open_circuits():
            self.redis.hset(CIRCUITS, pause.scope, '1.000 [1.0, 1, "no"]')

    @rule()
    def sweep(self) -> None:
        sweep(self.services)
        if self.submission_queue.next(peek=True):
            assert self.redis.llen(self.services.rq_queue.queue_key), "somebody is told of it"

    @precondition(lambda self: self.posted)
    @rule(index=INDEXES)
    def lose_queue_entry(self, index: int) -> None:
        """The next check of the job repairs the queue."""
        job = self.job(index)
        if job.submission.is_queued:
            self.redis.zrem(f"{QUEUE_PREFIX}{job.model}", job.id)
            self.redis.srem(QUEUES, f"{QUEUE_PREFIX}{job.model}")
            self._age(job.id, {"next_check_at": -1.0})
            check_job(self.services, job.id)


@pytest.fixture
def machine(redis_server: RedisServer, tmp_path: Path) -> type[Submissions]:
    """Everything but the network, on a Redis of its own."""
    media = {"MEDIA_URL": (tmp_path / "media").as_uri()}
    redis: Redis = redis_server.client()
    Submissions.services = wiring.Services(load(ENVIRONMENT | media), redis)
    return Submissions


def test_queues_and_slots_agree_with_the_records(machine: type[Submissions]) -> None:
    run_state_machine_as_test(machine, settings=PROFILE)
    machine.services.redis.close()
