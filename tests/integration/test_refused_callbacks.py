"""Refused callbacks are recorded briefly, and only for jobs that exist."""

import pytest
from redis import Redis

from jobs.services import Services
from jobs.store.redis.keys import REFUSED_CALLBACKS_PREFIX
from jobs.store.refused_callbacks import CALLBACKS_MAX, RETENTION_SECONDS
from tests.harness.reports import call_back

COUNTER = "callback_refused"


@pytest.fixture
def services(services: Services) -> Services:
    """One job is known."""
    call_back(services.store, "known")
    return services


def reasons(services: Services, job_id: str) -> list[str]:
    (moments,) = services.refused_callbacks.latest([job_id])
    return [moment.detail["reason"] for moment in moments]


@pytest.mark.parametrize("job_id", ["stranger", None])
def test_a_refusal_for_an_unknown_job_is_only_counted(
    services: Services, redis: Redis, job_id: str | None
) -> None:
    services.refused_callbacks.record(job_id, "wrong secret")
    assert services.metrics.totals().counts[COUNTER] == 1
    assert list(redis.scan_iter(f"{REFUSED_CALLBACKS_PREFIX}*")) == []


def test_of_many_refusals_the_latest_are_kept_for_a_while(services: Services, redis: Redis) -> None:
    for n in range(3 * CALLBACKS_MAX):
        services.refused_callbacks.record("known", f"reason {n}")
    assert reasons(services, "known") == [
        f"reason {n}" for n in range(2 * CALLBACKS_MAX, 3 * CALLBACKS_MAX)
    ]
    assert services.metrics.totals().counts[COUNTER] == 3 * CALLBACKS_MAX
    assert 0 < int(redis.ttl(f"{REFUSED_CALLBACKS_PREFIX}known")) <= RETENTION_SECONDS
