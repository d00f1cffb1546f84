"""The store when memory, a record or Redis itself is missing, and whose clock it goes by."""

import time
import traceback
from typing import Any

import pytest
from redis import Redis

from jobs.config import settings
from jobs.domain.errors import InvalidSettings, StoreUnavailable, UnreadableRecord
from jobs.domain.job import Job
from jobs.services import Services, require_durability
from jobs.store.redis.keys import DUE, PENDING_RESCUES, RECORD_PREFIX
from jobs.store.search_conditions import Search
from tests.harness import RedisServer
from tests.harness.parts import services_over
from tests.harness.reports import TIMEOUTS, call_back, load
from tests.harness.required_settings import SECRETS
from tests.simulation.connection import client
from tests.simulation.redis_model import RedisModel
from worker.sweep import sweep

RQ_JOBS = "rq:job:*"


def test_a_server_that_cannot_flush_its_disk_is_no_place_for_durability(
    redis: Redis, redis_server: RedisServer
) -> None:
    durable = settings.load(SECRETS | {"REDIS_URL": redis_server.url, "DURABILITY": "fsync"})
    require_durability(durable)
    redis.config_set("appendonly", "no")
    with pytest.raises(InvalidSettings, match="a server with appendonly yes"):
        require_durability(durable)
    redis_server.kill()
    require_durability(durable)  # web processes start without Redis


def test_a_broken_record_is_postponed_and_stops_or_hides_no_other(
    services: Services, redis: Redis
) -> None:
    call_back(services.store, "broken", "good")
    redis.set(RECORD_PREFIX + "broken", b"1 {")
    redis.zadd(DUE, {"broken": 1.0, "good": 2.0, "nobody": 1.0})
    redis.zadd(PENDING_RESCUES, {"broken": 1.0, "nobody": 1.0})
    for jobs in (services.listing.page(Search(), 10, None).jobs, services.listing.expiring(10)):
        assert [job.id for job in jobs] == ["good"]
    with pytest.raises(UnreadableRecord):
        services.store.load("broken")
    sweep(services)
    untyped: Any = redis
    due = dict(untyped.zrange(DUE, 0, -1, withscores=True))
    now = services.store.now()
    assert due.keys() == {b"broken", b"good"} and due[b"broken"] > now + 60 and due[b"good"] > now
    assert redis.zscore(PENDING_RESCUES, "nobody") is None
    assert services.store.due(10).ids == () and services.store.most_urgent() == "good"


def test_an_unavailable_redis_is_reported_without_its_address(redis_server: RedisServer) -> None:
    with redis_server.client() as redis:
        store = services_over(redis).store
        redis_server.kill()
        with pytest.raises(StoreUnavailable) as caught:
            store.load("job")
    text = "".join(traceback.format_exception(caught.value, chain=True))
    assert str(redis_server.port) not in str(caught.value)
    assert redis_server.local.password not in text
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    "ask",
    [
        lambda services: services.store.now(),
        lambda services: call_back(services.store, "job"),
        lambda services: services.store.due(1),
        lambda services: services.store.most_urgent(),
        lambda services: services.listing.page(Search(), 1, None),
        lambda services: services.listing.expiring(),
        lambda services: services.store.delete(Job.awaited("job", 0.0, TIMEOUTS)),
        lambda services: services.store.enqueue(["job"]),
        lambda services: services.store.postpone("job", 1.0),
        lambda services: services.store.increment({"x": 1}),
        lambda services: services.health_probes.record_heartbeat("x"),
        lambda services: services.health_probes.heartbeat_ages(),
        lambda services: services.health_probes.ping(),
        lambda services: services.metrics.totals(),
        lambda services: services.refused_callbacks.record("job", "wrong secret"),
        lambda services: services.refused_callbacks.latest(["job"]),
    ],
)
def test_a_missing_redis_is_always_the_same_error(redis_server: RedisServer, ask: Any) -> None:
    with redis_server.client() as redis:
        services = services_over(redis)
        redis_server.kill()
        with pytest.raises(StoreUnavailable):
            ask(services)


def test_the_clock_is_that_of_redis_and_not_of_this_machine() -> None:
    model = RedisModel(1_000_000_000.0)
    services = services_over(client(model))
    assert services.store.now() == pytest.approx(1_000_000_000.0, abs=60)
    model.now += 600
    services.health_probes.heartbeat_ages()  # any answer of Redis brings its clock along
    assert services.store.now() == pytest.approx(1_000_000_600.0, abs=60)


def test_after_a_sleep_no_deadline_is_over(services: Services, redis: Redis) -> None:
    began, before = time.monotonic(), services.store.now()
    time.sleep(0.05)
    passed = services.store.now() - before  # it goes on between two answers
    assert 0.049 <= passed <= time.monotonic() - began + 0.001
    call_back(services.store, "before")
    services.store._clock._offset -= 7200  # type: ignore[operator]  # noqa: SLF001 - as after a sleep of two hours
    call_back(services.store, "after")
    now = float(redis.time()[0])
    assert load(services.store, "after").created_at == pytest.approx(now, abs=60)
