"""Submission queues and slots: as Redis has them, and as the records imply."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from jobs.job import Job
from jobs.services import Services
from jobs.status import Status
from jobs.store.keys import (
    ACTIVE,
    DUE,
    IN_FLIGHT,
    INPUT_PREFIX,
    QUEUE_PREFIX,
    QUEUES,
    RECORD_PREFIX,
    TASK_PREFIX,
)

Queues = dict[str, dict[str, float]]

TOTAL_MAX, SMALL_MAX = 3, 1
_AT_BFL = (Status.QUEUED, Status.SUBMITTED)


def queues_in_redis(redis: Any) -> Queues:
    """Return each non-empty queue and slot set, with its members and scores."""
    keys = [
        key for kind in (QUEUE_PREFIX, ACTIVE, IN_FLIGHT) for key in redis.scan_iter(f"{kind}*")
    ]
    return {key.decode(): _members(redis, key) for key in keys}


def _members(redis: Any, key: bytes | str) -> dict[str, float]:
    return {name.decode(): score for name, score in redis.zrange(key, 0, -1, withscores=True)}


def queues_of_records(jobs: Iterable[Job]) -> Queues:
    """Return the queues that the records imply, computed independently of `jobs.store.indexes`."""
    queues: Queues = {}
    for job in jobs:
        if job.submission.is_queued:
            queues.setdefault(f"{QUEUE_PREFIX}{job.model}", {})[job.id] = (
                job.submission.queued_at or job.created_at
            )
        if job.submission.sent_at is not None:
            queues.setdefault(IN_FLIGHT, {})[job.id] = job.submission.sent_at
        if job.submission.slot and job.status in _AT_BFL:
            for key in (ACTIVE, f"{ACTIVE}:{job.model}"):
                queues.setdefault(key, {})[job.id] = job.deadline
    return queues


def aged(job: Job, now: float, moments: Mapping[str, float]) -> Job:
    """Return the job with its times set to `moments` seconds from now, where it has them."""
    deadline = now + moments["deadline"] if "deadline" in moments else job.deadline
    check = {name: now + moments[name] for name in moments if getattr(job.check, name, None)}
    return replace(job, deadline=deadline).with_check(**check)


class SubmissionQueueMachine(RuleBasedStateMachine):
    """State machine with the invariants of the submission queues of the jobs in `posted`."""

    services: ClassVar[Services]

    def __init__(self) -> None:
        super().__init__()
        self.store, self.submission_queue = self.services.store, self.services.submission_queue
        self.redis: Any = self.services.redis
        self.redis.flushdb()
        self.posted: list[str] = []

    @invariant()
    def the_sets_say_what_the_records_say(self) -> None:
        jobs = self.jobs()
        found = queues_in_redis(self.redis)
        assert found == queues_of_records(jobs)
        names = {name.decode() for name in self.redis.smembers(QUEUES)}
        assert {key for key in found if key.startswith(QUEUE_PREFIX)} <= names
        unfinished = {job.id: job.check.next_check_at for job in jobs if not job.status.terminal}
        assert _members(self.redis, DUE) == unfinished

    @invariant()
    def no_more_are_active_than_may_be(self) -> None:
        assert self.redis.zcard(ACTIVE) <= TOTAL_MAX
        assert self.redis.zcard(f"{ACTIVE}:small") <= SMALL_MAX

    @invariant()
    def each_job_makes_sense(self) -> None:
        for job in self.jobs():
            assert not (job.submission.is_queued and job.submission.slot)
            assert not job.submission.is_queued or (
                job.status is Status.QUEUED and job.task_id is None
            )
            assert not job.submission.slot or job.status in _AT_BFL
            assert not job.submission.unconfirmed or job.task_id is None
            self._check_input(job)

    def _check_input(self, job: Job) -> None:
        """Check that an input expires once it is no longer needed."""
        ttl = self.redis.ttl(INPUT_PREFIX + job.id)
        if job.task_id is not None:
            assert ttl == -2
            assert self.redis.get(TASK_PREFIX + job.task_id) == job.id.encode()
        else:
            assert ttl == -1 if not job.status.terminal else ttl > 0

    def jobs(self) -> list[Job]:
        assert len(self.posted) == len(self.redis.keys(f"{RECORD_PREFIX}*"))
        return [self.loaded(job_id) for job_id in self.posted]

    def job(self, index: int) -> Job:
        return self.loaded(self.posted[index % len(self.posted)])

    def loaded(self, job_id: str) -> Job:
        job = self.store.load(job_id)
        assert job is not None
        return job
