"""The sweep is killed, the database hangs, Redis goes away: no job is lost, or deleted twice."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import pytest
import requests

from jobs.archive.archive import open_archive
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.redis.keys import COLD
from tests.harness import wait_for
from tests.harness.archive_installation import a_job, newest_first, stored_job
from tests.harness.stock import put_in
from tests.system.archive.conftest import ArchivingStack

JOBS_OF_KILLED_SWEEPS = [stored_job(n) for n in range(700)]
JOBS_TO_DELETE = [a_job(n, metadata={"user": "gone"}) for n in range(1000, 1300)]
JOB_DURING_A_HANG = stored_job(2000)
JOBS_OF_A_BACKUP = [stored_job(n) for n in range(3000, 3100)]
JOBS_OF_A_FLUSH = [stored_job(n) for n in range(4000, 4300)]
KILLS = 4
READERS = 40
CALLBACK_EVERY_SECONDS = 0.02


def listed(archiving: ArchivingStack, **query: str) -> list[str]:
    """The ids of all pages."""
    found, cursor = list[str](), query
    while True:
        answer = archiving.stack.client.get("/api/jobs", limit=150, **cursor)
        answer.raise_for_status()
        found += [job["id"] for job in answer.json()["jobs"]]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {**query, "cursor": answer.json()["next_cursor"]}


def listed_of(archiving: ArchivingStack, jobs: Sequence[Job]) -> list[str]:
    """The ids of these jobs in all pages; jobs of other tests of this module are there, too."""
    job_ids = {job.id for job in jobs}
    return [job_id for job_id in listed(archiving) if job_id in job_ids]


def cold_count(archiving: ArchivingStack) -> int:
    """The number of stored jobs that only the archive has, as Redis counts them."""
    with archiving.stack.installation.redis.client() as redis:
        untyped: Any = redis
        return int(untyped.zscore(COLD, "stored") or 0)


def stored_rows(archiving: ArchivingStack) -> int:
    """The number of stored jobs in the database."""
    archive = open_archive(archiving.url, 1, lambda call: call())
    try:
        return archive.counts().get(Status.STORED, 0)
    finally:
        archive.close()


def test_a_sweep_that_is_killed_again_and_again_loses_no_job(archiving: ArchivingStack) -> None:
    installation = archiving.stack.installation
    jobs = JOBS_OF_KILLED_SWEEPS
    archiving.evict()
    # A test before this one may have flushed Redis: the sweep counts anew.
    wait_for("Redis counts all rows", lambda: cold_count(archiving) == stored_rows(archiving))
    count_before = cold_count(archiving)
    installation.kill("sweep")
    with installation.redis.client() as redis:
        put_in(redis, jobs)
    for _ in range(KILLS):
        installation.start("sweep", n=2)
        assert listed_of(archiving, jobs) == newest_first(jobs)
        installation.kill("sweep")
    installation.start("sweep", n=2)
    archiving.evict()
    assert listed_of(archiving, jobs) == newest_first(jobs)
    assert cold_count(archiving) - count_before == len(jobs)


def test_a_batch_deletes_each_job_once_though_sweeps_are_killed_and_redis_goes_away(
    archiving: ArchivingStack,
) -> None:
    delete_all(archiving, JOBS_TO_DELETE)


def delete_all(archiving: ArchivingStack, jobs: list[Job], away_seconds: float = 0.0) -> None:
    """Delete them by two sweeps, of which each is killed three times, with Redis away once."""
    stack, kept = archiving.stack, listed(archiving)
    installation, client = stack.installation, stack.client
    for job in jobs:
        (path := installation.media / job.media[0].key).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    with installation.redis.client() as redis:
        put_in(redis, jobs[::2])
        installation.kill("sweep")
        installation.start("sweep", n=2)  # which archives what it finds as it starts
        archiving.evict()
        put_in(redis, jobs[1::2])
    query: dict[str, Any] = {"metadata.user": "gone"}
    asked = client.request("DELETE", "/api/jobs", params=query)
    assert (asked.status_code, asked.json()["count"]) == (428, len(jobs))
    query |= {name: asked.json()[name] for name in ("count", "until")}
    begun = client.request("DELETE", "/api/jobs", params=query)
    assert begun.status_code == requests.codes.accepted

    def batch() -> dict[str, Any]:
        found: dict[str, Any] = client.get(begun.headers["Location"]).json()
        return found

    def is_done(part: float) -> bool:
        return bool(batch()["done"] > part)

    for n in range(1, KILLS):
        part = n * len(jobs) / (KILLS + 1)
        wait_for("a part is done", partial(is_done, part), 600)
        installation.kill("sweep")
        if n == 1:
            installation.redis.stop()
            time.sleep(away_seconds)
            installation.redis.start()
            wait_for("Redis answers", lambda: client.get(begun.headers["Location"]).ok)
        assert batch()["status"] == "under way"
        installation.start("sweep", n=2)
    ended = wait_for("it ends", lambda: (found := batch())["ended_at"] and found, 600)
    assert (ended["done"], ended["left"], ended["failed"]) == (len(jobs), 0, [])
    with installation.redis.client() as redis:
        untyped: Any = redis
        events = [fields for _, fields in untyped.xrange("fluxkeep:events")]
    job_ids = {job.id for job in jobs}
    deleted = Counter(
        fields[b"id"].decode() for fields in events if fields[b"status"] == b"deleted"
    )
    deletions = {job_id: deleted[job_id] for job_id in job_ids}
    assert deletions == dict.fromkeys(job_ids, 1)
    assert listed(archiving) == kept
    assert not {job.media[0].key for job in jobs} & installation.stored_objects.sizes().keys()


def test_a_database_that_hangs_delays_no_callback(archiving: ArchivingStack) -> None:
    if not archiving.server:
        pytest.skip("a file does not hang")
    stack, name = archiving.stack, JOB_DURING_A_HANG.id
    archiving.put_in_archive([JOB_DURING_A_HANG])
    archiving.server.pause()
    clients, answered = [stack.installation.client() for _ in range(READERS)], 0
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(client.get, f"/api/jobs/{name}") for client in clients]
        while wait(readers, CALLBACK_EVERY_SECONDS).not_done:
            assert stack.client.callback({"id": f"hung-{answered}", "status": "Pending"}).ok
            answered += 1
        refused = {reader.result().status_code for reader in readers}
        assert refused == {requests.codes.service_unavailable}
    archiving.server.resume()
    wait_for("the archive answers", lambda: stack.client.get(f"/api/jobs/{name}").ok)
    assert answered > READERS


def test_a_backup_of_the_database_brings_no_deleted_job_back(archiving: ArchivingStack) -> None:
    jobs = JOBS_OF_A_BACKUP
    stack, gone = archiving.stack, jobs[5].id
    archiving.put_in_archive(jobs)
    stack.installation.kill("sweep")
    with archiving.backup():
        assert stack.client.request("DELETE", f"/api/jobs/{gone}").ok
        stack.installation.start("sweep")
        wait_for("its row is deleted", lambda: not archiving.has_row(gone))
        stack.installation.kill("sweep")
    assert archiving.has_row(gone)
    assert stack.client.find(gone) is None
    left = [name for name in newest_first(jobs) if name != gone]
    assert listed_of(archiving, jobs) == left
    stack.installation.start("sweep")
    wait_for("its row is deleted again", lambda: not archiving.has_row(gone))


def test_after_a_flush_of_redis_every_ended_job_is_listed(archiving: ArchivingStack) -> None:
    archiving.put_in_archive(JOBS_OF_A_FLUSH)
    before = listed(archiving, status="stored")
    assert listed_of(archiving, JOBS_OF_A_FLUSH) == newest_first(JOBS_OF_A_FLUSH)
    with archiving.stack.installation.redis.client() as redis:
        redis.flushall()
    assert listed(archiving, status="stored") == before
