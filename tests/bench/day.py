"""A day of five million jobs, sped up: callbacks, submissions and reads with the curve of a day.

One of SHARE jobs comes, the day takes SECONDS, and afterwards each job is checked. Files are as
small as a video may be; two of a hundred are images, which get thumbnails. It takes ten minutes.
"""

import os
import random
import threading
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from math import pi, sin
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import NamedTuple

import requests

from jobs import services
from jobs.config import settings as configuration
from jobs.domain.job import Job
from jobs.domain.status import Source, Status
from jobs.store.redis.keys import DUE, STATUS_PREFIX, THUMBNAILS
from jobs.store.search_conditions import Search
from tests.bench import constant_rate, load
from tests.bench.memory import MB
from tests.bench.redis_time import RedisTime
from tests.harness import Client, Installation, PostgresServer, RedisServer
from tests.harness.installation import WEBHOOK_SECRET
from tests.harness.patience import wait_for
from tests.harness.processes import cpu_seconds, descendants
from tests.sandbox import Sandbox
from tests.sandbox import Settings as Limits

DAY_JOBS = 5_000_000
SHARE = 100  # one of so many jobs comes
SECONDS = 360.0  # of the day
WORKERS = 1
HAS_POSTGRES = False
FILES = 100  # of BFL's, each the result of many jobs
SUBMISSIONS, LOST = 50, 5  # one of so many jobs; of one of so many of these the callback is lost
STATUS_READS, LISTS = 10, 100  # one for so many jobs
SAMPLE_SECONDS, WINDOW_SECONDS = 5.0, 10.0
PAGE = 500
KEY = {"x-key": "any"}
SETTINGS = {
    "HOT_DAYS": str(30 / 86_400),  # after the row, which is written a minute after the end
    "CALLBACK_GRACE": "5",
    "WEB_CONCURRENCY": "2",
    "LOG_LEVEL": "WARNING",
}


class Sample(NamedTuple):
    """One moment: processor seconds by process; jobs and thumbnails that wait."""

    at: float
    cpu: dict[str, float]
    waiting: int
    thumbnails: int
    redis_bytes: int


class Ended(NamedTuple):
    """A job that was checked."""

    created_at: float
    ended_at: float
    is_submission: bool
    is_polled: bool


def main() -> None:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        database, others = f"sqlite:///{directory}/archive.db", dict[str, int]()
        if HAS_POSTGRES:
            server = stack.enter_context(PostgresServer())
            database, others["PostgreSQL"] = server.url(), server.pid
        redis = stack.enter_context(RedisServer(directory / "redis"))
        others["Redis"] = redis.pid
        sandbox = stack.enter_context(Sandbox(Limits(max_active=DAY_JOBS, credits=1e9)))
        settings = SETTINGS | {"DATABASE_URL": database}
        fluxkeep = stack.enter_context(Installation(directory, redis, sandbox.url, **settings))
        fluxkeep.start("web", "sweep")
        fluxkeep.start("worker", n=WORKERS)
        Day(fluxkeep, others, _samples(sandbox)).run()


def _samples(sandbox: Sandbox) -> list[str]:
    """URLs of files that do not expire."""
    made = [
        sandbox.submit(switches={"seconds": 0.0, "life": 1e6, "format": "jpeg" if n < 2 else "mp4"})
        for n in range(FILES)
    ]
    wait_for("the files", lambda: all(sandbox.task(task.id).finished_at for task in made))
    polls = [
        requests.get(f"{sandbox.url}/v1/get_result?id={task.id}", headers=KEY, timeout=10)
        for task in made
    ]
    return [poll.json()["result"]["sample"] for poll in polls]


def arrivals(count: int) -> list[float]:
    """Seconds at which so many come: seldom at midnight, at noon twice as often as on average."""
    steps = 100_000
    sums = [n / steps - sin(2 * pi * n / steps) / (2 * pi) for n in range(steps + 1)]
    return [bisect(sums, (n + 0.5) / count) / steps * SECONDS for n in range(count)]


class Day:
    """The load of a day, what is measured meanwhile, and the check of every job."""

    def __init__(
        self, installation: Installation, others: dict[str, int], samples: list[str]
    ) -> None:
        self._installation = installation
        self._others = others  # processes besides Fluxkeep's
        self._jobs = DAY_JOBS // SHARE
        self._times = arrivals(self._jobs - self._jobs // SUBMISSIONS)
        self._callbacks = installation.directory / "callbacks"
        self._ids = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(len(self._times))]
        with self._callbacks.open("w") as file:
            for n, task_id in enumerate(self._ids):
                report = load.report(task_id)
                report["result"]["sample"] = samples[n % FILES]
                file.write(load.signed(report, WEBHOOK_SECRET))
        given = {name: value for name, value in installation.settings.items() if value}
        self._services = services.for_background(configuration.load(given))
        self._failures = Counter[str]()
        self._over = threading.Event()

    def run(self) -> None:
        """Raises AssertionError if a job is lost."""
        with self._installation.redis.client() as redis, ThreadPoolExecutor(4) as pool:
            spent = RedisTime(redis)
            before, self._began = spent.used(), time.monotonic()
            sampling = pool.submit(self._sampled)
            beside = {
                "submission": pool.submit(self._paced, SUBMISSIONS, self._submit),
                "status": pool.submit(self._paced, STATUS_READS, self._read_status),
                "list of 50": pool.submit(self._paced, LISTS, self._read_list),
            }
            try:
                called = again = self._call_back(self._times)
                latencies = {what: one.result() for what, one in beside.items()}
                while again.refused:  # BFL calls again, about those on record, too
                    again = self._call_back([0.0] * len(self._times))
                wait_for("all jobs have ended", lambda: not redis.zcard(DUE), 300)
                wait_for("every thumbnail", lambda: not redis.zcard(THUMBNAILS), 300)
                wait_for("every row", lambda: self._rows() == self._jobs, 120)
            finally:
                self._over.set()
            redis_seconds = spent.used() - before
        # All jobs as lists show them: each is there once, stored, with its bytes.
        found, position, more = dict[str, Ended](), None, True
        while more:
            page = self._services.catalog.page(Search(), PAGE, position)
            for job in page.jobs:
                assert job.id not in found, f"{job.id} is listed twice"
                assert self._is_kept(job), f"{job.id} is {job.status}: {job.error}"
                is_polled = job.source is Source.POLL
                found[job.id] = Ended(job.created_at, job.end, job.is_submission, is_polled)
            position, more = page.last, page.last is not None
        assert found.keys() == {*self._ids}, f"{len(found)} jobs of {len(self._ids)}"
        jobs = [*found.values()]
        self._print_rates(jobs, called, latencies)
        self._print_processes(sampling.result(), redis_seconds)

    # The load.

    def _call_back(self, times: list[float]) -> constant_rate.Measurement:
        return constant_rate.run_at(self._installation.url, self._callbacks, times)

    def _paced(self, share: int, act: Callable[[Client, int], requests.Response]) -> list[float]:
        """Do something once for so many jobs, again if it fails; return its milliseconds."""
        taken, client = list[float](), self._installation.client()
        for n, at in enumerate(arrivals(self._jobs // share)):
            time.sleep(max(0.0, self._began + at - time.monotonic()))
            started = time.monotonic()
            while not (answer := act(client, n)).ok:
                assert answer.status_code in (404, 429, 503), answer.text
                self._failures[f"{answer.status_code} {answer.request.method}"] += 1
                time.sleep(1)
            taken.append((time.monotonic() - started) * 1000)
        return taken

    def _submit(self, client: Client, n: int) -> requests.Response:
        callback = "never" if n % LOST == 0 else "once"
        switches = {"seconds": 0.5, "format": "mp4", "callback": callback}
        body = {"model": "flux-2-pro", "input": {"prompt": f"no. {n}", "sandbox": switches}}
        once = {"Idempotency-Key": f"submission-{n}"}
        answer = client.request("POST", "/api/jobs", json=body, headers=once)
        self._ids += [answer.json()["id"]] if answer.ok else []
        return answer

    def _read_status(self, client: Client, _: int) -> requests.Response:
        known = bisect(self._times, time.monotonic() - self._began - 1)
        return client.get(f"/api/jobs/{self._ids[random.randrange(max(known, 1))]}")

    def _read_list(self, client: Client, _: int) -> requests.Response:
        return client.get("/api/jobs", limit=50)

    # What is measured.

    def _sampled(self) -> list[Sample]:
        found = [self._sample()]
        while not self._over.wait(SAMPLE_SECONDS):
            found.append(self._sample())
        return found

    def _sample(self) -> Sample:
        pids = {
            name: [pid for one in started for pid in (one.pid, *one.offspring())]
            for name, started in self._installation.running.items()
        }
        pids |= {name: [pid, *descendants(pid)] for name, pid in self._others.items()}
        pids["the load and the sandbox"] = [os.getpid()]
        with self._installation.redis.client() as redis:
            return Sample(
                time.monotonic() - self._began,
                {name: sum(map(cpu_seconds, found)) for name, found in pids.items()},
                int(redis.zcard(f"{STATUS_PREFIX}{Status.READY}")),
                int(redis.zcard(THUMBNAILS)),
                int(redis.info("memory")["used_memory"]),
            )

    def _rows(self) -> int:
        assert self._services.archive is not None
        return sum(self._services.archive.counts_of_keys().values())

    # The check.

    def _is_kept(self, job: Job) -> bool:
        kept = [(self._installation.media / file.key, file.sha256) for file in job.present_media]
        whole = [sha256(path.read_bytes()).hexdigest() == digest for path, digest in kept]
        return job.status is Status.STORED and whole == [True]

    # The tables.

    def _print_rates(
        self,
        jobs: list[Ended],
        called: constant_rate.Measurement,
        latencies: dict[str, list[float]],
    ) -> None:
        mean = self._jobs / SECONDS
        seconds = max(job.ended_at for job in jobs) - min(job.created_at for job in jobs)
        ended = Counter(job.ended_at // WINDOW_SECONDS for job in jobs)
        taken = sorted(job.ended_at - job.created_at for job in jobs if not job.is_submission)
        rows = {
            f"jobs, each stored and checked; of {DAY_JOBS:,}": f"{len(jobs):,}; 1 of {SHARE}",
            "submitted; callback lost": f"{sum(job.is_submission for job in jobs):,}; "
            f"{sum(job.is_polled for job in jobs):,}",
            "came a second, mean and peak": f"{mean:.0f}, {2 * mean:.0f}",
            f"stored a second, at most in {WINDOW_SECONDS:.0f} s; in all": (
                f"{max(ended.values()) / WINDOW_SECONDS:.0f}; {len(jobs) / seconds:.0f}"
            ),
            "callback to stored: p50, p99, longest": f"{_percentiles(taken)}, {taken[-1]:.1f} s",
            "a callback is answered, p50, p99": f"{called.p50:.0f}, {called.p99:.0f} ms; "
            f"{called.refused} refused",
            **{f"{what}, p50, p99": f"{_percentiles(one)} ms" for what, one in latencies.items()},
            "requests that failed and came again": str(dict(self._failures)),
        }
        print(f"| a day in {SECONDS:.0f} s | |\n|---|---|")
        for what, value in rows.items():
            print(f"| {what} | {value} |", flush=True)

    def _print_processes(self, samples: list[Sample], redis_seconds: float) -> None:
        first, last = samples[0], samples[-1]
        noon = [one for one in samples if SECONDS / 3 <= one.at <= 2 * SECONDS / 3]
        waiting = max(one.waiting for one in samples)
        thumbnails = max(one.thumbnails for one in samples)
        memory = [one.redis_bytes / MB for one in samples]
        print(f"\nmost that waited: {waiting:,} for a worker, {thumbnails:,} for a thumbnail")
        print(f"Redis: {redis_seconds / self._jobs * 1e6:,.0f} µs a job; ", end="")
        print(f"{memory[0]:.0f} MB first, {max(memory):.0f} at most, {memory[-1]:.0f} last")
        print("\n| process | cores at noon | ms a job |\n|---|---|---|")
        for name in last.cpu:
            busy = (noon[-1].cpu[name] - noon[0].cpu[name]) / (noon[-1].at - noon[0].at)
            spent = (last.cpu[name] - first.cpu[name]) * 1000 / self._jobs
            print(f"| {name} | {busy:.2f} | {spent:.2f} |")


def _percentiles(values: list[float]) -> str:
    found = quantiles(values, n=100)
    return f"{found[49]:.1f}, {found[-1]:.1f}"
