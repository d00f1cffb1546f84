"""A storm over one installation: no callback comes, processes die, Redis goes away for a while."""

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
CALM_BEFORE_SECONDS = 5.0
VICTIMS = ("web", "worker", "sweep")


@dataclass
class Storm:
    """What happens: how many jobs, how long Redis is away, and which seed decides the rest.

    Processes are killed until every job has ended, or for `rough_seconds`.
    """

    installation: Installation
    sandbox: Sandbox
    jobs: int
    outage_seconds: float
    seed: int
    rough_seconds: float = math.inf
    ids: list[str] = field(default_factory=list)
    kills: dict[str, int] = field(default_factory=dict)

    def run(self, patience_seconds: float) -> list[Job]:
        """Everything that holds afterwards is checked; returns the jobs."""
        calm = threading.Event()
        with self.installation.supervised(), ThreadPoolExecutor(2) as others:
            killing = others.submit(self._kill, calm)
            submitting = others.submit(self._submit)
            try:
                self._cut()
                submitting.result(patience_seconds)
                wait_for("all jobs ended", self._all_ended, patience_seconds)
            finally:
                calm.set()
            killing.result()
        return self._judged()

    def _submit(self) -> None:
        """Apps register what they have submitted, and repeat what was not acknowledged."""
        client = self.installation.client("submit")
        for _ in range(self.jobs):
            task = self.sandbox.submit(
                "flux-2-pro", prompt="a storm", switches={"callback": "never"}
            )
            self.ids.append(task.id)
            polling_url = f"{self.sandbox.url}/v1/get_result?id={task.id}"
            wait_for("PUT", lambda: _acknowledged(client, task.id, polling_url), 120)  # noqa: B023 - waited for right here

    def _kill(self, calm: threading.Event) -> None:
        chance = random.Random(self.seed)
        until = time.monotonic() + self.rough_seconds
        while not calm.wait(chance.uniform(*KILL_EVERY_SECONDS)) and time.monotonic() < until:
            victim = chance.choice(VICTIMS)
            if self._kill_one(victim, chance):
                self.kills[victim] = self.kills.get(victim, 0) + 1

    def _kill_one(self, victim: str, chance: random.Random) -> bool:
        found = [process for process in self.installation.running[victim] if process.alive]
        if found:
            chance.choice(found).kill()
        return bool(found)

    def _cut(self) -> None:
        """In the main thread: on Linux the new Redis ends with the thread that started it."""
        time.sleep(CALM_BEFORE_SECONDS)
        self.installation.redis.kill()
        time.sleep(self.outage_seconds)
        self.installation.redis.start()

    def _all_tidy(self) -> bool:
        return not any((self.installation.media / ".staging").iterdir())

    def _all_ended(self) -> bool:
        try:
            page = self.installation.client("read").get("/metrics").text
        except requests.RequestException:
            return False
        ended = [line for line in page.splitlines() if line.startswith("fluxkeep_jobs{")]
        return _sum(ended, {str(state) for state in Status if state.terminal}) >= self.jobs

    def _judged(self) -> list[Job]:
        wait_for("no thumbnail to make", lambda: not invariants.undrawn(self.installation), 600)
        wait_for("no staged file", self._all_tidy, STAGED_SECONDS + SWEEP_SECONDS)
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
