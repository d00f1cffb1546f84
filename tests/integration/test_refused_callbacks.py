"""Refused callbacks are recorded briefly, and only for jobs that exist."""

import pytest
from redis import Redis

from jobs.store.keys import REFUSED_CALLBACKS_PREFIX
from jobs.store.refused_callbacks import CALLBACKS_MAX, RETENTION_SECONDS
from tests.harness.parts import Parts
from tests.harness.reports import call_back

COUNTER = "callback_refused"


@pytest.fixture
def parts(redis: Redis) -> Parts:
    """One job is known."""
    parts = Parts.over(redis)
    call_back(parts.store, "known")
    return parts


def reasons(parts: Parts, job_id: str) -> list[str]:
    (moments,) = parts.refused_callbacks.latest([job_id])
    return [moment.detail["reason"] for moment in moments]


def test_a_refusal_for_a_known_job_is_kept_beside_its_record(parts: Parts) -> None:
    before = parts.store.load("known")
    parts.refused_callbacks.record("known", "wrong secret")
    assert reasons(parts, "known") == ["wrong secret"]
    assert parts.store.load("known") == before


@pytest.mark.parametrize("job_id", ["stranger", None])
def test_a_refusal_for_an_unknown_job_is_only_counted(
    parts: Parts, redis: Redis, job_id: str | None
) -> None:
    parts.refused_callbacks.record(job_id, "wrong secret")
    assert parts.metrics.totals().counts[COUNTER] == 1
    assert list(redis.scan_iter(f"{REFUSED_CALLBACKS_PREFIX}*")) == []


def test_of_many_refusals_the_latest_are_kept_for_a_while(parts: Parts, redis: Redis) -> None:
    for n in range(3 * CALLBACKS_MAX):
        parts.refused_callbacks.record("known", f"reason {n}")
    assert reasons(parts, "known") == [
        f"reason {n}" for n in range(2 * CALLBACKS_MAX, 3 * CALLBACKS_MAX)
    ]
    assert parts.metrics.totals().counts[COUNTER] == 3 * CALLBACKS_MAX
    assert 0 < int(redis.ttl(f"{REFUSED_CALLBACKS_PREFIX}known")) <= RETENTION_SECONDS
