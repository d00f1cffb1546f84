"""The sweep is killed, the database hangs: no job is lost, and no callback delayed."""

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
import requests

from tests.harness import wait_for
from tests.harness.archive_installation import newest_first, stored_job
from tests.harness.stock import put_in
from tests.system.archive.conftest import ArchivingStack

JOBS = [stored_job(n) for n in range(700)]
KILLS = 4
READERS = 40
CALLBACK_EVERY_SECONDS = 0.02


def listed(archiving: ArchivingStack, **query: str) -> list[str]:
    found, cursor = list[str](), query
    while True:
        answer = archiving.stack.client.get("/api/jobs", limit=150, **cursor)
        answer.raise_for_status()
        found += [job["id"] for job in answer.json()["jobs"]]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {**query, "cursor": answer.json()["next_cursor"]}


def test_a_sweep_that_is_killed_again_and_again_loses_no_job(archiving: ArchivingStack) -> None:
    installation = archiving.stack.installation
    installation.kill("sweep")
    with installation.redis.client() as redis:
        put_in(redis, JOBS)
    for _ in range(KILLS):
        installation.start("sweep", n=2)
        assert listed(archiving) == newest_first(JOBS)
        installation.kill("sweep")
    installation.start("sweep", n=2)
    archiving.evict()
    assert listed(archiving) == newest_first(JOBS)
    with installation.redis.client() as redis:
        untyped: Any = redis
        assert dict(untyped.zrange("fluxkeep:cold", 0, -1, withscores=True))[b"stored"] == len(JOBS)


def test_a_database_that_hangs_delays_no_callback(archiving: ArchivingStack) -> None:
    if not archiving.server:
        pytest.skip("a file does not hang")
    stack, name = archiving.stack, JOBS[0].id
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
