"""`GET /api/jobs`: newest first, by status, in pages that new jobs do not shift."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.client import Client
from tests.harness.installation import Installation
from tests.harness.invariants import check

NEWEST_FIRST = [f"job-{n:02}" for n in reversed(range(12))]
FAILED = [job_id for n, job_id in enumerate(NEWEST_FIRST) if n % 4 == 0]
MODERATED = [job_id for n, job_id in enumerate(NEWEST_FIRST) if n % 4 == 1]


@pytest.fixture(scope="module")
def client(module_installation: Installation) -> Iterator[Client]:
    """Client of an installation with twelve jobs: failed, moderated and waiting; no worker."""
    module_installation.start("web")
    module_installation.wait_until_ready()
    client = module_installation.client()
    for job_id in reversed(NEWEST_FIRST):
        client.put_job(job_id).raise_for_status()
    for job_id in FAILED:
        client.callback({"id": job_id, "status": "Error"}).raise_for_status()
    for job_id in MODERATED:
        client.callback({"id": job_id, "status": "Content Moderated"}).raise_for_status()
    yield client
    check(module_installation)


def ids(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["id"] for job in jobs if job["id"].startswith("job-")]


def pages(client: Client, **query: Any) -> Iterator[list[str]]:
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/api/jobs", **query, **cursor).json()
        yield [job["id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def test_the_newest_job_comes_first(client: Client) -> None:
    assert ids(client.jobs()) == NEWEST_FIRST


def test_a_listed_job_is_the_same_as_the_job_itself(client: Client) -> None:
    assert client.jobs(limit=200) == [client.job(job["id"]) for job in client.jobs(limit=200)]


def test_jobs_are_filtered_by_status(client: Client) -> None:
    assert ids(client.jobs(status="failed")) == FAILED
    assert client.jobs(status="stored") == []


def test_several_statuses_are_merged_newest_first(client: Client) -> None:
    both = [job_id for job_id in NEWEST_FIRST if job_id in FAILED + MODERATED]
    assert ids(client.jobs(status=["moderated", "failed"])) == both


@pytest.mark.parametrize("limit", [1, 5, 6, 12, 200])
def test_the_pages_hold_every_job_once(client: Client, limit: int) -> None:
    found = list(pages(client, limit=limit))
    assert [job_id for page in found for job_id in page if job_id in NEWEST_FIRST] == NEWEST_FIRST
    assert all(len(page) == limit for page in found[:-1]) and found[-1]


def test_the_pages_of_a_status_hold_every_job_of_it_once(client: Client) -> None:
    assert [job_id for page in pages(client, status="failed", limit=2) for job_id in page] == FAILED


def test_a_job_that_comes_meanwhile_does_not_shift_the_pages(client: Client) -> None:
    first = client.get("/api/jobs", limit=5).json()
    client.put_job("latecomer")
    second = client.get("/api/jobs", limit=5, cursor=first["next_cursor"]).json()
    seen = [job["id"] for job in first["jobs"] + second["jobs"]]
    assert len(set(seen)) == 10 and "latecomer" not in seen
