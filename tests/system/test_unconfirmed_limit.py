"""MAX_UNCONFIRMED: limit of announced, unconfirmed jobs for each key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Stack, stopped_stack

MOST = 3


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Only the web process runs."""
    with stopped_stack(tmp_path, MAX_UNCONFIRMED=str(MOST)) as stopped:
        stopped.installation.start("web")
        yield stopped


def test_a_key_cannot_announce_more_jobs_than_bfl_is_asked_about(stack: Stack) -> None:
    client = stack.client
    assert [client.put_job(f"made-up-{n}").status_code for n in range(MOST)] == [201] * MOST
    refused = client.put_job("one-more")
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "MAX_UNCONFIRMED" in refused.json()["detail"]
    assert client.get("/api/jobs/one-more").status_code == 404
    assert client.put_job("made-up-0").status_code == 200, "a job that is known takes no place"
    # BFL's word on one of them frees its place; the end of another does so, too.
    assert client.callback({"id": "made-up-0", "status": "Pending"}).ok
    assert client.put_job("one-more").status_code == 201
    assert client.put_job("two-more").status_code == 429
    assert client.callback({"id": "made-up-1", "status": "Content Moderated"}).ok
    assert client.put_job("two-more").status_code == 201
    # A forgotten job has no place either.
    assert client.put_job("three-more").status_code == 429
    assert client.request("DELETE", "/api/jobs/made-up-2").ok
    assert client.put_job("three-more").status_code == 201
    # A job that BFL has called about before it is announced takes none.
    assert client.callback({"id": "called", "status": "Pending"}).ok
    assert client.put_job("called").status_code == 200
