"""`PUT /api/jobs/<task id>`: a caller announces its own task, before or after BFL calls back."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.harness.installation import KEYS
from tests.harness.invariants import check
from tests.harness.stack import Stack, running_stack, without_links

MODEL = "flux-2-pro"
METADATA = {"order": 7, "tags": ["a", "b"], "umlaut": "ä"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation whose callback grace outlasts the tests: no polls."""
    with running_stack(tmp_path_factory.mktemp("expectations"), CALLBACK_GRACE="600") as running:
        yield running
        check(running.installation)


@pytest.fixture
def task_id() -> str:
    return str(uuid4())


def put(stack: Stack, task_id: str, raw: bytes) -> requests.Response:
    return stack.client.request("PUT", f"/api/jobs/{task_id}", data=raw)


def fields_of(answer: requests.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return [error["field"] for error in answer.json()["errors"]]


def test_an_announced_job_waits_for_its_callback(stack: Stack, task_id: str) -> None:
    answer = stack.client.put_job(task_id, model=MODEL, metadata=METADATA)
    assert answer.status_code == 201
    job = answer.json()
    assert (job["id"], job["task_id"], job["status"]) == (task_id, task_id, "submitted")
    assert (job["model"], job["metadata"]) == (MODEL, METADATA)
    assert job["source"] is job["error"] is job["moderation"] is None
    assert stack.client.job(task_id) == job


def test_announcing_before_or_after_the_callback_gives_the_same_job(stack: Stack) -> None:
    facts = {"model": MODEL, "metadata": METADATA}
    early, late = stack.finished(), stack.finished()
    assert stack.client.put_job(early.id, **facts).status_code == 201
    for task in (early, late):
        assert stack.box.call_back(task.id).outcome == 200
        stack.stored(task)
    assert stack.client.put_job(late.id, **facts).status_code == 200
    jobs = [stack.stored(task) for task in (early, late)]
    same = ("status", "source", "model", "metadata", "progress", "cost", "error", "moderation")
    assert [jobs[0][name] for name in same] == [jobs[1][name] for name in same]
    assert jobs[0]["metadata"] == METADATA and jobs[0]["source"] == "callback"
    listed = [job["id"] for job in stack.client.jobs(limit=200)]
    assert listed.count(early.id) == listed.count(late.id) == 1
    assert len(stack.deliveries(early)) == len(stack.deliveries(late)) == 1


def test_announcing_again_is_known_and_changes_nothing(stack: Stack) -> None:
    task = stack.generate()
    stack.stored(task)
    first = stack.client.put_job(task.id, model=MODEL, metadata=METADATA)
    again = stack.client.put_job(task.id, model=MODEL, metadata=METADATA)
    assert first.status_code == again.status_code == 200
    assert without_links(first.json()) == without_links(again.json())


def test_ten_announcements_at_once_make_one_job(stack: Stack, task_id: str) -> None:
    url, key = f"{stack.installation.url}/api/jobs/{task_id}", {"x-key": KEYS["submit"]}

    def announce(_: int) -> int:
        return requests.put(url, json={"model": MODEL}, headers=key, timeout=15).status_code

    with ThreadPoolExecutor(10) as pool:
        answers = sorted(pool.map(announce, range(10)))
    assert answers == [200] * 9 + [201]


def test_fields_that_are_not_repeated_stay(stack: Stack, task_id: str) -> None:
    stack.client.put_job(task_id, model=MODEL, metadata=METADATA)
    job = stack.client.put_job(task_id).json()
    assert (job["model"], job["metadata"]) == (MODEL, METADATA)
    job = stack.client.put_job(task_id, metadata={"order": 8}).json()
    assert (job["model"], job["metadata"]) == (MODEL, {"order": 8})


def test_an_announcement_needs_no_body(stack: Stack, task_id: str) -> None:
    assert put(stack, task_id, b"").status_code == 201


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("surprise", {"surprise": 1}),
        ("model", {"model": 7}),
        ("model", {"model": "flux 2"}),
        ("model", {"model": "flux-2-pro\n"}),
        ("model", {"model": "x" * 201}),
        ("metadata", {"metadata": ["a", "list"]}),
        ("metadata", {"metadata": {"much": "x" * 9000}}),
        ("polling_url", {"polling_url": 1}),
        ("notify_url", {"notify_url": "not a url"}),
        ("notify_url", {"notify_url": "https://user:password@example.com/"}),
    ],
    ids=str,
)
def test_a_field_that_cannot_be_taken_is_named(
    stack: Stack, task_id: str, field: str, body: dict[str, Any]
) -> None:
    assert fields_of(put(stack, task_id, json.dumps(body).encode())) == [field]
    assert stack.client.find(task_id) is None


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"no json",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"model": "a"}',
        b'{"metadata": {"a": NaN}}',
        b'{"metadata": {"a": 1e999}}',
        b'{"model": "a", "model": "b"}',
        b'{"metadata": {"a": "\\ud800"}}',
        b"[" * 30_000,
        b'{"metadata": {"a": ' + b"9" * 5000 + b"}}",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_that_is_no_strict_json_object_is_a_bad_request(
    stack: Stack, task_id: str, body: bytes
) -> None:
    answer = put(stack, task_id, body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stack.client.find(task_id) is None


def test_a_body_over_its_limit_is_too_large(stack: Stack, task_id: str) -> None:
    assert put(stack, task_id, b'{"model": "a"}' + b" " * 65_536).status_code == 413
    assert stack.client.find(task_id) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.bfl.ai/v1/get_result?id=x",
        "https://api.bfl.ai:8443/v1/get_result?id=x",
        "https://api.bfl.ai/v1/credits",
        "https://api.bfl.ai/v1/get_result/../credits",
        "https://api.bfl.ai/v1/%2e%2e/v1/get_result",
        "https://api.bfl.ai.example.com/v1/get_result?id=x",
        "https://api-bfl.ai/v1/get_result?id=x",
        "https://xapi.bfl.ai/v1/get_result?id=x",
        "https://api.bfl.ai.evil.test/v1/get_result?id=x",
        "https://apixbfl.ai/v1/get_result?id=x",
        "https://api.xbfl.ai/v1/get_result?id=x",
        "https://api.bfl.ml/v1/get_result?id=x",
        "https://api.eu2.bfl.ml/v1/get_result?id=x",
        "https://evil.api.bfl.ai/v1/get_result?id=x",
        "https://api.evil_sub.bfl.ai/v1/get_result?id=x",
        "https://api..bfl.ai/v1/get_result?id=x",
        "https://user@api.bfl.ai/v1/get_result?id=x",
        "https://example.com\\@api.bfl.ai/v1/get_result",
        "https://api.bfl.ai#@example.com/v1/get_result",
        "https://delivery.bfl.ai/v1/get_result?id=x",
        "https://127.0.0.1/v1/get_result",
        "https://2130706433/v1/get_result",
        "https://0x7f000001/v1/get_result",
        "https://[::1]/v1/get_result",
        "https://169.254.169.254/v1/get_result",
        "http://127.0.0.1:1/v1/get_result",
        "HTTPS://API.BFL.AI/v1/get_result?id=x",
        "https://api.bfl.ai/v1/get_result?id=x\n",
        " https://api.bfl.ai/v1/get_result?id=x",
        "https://аpi.bfl.ai/v1/get_result",  # noqa: RUF001 - a Cyrillic letter, that is the case
        "file:///etc/passwd",
        "//api.bfl.ai/v1/get_result",
        "",
        "x" * 3000,
    ],
)
def test_a_hostile_polling_url_is_refused_and_leaves_no_job(
    stack: Stack, task_id: str, url: str
) -> None:
    assert fields_of(stack.client.put_job(task_id, polling_url=url)) == ["polling_url"]
    assert stack.client.find(task_id) is None


def test_the_other_paths_of_a_trusted_origin_are_refused_too(stack: Stack, task_id: str) -> None:
    url = f"{stack.box.url}/v1/credits"
    assert fields_of(stack.client.put_job(task_id, polling_url=url)) == ["polling_url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.bfl.ai/v1/get_result?id=x",
        "https://api.eu2.bfl.ai/v1/get_result?id=x",
        "https://api.us1.bfl.ai/v1/get_result?id=x&more=%2F",
        "https://api.eu.west.1.bfl.ai/v1/get_result?id=x",
        "https://gateway.us4.bfl.ai/v1/get_result?id=x",
        "https://api.bfl.ai:443/v1/get_result?id=x",
    ],
)
def test_the_polling_urls_bfl_gives_are_taken(stack: Stack, task_id: str, url: str) -> None:
    assert stack.client.put_job(task_id, polling_url=url).status_code == 201


@pytest.mark.parametrize("task_id", ["a:b", "ä", "x" * 129, "a.b", "a%0A", "a%20b"])
def test_a_malformed_task_id_is_a_bad_request(stack: Stack, task_id: str) -> None:
    answer = stack.client.put_job(task_id)
    assert answer.status_code == 400
    assert "task_id" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEYS['submit']}"},
        {"Authorization": f"bearer {KEYS['admin']}"},
        {"x-key": KEYS["submit"]},
    ],
    ids=["bearer", "lower case", "x-key"],
)
def test_a_key_may_come_in_either_header(
    stack: Stack, task_id: str, headers: dict[str, str]
) -> None:
    url = f"{stack.installation.url}/api/jobs/{task_id}"
    assert requests.put(url, headers=headers, timeout=10).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-key": ""},
        {"x-key": "wrong"},
        {"x-key": KEYS["submit"] + "x"},
        {"x-key": KEYS["submit"][:-1]},
        {"Authorization": "Bearer"},
        {"Authorization": KEYS["submit"]},
        {"Authorization": f"Basic {KEYS['submit']}"},
    ],
    ids=str,
)
def test_without_a_known_key_nothing_is_announced(
    stack: Stack, task_id: str, headers: dict[str, str]
) -> None:
    url = f"{stack.installation.url}/api/jobs/{task_id}"
    answers = [requests.put(url, headers=headers, timeout=10) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert answers[0].content == answers[1].content
    assert stack.client.find(task_id) is None


def test_a_key_that_may_only_read_may_not_announce(stack: Stack, task_id: str) -> None:
    reader = stack.installation.client("read")
    answer = reader.put_job(task_id)
    assert answer.status_code == 403 and "submit" in answer.json()["detail"]
    assert reader.find(task_id) is None
