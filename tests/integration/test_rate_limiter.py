"""Rate limiter in Redis: requests by key, wrong keys by address, and refill."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from jobs.config.limits import RateLimit
from jobs.errors import StoreUnavailable
from jobs.store.batching import Batching
from jobs.store.keys import KNOWN_CLIENT_PREFIX, RATE_PREFIX, WRONG_KEYS_PREFIX
from jobs.store.rate_limiter import KNOWN_CLIENT_SECONDS, WRONG_KEYS_MAX, RateLimiter, rate_key
from tests.harness import RedisServer
from tests.harness.patience import wait_for

FIVE_A_DAY = RateLimit(5, 86400)
HOME, ABROAD = "192.0.2.1", "2001:db8::/64"


@pytest.fixture
def rate_limiter(redis: Redis) -> RateLimiter:
    return RateLimiter(Batching(redis))


def exhaust_wrong_keys(rate_limiter: RateLimiter, address: str) -> None:
    """So many wrong keys that no more are taken."""
    while rate_limiter.record_wrong_key(address).retry_after_seconds == 0:
        pass


def test_a_quota_is_used_up_one_by_one_and_no_further(rate_limiter: RateLimiter) -> None:
    statuses = [rate_limiter.admit("app", FIVE_A_DAY, HOME) for _ in range(7)]
    assert [status.retry_after_seconds > 0 for status in statuses] == [False] * 5 + [True] * 2


def test_a_refusal_says_when_the_next_request_is_allowed(rate_limiter: RateLimiter) -> None:
    *_, last = [rate_limiter.admit("app", FIVE_A_DAY, HOME) for _ in range(6)]
    assert 86400 / 5 - 60 < last.retry_after_seconds <= 86400 / 5


def test_the_quota_refills_over_time(rate_limiter: RateLimiter) -> None:
    brisk = RateLimit(20, 1)
    while rate_limiter.admit("app", brisk, HOME).retry_after_seconds == 0:
        pass
    wait_for(
        "one more", lambda: rate_limiter.admit("app", brisk, HOME).retry_after_seconds == 0, 10
    )


def test_concurrent_requests_do_not_exceed_the_quota(rate_limiter: RateLimiter) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: rate_limiter.admit("app", FIVE_A_DAY, HOME), range(40)))
    assert sum(status.retry_after_seconds == 0 for status in statuses) == 5


def test_each_name_has_a_quota_of_its_own_wherever_it_asks_from(rate_limiter: RateLimiter) -> None:
    for _ in range(5):
        rate_limiter.admit("app", FIVE_A_DAY, HOME)
    assert rate_limiter.admit("app", FIVE_A_DAY, ABROAD).retry_after_seconds > 0
    assert rate_limiter.admit("other", FIVE_A_DAY, HOME).retry_after_seconds == 0


def test_without_a_quota_nothing_is_counted(rate_limiter: RateLimiter, redis: Redis) -> None:
    assert {rate_limiter.admit("app", None, HOME).retry_after_seconds for _ in range(50)} == {0}
    assert not list(redis.scan_iter(f"{RATE_PREFIX}*"))


def test_a_rate_that_was_briefly_too_low_locks_no_client_out(rate_limiter: RateLimiter) -> None:
    while rate_limiter.admit("app", RateLimit(1, 86400), HOME).retry_after_seconds == 0:
        pass
    assert rate_limiter.admit("app", RateLimit(600, 60), HOME).retry_after_seconds == 0


def test_an_address_with_too_many_wrong_keys_is_refused_even_with_a_right_key(
    rate_limiter: RateLimiter,
) -> None:
    statuses = [rate_limiter.record_wrong_key(ABROAD) for _ in range(WRONG_KEYS_MAX.requests + 1)]
    assert [status.retry_after_seconds > 0 for status in statuses] == [
        False
    ] * WRONG_KEYS_MAX.requests + [True]
    right = rate_limiter.admit("app", FIVE_A_DAY, ABROAD)
    assert right.is_blocked_address and right.retry_after_seconds == pytest.approx(
        statuses[-1].retry_after_seconds, abs=5
    )
    assert rate_limiter.admit("app", FIVE_A_DAY, HOME).retry_after_seconds == 0


def test_wrong_keys_do_not_lock_out_a_key_that_was_used_from_the_same_address(
    rate_limiter: RateLimiter,
) -> None:
    rate_limiter.admit("app", FIVE_A_DAY, ABROAD)
    exhaust_wrong_keys(rate_limiter, ABROAD)
    assert rate_limiter.admit("app", FIVE_A_DAY, ABROAD).retry_after_seconds == 0
    assert rate_limiter.admit("other", FIVE_A_DAY, ABROAD).is_blocked_address


def test_nothing_is_remembered_for_longer_than_it_is_of_use(
    rate_limiter: RateLimiter, redis: Redis
) -> None:
    rate_limiter.admit("app", RateLimit(5, 60), HOME)
    exhaust_wrong_keys(rate_limiter, HOME)
    assert 0 < redis.pttl(rate_key("app", RateLimit(5, 60))) <= 12_100
    assert 0 < redis.pttl(f"{WRONG_KEYS_PREFIX}{HOME}") <= WRONG_KEYS_MAX.seconds * 1000 + 100
    assert 0 < redis.ttl(f"{KNOWN_CLIENT_PREFIX}{HOME} app") <= KNOWN_CLIENT_SECONDS


def test_a_redis_that_is_full_counts_nothing_and_lets_in(
    rate_limiter: RateLimiter, redis_server: RedisServer
) -> None:
    redis_server.set_maxmemory(1)
    assert [rate_limiter.admit("app", FIVE_A_DAY, HOME).retry_after_seconds for _ in range(9)] == [
        0
    ] * 9
    assert rate_limiter.record_wrong_key(HOME).retry_after_seconds == 0


def test_a_lost_redis_is_an_error(rate_limiter: RateLimiter, redis_server: RedisServer) -> None:
    redis_server.kill()
    with pytest.raises(StoreUnavailable):
        rate_limiter.admit("app", FIVE_A_DAY, HOME)
    with pytest.raises(StoreUnavailable):
        rate_limiter.record_wrong_key(HOME)


def test_a_server_that_was_demoted_is_noticed(
    rate_limiter: RateLimiter, redis_server: RedisServer
) -> None:
    """It admits everybody otherwise, and its other answers are old."""
    with redis_server.client() as client:
        client.replicaof("127.0.0.1", "1")
    with pytest.raises(StoreUnavailable):
        rate_limiter.admit("app", FIVE_A_DAY, HOME)
    with pytest.raises(StoreUnavailable):
        rate_limiter.record_wrong_key(HOME)
