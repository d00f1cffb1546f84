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

from jobs import ingest
from jobs.report import Report
from jobs.status import ReportKind, Source
from jobs.store import rq_queue
from jobs.store.job_store import JobStore
from jobs.store.rq_queue import QUEUE_NAME, RQ_JOB_TTL_SECONDS
from jobs.timeouts import Timeouts
from tests.harness import RedisServer
from tests.harness.required_settings import SECRETS
from worker import startup, tasks

TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)
# Refused before anything is fetched: what shows is that the task was run.
HOSTILE_URL = "https://delivery.example.com/sample.jpeg?sig=canary"


def ready(task_id: str) -> Report:
    return Report(
        task_id=task_id, kind=ReportKind.READY, source=Source.CALLBACK, urls=(HOSTILE_URL,)
    )


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
    for cached in (startup.services, tasks.dispatcher):
        cached.cache_clear()
    yield
    startup.services().redis.close()
    for cached in (startup.services, tasks.dispatcher):
        cached.cache_clear()


def test_rq_reads_back_the_entry_that_the_store_wrote(store: JobStore, queue: Queue) -> None:
    ingest.apply_report(store, ready("job"), TIMEOUTS)
    assert len(queue) == 1
    entry = queue.jobs[0]
    fetched = RqJob.fetch(entry.id, connection=queue.connection, serializer=JSONSerializer)
    for found in (entry, fetched):
        assert found.func_name == rq_queue.TASK
        assert (list(found.args), found.kwargs) == (["job"], {})
        assert (found.origin, found.get_status()) == (QUEUE_NAME, JobStatus.QUEUED)
        assert found.timeout == rq_queue.TASK_TIMEOUT_SECONDS


def test_an_entry_names_the_job_and_nothing_else_of_it(store: JobStore, redis: Redis) -> None:
    ingest.apply_report(store, ready("job"), TIMEOUTS)
    entry = RqJob.fetch(
        Queue(QUEUE_NAME, connection=redis).job_ids[0],
        connection=redis,
        serializer=JSONSerializer,
    )
    known = str(redis.hgetall(entry.key)) + str(entry.data) + str(entry.meta)
    assert "canary" not in known and "example.com" not in known


def test_rq_knows_the_queue_and_expires_an_rq_job(store: JobStore, redis: Redis) -> None:
    ingest.apply_report(store, ready("job"), TIMEOUTS)
    queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
    assert Queue.all(connection=redis, serializer=JSONSerializer) == [queue]
    left = redis.ttl(queue.jobs[0].key)
    assert left in range(1, RQ_JOB_TTL_SECONDS + 1)


def test_each_job_that_newly_waits_gets_one_entry(store: JobStore, queue: Queue) -> None:
    for task_id in ("one", "two", "one", "two"):
        ingest.apply_report(store, ready(task_id), TIMEOUTS)
    assert sorted(list(entry.args) for entry in queue.jobs) == [["one"], ["two"]]


def test_a_job_without_work_gets_no_rq_job(store: JobStore, queue: Queue) -> None:
    failed = Report(task_id="job", kind=ReportKind.FAILED, source=Source.CALLBACK)
    ingest.apply_report(store, failed, TIMEOUTS)
    assert len(queue) == 0


def test_an_entry_that_got_lost_is_written_again(store: JobStore, queue: Queue) -> None:
    ingest.apply_report(store, ready("job"), TIMEOUTS)
    queue.delete(delete_jobs=True)
    store.enqueue(store.due(10).without_rq_job)
    assert [list(entry.args) for entry in queue.jobs] == [["job"]]
    assert store.due(10).without_rq_job == ()


def test_only_as_many_entries_are_written_as_rq_lacks(store: JobStore, queue: Queue) -> None:
    unclear = Report(task_id="poll", kind=ReportKind.UNCLEAR, source=Source.CALLBACK)
    for report in (unclear, ready("rescue")):
        ingest.apply_report(store, report, TIMEOUTS)
    assert store.due(10).without_rq_job == ()
    queue.jobs[0].delete()
    assert store.due(10).without_rq_job == ("rescue",)
    queue.delete(delete_jobs=True)
    assert store.due(10).without_rq_job == ("rescue", "poll")
    assert store.due(1).without_rq_job == ("rescue",)


@pytest.mark.usefixtures("a_worker_process")
def test_a_worker_of_rq_runs_the_entries(store: JobStore, queue: Queue) -> None:
    for task_id in ("one", "two"):
        ingest.apply_report(store, ready(task_id), TIMEOUTS)
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    worker.work(burst=True)
    for task_id in ("one", "two"):
        job = store.load(task_id)
        assert job is not None and (
            job.check.rescue_attempts,
            job.check.work_deadline,
            job.check.lease_until,
        ) == (
            1,
            None,
            None,
        )
    assert len(queue) == 0
    assert queue.failed_job_registry.get_job_ids() == []


@pytest.mark.usefixtures("a_worker_process")
def test_an_rq_job_without_work_changes_nothing(store: JobStore, queue: Queue) -> None:
    ingest.apply_report(store, ready("job"), TIMEOUTS)
    store.enqueue(["job", "job", "nobody"])
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    worker.work(burst=True)
    job = store.load("job")
    assert job is not None and job.check.rescue_attempts == 1
    assert store.load("nobody") is None
    assert queue.failed_job_registry.get_job_ids() == []


def test_an_entry_has_the_very_fields_that_rq_itself_would_write(
    store: JobStore, queue: Queue
) -> None:
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
    assert found == {name: _as_redis_has_it(value) for name, value in theirs.items()}
    assert queue.connection.smembers(Queue.redis_queues_keys) == {queue.key.encode()}


def _as_redis_has_it(value: str | int) -> str:
    return value.value if isinstance(value, JobStatus) else str(value)
