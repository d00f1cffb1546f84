"""The size of a record in Redis: small once its job has ended."""

from redis import Redis

from tests.bench import stored_jobs
from tests.harness import stock

BYTES_PER_JOB_MAX = 1900
JOBS = 4096


def test_a_job_that_has_ended_takes_little_memory(redis: Redis) -> None:
    """Its record and every index, as the store writes them."""
    used = []
    for jobs in (range(JOBS), range(JOBS, 2 * JOBS)):
        stock.put_in(redis, map(stored_jobs.stored, jobs))
        used.append(int(redis.info("memory")["used_memory"]))
    assert (used[1] - used[0]) / JOBS < BYTES_PER_JOB_MAX
