"""Surroundings of the simulated processes: settings, storage, time and network."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jobs.archive.database
import jobs.store.redis.clock
import jobs.store.rq_queue
import worker.claim
import worker.file_rescue
from jobs.config import settings
from jobs.domain.job import Job
from jobs.storage.layout import job_id_of
from jobs.store import codec
from tests.harness.required_settings import SECRETS
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
            answer = found(*args, **options)
            if name == "publish":
                self._world.published[job_id_of(args[1])] = self._world.scheduler.now
                self._world.kill_after_publishing()
            return answer

        return stepped


SETTINGS = {
    "BFL_API_KEY": "bfl-key-of-the-tests",
    "MEDIA_URL": "memory://",
    "PUBLIC_URL": "https://keep.example",
    "WORKER_CONCURRENCY": "1",
    "MAX_ACTIVE": "1",
    "GIVE_UP_AFTER": "900",
}


@lru_cache(maxsize=100)
def decode(record: bytes) -> Job:
    return codec.decode(record)


@cache
def load_test_settings(**more: str) -> settings.Settings:
    return settings.load(SECRETS | SETTINGS | more)


@contextmanager
def simulated_time(scheduler: Scheduler) -> Iterator[None]:
    """Give the modules that read a clock that of the process at work, and silence their logs."""
    clock = SimpleNamespace(
        monotonic=scheduler.clock,
        time=scheduler.clock,
        time_ns=lambda: int(scheduler.clock() * 1e9),
        sleep=scheduler.sleep,
    )
    modules: list[Any] = [
        jobs.archive.database,
        jobs.store.redis.clock,
        jobs.store.rq_queue,
        worker.claim,
        worker.file_rescue,
    ]
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
def simulated_download(bfl: Any) -> Iterator[None]:
    """Replace the transfer over the network, which is the one thing that is not modelled."""
    module, real = cast("Any", download), download.download

    def simulated(
        _session: Any, address: Any, path: Path, *_args: Any, **_options: Any
    ) -> download.Download:
        found: download.Download = bfl.download(address, path)
        return found

    module.download = simulated
    try:
        yield
    finally:
        module.download = real


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
