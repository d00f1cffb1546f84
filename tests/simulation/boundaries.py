"""Models of the surroundings of the simulated processes: storage, BFL, time and network."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jobs.store.clock
import jobs.store.rq_queue
import worker.claim
import worker.rescue
from jobs.bfl.client import BflResponse
from jobs.config import settings
from jobs.job import Job
from jobs.store import codec
from tests.simulation.scheduler import Scheduler
from worker import download


class SteppedStorage:
    """The storage, with a step before each operation."""

    def __init__(self, world: Any, media: Any) -> None:
        self._world, self._media = world, media

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._media, name)
        if name == "staging" or not callable(found):
            return found

        def stepped(*args: Any, **options: Any) -> Any:
            self._world.storage_step(name)
            return found(*args, **options)

        return stepped


class SimulatedBfl:
    """BFL's API as a poll sees it."""

    def __init__(self, world: Any, real: Any) -> None:
        self._world = world
        self.origin = real.origin
        self.session = real.session

    def poll(self, _session: Any, _url: str) -> BflResponse:
        answer: BflResponse = self._world.answer_poll()
        return answer


@lru_cache(maxsize=100)
def decode(record: bytes) -> Job:
    return codec.decode(record)


@cache
def load_test_settings() -> settings.Settings:
    return settings.load(_environment())


def _environment() -> dict[str, str]:
    return {
        "WEBHOOK_SECRET": "webhook-secret-of-tests",
        "SECRET_KEY": "signing-key-of-tests",
        "API_KEYS": "a:admin-key-of-tests:admin",
        "BFL_API_KEY": "bfl-key-of-the-tests",
        "MEDIA_URL": "memory://",
        "PUBLIC_URL": "https://keep.example",
        "WORKER_CONCURRENCY": "1",
    }


@contextmanager
def simulated_time(scheduler: Scheduler) -> Iterator[None]:
    """Give the modules that read a clock the scheduler's, and silence their logs."""
    clock = SimpleNamespace(
        monotonic=lambda: scheduler.now,
        time=lambda: scheduler.now,
        time_ns=lambda: int(scheduler.now * 1e9),
        sleep=scheduler.sleep,
    )
    modules: list[Any] = [jobs.store.clock, jobs.store.rq_queue, worker.claim, worker.rescue]
    before = [module.time for module in modules]
    logging.disable(logging.CRITICAL)
    try:
        for module in modules:
            module.time = clock
        yield
    finally:
        logging.disable(logging.NOTSET)
        for module, real in zip(modules, before, strict=True):
            module.time = real


@contextmanager
def simulated_download(world: Any) -> Iterator[None]:
    """Replace the transfer over the network, which is the one thing that is not modelled."""
    real = download.download

    def simulated(
        _session: Any, _address: Any, path: Path, *_args: Any, **_options: Any
    ) -> download.Download:
        found: download.Download = world.download(path)
        return found

    module: Any = download
    module.download = simulated
    try:
        yield
    finally:
        module.download = real


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
