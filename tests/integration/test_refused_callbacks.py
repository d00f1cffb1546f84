"""Refused callbacks are recorded briefly, and only for jobs that exist."""

from redis import Redis

from jobs.services import Services
from jobs.store.redis.keys import REFUSED_CALLBACKS_PREFIX
from jobs.store.refused_callbacks import CALLBACKS_MAX, RETENTION_SECONDS
from tests.harness.reports import call_back

COUNTER = "callback_refused"


def test_of_many_refusals_the_latest_are_kept_for_a_while(services: Services, redis: Redis) -> None:
    call_back(services.store, "known")
    for n in range(3 * CALLBACKS_MAX):
        services.refused_callbacks.record("known", f"reason {n}")
    (moments,) = services.refused_callbacks.latest(["known"])
    assert [moment.detail["reason"] for moment in moments] == [
        f"reason {n}" for n in range(2 * CALLBACKS_MAX, 3 * CALLBACKS_MAX)
    ]
    assert services.metrics.totals().counts[COUNTER] == 3 * CALLBACKS_MAX
    assert 0 < int(redis.ttl(f"{REFUSED_CALLBACKS_PREFIX}known")) <= RETENTION_SECONDS
