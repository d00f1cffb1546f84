"""Soak run: no callbacks, processes killed at random, Redis down for a while."""

import math
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from jobs.job import Job
from jobs.status import Status
from tests.harness import Client, Installation, invariants
from tests.harness.invariants import STAGED_SECONDS, SWEEP_SECONDS
from tests.harness.patience import wait_for
from tests.sandbox import Sandbox

KILL_EVERY_SECONDS = (1.0, 5.0)
BEFORE_OUTAGE_SECONDS = 5.0
VICTIMS = ("web", "worker", "sweep")


@dataclass
class SoakRun:
    """Number of jobs, length of the outage of Redis, and the seed of the random faults.

    Processes are killed until every job has ended, or for `faults_seconds`.
    """

    installation: Installation
    sandbox: Sandbox
    jobs: int
    outage_seconds: float
    seed: int
    faults_seconds: float = math.inf
    ids: list[str] = field(default_factory=list)
    kills: dict[str, int] = field(default_factory=dict)

    def run(self, timeout_seconds: float) -> list[Job]:
        """Run, check the invariants, and return the jobs."""
        stopped = threading.Event()
        with self.installation.supervised(), ThreadPoolExecutor(2) as others:
            killing = others.submit(self._kill, stopped)
            submitting = others.submit(self._submit)
            try:
                self._interrupt_redis()
                submitting.result(timeout_seconds)
                wait_for("all jobs ended", self._all_ended, timeout_seconds)
            finally:
                stopped.set()
            killing.result()
        return self._checked_jobs()

    def _submit(self) -> None:
        """Register jobs that an app submitted itself; repeat unacknowledged requests."""
        client = self.installation.client("submit")
        for _ in range(self.jobs):
            task = self.sandbox.submit(
                "flux-2-pro", prompt="a lighthouse", switches={"callback": "never"}
            )
            self.ids.append(task.id)
            polling_url = f"{self.sandbox.url}/v1/get_result?id={task.id}"
            wait_for("PUT", lambda: _acknowledged(client, task.id, polling_url), 120)  # noqa: B023 - called before the next iteration

    def _kill(self, stopped: threading.Event) -> None:
        generator = random.Random(self.seed)
        until = time.monotonic() + self.faults_seconds
        while not stopped.wait(generator.uniform(*KILL_EVERY_SECONDS)) and time.monotonic() < until:
            victim = generator.choice(VICTIMS)
            if self._kill_one(victim, generator):
                self.kills[victim] = self.kills.get(victim, 0) + 1

    def _kill_one(self, victim: str, generator: random.Random) -> bool:
        found = [process for process in self.installation.running[victim] if process.alive]
        if found:
            generator.choice(found).kill()
        return bool(found)

    def _interrupt_redis(self) -> None:
        """Call in the main thread: on Linux the new Redis ends with the thread that started it."""
        time.sleep(BEFORE_OUTAGE_SECONDS)
        self.installation.redis.kill()
        time.sleep(self.outage_seconds)
        self.installation.redis.start()

    def _is_staging_empty(self) -> bool:
        return not any((self.installation.media / ".staging").iterdir())

    def _all_ended(self) -> bool:
        try:
            page = self.installation.client("read").get("/metrics").text
        except requests.RequestException:
            return False
        ended = [line for line in page.splitlines() if line.startswith("fluxkeep_jobs{")]
        return _sum(ended, {str(state) for state in Status if state.terminal}) >= self.jobs

    def _checked_jobs(self) -> list[Job]:
        wait_for(
            "no thumbnail to make",
            lambda: not invariants.awaiting_thumbnails(self.installation),
            600,
        )
        wait_for("no staged file", self._is_staging_empty, STAGED_SECONDS + SWEEP_SECONDS)
        jobs = invariants.check(self.installation, idle=True)
        assert {job.id for job in jobs} == set(self.ids)
        wrong = [(job.id, job.status) for job in jobs if job.status is not Status.STORED]
        assert not wrong, wrong
        return jobs


def _acknowledged(client: Client, task_id: str, polling_url: str) -> bool:
    try:
        answer = client.put_job(task_id, polling_url=polling_url)
    except requests.RequestException:
        return False
    assert answer.status_code in (200, 201, 503), answer.text
    return answer.ok


def _sum(lines: list[str], statuses: set[str]) -> float:
    total = 0.0
    for line in lines:
        labels, _, value = line.rpartition(" ")
        if labels.partition('"')[2].partition('"')[0] in statuses:
            total += float(value)
    return total
