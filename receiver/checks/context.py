"""Context of the checks: the parts of an installation that they examine."""

from functools import cached_property
from typing import Any

from jobs.bfl.client import BflClient
from jobs.config.settings import Settings
from jobs.services import Services, build_bfl_client, build_storage, redis_for_web
from jobs.storage.base import MediaStorage
from jobs.store.clock import Clock
from jobs.store.expiring_urls import ExpiringUrls
from jobs.store.listing import JobListing
from jobs.store.metrics import Metrics
from jobs.store.rq_queue import RqQueue
from jobs.store.submission_queue import SubmissionQueue


class Context:
    """Parts that are built at first use, so that a broken part fails its own check only.

    The web process passes its services instead. Each attribute raises InvalidSettings.
    """

    def __init__(self, settings: Settings, services: Services | None = None) -> None:
        self.settings = settings
        self.redis_answers = False  # set by the check of Redis, which runs first
        self._services = services

    @cached_property
    def redis(self) -> Any:
        return self._services.redis if self._services else redis_for_web(self.settings)

    @cached_property
    def media(self) -> MediaStorage:
        return self._services.storage if self._services else build_storage(self.settings)

    @cached_property
    def bfl(self) -> BflClient:
        return self._services.bfl if self._services else build_bfl_client(self.settings)

    @cached_property
    def clock(self) -> Clock:
        return Clock(self.redis)

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.redis, self.clock, RqQueue(self.redis))

    @cached_property
    def submission_queue(self) -> SubmissionQueue:
        rq_queue = RqQueue(self.redis)
        return SubmissionQueue(
            self.redis, self.clock, self.settings.max_active, rq_queue.workers_key
        )

    @cached_property
    def listing(self) -> JobListing:
        return JobListing(self.redis)

    @cached_property
    def expiring_urls(self) -> ExpiringUrls:
        return ExpiringUrls(self.redis)
