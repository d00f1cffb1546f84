"""A storage that is full or refuses: no partial file, tried again, and said plainly."""

import resource
import sys

import pytest
import requests

from tests.harness import Stack
from tests.harness.stored_objects import a_file_in_place_of

STORED_WITHIN_SECONDS = 30.0


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process is Linux's")
def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_no_partial_one(stack: Stack) -> None:
    (worker,) = stack.installation.worker
    unlimited = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1_000_000, unlimited[1]))
    task = stack.generate(size=1_500_000)
    assert "storage" in stack.retry_reason(task)
    assert stack.staged() == [] and stack.objects(task) == []
    stack.stored(stack.generate(size=50_000))
    assert stack.client.job(task.id)["status"] == "ready"
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, unlimited)
    stack.stored(task, STORED_WITHIN_SECONDS)
    stack.settled()


def test_a_storage_that_is_missing_for_a_while_costs_nothing(stack: Stack) -> None:
    kept = stack.generate()
    link = stack.stored(kept)["media"][0]["url"]
    with a_file_in_place_of(stack.installation.media):
        assert requests.get(link, timeout=30).status_code == 503, "not 410: it is there still"
        assert stack.client.request("DELETE", f"/api/jobs/{kept.id}").status_code == 503
        task = stack.generate()
        reason = stack.retry_reason(task)
        assert "storage" in reason and str(stack.installation.media) not in reason
        assert stack.client.job(task.id)["status"] == "ready"
    job = stack.stored(task, STORED_WITHIN_SECONDS)
    assert job["source"] == "callback" and stack.polls(task) == []
    assert len(stack.objects(task)) == 1
    stack.stored(kept)
    stack.settled()
