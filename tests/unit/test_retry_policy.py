"""Everything that is tried again has one policy: its pauses, its jitter, and its end."""

import math

import pytest

from jobs.domain import notifications, price_schedule, thumbnail_schedule
from jobs.domain.retry_policy import RetryPolicy
from jobs.services import BACKGROUND_RETRIES, BACKGROUND_RETRIES_MAX, WEB_RETRIES
from jobs.storage.providers import REQUEST_RETRIES
from jobs.store.redis.backoff import PolicyBackoff
from worker import file_rescue, poll, rescue, submit

NOW = 1_700_000_000.0
# Of each policy the pauses after the first failures, without jitter, and the longest one.
PAUSES = {
    "one file": (file_rescue.QUICK_RETRIES, (0.4, 0.64), 1.0),
    "a rescue": (rescue.RETRIES, (2.0, 3.2, 5.12, 8.192), 30.0),
    "a poll": (poll.RETRIES, (5.0, 8.0, 12.8, 20.48), 60.0),
    "a submission's circuit": (submit.CIRCUIT_PAUSES, (1.0, 1.6, 2.56, 4.096), 60.0),
    "a notification": (
        notifications.RETRIES,
        (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0),
        14400.0,
    ),
    "a callback in BFL's format": (notifications.RETRIES_LIKE_BFL, (1.0, 5.0, 30.0), 30.0),
    "a thumbnail": (thumbnail_schedule.STORAGE_RETRIES, (10.0, 40.0, 160.0, 640.0), 2560.0),
    "the question for a price": (price_schedule.RETRIES, (60.0, 600.0), 600.0),
    "Redis, by a web process": (WEB_RETRIES, (0.05, 0.1, 0.2), 0.2),
    "Redis, in the background": (BACKGROUND_RETRIES, (0.1, 0.2, 0.4, 0.8, 1.6, 2.0), 2.0),
    "a bucket": (REQUEST_RETRIES, (0.1, 0.2, 0.4, 0.8), 15.0),
}
POLICY = RetryPolicy(
    first_seconds=1.0, longest_seconds=10.0, growth=2.0, retry_after_max_seconds=60.0, retries_max=6
)


@pytest.mark.parametrize(("policy", "pauses", "longest"), PAUSES.values(), ids=PAUSES.keys())
def test_the_pauses_grow_up_to_the_longest(
    policy: RetryPolicy, pauses: tuple[float, ...], longest: float
) -> None:
    for earlier_failures, pause in enumerate(pauses):
        assert math.isclose(policy.pause_seconds(earlier_failures), pause)
    for earlier_failures in (63, 64, 65, 10**6):
        assert policy.pause_seconds(earlier_failures) == longest


@pytest.mark.parametrize(
    ("earlier_failures", "options", "seconds"),
    [
        (0, {}, 1.0),
        (3, {}, 8.0),
        (4, {}, 10.0),
        (5, {"jitter_factor": 1.2}, 12.0),  # it is applied to the longest pause, too
        (0, {"jitter_factor": 0.8}, 0.8),
        (0, {"retry_after": 5.0}, 5.0),
        (3, {"retry_after": 5.0}, 8.0),  # the longer of both
        (0, {"retry_after": 61.0}, 60.0),
        (0, {"retry_after": 5.0, "jitter_factor": 1.2}, 5.0),  # named by the other side
        (3, {"until": NOW + 8.0}, 8.0),
        (3, {"until": NOW + 7.0}, 7.0),
        (0, {"retry_after": 50.0, "until": NOW + 7.0}, 7.0),
        (0, {"until": NOW + 0.001}, 0.001),
        (0, {"until": NOW}, None),
        (0, {"until": NOW - 1.0}, None),
        (5, {}, 10.0),
        (6, {}, None),
        (7, {"retry_after": 5.0}, None),
    ],
    ids=str,
)
def test_the_next_attempt(
    earlier_failures: int, options: dict[str, float], seconds: float | None
) -> None:
    at = POLICY.next_attempt_at(NOW, earlier_failures, **options)
    if seconds is None:
        assert at is None
    else:
        assert at is not None and math.isclose(at - NOW, seconds, abs_tol=1e-6)


@pytest.mark.parametrize("policy", [row[0] for row in PAUSES.values()], ids=PAUSES.keys())
def test_jitter_stays_within_its_bounds(policy: RetryPolicy) -> None:
    factors = [policy.draw_jitter_factor() for _ in range(200)]
    assert 1 - policy.jitter <= min(factors) <= max(factors) <= 1 + policy.jitter
    assert (len(set(factors)) > 1) is (policy.jitter > 0)


def test_redis_is_tried_again_for_about_a_minute_in_the_background() -> None:
    backoff = PolicyBackoff(BACKGROUND_RETRIES)
    shortest = 1 - BACKGROUND_RETRIES.jitter
    longest = 1 + BACKGROUND_RETRIES.jitter
    assert 0.1 * shortest <= backoff.compute(1) <= 0.1 * longest
    total = sum(BACKGROUND_RETRIES.pause_seconds(n) for n in range(BACKGROUND_RETRIES_MAX))
    assert math.isclose(total, 73.1)
