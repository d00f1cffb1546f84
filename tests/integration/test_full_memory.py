"""A Redis without memory: known work goes on, reads are answered, what is new is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient

from jobs.domain.errors import StoreUnavailable
from jobs.domain.status import ReportKind, Status
from jobs.services import Services
from jobs.store.events import EventPosition
from jobs.store.search import Search
from tests.harness import RedisServer
from tests.harness.local_worker import LocalWorker, submission_body
from tests.harness.reports import call_back
from tests.harness.worker_environment import WorkerEnvironment
from worker.sweep import sweep

DAY = 86400


@contextmanager
def full(redis_server: RedisServer) -> Iterator[None]:
    """Redis refuses whatever needs a byte more."""
    redis_server.set_maxmemory(1)
    yield
    redis_server.set_maxmemory(0)


ESSENTIAL: dict[str, Callable[[Services], object]] = {
    "a heartbeat": lambda wired: wired.metrics.record_heartbeat("worker"),
    "a storage that refuses": lambda wired: wired.metrics.report_problem("storage", "full"),
    "a counter": lambda wired: wired.store.increment({"polls": 1}),
    "an RQ job": lambda wired: wired.store.enqueue(["job"]),
    "a postponed job": lambda wired: wired.store.postpone("job", 60.0),
    "an id without a record": lambda wired: wired.store.remove_due("nobody"),
    "a circuit": lambda wired: wired.submission_queue.open_circuit("*", "no credits", 60.0),
    "a notification": lambda wired: wired.due.notifications.schedule("job", 1.0),
}
READS: dict[str, Callable[[Services], object]] = {
    "a list": lambda wired: wired.listing.page(Search(), 50, None).jobs,
    "events": lambda wired: wired.events.after(EventPosition(0, 0)).events,
    "numbers": lambda wired: wired.metrics.totals().jobs,
    "a comparison": lambda wired: wired.consistency.compare("job")[0],
    "slots": lambda wired: wired.submission_queue.slot_usage(),
}


@pytest.mark.parametrize("name", ESSENTIAL | READS)
def test_a_full_redis_takes_what_work_needs_and_answers_what_reads(
    wired: Services, redis_server: RedisServer, name: str
) -> None:
    call_back(wired.store, "job", kind=ReportKind.PROGRESS)
    with full(redis_server):
        (ESSENTIAL | READS)[name](wired)
        assert READS["a list"](wired)
        sweep(wired)


REFUSED: dict[str, Callable[[Services], object]] = {
    "a job": lambda wired: call_back(wired.store, "new"),
    "a login": lambda wired: wired.used_logins.add("login", DAY),
    "the end of a session": lambda wired: wired.ended_sessions.add("session", DAY),
    "a test": lambda wired: wired.metrics.write_test_key(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_full_redis_takes_nothing_that_could_grow_without_bound(
    wired: Services, redis_server: RedisServer, name: str
) -> None:
    with full(redis_server), pytest.raises(StoreUnavailable):
        REFUSED[name](wired)


def call(api: FlaskClient, task_id: str, status: str = "Pending") -> int:
    secret = {"X-Webhook-Secret": "webhook-secret-of-tests"}
    body = {"id": task_id, "status": status}
    return api.post("/webhooks/bfl", json=body, headers=secret).status_code


def test_a_full_redis_takes_callbacks_of_the_jobs_that_it_knows(
    api: FlaskClient, redis_server: RedisServer
) -> None:
    assert call(api, "known") == 200
    with full(redis_server):
        assert [call(api, "known", "Error"), call(api, "known", "Error")] == [200, 200]
        assert call(api, "unknown") == 503
        assert api.get("/api/jobs/known").get_json()["status"] == "failed"
        assert [job["id"] for job in api.get("/api/jobs").get_json()["jobs"]] == ["known"]
        assert api.delete("/api/jobs/known").status_code == 204


def test_a_worker_does_all_its_work_while_redis_is_full(
    worker_env: WorkerEnvironment, redis_server: RedisServer
) -> None:
    rescued, polled = worker_env.ready(format="jpeg"), worker_env.finished()
    worker_env.unclear(polled)
    with full(redis_server):
        worker_env.take(rescued)
        worker_env.take(polled)
        worker_env.take(polled, draws=True)
        assert worker_env.job(rescued).status is worker_env.job(polled).status is Status.STORED
        assert None not in worker_env.thumbnails(rescued)
        assert worker_env.wired.store.due(9).ids == ()


@pytest.fixture
def worker_settings() -> dict[str, str]:
    return {"PUBLIC_URL": "https://keep.example"}


def test_submissions_wait_for_bfl_and_are_sent_while_redis_is_full(
    local_worker: LocalWorker, redis_server: RedisServer
) -> None:
    local_worker.post("a", "flux-3-image", submission_body())
    local_worker.box.settings.submit_fault = 429
    with full(redis_server):
        local_worker.work()
        assert local_worker.job("a").status is Status.QUEUED
        assert list(local_worker.circuits()) == ["flux-3-image"]
    local_worker.box.settings.submit_fault = None
    local_worker.close_circuits()
    with full(redis_server):
        local_worker.work()  # half-open, and the model takes no webhook
        assert local_worker.job("a").status is Status.SUBMITTED
        assert local_worker.circuits() == {}
