"""A Redis without memory: known work goes on, reads are answered, what is new is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from jobs.domain.errors import StoreUnavailable
from jobs.domain.status import ReportKind, Status
from jobs.services import Services
from jobs.store.change_stream import EventPosition
from jobs.store.search_conditions import Search
from tests.harness import RedisServer
from tests.harness.local_worker import LocalWorker, submission_body
from tests.harness.reports import call_back, load
from worker.sweep import sweep

DAY = 86400


@contextmanager
def full(redis_server: RedisServer) -> Iterator[None]:
    """Redis refuses whatever needs a byte more."""
    redis_server.set_maxmemory(1)
    yield
    redis_server.set_maxmemory(0)


ESSENTIAL: dict[str, Callable[[Services], object]] = {
    "a heartbeat": lambda services: services.health_probes.record_heartbeat("worker"),
    "a storage that refuses": lambda services: services.health_probes.report_problem(
        "storage", "full"
    ),
    "a counter": lambda services: services.store.increment({"polls": 1}),
    "an RQ job": lambda services: services.store.enqueue(["job"]),
    "a postponed job": lambda services: services.store.postpone("job", 60.0),
    "an id without a record": lambda services: services.store.remove_due("nobody"),
    "a circuit": lambda services: services.submission_queue.open_circuit("*", "no credits", 60.0),
    "an end": lambda services: call_back(services.store, "job", kind=ReportKind.FAILED),
    "a deletion": lambda services: services.store.delete(load(services.store, "other")),
    "a notification": lambda services: services.due.notifications.schedule("job", 1.0),
}
READS: dict[str, Callable[[Services], object]] = {
    "a list": lambda services: services.listing.page(Search(), 50, None).jobs,
    "events": lambda services: services.events.events_after(EventPosition(0, 0)).events,
    "numbers": lambda services: services.metrics.totals().jobs,
    "a comparison": lambda services: services.consistency.compare("job")[0],
    "slots": lambda services: services.submission_queue.slot_usage(),
}


@pytest.mark.parametrize("name", ESSENTIAL | READS)
def test_a_full_redis_takes_what_work_needs_and_answers_what_reads(
    services: Services, redis_server: RedisServer, name: str
) -> None:
    call_back(services.store, "job", "other", kind=ReportKind.PROGRESS)
    with full(redis_server):
        (ESSENTIAL | READS)[name](services)
        assert READS["a list"](services)
        sweep(services)


REFUSED: dict[str, Callable[[Services], object]] = {
    "a job": lambda services: call_back(services.store, "new"),
    "a login": lambda services: services.used_logins.add("login", DAY),
    "the end of a session": lambda services: services.ended_sessions.add("session", DAY),
    "a test": lambda services: services.health_probes.write_test_key(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_full_redis_takes_nothing_that_could_grow_without_bound(
    services: Services, redis_server: RedisServer, name: str
) -> None:
    with full(redis_server), pytest.raises(StoreUnavailable):
        REFUSED[name](services)


def test_a_full_redis_stops_no_worker(worker: LocalWorker, redis_server: RedisServer) -> None:
    rescued, polled = worker.ready(format="jpeg"), worker.finished()
    worker.unclear(polled)
    with full(redis_server):
        worker.work()
        worker.work()
        worker.work(draws=True)
        assert worker.job(rescued).status is worker.job(polled).status is Status.STORED
        assert None not in worker.thumbnails(rescued)
        assert worker.store.due(9).ids == ()


@pytest.mark.parametrize("worker_settings", [{"PUBLIC_URL": "https://keep.example"}])
def test_submissions_wait_for_bfl_and_are_sent_while_redis_is_full(
    worker: LocalWorker, redis_server: RedisServer
) -> None:
    worker.post("a", "flux-3-image", submission_body())
    worker.sandbox.settings.submit_fault = 429
    with full(redis_server):
        worker.work()
        assert worker.job("a").status is Status.QUEUED
        assert list(worker.circuits()) == ["flux-3-image"]
    worker.sandbox.settings.submit_fault = None
    worker.close_circuits()
    with full(redis_server):
        worker.work()  # half-open, and the model takes no webhook
        assert worker.job("a").status is Status.SUBMITTED and worker.circuits() == {}
