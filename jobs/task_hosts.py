"""Hosts of BFL that may know a task: read in its answers, or recorded before.

BFL names no polling URL in its answer to a submission with a webhook, and its clusters do not know
each other's tasks. So each API host that BFL names is kept: by a polling URL, or by the delivery
host beside it (`delivery.us7.bfl.ai` means `api.us7.bfl.ai`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from jobs.bfl.hosts import HostPolicy, polling_url
from jobs.domain.errors import StoreUnavailable, UrlRefused
from jobs.domain.job import Job
from jobs.net import urls
from jobs.net.urls import Origin
from jobs.store.recent_origins import RecentOrigins


class TaskHosts:
    """The learned hosts, and the order in which hosts are asked about a task."""

    def __init__(
        self,
        policy: HostPolicy,
        named_by_bfl: RecentOrigins,
        announced: RecentOrigins,
        usual: Origin,
    ) -> None:
        self._policy = policy
        self._named_by_bfl = named_by_bfl
        self._announced = announced
        self._usual = usual

    # Learning. A host that cannot be noted is noted the next time.

    def learn(self, url: str | None) -> None:
        """Note the host of a polling URL that BFL named, or at which it answered."""
        self._note(self._named_by_bfl, self._host_of_polling(url))

    def learn_from_delivery(self, delivery_urls: Iterable[str]) -> None:
        """Note the API hosts of the clusters that deliver these URLs."""
        for url in delivery_urls:
            self._note(self._named_by_bfl, self._policy.host_of_delivery(url))

    def learn_from_caller(self, url: str | None) -> None:
        """Note the host of a polling URL that a caller announced."""
        self._note(self._announced, self._host_of_polling(url))

    def _host_of_polling(self, url: str | None) -> Origin | None:
        if url is None:
            return None
        try:
            return self._policy.validate_polling_url(url).origin
        except UrlRefused:
            return None

    def _note(self, origins: RecentOrigins, host: Origin | None) -> None:
        if host is not None:
            with suppress(StoreUnavailable):
                origins.add(str(host))

    # Asking.

    def learned(self) -> list[Origin]:
        """The learned hosts, the one that was seen last first; none while Redis is away."""
        return [*self._read(self._named_by_bfl.latest), *self._read(self._announced.latest)]

    def _read(self, latest: Callable[[], Iterable[str]]) -> Iterator[Origin]:
        """Redis may hold hosts that another setting of the region or the sandbox allowed."""
        with suppress(StoreUnavailable):
            for text in latest():
                with suppress(ValueError):
                    origin = urls.parse_origin(text)
                    if self._policy.may_poll(origin):
                        yield origin

    def best_guess(self, job: Job) -> str:
        """The URL that is most likely to know a task.

        Its polling URL; else that of the cluster which delivered its files, or of the host to
        which it was submitted.
        """
        if job.polling.polling_url:
            return job.polling.polling_url
        host = self._host_of_files(job)
        if host is None:
            host = self._submitted_to(job)
        return polling_url(host, job.task_id or job.id)

    def _host_of_files(self, job: Job) -> Origin | None:
        """The host of the cluster that delivers the job's files; None if no URL tells it."""
        for url in job.delivery.urls:
            host = self._policy.host_of_delivery(url)
            if host is not None:
                return host
        return None

    def polling_urls(self, job: Job) -> tuple[str, ...]:
        """The polling URLs of a task at all hosts that may know it, in the order of asking."""
        hosts = self._policy.hosts_of_tasks(self._submitted_to(job), self.learned())
        task_id = job.task_id or job.id
        urls_in_order = [self.best_guess(job)]
        urls_in_order.extend(polling_url(host, task_id) for host in hosts)
        return tuple(dict.fromkeys(urls_in_order))

    def _submitted_to(self, job: Job) -> Origin:
        if job.submission.origin is None:
            return self._usual
        with suppress(ValueError):
            origin = urls.parse_origin(job.submission.origin)
            if self._policy.may_poll(origin):
                return origin
        return self._usual
