"""The parts of an installation that checks examine."""

from functools import cached_property
from typing import Any

from jobs.bfl.client import Api
from jobs.config.settings import Settings
from jobs.services import Services, bfl, redis_for_web, storage
from jobs.storage.base import MediaStore
from jobs.store.clock import Clock
from jobs.store.expiring import ExpiringUrls
from jobs.store.listing import JobListing
from jobs.store.metrics import Metrics
from jobs.store.rq_entries import RqEntries
from jobs.store.submission_queue import SubmissionQueue


class Context:
    """Build each part when a check first needs it, so that a broken part fails its own check.

    A process that has its services passes them. Each attribute raises InvalidSettings.
    """

    def __init__(self, settings: Settings, services: Services | None = None) -> None:
        self.settings = settings
        self.redis_answers = False  # until the check of Redis, the first that needs it, has passed
        self._services = services

    @cached_property
    def redis(self) -> Any:
        return self._services.redis if self._services else redis_for_web(self.settings)

    @cached_property
    def media(self) -> MediaStore:
        return self._services.media if self._services else storage(self.settings)

    @cached_property
    def bfl(self) -> Api:
        return self._services.api if self._services else bfl(self.settings)

    @cached_property
    def clock(self) -> Clock:
        return Clock(self.redis)

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.redis, self.clock, RqEntries(self.redis))

    @cached_property
    def submission_queue(self) -> SubmissionQueue:
        rq_entries = RqEntries(self.redis)
        return SubmissionQueue(
            self.redis, self.clock, self.settings.max_active, rq_entries.workers_key
        )

    @cached_property
    def pages(self) -> JobListing:
        return JobListing(self.redis)

    @cached_property
    def risk(self) -> ExpiringUrls:
        return ExpiringUrls(self.redis)
