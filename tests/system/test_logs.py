"""Logs: one line per event, the same format in all processes, no secrets."""

import json
from typing import Any

import requests

from jobs.observability.redaction import HIDDEN
from tests.harness import WEBHOOK_SECRET, Stack, wait_for

# All processes.


SETTINGS = {"LOG_LEVEL": "INFO", "GIVE_UP_AFTER": "600", "GUNICORN_CMD_ARGS": "--access-logfile -"}


def events(stack: Stack, process: str) -> list[dict[str, Any]]:
    """Each line of a process's log must be JSON."""
    return [json.loads(said) for said in stack.installation.logs(process).splitlines()]


def test_every_process_says_json_and_a_job_is_followed_by_its_id(stack: Stack) -> None:
    task = stack.generate()
    stack.stored(task)

    def told(process: str) -> list[str]:
        return [one["message"] for one in events(stack, process) if one.get("job") == task.id]

    # A callback that goes well is told by its job's timeline: in a burst, each line would cost.
    assert not any(said.startswith("callback heard") for said in told("web"))
    wait_for("the worker's line", lambda: any(said.startswith("stored") for said in told("worker")))
    for process in ("web", "worker", "sweep"):
        said = events(stack, process)
        assert said and {one["process"] for one in said} == {process}
    assert {one["logger"] for one in events(stack, "web")} >= {"gunicorn.error", "gunicorn.access"}


def test_paths_that_are_secrets_are_hidden_even_from_an_access_log(stack: Stack) -> None:
    task = stack.generate()
    token = stack.stored(task)["media"][0]["url"].rpartition("/")[2]
    requests.post(f"{stack.webhook_url}/{WEBHOOK_SECRET}", data=b"{}", timeout=30)
    access = [one["message"] for one in events(stack, "web") if one["logger"] == "gunicorn.access"]
    assert any(f"/media/{HIDDEN}" in said for said in access)
    said = stack.installation.logs()
    assert token not in said and WEBHOOK_SECRET not in said


def test_a_submission_is_one_line_with_its_id(stack: Stack) -> None:
    job = stack.client.submit(prompt="a fox")
    lines = [one for one in events(stack, "web") if one.get("job") == job["id"]]
    assert lines[0]["message"] == "queued for flux-2-pro"
