"""What costs memory: the record of a job in Redis, and libraries that a process loads."""

import subprocess
import sys

import pytest
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


OPTIONAL = {"obstore", "psycopg", "sqlite3", "dotenv", "PIL", "sentry_sdk"}
LOADED_WHERE_USED = {
    "receiver.app": {*OPTIONAL, "rq", "receiver.cli"},
    "worker.sweep": {*OPTIONAL, "rq", "flask", "gevent"},
    "worker.__main__": {*OPTIONAL, "flask", "gevent"},
}


@pytest.mark.parametrize("module", LOADED_WHERE_USED)
def test_a_process_loads_no_library_that_only_other_settings_or_processes_need(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & LOADED_WHERE_USED[module]
