"""Soak run: jobs from BFL, processes killed at random, Redis away for a while and failed over."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests
from redis import RedisError

from jobs.domain.status import Status
from jobs.store.redis.keys import STATUS_PREFIX, SUPERSEDED
from tests.bench.soak.check import TRIPLICATE, check
from tests.bench.soak.plan import Plan, Report
from tests.harness import Installation, invariants
from tests.harness.invariants import SWEEP_SECONDS
from tests.harness.object_checks import STAGED_SECONDS
from tests.harness.patience import wait_for
from tests.harness.replication import ReplicatedRedis
from tests.sandbox import Sandbox, Task
from worker.published_objects import LATE_WORKER_SECONDS

VICTIMS = ("web", "worker", "sweep")


def kill_at_random(
    installation: Installation, plan: Plan, stopped: threading.Event
) -> Counter[str]:
    """SIGKILL a process every few seconds; return how many of each."""
    generator, kills = random.Random(plan.seed), Counter[str]()
    until = time.monotonic() + plan.faults_seconds
    while not stopped.wait(generator.uniform(*plan.kill_every)) and time.monotonic() < until:
        victim = generator.choice(VICTIMS)
        if found := [process for process in installation.running[victim] if process.alive]:
            generator.choice(found).kill()
            kills[victim] += 1
    return kills


def interrupt(redis: ReplicatedRedis, seconds: float) -> None:
    """SIGKILL Redis, and start it again with its data.

    Call it in the main thread: on Linux the new Redis ends with the thread that started it.
    """
    redis.primary.kill()
    time.sleep(seconds)
    redis.primary.start()
    wait_for("the replica is in step", redis.is_replicated, 60)


def fail_over(redis: ReplicatedRedis, installation: Installation) -> None:
    """SIGKILL the primary while its replica is in step; the old primary becomes the replica."""
    redis.fail_over()
    installation.redis = redis.primary
    redis.rejoin()
    wait_for("the replica is in step", redis.is_replicated, 60)


SETTINGS = {"CALLBACK_GRACE": "2", "GIVE_UP_AFTER": "3600", "DURABILITY": "replica"}
UNFINISHED = (Status.QUEUED, Status.SUBMITTED, Status.READY)
ATTEMPTS = 4  # of a callback, until BFL abandons it
PACE_SECONDS = 0.02


@contextmanager
def soak_run(directory: Path, plan: Plan) -> Iterator["SoakRun"]:
    """A replicated Redis, two workers, a sandbox without limits."""
    with ReplicatedRedis(directory / "redis") as redis, Sandbox() as sandbox:
        sandbox.settings.max_active = plan.jobs + 1
        settings = SETTINGS | {"REDIS_URL": redis.url}
        with Installation(directory, redis.primary, sandbox.url, **settings) as installation:
            installation.start("web", "sweep")
            installation.start("worker", n=2)
            installation.wait_until_ready()
            yield SoakRun(installation, sandbox, redis, plan)


class SoakRun:
    """The processes are supervised: what dies is started again."""

    def __init__(
        self, installation: Installation, sandbox: Sandbox, redis: ReplicatedRedis, plan: Plan
    ) -> None:
        self.installation = installation
        self.sandbox = sandbox
        self.redis = redis
        self.plan = plan
        self.report = Report()
        self._tasks: list[Task] = []
        self._random = random.Random(plan.seed)
        self._client = installation.client("admin")

    def run(self) -> Report:
        """Run, and check every job. Raises AssertionError, TimeoutError."""
        began, stopped = time.monotonic(), threading.Event()
        with self.installation.supervised(), ThreadPoolExecutor(2) as others:
            killing = others.submit(kill_at_random, self.installation, self.plan, stopped)
            submitting = others.submit(self._submit)
            try:
                self._wait_for_jobs(1 / 3)
                interrupt(self.redis, self.plan.outage_seconds)
                self._wait_for_jobs(2 / 3)
                fail_over(self.redis, self.installation)
                submitting.result(self.plan.timeout_seconds)
                self._announce_unacknowledged()
                wait_for("all jobs ended", self._all_ended, self.plan.timeout_seconds)
            finally:
                stopped.set()
            self.report.kills = killing.result()
            # Wait for thumbnails, and for the files of killed processes to be deleted.
            waiting = self.installation
            wait_for("thumbnails", lambda: not invariants.awaiting_thumbnails(waiting), 1200)
            wait_for("left objects", self._is_left_deleted, LATE_WORKER_SECONDS + SWEEP_SECONDS)
            wait_for("no staged file", self._is_staging_empty, STAGED_SECONDS + SWEEP_SECONDS)
        self.report.seconds = time.monotonic() - began
        check(self.installation, self.sandbox, self._tasks, self.report)
        return self.report

    def _wait_for_jobs(self, part: float) -> None:
        wanted, timeout = part * self.plan.jobs, self.plan.timeout_seconds
        wait_for("jobs are submitted", lambda: len(self._tasks) >= wanted, timeout)

    # The jobs.

    def _submit(self) -> None:
        """Submit jobs to BFL as an app does; it announces those that BFL does not call about."""
        for n in range(self.plan.jobs):
            task = self.sandbox.submit(
                webhook_url=f"{self.installation.url}/webhooks/bfl",
                webhook_secret=self.installation.settings["WEBHOOK_SECRET"],
                switches=self._switches(n),
            )
            self._tasks.append(task)
            if task.switches.callback == "never":
                self._announce(task)
            time.sleep(PACE_SECONDS)
            if n % 20 == 0:
                wait_for("few jobs are under way", self._has_room, self.plan.timeout_seconds)

    def _switches(self, n: int) -> dict[str, object]:
        callback = "never" if n % 3 == 0 else TRIPLICATE if n % 30 in (1, 11, 22) else "once"
        # A thumbnail is drawn in a process of its own: one image among nine videos.
        return {
            "callback": callback,
            "seconds": self._random.uniform(0.05, 1.0),
            "format": "jpeg" if n % 10 == 0 else "mp4",
            "size": self._random.randrange(2_000, 200_000),
        }

    def _announce(self, task: Task) -> None:
        url = f"{self.sandbox.url}/v1/get_result?id={task.id}"
        wait_for("PUT", lambda: self._is_announced(task, url), self.plan.timeout_seconds)

    def _is_announced(self, task: Task, polling_url: str) -> bool:
        try:
            answer = self._client.put_job(task.id, polling_url=polling_url)
        except requests.RequestException:
            return False
        assert answer.status_code in (200, 201, 503), answer.text
        return answer.ok

    def _announce_unacknowledged(self) -> None:
        """Announce what BFL could not call about: the app asks for a result that it misses."""
        for task in self._tasks:
            if task.switches.callback != "never" and self._is_abandoned(task):
                self._announce(task)
                self.report.announced_afterwards += 1

    def _is_abandoned(self, task: Task) -> bool:
        """Whether no attempt to call back was acknowledged, and none will follow."""

        def is_settled() -> bool:
            outcomes = [callback.outcome for callback in self.sandbox.task(task.id).callbacks]
            return 200 in outcomes or len(outcomes) >= ATTEMPTS

        wait_for(f"callbacks of {task.id}", is_settled, 300)
        return all(one.outcome != 200 for one in self.sandbox.task(task.id).callbacks)

    # The end.

    def _has_room(self) -> bool:
        unfinished = self._unfinished()
        return unfinished is None or unfinished < self.plan.in_flight

    def _unfinished(self) -> int | None:
        """None while Redis is away."""
        try:
            with self.redis.primary.client() as redis:
                return sum(int(redis.zcard(STATUS_PREFIX + status)) for status in UNFINISHED)
        except RedisError:
            return None

    def _all_ended(self) -> bool:
        self._replay_blamed()
        return self._unfinished() == 0 and self._known() >= self.plan.jobs

    def _known(self) -> int:
        with self.redis.primary.client() as redis:
            return sum(int(redis.zcard(STATUS_PREFIX + status)) for status in Status)

    def _replay_blamed(self) -> None:
        """Replay jobs that three workers died with, as an operator would: here it is chance."""
        try:
            for job in self._client.jobs(status="failed", limit=200):
                assert job["error"]["code"] == "poison", job
                self._client.request("POST", f"/api/jobs/{job['id']}/rescues").raise_for_status()
                self.report.replayed += 1
        except requests.RequestException:
            return

    def _is_left_deleted(self) -> bool:
        with self.redis.primary.client() as redis:
            return not redis.exists(SUPERSEDED)

    def _is_staging_empty(self) -> bool:
        return not any((self.installation.media / ".staging").iterdir())
