"""Rate limiter in a real Redis, shared or lost; `steps/rate_limiter.txt` has its times."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from jobs.config.quotas import RateLimit
from jobs.domain.errors import StoreUnavailable
from jobs.store.rate_limiter import RateLimiter
from jobs.store.redis.script_pipeline import ScriptPipeline
from tests.harness import RedisServer

FIVE_A_DAY = RateLimit(5, 86400)
HOME, ABROAD = "192.0.2.1", "2001:db8::/64"


@pytest.fixture
def rate_limiter(redis: Redis) -> RateLimiter:
    return RateLimiter(ScriptPipeline(redis))


def test_concurrent_requests_do_not_exceed_the_quota(rate_limiter: RateLimiter) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: rate_limiter.admit("app", FIVE_A_DAY, HOME), range(40)))
    assert sum(status.retry_after_seconds == 0 for status in statuses) == 5
    assert rate_limiter.admit("app", FIVE_A_DAY, ABROAD).retry_after_seconds > 0
    assert rate_limiter.admit("other", FIVE_A_DAY, HOME).retry_after_seconds == 0
    raised = RateLimit(600, 60)  # a rate that was too low locks no client out
    assert rate_limiter.admit("app", raised, HOME).retry_after_seconds == 0


def test_a_full_redis_lets_in(rate_limiter: RateLimiter, redis_server: RedisServer) -> None:
    redis_server.set_maxmemory(1)
    assert [rate_limiter.admit("app", FIVE_A_DAY, HOME).retry_after_seconds for _ in range(9)] == [
        0
    ] * 9
    assert rate_limiter.record_wrong_key(HOME).retry_after_seconds == 0


@pytest.mark.parametrize("fault", ["lost", "demoted"])
def test_a_redis_that_is_lost_or_demoted_is_an_error(
    rate_limiter: RateLimiter, redis_server: RedisServer, fault: str
) -> None:
    """A replica admits everybody otherwise, and its other answers are old."""
    if fault == "lost":
        redis_server.kill()
    else:
        with redis_server.client() as client:
            client.replicaof("127.0.0.1", "1")
    with pytest.raises(StoreUnavailable):
        rate_limiter.admit("app", FIVE_A_DAY, HOME)
    with pytest.raises(StoreUnavailable):
        rate_limiter.record_wrong_key(HOME)
