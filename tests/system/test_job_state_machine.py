"""Deliveries, duplicates, claims, crashes and sweeps in every order, on a real Redis."""

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from jobs import ingest
from jobs import services as wiring
from jobs.config.settings import load
from jobs.errors import ClaimLost
from jobs.job import Job
from jobs.record import Delivery, MediaFile
from jobs.report import Failure, Moderation, Report
from jobs.services import Services
from jobs.status import REOPENABLE, ReportKind, Source, Status
from jobs.store.keys import PENDING_POLLS, PENDING_RESCUES
from jobs.timeouts import Timeouts
from receiver import create_app
from tests.harness import RedisServer
from tests.harness.required_settings import SECRETS
from tests.harness.store_snapshot import StoreSnapshot, aged
from worker.claim import Claim
from worker.sweep import check_job, sweep

KEY = {"x-key": "admin-key-of-tests"}
ENVIRONMENT = {
    **SECRETS,
}
KEPT = MediaFile(key="2026/01/01/job-0.jpg", content_type="image/jpeg", bytes=1, sha256="00")
PROFILE = settings(
    max_examples=200,
    stateful_step_count=30,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

NAMES = ("one", "two", "three")
IDS = st.sampled_from(NAMES)
REPORT_KINDS, SOURCES = st.sampled_from(ReportKind), st.sampled_from(Source)
LIVES, INDEXES = st.none() | st.floats(-60, 7200), st.integers(0, 1000)


class Installation(RuleBasedStateMachine):
    """BFL, callers, workers, sweepers and misfortune, one step at a time."""

    services: ClassVar[Services]
    client: ClassVar[FlaskClient]

    def __init__(self) -> None:
        super().__init__()
        self.store = self.services.store
        self.redis: Redis = self.services.redis
        self.redis.flushdb()
        self.delivered: list[Report] = []
        self.held: list[Claim] = []
        self.abandoned: list[Claim] = []
        self.ended: dict[str, Job] = {}

    # What BFL and callers do.

    @rule(task_id=IDS, kind=REPORT_KINDS, source=SOURCES, life=LIVES, url=st.integers(0, 2))
    def deliver(
        self, task_id: str, kind: ReportKind, source: Source, life: float | None, url: int
    ) -> None:
        ready = kind is ReportKind.READY
        report = Report(
            task_id=task_id,
            kind=kind,
            source=source,
            urls=(f"https://delivery.bfl.ai/{url}",) if ready else (),
            stated_expiry=self.store.now() + life if ready and life is not None else None,
            error=Failure("bfl_error", "no") if kind is ReportKind.FAILED else None,
            moderation=Moderation("content") if kind is ReportKind.MODERATED else None,
        )
        self.apply_report(report)

    @precondition(lambda self: self.delivered)
    @rule()
    def duplicate(self) -> None:
        self.apply_report(self.delivered[-1])

    @precondition(lambda self: self.delivered)
    @rule(index=INDEXES)
    def reorder(self, index: int) -> None:
        self.apply_report(self.delivered[index % len(self.delivered)])

    def apply_report(self, report: Report) -> None:
        if report.source is not Source.CALLBACK and self.record(report.task_id) is None:
            return  # only BFL's own call proves that there is such a task
        reported = ingest.apply_report(self.store, report, Timeouts(60.0, 3600.0))
        assert self.record(report.task_id) == reported
        self.delivered.append(report)

    @rule(task_id=IDS, model=st.none() | st.just("flux-2-pro"))
    def register(self, task_id: str, model: str | None) -> None:
        known = self.record(task_id) is not None
        answer = self.client.put(f"/api/jobs/{task_id}", json={"model": model}, headers=KEY)
        assert answer.status_code == (200 if known else 201)

    @rule(task_id=IDS)
    def replay(self, task_id: str) -> None:
        before = self.record(task_id)
        answer = self.client.post(f"/api/jobs/{task_id}/rescues", headers=KEY)
        if before is None:
            assert answer.status_code == 404
        elif before.status in REOPENABLE:
            assert answer.status_code == 202
            del self.ended[task_id]
        else:
            assert answer.status_code == 409

    # What workers do.

    @rule(task_id=IDS)
    def claim(self, task_id: str) -> None:
        before = self.record(task_id)
        claim = Claim.acquire(self.store, task_id)
        is_waiting = before is not None and before.check.work_deadline is not None
        assert (claim is not None) is is_waiting
        if claim and before:
            assert claim.job.check.fencing_token > before.check.fencing_token
            self.held.append(claim)

    @rule()
    def claim_the_most_urgent(self) -> None:
        if task_id := self.store.most_urgent():
            others = [job for job in self.snapshot().jobs if job.check.work_deadline is not None]
            rescues = [job for job in others if job.status is Status.READY]
            earliest = min(job.check.work_deadline or 0.0 for job in rescues or others)
            assert self.job(task_id).check.work_deadline == earliest
            self.claim(task_id)

    @precondition(lambda self: self.held)
    @rule(index=INDEXES)
    def crash(self, index: int) -> None:
        """A worker is killed, or stopped for so long that it counts as dead."""
        self.abandoned.append(self.held.pop(index % len(self.held)))

    @precondition(lambda self: self.held)
    @rule(index=INDEXES)
    def finish(self, index: int) -> None:
        claim = self.held.pop(index % len(self.held))
        if claim.job.status is Status.READY:
            self.commit(claim, lambda job, now: job.stored(now, (KEPT,)))
        else:
            self.commit(claim, lambda job, now: job.back_off(now, 2.0))

    @precondition(lambda self: self.held)
    @rule(index=INDEXES, step=st.sampled_from([Job.renewed, Job.release]))
    def go_on_or_give_back(self, index: int, step: Any) -> None:
        self.commit(self.held[index % len(self.held)], step)

    @precondition(lambda self: self.abandoned)
    @rule(index=INDEXES)
    def wake_up_late(self, index: int) -> None:
        """Let a worker commit after its lease ran out."""
        claim = self.abandoned[index % len(self.abandoned)]
        self.commit(claim, lambda job, now: job.stored(now, (KEPT,)))

    def commit(self, claim: Claim, step: Any) -> None:
        """It counts while the fence is the claim's own and nobody ended the lease."""
        before = self.job(claim.job.id)
        held, token = before.check, claim.job.check.fencing_token
        owned = held.fencing_token == token and held.lease_until is not None
        try:
            claim.commit(step)
        except ClaimLost:
            assert not owned and self.record(before.id) == before
        else:
            assert owned

    # What time and misfortune do.

    @rule(task_id=IDS)
    def become_due(self, task_id: str) -> None:
        """Time passes until the job must be looked at, its lease over."""
        self.age(task_id, next_check_at=-1.0, lease_until=-1.0)

    @rule(task_id=IDS, seen=st.booleans())
    def pass_the_deadline(self, task_id: str, seen: bool) -> None:
        """And a sweeper may or may not have seen it already."""
        self.age(task_id, next_check_at=-1.0, deadline=-1.0)
        if seen:
            check_job(self.services, task_id)

    def age(self, task_id: str, **moments: float) -> None:
        """Move these times of an open job to so many seconds from now."""

        def step(job: Job | None, now: float) -> Job | None:
            if job is None or job.status.terminal:
                return job
            return aged(job, now, moments)

        self.store.update(task_id, step)

    @rule()
    def lose_the_entries_of_rq(self) -> None:
        for key in self.redis.scan_iter("rq:*"):
            self.redis.delete(key)

    @rule()
    def sweep(self) -> None:
        late = [job.id for job in self.snapshot().jobs if job.deadline <= self.store.now()]
        sweep(self.services)
        assert self.store.due(100).ids == ()
        assert all(self.job(job_id).status.terminal for job_id in late)
        assert self.redis.llen(self.services.rq_queue.queue_key) >= sum(
            map(self.redis.zcard, (PENDING_RESCUES, PENDING_POLLS))
        )

    @rule(task_id=IDS)
    def look_twice(self, task_id: str) -> None:
        """Two sweepers found the same job."""
        check_job(self.services, task_id)
        after = self.record(task_id)
        check_job(self.services, task_id)
        again = self.record(task_id)
        if after and again:
            assert again.status is after.status
            assert again.check.fencing_token == after.check.fencing_token

    # What must always hold.

    @invariant()
    def the_books_are_right(self) -> None:
        jobs = (snapshot := self.snapshot()).jobs
        checks = {job.id: job.check for job in jobs}
        due = {job.id: checks[job.id].next_check_at for job in jobs if not job.status.terminal}
        wanted = {name: one.work_deadline for name, one in checks.items() if one.work_deadline}
        assert (snapshot.due, snapshot.rescues | snapshot.polls) == (due, wanted)
        ready = {job.id for job in jobs if job.status is Status.READY}
        assert snapshot.rescues.keys() == wanted.keys() & ready
        drawings = {job.id: job.thumbnails.due_at for job in jobs if job.thumbnails.due_at}
        assert snapshot.thumbnails == drawings
        kept = {job.id: job.end for job in jobs if job.present_media}
        rest = {job.id: job.end for job in jobs if job.status.terminal and not job.present_media}
        assert snapshot.ended == (kept, rest)
        for state, index in snapshot.indexes.items():
            assert index == {job.id: job.created_at for job in jobs if job.status is state}
        assert {report.task_id for report in self.delivered} <= {job.id for job in jobs}
        for job in jobs:
            self.check_the_end_of(job)

    def check_the_end_of(self, job: Job) -> None:
        """Check that an ended job stays as it is, holds no lease, and is stored at most once."""
        if job.status.terminal:
            end = self.ended.setdefault(job.id, job)
            assert (job.status, job.media, job.error) == (end.status, end.media, end.error)
            assert job.check.work_deadline is job.check.lease_until is None
            assert job.delivery == Delivery()
        else:
            assert job.id not in self.ended
            latest = max(job.deadline, self.store.now())
            assert job.check.next_check_at and job.check.next_check_at <= latest
        stored = [moment for moment in job.timeline if moment.event == "job.stored"]
        assert len(stored) == (job.status is Status.STORED)

    def snapshot(self) -> StoreSnapshot:
        return StoreSnapshot.read(self.redis, NAMES)

    def record(self, job_id: str) -> Job | None:
        return self.store.load(job_id)

    def job(self, job_id: str) -> Job:
        found = self.record(job_id)
        assert found is not None
        return found


@pytest.fixture
def an_installation(redis_server: RedisServer, tmp_path: Path) -> type[Installation]:
    """Everything but the network, on a Redis of its own."""
    (tmp_path / "media" / KEPT.key).parent.mkdir(parents=True)
    media = {"MEDIA_URL": (tmp_path / "media").as_uri()}
    Installation.services = wiring.Services(load(ENVIRONMENT | media), redis_server.client())
    Installation.client = create_app(Installation.services).test_client()
    return Installation


def test_records_and_indexes_agree_after_any_sequence_of_events(
    an_installation: type[Installation],
) -> None:
    run_state_machine_as_test(an_installation, settings=PROFILE)
    an_installation.services.redis.close()
