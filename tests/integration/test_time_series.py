"""Time series of the counters: samples by the minute, and increases."""

import pytest
from redis import Redis

from jobs.errors import StoreUnavailable
from jobs.store.keys import TIME_SERIES
from jobs.store.metrics import MINUTE_SECONDS, SAMPLES_MAX, Metrics, Sample, Series
from tests.harness import RedisServer
from tests.harness.parts import Parts

BEGIN = 1_790_000_040.0  # a minute begins


def course(*samples: tuple[float, int]) -> Series:
    """Samples by the minute at which they were taken."""
    return Series(tuple(Sample(BEGIN + 60 * at, {"callbacks": n}) for at, n in samples))


def rises(given: Series) -> list[float]:
    """The last ones, up to the first before which nothing rose."""
    found = given.per_minute(["callbacks"])
    assert len(found) == SAMPLES_MAX
    first = next((n for n, rise in enumerate(found) if rise), len(found))
    return found[first:]


@pytest.fixture
def time_series(redis: Redis) -> Metrics:
    return Parts.over(redis).metrics


# Pure.


def test_an_increase_is_counted_in_its_minute_and_the_current_minute_is_last() -> None:
    assert rises(course((0, 10), (1, 14), (2, 14), (2.5, 21))) == [4, 0, 7]


def test_nothing_is_known_of_what_was_counted_before_the_first_sample() -> None:
    assert rises(course((0, 1_000_000), (0.5, 1_000_000))) == []


def test_an_increase_without_samples_is_spread_evenly() -> None:
    assert rises(course((0, 0), (4, 8), (4.2, 8))) == [2, 2, 2, 2, 0]


def test_what_is_older_than_an_hour_is_not_shown() -> None:
    found = course((0, 0), (100, 1000), (100.5, 1005)).per_minute(["callbacks"])
    assert found == [10.0] * 59 + [5]


def test_counters_that_redis_lost_began_anew() -> None:
    assert rises(course((0, 50), (1, 3), (1.1, 5))) == [3, 2]


def test_several_counters_rise_together() -> None:
    before, after = Sample(BEGIN, {"a": 1}), Sample(BEGIN + 1, {"a": 2, "b": 3, "c": 9})
    assert Series((before, after)).per_minute(["a", "b"])[-1] == 4


# In Redis.


def test_a_rise_is_seen_at_once(time_series: Metrics, redis: Redis) -> None:
    time_series.sample()
    Parts.over(redis).store.increment({"callbacks": 7})
    assert time_series.last_hour().per_minute(["callbacks"])[-2:] in ([0, 7], [7, 0])


def test_each_minute_has_one_sample_whoever_takes_it(time_series: Metrics, redis: Redis) -> None:
    at = [time_series.sample().at for _ in range(20)]
    periods = {moment // MINUTE_SECONDS for moment in at}
    assert redis.zcard(TIME_SERIES) == len(periods)


def test_a_sample_that_is_an_hour_old_goes(time_series: Metrics, redis: Redis) -> None:
    now = time_series.sample().at
    redis.delete(TIME_SERIES)
    period = now // MINUTE_SECONDS * MINUTE_SECONDS
    redis.zadd(
        TIME_SERIES,
        {
            f'[{period - 60 * ago}, {{"callbacks": {ago}}}]': period - 60 * ago
            for ago in range(1, 70)
        },
    )
    time_series.sample()
    assert SAMPLES_MAX - 1 <= redis.zcard(TIME_SERIES) <= SAMPLES_MAX


def test_metrics_need_no_samples(redis: Redis) -> None:
    assert Parts.over(redis).metrics.totals().counts == {}
    assert Parts.over(redis).metrics.last_hour().per_minute(["callbacks"]) == [0] * SAMPLES_MAX


def test_without_redis_nothing_is_known(time_series: Metrics, redis_server: RedisServer) -> None:
    redis_server.kill()
    with pytest.raises(StoreUnavailable):
        time_series.last_hour()
