"""Jobs that ended in the past, with real records, objects and notes, and without any BFL."""

import hashlib
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

from jobs import services as wiring
from jobs import sidecars
from jobs.config.settings import load
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.polling_policy import Timeouts
from jobs.domain.timeline import EventCode, TimelineEvent
from jobs.services import Services
from jobs.storage.layout import object_key, sidecar_key
from jobs.storage.limits import RequestLimits
from tests.harness.kept_inputs import with_input
from tests.harness.redis_server import RedisServer
from tests.harness.required_settings import SECRETS

DAY_SECONDS = 86400.0
TIMEOUTS = Timeouts(60.0, 3600.0)


class Archive:
    """Writer of ended jobs, through the store and the storage of `services`."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.redis: Any = services.redis
        self.store, self.storage = services.store, services.storage

    @classmethod
    def over(cls, redis: RedisServer, settings: Mapping[str, str | None]) -> Self:
        """As a process with these settings has it."""
        given = {name: value for name, value in {**SECRETS, **settings}.items() if value}
        client = redis.client()
        archive = cls(wiring.Services(load(given), client, RequestLimits(5.0, 0)))
        weakref.finalize(archive, client.close)  # a test need not think of its connections
        return archive

    def stored(
        self,
        days_ago: float = 0.0,
        files: int = 1,
        given: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Job:
        """A job that was stored so many days ago, perhaps with an input that its caller brought."""
        job = self.under_way(days_ago, **facts)
        if given:
            job = with_input(self.storage, job, given)
        media = tuple(self._published(job, n) for n in range(files))
        asked = job.request
        ended = self._ended(job, lambda job, at: job.evolve(request=asked).stored(at, media))
        for file in media:
            self.storage.write(sidecar_key(file.key), sidecars.render(ended))
        return ended

    def failed(self, days_ago: float = 0.0, **facts: Any) -> Job:
        job = self.under_way(days_ago, **facts)
        return self._ended(job, lambda job, at: job.refused(at, "bfl_error", "no"))

    def under_way(self, days_ago: float = 0.0, **facts: Any) -> Job:
        job_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())

        def begin(_job: Job | None, now: float) -> Job:
            at = now - days_ago * DAY_SECONDS
            job = Job.awaited(task_id, at, TIMEOUTS, job_id).with_event(at, EventCode.JOB_ANNOUNCED)
            return replace(
                job,
                deadline=now + 3600,
                **facts,
                polling=replace(job.polling, next_check_at=now + 3600),
            )

        return self._changed(job_id, begin)

    def _published(self, job: Job, n: int) -> MediaFile:
        body = f"{job.id} {n}".encode() * 100
        key = object_key(job.id, job.created_at, n, 1, "image/jpeg")
        with self.storage.staging(job.id) as path:
            path.write_bytes(body)
            self.storage.publish(path, key)
        digest = hashlib.sha256(body).hexdigest()
        return MediaFile(key=key, content_type="image/jpeg", bytes=len(body), sha256=digest)

    def _ended(self, job: Job, end: Any) -> Job:
        return self._changed(job.id, lambda job, _now: end(job, job.created_at + 5))

    def _changed(self, job_id: str, step: Any) -> Job:
        after: Job | None = self.store.update(job_id, step).after
        assert after is not None
        return after

    # What is there.

    def job(self, job: Job) -> Job | None:
        return self.store.load(job.id)

    def objects(self) -> list[str]:
        """Every key in the storage, notes included."""
        return sorted(found.key for found in self.storage.list_objects())

    def keys(self) -> list[str]:
        """Every key of Redis that grows with the jobs; RQ's entries end by themselves.

        A day's costs are sums that name no job.
        """
        found = (key.decode() for key in self.redis.scan_iter("fluxkeep:*"))
        bounded = ("fluxkeep:counters", "fluxkeep:events", "fluxkeep:costs:")
        return sorted(key for key in found if not key.startswith(bounded))


Open = Callable[..., Archive]


def events(job: Job | None) -> list[str]:
    """The lines of a timeline."""
    lines: tuple[TimelineEvent, ...] = job.timeline if job else ()
    return [line.event for line in lines]


def details(job: Job | None, event: str) -> list[dict[str, Any]]:
    """What a timeline says about each event of this name."""
    lines: tuple[TimelineEvent, ...] = job.timeline if job else ()
    return [dict(line.detail) for line in lines if line.event == event]
