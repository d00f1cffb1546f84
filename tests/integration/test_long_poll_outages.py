"""A long poll outlives an outage of Redis that is shorter than its wait."""

from collections.abc import Iterator

import pytest
from flask import Flask, g
from redis import Redis

from jobs import ingest
from jobs.domain.bfl_report import Report
from jobs.domain.errors import StoreUnavailable, UnknownJob
from jobs.domain.job import Job
from jobs.domain.status import ReportKind, Source, Status
from jobs.services import Services
from receiver.api.long_poll import watch
from receiver.context import NAME, Parts
from receiver.feed.broker import Broker, Subscriber
from tests.harness import RedisServer, TcpProxy
from tests.harness.parts import web_app

LONG_SECONDS = 3600.0  # only the end of the job ends the wait
JOB = "job"


@pytest.fixture
def wire(redis_server: RedisServer) -> Iterator[TcpProxy]:
    with TcpProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def app(redis_server: RedisServer, wire: TcpProxy) -> Iterator[Flask]:
    """A web process's application, whose Redis is behind the wire."""
    with web_app(REDIS_URL=redis_server.url_through(wire.port), BFL_API_KEY="k") as application:
        yield application


@pytest.fixture
def services(app: Flask) -> Services:
    parts: Parts = app.extensions[NAME]
    services = parts.get(Services)
    timeouts = services.settings.timeouts
    services.store.update(JOB, lambda _, now: Job.awaited(JOB, now, timeouts))
    return services


@pytest.fixture
def waiting(app: Flask, services: Services) -> Iterator[Iterator[Job | None]]:
    """A wait for the job within a request, after its first answer."""
    parts: Parts = app.extensions[NAME]
    with app.test_request_context():
        g.api_key = services.settings.api_keys[0]
        changes = watch(services, parts.get(Broker), JOB, LONG_SECONDS)
        first = next(changes)
        assert first is not None
        yield changes


def fail(services: Services) -> None:
    report = Report(task_id=JOB, kind=ReportKind.FAILED, source=Source.CALLBACK)
    ingest.apply_report(services.store, report, services.settings.timeouts)


def last(waiting: Iterator[Job | None]) -> Status:
    """The status with which the wait ends."""
    jobs = [job for job in waiting if job is not None]
    return jobs[-1].status


def test_a_wait_whose_subscription_meets_an_outage_sees_the_end(
    services: Services, wire: TcpProxy, waiting: Iterator[Job | None]
) -> None:
    wire.refuse()
    assert next(waiting) is None
    assert next(waiting) is None
    wire.pass_on()
    fail(services)
    assert last(waiting) is Status.FAILED


def test_a_wait_that_was_woken_as_redis_went_away_sees_the_end(
    services: Services,
    wire: TcpProxy,
    waiting: Iterator[Job | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert next(waiting) is None  # it has subscribed
    wire.refuse()
    with monkeypatch.context() as patch:
        patch.setattr(Subscriber, "wait", lambda _subscriber, _seconds: True)
        assert next(waiting) is None
    wire.pass_on()
    fail(services)
    assert last(waiting) is Status.FAILED


def test_a_wait_ends_with_the_outage_when_the_process_stops(
    app: Flask, wire: TcpProxy, waiting: Iterator[Job | None]
) -> None:
    assert next(waiting) is None
    wire.refuse()
    parts: Parts = app.extensions[NAME]
    parts.get(Broker).close()
    with pytest.raises(StoreUnavailable):
        last(waiting)


def test_a_job_that_is_deleted_during_the_outage_is_unknown_after_it(
    redis: Redis, wire: TcpProxy, waiting: Iterator[Job | None]
) -> None:
    wire.refuse()
    assert next(waiting) is None
    redis.flushdb()
    wire.pass_on()
    with pytest.raises(UnknownJob):
        last(waiting)
