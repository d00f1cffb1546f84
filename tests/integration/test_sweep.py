"""The sweep: it writes what RQ has lost, and whatever is wrong with one job, checks the others."""

import pytest
from redis import Redis

from jobs.domain.errors import StoreUnavailable
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.redis.keys import DUE
from tests.harness.local_worker import LocalWorker
from tests.harness.reports import call_back
from worker.claim import HeldClaim
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
        store.update(
            name,
            lambda _job, now, name=name: Job.awaited(name, now - 7200, timeouts),  # type: ignore[misc]
            new=True,
        )

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
    worker.store.update("job", lambda _job, now: Job.awaited("job", now - 7200, timeouts), new=True)

    def fail(_job: Job, _now: float) -> Job:
        raise StoreUnavailable

    monkeypatch.setattr(Job, "give_up", fail)
    with pytest.raises(StoreUnavailable):
        sweep(worker.services)


def test_the_sweep_leaves_a_job_to_the_worker_that_has_it(services: Services, redis: Redis) -> None:
    call_back(services.store, "job")
    assert HeldClaim.acquire(services.store, "job") is not None
    redis.zadd(DUE, {"job": 1.0})
    sweep(services)
    assert services.store.most_urgent() is None and services.store.due(10).ids == ()
