"""Nothing is paid, or deleted, by a misspelt parameter; a dry run submits nothing."""

from typing import Any

import pytest

from tests.harness import KEYS, Stack
from tests.harness.agents import tool
from tests.harness.command_line import CommandLine

MODEL = "flux-2-pro"


def submissions_at_bfl(stack: Stack) -> int:
    return len(stack.requests())


@pytest.fixture(scope="module")
def job_id(stack: Stack) -> str:
    """A stored job whose input is kept."""
    job = stack.posted(MODEL)
    return str(stack.stored_job(job)["id"])


TYPOS = ("dryrun=1", "dry-run=true", "DRY_RUN=1", "dry_run", "dry_run=maybe", "dry_run=1&dry_run=0",
         "dry_run=1&limit=5", "wait=5", "%64ryrun=1", "idempotency_key=a")  # fmt: skip
PATHS = {
    "submission": ("POST", "/api/jobs"),
    "repeat": ("POST", "/api/jobs/{id}/repeats"),
    "announcement": ("PUT", "/api/jobs/typo"),
    "deletion": ("DELETE", "/api/jobs/{id}"),
    "deletions": ("DELETE", "/api/jobs"),
    "replay": ("POST", "/api/jobs/{id}/replays"),
    "replays": ("POST", "/api/replays"),
    "rescue": ("POST", "/api/jobs/{id}/rescues"),
    "end of a batch": ("DELETE", "/api/batches/unknown"),
}


@pytest.mark.parametrize(("method", "path"), PATHS.values(), ids=PATHS)
def test_a_parameter_that_is_not_known_is_refused(
    stack: Stack, job_id: str, method: str, path: str
) -> None:
    before = submissions_at_bfl(stack)
    body = stack.request_body(MODEL) if path == "/api/jobs" and method == "POST" else {}
    for typo in TYPOS:
        answer = stack.client.request(method, f"{path.format(id=job_id)}?{typo}", json=body)
        assert answer.status_code == 400, (typo, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert stack.client.job(job_id)["status"] == "stored"
    assert stack.client.find("typo") is None
    assert not stack.client.jobs(status=("queued", "submitted"))
    assert submissions_at_bfl(stack) == before


def test_the_nearest_name_is_told(stack: Stack, job_id: str) -> None:
    paths = ("/api/jobs?dryrun=1", f"/api/jobs/{job_id}/repeats?dry-run=1")
    for path in paths:
        answer = stack.client.request("POST", path, json=stack.request_body(MODEL))
        assert "did you mean `dry_run`?" in answer.json()["detail"]
    counted = stack.client.request("DELETE", "/api/jobs?model=a&cuont=1")
    assert "did you mean `count`?" in counted.json()["detail"]


@pytest.mark.parametrize("flag", ["1", "true", "TRUE"])
def test_a_dry_run_of_anything_submits_nothing(stack: Stack, job_id: str, flag: str) -> None:
    before = submissions_at_bfl(stack)
    wrong = {"model": MODEL, "input": {"prompt": "p", "width": 63, "heigth": 512}}
    first = stack.client.request("POST", f"/api/jobs?dry_run={flag}", json=wrong)
    changes = {"input": {"width": 63, "heigth": 512}}
    again = stack.client.request("POST", f"/api/jobs/{job_id}/repeats?dry_run={flag}", json=changes)
    for answer in (first, again):
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert [one["field"] for one in found["problems"]] == ["input.width"]
        assert "input.heigth" in [one["field"] for one in found["warnings"]]
        assert {"price", "known", "left"} < found.keys()
    headers = {"Idempotency-Key": "with a space"}
    refused = stack.client.request("POST", "/api/jobs?dry_run=1", json=wrong, headers=headers)
    assert refused.status_code == 400
    assert not stack.client.jobs(status=("queued", "submitted"))
    assert submissions_at_bfl(stack) == before


def call(stack: Stack, asked: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = stack.client.request("POST", "/mcp", json=asked).json()["result"]
    return answer


def test_a_dry_run_of_an_agent_submits_nothing(stack: Stack, job_id: str) -> None:
    before = submissions_at_bfl(stack)
    for asked in (
        tool("generate", prompt="a", model=MODEL, input={"width": 63}, dry_run=True),
        tool("edit", job=job_id, prompt="a", model=MODEL, dry_run=True),
    ):
        result = call(stack, asked)
        assert "isError" not in result, result
        assert {"price", "problems"} < result["structuredContent"].keys()
    assert call(stack, tool("generate", prompt="a", dryrun=True))["isError"]
    assert submissions_at_bfl(stack) == before


def test_a_dry_run_of_the_command_line_submits_nothing(stack: Stack, shell: CommandLine) -> None:
    before = submissions_at_bfl(stack)
    options = ("submit", "--model", MODEL, "--prompt", "a", "--dry-run")
    assert shell.run(*options).code == 0
    wrong = shell.run(*options, "--input", "width=63", "--input", "heigth=512")
    assert wrong.code == 1
    assert "input.width: give a number" in wrong.err and "input.heigth" in wrong.err
    assert submissions_at_bfl(stack) == before


def test_a_dry_run_is_no_parameter_of_bfl(stack: Stack) -> None:
    before = submissions_at_bfl(stack)
    names = (
        "dry_run=1",
        "dryrun=true",
        "Dry-Run=",
        "dryrum=1",
        "dry_rn=1",
        "dry.run=1",
        "dry+run=1",
    )
    for name in names:
        answer = stack.client.request("POST", f"/v1/{MODEL}?{name}", json={"prompt": "p"})
        assert answer.status_code == 400 and "dry_run=true" in answer.text
    assert submissions_at_bfl(stack) == before


@pytest.mark.parametrize("name", ["dry_run", "dryRun", "dry-run"])
def test_a_dry_run_among_the_fields_is_refused_and_submits_nothing(
    stack: Stack, job_id: str, name: str
) -> None:
    before = submissions_at_bfl(stack)
    fields = {"prompt": "p", name: True}
    body = {"model": MODEL, "input": fields}
    answers = [
        stack.client.request("POST", "/api/jobs", json=body),
        stack.client.request("POST", "/api/jobs?dry_run=1", json=body),
        stack.client.request("POST", f"/api/jobs/{job_id}/repeats", json={"input": fields}),
        stack.client.request("POST", f"/v1/{MODEL}", json=fields),
    ]
    for answer in answers:
        assert answer.status_code == 422 and "dry_run=true" in answer.text, answer.text
    assert not stack.client.jobs(status=("queued", "submitted"))
    assert submissions_at_bfl(stack) == before


def test_the_202_warns_of_fields_that_the_document_does_not_know(stack: Stack, job_id: str) -> None:
    body = stack.request_body(MODEL)
    body["input"]["heigth"] = 512
    first = stack.post(body)
    changes = {"input": {"heigth": 512, "seed": 7}}
    again = stack.client.request("POST", f"/api/jobs/{job_id}/repeats", json=changes)
    for answer in (first, again):
        assert answer.status_code == 202
        assert "input.heigth" in [one["field"] for one in answer.json()["warnings"]]
        assert "warnings" not in stack.client.job(answer.json()["id"])


def test_a_repeated_idempotency_key_is_told(stack: Stack, job_id: str) -> None:
    body = stack.request_body(MODEL)
    first, again = (stack.post(body, key="once") for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    headers = {"Idempotency-Key": "twice", "x-key": KEYS["submit"]}
    for path in (f"/api/jobs/{job_id}/repeats", f"/v1/{MODEL}"):
        given = {"prompt": "p"} if path.startswith("/v1/") else {}
        answers = [
            stack.installation.client("").request("POST", path, json=given, headers=headers)
            for _ in range(2)
        ]
        told = [answer.headers.get("Idempotency-Replayed") for answer in answers]
        assert told == [None, "true"], (path, [answer.text for answer in answers])
        headers["Idempotency-Key"] += "-more"
