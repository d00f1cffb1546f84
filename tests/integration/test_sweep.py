"""The sweep: it writes what RQ has lost, and whatever is wrong with one job, checks the others."""

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobs.domain.errors import StoreUnavailable
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.rq_queue import QUEUE_NAME
from tests.harness.local_worker import LocalWorker
from tests.harness.redis_server import RQ_KEYS
from tests.harness.reports import call_back
from worker.sweep import sweep


@pytest.mark.parametrize(
    "error", [KeyError("x"), RecursionError(), ValueError("secret"), OSError()]
)
def test_an_error_about_one_job_puts_it_off_and_stops_no_other(
    worker: LocalWorker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """The job raises an error that nobody foresaw when its deadline has passed."""
    store, timeouts = worker.store, worker.timeouts
    for name in ("bad", "good"):
        job = Job.awaited(name, store.now() - 7200, timeouts)
        store.update(name, lambda _job, _now, job=job: job, assumes_new=True)  # type: ignore[misc]

    give_up = Job.give_up

    def fail(job: Job, now: float) -> Job:
        if job.id == "bad":
            raise error
        return give_up(job, now)

    monkeypatch.setattr(Job, "give_up", fail)
    sweep(worker.services)
    good = store.load("good")
    assert good and good.status.terminal
    assert store.due(10).ids == ()
    assert "job bad: unexpected" in caplog.text and "secret" not in caplog.text


def test_a_lost_redis_stops_it(worker: LocalWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts = worker.timeouts
    worker.store.update(
        "job", lambda _job, now: Job.awaited("job", now - 7200, timeouts), assumes_new=True
    )

    def fail(_job: Job, _now: float) -> Job:
        raise StoreUnavailable

    monkeypatch.setattr(Job, "give_up", fail)
    with pytest.raises(StoreUnavailable):
        sweep(worker.services)


def test_the_sweep_writes_the_entries_that_rq_has_lost(services: Services, redis: Redis) -> None:
    call_back(services.store, "one", "two")
    for key in redis.scan_iter(RQ_KEYS):
        redis.delete(key)
    sweep(services)
    queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
    assert sorted(entry.args[0] for entry in queue.jobs) == ["one", "two"]
