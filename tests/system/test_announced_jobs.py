"""`PUT /api/jobs/<task id>`: a caller announces its own task, before or after BFL calls back."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import requests

from tests.harness import KEYS, Stack, assert_invariants

MODEL = "flux-2-pro"
METADATA = {"order": 7, "tags": ["a", "b"], "umlaut": "ä"}


# No polls; the jobs that nobody calls about are still under way in the end.
SETTINGS = {"CALLBACK_GRACE": "600"}


def afterwards(stack: Stack) -> None:
    assert_invariants(stack.installation)


@pytest.fixture
def task_id() -> str:
    return str(uuid4())


def test_announcing_before_or_after_the_callback_gives_the_same_job(stack: Stack) -> None:
    facts = {"model": MODEL, "metadata": METADATA}
    early, late = stack.finished(), stack.finished()
    assert stack.client.put_job(early.id, **facts).status_code == 201
    for task in (early, late):
        assert stack.sandbox.call_back(task.id).outcome == 200
        stack.stored(task)
    assert stack.client.put_job(late.id, **facts).status_code == 200
    jobs = [stack.stored(task) for task in (early, late)]
    same = ("status", "source", "model", "metadata", "progress", "cost", "error", "moderation")
    assert [jobs[0][name] for name in same] == [jobs[1][name] for name in same]
    assert jobs[0]["metadata"] == METADATA and jobs[0]["source"] == "callback"
    listed = [job["id"] for job in stack.client.jobs(limit=200)]
    assert listed.count(early.id) == listed.count(late.id) == 1
    assert len(stack.deliveries(early)) == len(stack.deliveries(late)) == 1


def test_ten_announcements_at_once_make_one_job(stack: Stack, task_id: str) -> None:
    url, key = f"{stack.installation.url}/api/jobs/{task_id}", {"x-key": KEYS["submit"]}

    def announce(_: int) -> int:
        return requests.put(url, json={"model": MODEL}, headers=key, timeout=30).status_code

    with ThreadPoolExecutor(10) as pool:
        answers = sorted(pool.map(announce, range(10)))
    assert answers == [200] * 9 + [201]


def test_fields_that_are_not_repeated_stay(stack: Stack, task_id: str) -> None:
    stack.client.put_job(task_id, model=MODEL, metadata=METADATA)
    job = stack.client.put_job(task_id).json()
    assert (job["model"], job["metadata"]) == (MODEL, METADATA)
    job = stack.client.put_job(task_id, metadata={"order": 8}).json()
    assert (job["model"], job["metadata"]) == (MODEL, {"order": 8})


def test_a_key_may_come_in_either_header(stack: Stack) -> None:
    key = KEYS["read"]
    for name, value in (("x-key", key), ("Authorization", f"bearer {key}")):
        answer = requests.get(
            f"{stack.installation.url}/api/jobs", headers={name: value}, timeout=30
        )
        assert answer.status_code == 200
