"""Replay and deletion of jobs by an operator."""

from typing import Any

import pytest
import requests

from tests.harness import CommandLine, Stack, wait_for, without_links
from tests.sandbox import Task

# A job without any report is lost soon.
SETTINGS = {"CALLBACK_GRACE": "1", "GIVE_UP_AFTER": "15"}
afterwards = Stack.settled


def replay(stack: Stack, task: Task) -> requests.Response:
    return stack.client.request("POST", f"/api/jobs/{task.id}/replays")


def delete(stack: Stack, task: Task) -> requests.Response:
    return stack.client.request("DELETE", f"/api/jobs/{task.id}")


def assert_replayed(stack: Stack, task: Task) -> None:
    answer = replay(stack, task)
    assert answer.status_code == 202 and answer.json()["status"] == "submitted"
    job = stack.stored(task)
    assert job["source"] == "replay" and job["media"] and job["error"] is None
    assert "job.replayed" in [line["event"] for line in job["timeline"]]
    assert len(stack.objects(task)) == 1


@pytest.mark.parametrize(
    ("end", "switches"), [("lost", {"callback": "never"}), ("expired", {"life": -1})]
)
def test_a_job_that_bfl_did_not_help_is_stored_by_a_replay(
    stack: Stack, end: str, switches: dict[str, Any]
) -> None:
    stack.sandbox.settings.poll_fault = 404  # BFL knows no task
    task = stack.generate(**switches)
    stack.announce(task)
    try:
        stack.client.wait_for(task.id, end)
    finally:
        stack.sandbox.settings.poll_fault = None
    assert_replayed(stack, task)


def test_a_failed_job_is_stored_by_a_replay(stack: Stack) -> None:
    task = stack.finished()
    stack.sandbox.call_back(task.id, outcome="error")
    stack.client.wait_for(task.id, "failed")
    assert_replayed(stack, task)


def test_a_job_that_is_stored_or_moderated_cannot_be_replayed(stack: Stack) -> None:
    stored, moderated = stack.generate(), stack.generate(outcome="request_moderated")
    for task in (stored, moderated):
        before = stack.client.wait_for(task.id)
        answer = replay(stack, task)
        assert answer.status_code == 409
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert without_links(stack.client.job(task.id)) == without_links(before)
    assert stack.polls(stored) == []


def test_a_deleted_job_leaves_nothing(stack: Stack) -> None:
    task = stack.generate(samples=2)
    job = stack.stored(task)
    links = [file["url"] for file in job["media"]]
    assert len(stack.objects(task)) == 2
    answer = delete(stack, task)
    assert (answer.status_code, answer.content) == (204, b"")
    assert stack.objects(task) == []
    assert stack.client.find(task.id) is None
    assert task.id not in [one["id"] for one in stack.client.jobs(limit=200)]
    assert [requests.get(link, timeout=30).status_code for link in links] == [410, 410]
    with stack.installation.redis.client() as redis:
        left = [key for key in redis.scan_iter("*") if task.id.encode() in key]
        assert left == [f"fluxkeep:tombstone:{task.id}".encode()] and redis.ttl(left[0]) > 0


def test_a_late_callback_does_not_bring_a_deleted_job_back_until_it_is_announced_again(
    stack: Stack,
) -> None:
    task = stack.generate()
    stack.stored(task)
    assert delete(stack, task).status_code == 204
    late = stack.client.callback({"id": task.id, "status": "Ready"})
    assert late.status_code == 200 and late.json() == {"id": task.id, "status": "deleted"}
    assert stack.client.find(task.id) is None
    stack.announce(task)
    again = stack.client.callback({"id": task.id, "status": "Ready"})
    assert again.status_code == 200 and again.json()["status"] != "deleted"
    stack.stored(task)


def test_a_job_deleted_during_its_download_leaves_nothing(stack: Stack) -> None:
    task = stack.generate(size=300_000, drip=150_000)
    stack.wait_for_download(task)
    assert delete(stack, task).status_code == 204
    wait_for("the download is over", lambda: stack.deliveries(task)[0].over)
    wait_for("the staged file is gone", lambda: stack.staged() == [])
    # What was verified is published at once, and deleted when the commit is refused.
    wait_for("its object is gone", lambda: stack.objects(task) == [])
    assert stack.client.find(task.id) is None
    stack.settled()


def test_the_former_name_of_a_replay_does_the_same_and_says_so(
    stack: Stack, shell: CommandLine
) -> None:
    job_id = shell.submitted("--metadata", "user=former", submit_status=400, submit_times=1)
    stack.client.wait_for(job_id, "failed")
    counted = stack.client.request("POST", "/api/rescues?metadata.user=former")
    assert (counted.status_code, counted.json()["count"]) == (428, 1)
    assert counted.headers["Link"] == '</api/replays>; rel="successor-version"'
    replayed = stack.client.request("POST", f"/api/jobs/{job_id}/rescues")
    assert replayed.status_code == 202
    assert f"</api/jobs/{job_id}/replays>" in replayed.headers["Link"]
    assert "Deprecation" in replayed.headers
    stack.client.wait_for(job_id, "stored")
    by_command = shell.run("jobs", "rescue", job_id)
    assert "`jobs rescue` is called `jobs replay` now." in by_command.err
    assert "Only a job that failed" in by_command.err


def test_all_jobs_of_a_filter_are_deleted_or_replayed_once_the_question_is_answered(
    stack: Stack, shell: CommandLine
) -> None:
    ids = [shell.submitted("--metadata", "user=many") for _ in range(2)]
    for job_id in ids:
        stack.client.wait_for(job_id, "stored")
    chosen = ("jobs", "delete", "--metadata", "user=many")
    refused = shell.run(*chosen, stdin="n\n")
    assert refused.code == 1 and "Delete 2 jobs with all media and inputs" in refused.err
    assert stack.client.find(ids[0])
    done = shell.run(*chosen, stdin="y\n")
    assert done.code == 0 and done.out.splitlines()[-1] == "delete: 2 of 2"
    assert not any(map(stack.client.find, ids))
    for wrong in (("jobs", "delete", "--until", "2999-01-01"), ("jobs", "delete", "--q", "!")):
        assert "at least one filter" in shell.run(*wrong, "--yes").err
    failed = shell.submitted("--metadata", "user=failed", submit_status=422, submit_times=1)
    stack.client.wait_for(failed, "failed")
    done = shell.run("jobs", "replay", "--metadata", "user=failed", "--yes")
    assert (done.code, done.out.splitlines()[-1]) == (0, "replay: 1 of 1")
    stack.client.wait_for(failed, "stored")
    assert shell.run("jobs", "replay", failed, "--key", "x").code == 2
