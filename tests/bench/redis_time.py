"""Processor time of Redis's one thread for each step of a job, by `INFO cpu`. Takes a minute.

It holds on a busy machine, where times by the clock do not. What idle processes take meanwhile is
subtracted.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis

from jobs.config import settings
from jobs.services import Services
from tests.bench import constant_rate, delivery, load, stored_jobs
from tests.bench.archive import EVICTS_AT_ONCE, pass_over
from tests.harness import Client, Installation, RedisServer, stock
from tests.harness.archive_installation import Archived
from tests.harness.installation import KEYS, WEBHOOK_SECRET
from tests.harness.patience import wait_for
from tests.harness.required_settings import SECRETS
from tests.harness.stack import running_stack
from tests.harness.watcher import Watcher
from worker.periodic.archiving import BATCH

CALLBACKS = 300
RATE = 250.0  # callbacks a second; a batch is one, as at BFL's own rates
SUBMISSIONS, SUBMITTERS = 200, 8
PAGES, LIMIT = 100, 50
STREAMS = 20
ARCHIVED = 4 * BATCH
IDLE_SECONDS = 5.0
IMAGE_BYTES = 20_000


class RedisTime:
    """Processor seconds of Redis, less what is spent while nothing happens."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.idle = 0.0  # seconds in each second

    def used(self) -> float:
        found = self._redis.info("cpu")
        return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"])

    def per(self, count: int, act: Callable[[], object]) -> float:
        """Microseconds for each of `count` things that happen in a call."""
        before, began = self.used(), time.monotonic()
        act()
        idle = self.idle * (time.monotonic() - began)
        return (self.used() - before - idle) / count * 1e6

    def measure_idle(self) -> float:
        """Microseconds in each second."""
        self.idle = 0.0
        self.idle = self.per(1, lambda: time.sleep(IDLE_SECONDS)) / 1e6 / IDLE_SECONDS
        return self.idle * 1e6


def main() -> None:
    print("| step | µs of Redis |\n|---|---|")
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name:
        for part in (_rescued, _submitted, _archived):
            for what, spent in part(Path(name) / part.__name__):
                print(f"| {what} | {spent:,.0f} |", flush=True)


@contextmanager
def _installation(directory: Path) -> Iterator[tuple[Installation, str]]:
    directory.mkdir()
    with (
        RedisServer(directory / "redis") as redis,
        delivery.serving(directory, IMAGE_BYTES) as images,
        Installation(directory, redis, images, LOG_LEVEL="WARNING") as fluxkeep,
    ):
        fluxkeep.start("web")
        yield fluxkeep, images


def _rescued(directory: Path) -> Iterator[tuple[str, float]]:
    with _installation(directory) as (fluxkeep, images), fluxkeep.redis.client() as redis:
        spent = RedisTime(redis)
        yield "a web process, idle, each second", spent.measure_idle()
        callbacks = directory / "callbacks"
        load.write_callbacks(callbacks, WEBHOOK_SECRET, CALLBACKS, images)

        def call_back() -> None:
            constant_rate.run(fluxkeep.url, callbacks, rate=RATE, seconds=CALLBACKS / RATE)

        yield "a callback", spent.per(CALLBACKS, call_back)
        yield "a callback once more", spent.per(CALLBACKS, call_back)
        fluxkeep.start("worker")

        yield "a rescue", spent.per(CALLBACKS, lambda: _emptied(redis, "fluxkeep:jobs:ready"))
        thumbnails = spent.per(CALLBACKS, lambda: _emptied(redis, "fluxkeep:thumbnails"))
        yield "its thumbnail, and what looks for work meanwhile", thumbnails
        yield "web and worker, idle, each second", spent.measure_idle()
        fluxkeep.start("sweep")
        yield "web, worker and sweep, idle, each second", spent.measure_idle()
        client = fluxkeep.client()
        (job, *_) = _pages(client, 1)
        yield f"a list of {LIMIT}", spent.per(PAGES, lambda: _pages(client, PAGES))
        yield "a job", spent.per(PAGES, lambda: [client.job(job["id"]) for _ in range(PAGES)])
        yield "a change, one stream of all", _streamed(fluxkeep, spent, directory, 1)
        yield f"a change, {STREAMS} streams of all", _streamed(fluxkeep, spent, directory, STREAMS)


def _emptied(redis: Redis, key: str) -> None:
    wait_for(f"none in {key}", lambda: not redis.zcard(key), 300)


def _pages(client: Client, count: int) -> list[dict[str, Any]]:
    for _ in range(count):
        found = client.jobs(limit=LIMIT)
    return found


def _streamed(fluxkeep: Installation, spent: RedisTime, directory: Path, streams: int) -> float:
    """A callback that fails its job, while so many watch all jobs."""
    watchers = [Watcher(f"{fluxkeep.url}/api/events", KEYS["admin"]) for _ in range(streams)]
    client = fluxkeep.client()
    names = [f"{directory.name}-{streams}-{n:06d}" for n in range(PAGES)]

    def fail() -> None:
        for name in names:
            client.callback({"id": name, "status": "Error"}).raise_for_status()

    found = spent.per(PAGES, fail)
    for watcher in watchers:
        watcher.close()
    return found


def _submitted(directory: Path) -> Iterator[tuple[str, float]]:
    directory.mkdir()
    with (
        running_stack(directory, LOG_LEVEL="WARNING") as stack,
        stack.installation.redis.client() as redis,
    ):
        spent = RedisTime(redis)
        spent.measure_idle()

        def submit() -> None:
            with ThreadPoolExecutor(SUBMITTERS) as pool:
                for _ in range(SUBMISSIONS):
                    pool.submit(stack.posted)  # a video: without a thumbnail
            stored = "fluxkeep:jobs:stored"
            wait_for("all are stored", lambda: redis.zcard(stored) == SUBMISSIONS, 120)

        yield "a job submitted, called back and rescued", spent.per(SUBMISSIONS, submit)


def _archived(directory: Path) -> Iterator[tuple[str, float]]:
    directory.mkdir()
    given = {**SECRETS, **EVICTS_AT_ONCE, "DATABASE_URL": f"sqlite:///{directory}/archive.db"}
    given["MEDIA_URL"] = (directory / "media").as_uri()
    with RedisServer(directory / "redis") as server, server.client() as redis:
        services, spent = Services(settings.load(given), redis), RedisTime(redis)
        archived = Archived(services)
        jobs = [stored_jobs.stored(n) for n in range(ARCHIVED)]
        stock.put_in(redis, jobs)
        services.archiving.schedule.add([job.id for job in jobs], 0.0, only_new=False)
        for what in ("a job archived", "a job evicted"):
            yield what, spent.per(ARCHIVED, partial(pass_over, archived, ARCHIVED))
        assert services.archive is not None
        services.archive.close()
