"""A Redis without memory: known work goes on, reads are answered, what is new is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient

from jobs.domain.errors import StoreUnavailable
from jobs.domain.status import ReportKind, Status
from jobs.services import Services
from jobs.store.change_stream import EventPosition
from jobs.store.search_conditions import Search
from tests.harness import RedisServer
from tests.harness.local_worker import LocalWorker
from tests.harness.reports import call_back
from worker.sweep import sweep

DAY = 86400


@contextmanager
def full(redis_server: RedisServer) -> Iterator[None]:
    """Redis refuses whatever needs a byte more."""
    redis_server.set_maxmemory(1)
    yield
    redis_server.set_maxmemory(0)


ESSENTIAL: dict[str, Callable[[Services], object]] = {
    "a heartbeat": lambda services: services.metrics.record_heartbeat("worker"),
    "a storage that refuses": lambda services: services.metrics.report_problem("storage", "full"),
    "a counter": lambda services: services.store.increment({"polls": 1}),
    "an RQ job": lambda services: services.store.enqueue(["job"]),
    "a postponed job": lambda services: services.store.postpone("job", 60.0),
    "an id without a record": lambda services: services.store.remove_due("nobody"),
    "a strict model": lambda services: services.strict_models.add("flux-3-image", DAY),
    "a circuit": lambda services: services.submission_queue.open_circuit("*", "no credits", 60.0),
    "a notification": lambda services: services.due.notifications.schedule("job", 1.0),
}
READS: dict[str, Callable[[Services], object]] = {
    "a list": lambda services: services.listing.page(Search(), 50, None).jobs,
    "events": lambda services: services.events.after(EventPosition(0, 0)).events,
    "numbers": lambda services: services.metrics.totals().jobs,
    "a comparison": lambda services: services.consistency.compare("job")[0],
    "slots": lambda services: services.submission_queue.slot_usage(),
}


@pytest.mark.parametrize("name", ESSENTIAL | READS)
def test_a_full_redis_takes_what_work_needs_and_answers_what_reads(
    services: Services, redis_server: RedisServer, name: str
) -> None:
    call_back(services.store, "job", kind=ReportKind.PROGRESS)
    with full(redis_server):
        (ESSENTIAL | READS)[name](services)
        assert READS["a list"](services)
        sweep(services)


REFUSED: dict[str, Callable[[Services], object]] = {
    "a job": lambda services: call_back(services.store, "new"),
    "a login": lambda services: services.used_logins.add("login", DAY),
    "the end of a session": lambda services: services.ended_sessions.add("session", DAY),
    "a test": lambda services: services.metrics.write_test_key(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_full_redis_takes_nothing_that_could_grow_without_bound(
    services: Services, redis_server: RedisServer, name: str
) -> None:
    with full(redis_server), pytest.raises(StoreUnavailable):
        REFUSED[name](services)


def call(api: FlaskClient, task_id: str, status: str = "Pending") -> int:
    secret = {"X-Webhook-Secret": "webhook-secret-of-tests"}
    body = {"id": task_id, "status": status}
    return api.post("/webhooks/bfl", json=body, headers=secret).status_code


def test_callbacks_of_known_jobs_are_taken(api: FlaskClient, redis_server: RedisServer) -> None:
    assert call(api, "known") == 200
    with full(redis_server):
        assert [call(api, "known", "Error"), call(api, "known", "Error")] == [200, 200]
        assert call(api, "unknown") == 503
        assert api.get("/api/jobs/known").get_json()["status"] == "failed"
        assert [job["id"] for job in api.get("/api/jobs").get_json()["jobs"]] == ["known"]
        assert api.delete("/api/jobs/known").status_code == 204


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
