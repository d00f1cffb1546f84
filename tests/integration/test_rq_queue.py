"""The entries of the queue: written by the store, read and run by RQ's own classes."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue, SimpleWorker
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from jobs.domain.status import ReportKind
from jobs.store import rq_queue
from jobs.store.job_store import JobStore
from jobs.store.rq_queue import QUEUE_NAME, RQ_JOB_TTL_SECONDS
from tests.harness import RedisServer
from tests.harness.reports import call_back, load
from tests.harness.required_settings import SECRETS
from worker import startup, tasks
from worker.worker import ObservedQueue

# Refused before anything is fetched: what shows is that the task was run.
HOSTILE_URL = "https://delivery.example.com/sample.jpeg?sig=canary"


@pytest.fixture
def queue(redis: Redis) -> Queue:
    """The queue as any reader of RQ's documentation would open it."""
    return Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)


@pytest.fixture
def a_worker_process(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """This process has the environment that `python -m worker` is started with."""
    environment = {
        "REDIS_URL": redis_server.url,
        "MEDIA_URL": (tmp_path / "media").as_uri(),
        **SECRETS,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    for cached in (startup.current_services, tasks.worker_process):
        cached.cache_clear()
    yield
    startup.current_services().redis.close()
    for cached in (startup.current_services, tasks.worker_process):
        cached.cache_clear()


def test_rq_knows_the_queue_and_expires_a_job(store: JobStore, queue: Queue, redis: Redis) -> None:
    call_back(store, "failed", kind=ReportKind.FAILED)
    assert len(queue) == 0, "there is no work"
    call_back(store, "job")
    assert Queue.all(connection=redis, serializer=JSONSerializer) == [queue]
    left = redis.ttl(queue.jobs[0].key)
    assert left in range(1, RQ_JOB_TTL_SECONDS + 1)


def test_the_queue_of_a_worker_reports_each_job_that_is_taken(
    store: JobStore, queue: Queue, redis: Redis
) -> None:
    call_back(store, "one", "two", url=HOSTILE_URL)
    waiting_counts = list[int]()
    observed = ObservedQueue(
        QUEUE_NAME,
        connection=redis,
        serializer=JSONSerializer,
        on_dequeue=lambda: waiting_counts.append(len(queue)),
    )
    for expected in ("one", "two"):
        taken = ObservedQueue.dequeue_any(
            [observed], None, connection=redis, serializer=JSONSerializer
        )
        assert taken is not None and list(taken[0].args) == [expected]
    assert waiting_counts == [1, 0], "at once, and once for each"
    assert (
        ObservedQueue.dequeue_any([observed], None, connection=redis, serializer=JSONSerializer)
        is None
    )
    assert waiting_counts == [1, 0], "there was none to take"


@pytest.mark.usefixtures("a_worker_process")
def test_a_worker_of_rq_runs_the_entries(store: JobStore, queue: Queue) -> None:
    call_back(store, "one", "two", "one", "two", url=HOSTILE_URL)
    assert sorted(list(entry.args) for entry in queue.jobs) == [["one"], ["two"]]
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    worker.work(burst=True)
    for task_id in ("one", "two"):
        lease = load(store, task_id).lease
        assert (lease.rescue_attempts, lease.work_deadline, lease.lease_until) == (1, None, None)
    assert len(queue) == 0
    store.enqueue(["one", "one", "nobody"])  # without work
    worker.work(burst=True)
    assert load(store, "one").lease.rescue_attempts == 1 and store.load("nobody") is None
    assert queue.failed_job_registry.get_job_ids() == []


def test_an_entry_has_the_fields_that_rq_writes(store: JobStore, queue: Queue) -> None:
    store.enqueue(["job-1"])
    (entry_id,) = queue.get_job_ids()
    kept: Any = queue.connection.hgetall(RqJob.key_for(entry_id))
    found = {name.decode(): value.decode() for name, value in kept.items()}
    own = RqJob.create(
        rq_queue.TASK,
        args=("job-1",),
        id=entry_id,
        connection=queue.connection,
        serializer=JSONSerializer,
        origin=QUEUE_NAME,
        timeout=rq_queue.TASK_TIMEOUT_SECONDS,
        result_ttl=0,
        failure_ttl=rq_queue.FAILURE_TTL_SECONDS,
        status=JobStatus.QUEUED,
    )
    own.enqueued_at = own.created_at
    written: dict[str, Any] = own.to_dict()
    theirs = {name: value for name, value in written.items() if value != ""}
    data = theirs.pop("data")
    times = {name: theirs.pop(name) for name in ("created_at", "enqueued_at")}
    assert found.pop("data").encode() == zlib.decompress(data)
    assert all(len(found.pop(name)) == len(one) for name, one in times.items())
    theirs["status"] = JobStatus.QUEUED.value
    assert found == {name: str(value) for name, value in theirs.items()}
    assert queue.connection.smembers(Queue.redis_queues_keys) == {queue.key.encode()}
