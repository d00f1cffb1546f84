"""A batch over jobs that have failed, worked off by two sweeps at once (I35)."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from jobs import batch_actions, services
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from jobs.services import Services
from jobs.storage.layout import object_key
from jobs.store.batch_actions import Action, Batch
from jobs.store.redis.keys import BATCHES
from jobs.store.search_conditions import Search
from tests.simulation.connection import client
from tests.simulation.world import Outcome, World
from worker.periodic import batch_actions as sweeps

COUNTED, UNDER_WAY, LATE = 5, "under-way", "late"
PAGE = 2
BEGINS_AT = 10.0  # seconds after the start
SWEEPS = 2


@dataclass
class BatchWorld(World):
    """One run. A job that was rescued fails again at once, and so matches again."""

    action: Action = Action.REPLAY

    def __post_init__(self) -> None:
        super().__post_init__()
        self.job_ids = [f"failed-{n}" for n in range(COUNTED)]
        self.replayed = {*self.job_ids, UNDER_WAY, LATE}  # what is not allowed is I35
        # Of the harness: no process is at work.
        self._given = services.Services(self.settings(), client(self.redis))

    def run(self) -> Outcome:
        page, sweeps.PAGE = sweeps.PAGE, PAGE
        try:
            return super().run()
        finally:
            sweeps.PAGE = page

    def _start(self) -> None:
        for job_id in (*self.job_ids, UNDER_WAY):
            self.redis.now += 0.1
            job = self.announce(self._given, job_id)
            self.media.write(object_key(job_id, job.created_at, 0, 1, "image/png"), b"x")
            if job_id != UNDER_WAY:
                self._given.store.change(job_id, fail)
        self._add("web", begin, self.action, at=BEGINS_AT)
        self._add("BFL", fail_again, at=BEGINS_AT)
        for n in range(SWEEPS):
            self._add(f"batches {n}", sweep, at=BEGINS_AT, restart=1.0)

    def announce(self, built: Services, job_id: str) -> Job:
        """A job that earlier claims left an object of."""
        timeouts = built.settings.timeouts

        def step(job: Job | None, now: float) -> Job:
            lease = {"rescue_attempts": 2, "fencing_token": 2}
            return job or Job.awaited(job_id, now, timeouts).with_lease(**lease)

        return built.store.update(job_id, step).after

    @property
    def batch(self) -> Batch | None:
        if BATCHES.encode() not in self.redis.data:
            return None
        return self._given.batches.latest()[0]

    def _observe(self) -> None:
        super()._observe()
        batch, found = self.batch, {job.id: job for job in self.jobs()}
        acts = dict.fromkeys(self.job_ids, 1) if self.action is Action.DELETE and batch else {}
        acts = {job_id: n for job_id, n in acts.items() if job_id not in found}
        for job in found.values():
            acts[job.id] = [one.event for one in job.timeline].count(EventCode.JOB_REPLAYED)
        if any(n > (job_id in self.job_ids) for job_id, n in acts.items()):
            self.violate(f"I35: the batch acted so often: {acts}")
        if batch and batch.done != sum(acts.values()):
            self.violate(f"I35: the batch counts {batch.done}, and acted so often: {acts}")

    def _is_over(self) -> bool:
        batch = self.batch
        if batch is None or batch.ended_at is None:
            self._ended_at = self.scheduler.now
        return bool(self.violations) or self.scheduler.now > self._ended_at + PAGE

    def _check_end(self) -> None:
        batch, found = self.batch, {job.id for job in self.jobs()}
        if batch is None or (batch.done, batch.failed) != (COUNTED, 0):
            self.violate(f"I35: this is the batch in the end: {batch}")
        if UNDER_WAY not in found or LATE not in found:
            self.violate(f"I35: a job that the batch did not count is gone: {found}")
        for one in self.media.list_objects():
            if not any(name in one.key for name in found):
                self.violate(f"I35: {one.key} is left of a job that the batch deleted")


def fail(job: Job, now: float) -> Job:
    """BFL says that nothing will come of it."""
    return job if job.status.terminal else job.refused(now, "bfl_error", "no")


def begin(world: Any, action: Action) -> None:
    """POST /api/replays or DELETE /api/jobs in two steps; then another job fails."""
    built, search = world.build_services(), Search(statuses=(Status.FAILED,))
    count, until = None, None
    while world.batch is None:
        try:
            fixed = Search(statuses=search.statuses, until=until)
            batch_actions.begin(built, action, fixed, count, None)
        except errors.CountRequired as question:
            count, until = question.count, question.until
        except errors.StoreUnavailable:
            world.scheduler.sleep(1.0)
    world.announce(built, LATE)


def fail_again(world: Any) -> None:
    """BFL ends each job that is under way, once the batch has begun."""
    built = world.build_services()
    while True:
        world.scheduler.wait(lambda: world.batch and _under_way(world))
        world.scheduler.sleep(0.001)  # no job ends in the very microsecond in which a batch begins
        with suppress(errors.StoreUnavailable):
            built.store.change(_under_way(world)[0], fail)


def _under_way(world: Any) -> list[str]:
    return sorted(job.id for job in world.jobs() if not job.status.terminal)


def sweep(world: Any) -> None:
    """The thread of a sweep that works off batches."""
    built = world.build_services()
    while True:
        pause = sweeps.RETRY_SECONDS
        with suppress(errors.StoreUnavailable, RedisError):
            pause = sweeps.step(built)
        world.scheduler.sleep(pause)
