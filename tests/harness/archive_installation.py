"""An installation with an archive, in the process of a test: the passes of its sweep by hand."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from jobs import sidecars
from jobs.archive.archive import Archive
from jobs.domain.job import Job
from jobs.services import Services
from jobs.storage.layout import object_key, sidecar_key
from jobs.store.listing import Position
from jobs.store.redis.keys import RECORD_PREFIX
from jobs.store.search_conditions import Search
from tests.bench import stored_jobs
from tests.harness.stock import put_in
from worker.periodic.archiving import Archiving

PASSES = 4  # one writes the rows, the next evicts
CLOCK_PAUSE_SECONDS = 0.005


def stored_job(n: int = 0, **changes: Any) -> Job:
    """A stored job that nothing is due for."""
    return replace(stored_jobs.stored(n), version=7, **changes)


def a_job(n: int, **changes: Any) -> Job:
    """A stored job whose objects have its own names."""
    job = stored_job(n, **changes)
    return moved(job, job.created_at)


def moved(job: Job, at: float, job_id: str = "") -> Job:
    """The same job of another time; its objects have the names that belong to it."""
    name = job_id or job.id
    media = tuple(
        replace(file, key=object_key(name, at, n, 1, file.content_type), thumbnail=None)
        for n, file in enumerate(job.media)
    )
    return replace(job, id=name, created_at=at, media=media)


class Archived:
    """Services with a database."""

    def __init__(self, services: Services) -> None:
        assert services.archive is not None
        self.services = services
        self.archive: Archive = services.archive
        self.catalog = services.catalog
        self.redis: Any = services.redis
        self.sweep = Archiving(services, services.archive)

    def put(self, *jobs: Job) -> None:
        """Write records, as an installation without a database had them."""
        put_in(self.redis, jobs)
        self.sweep = Archiving(self.services, self.archive)  # which looks for them as it starts

    def pass_over(self, passes: int = PASSES) -> None:
        """The sweep's passes, a minute after the last write."""
        for _ in range(passes):
            self.services.archiving.schedule.add(self._ended(), 0.0, only_new=False)
            self._wait_until_clock_is_at_redis_time()
            self.sweep.run_pass()

    def _wait_until_clock_is_at_redis_time(self) -> None:
        """Our clock is late by as much as the answer to TIME was when it was set.

        What Redis saw in the pass before would be in the future for a clock that is late.
        """
        seconds, microseconds = self.redis.time()
        redis_time = seconds + microseconds / 1e6
        while self.services.store.now() < redis_time:
            time.sleep(CLOCK_PAUSE_SECONDS)

    def _ended(self) -> list[str]:
        return [job_id for page in self.services.archiving.schedule.scan_ended() for job_id in page]

    def evict(self, *jobs: Job) -> None:
        """Jobs that only the archive has."""
        self.put(*jobs)
        self.pass_over()
        assert not self.hot(job.id for job in jobs)

    def hot(self, ids: Iterable[str]) -> set[str]:
        """Those that have a record in Redis."""
        return {job_id for job_id in ids if self.redis.exists(RECORD_PREFIX + job_id)}

    def walk(self, search: Search = Search(), limit: int = 7) -> list[str]:  # noqa: B008 - frozen
        """The ids of all pages of a list."""
        found: list[str] = []
        position: Position | None = None
        while True:
            page = self.catalog.page(search, limit, position)
            found += [job.id for job in page.jobs]
            position = page.last
            if position is None:
                return found


def newest_first(jobs: Sequence[Job]) -> list[str]:
    return [job.id for job in sorted(jobs, key=lambda job: (job.created_at, job.id), reverse=True)]


def left_behind(archived: Archived, *jobs: Job) -> None:
    """The objects and sidecars of jobs whose records are lost."""
    for job in jobs:
        for file in job.media:
            archived.services.storage.write(file.key, b"x" * 10)
            archived.services.storage.write(sidecar_key(file.key), sidecars.render(job))
