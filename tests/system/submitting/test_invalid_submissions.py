"""Invalid submissions are refused at once, with the field that is wrong."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.harness import KEYS, Stack
from tests.harness.wire import Wire, request

HOSTILE_MODELS = ("a/../b", "", "a//b", "/a", "a%2fb", "a?x=1", "a\\..\\b", "a\r\nx-key: b", "a\0b",
                  "flux-\uff12-pro", "a" * 201)  # fmt: skip
# What is no JSON is refused by the reader of all bodies: tests/unit/test_hostile_reports.py.
WRONG_BODIES: dict[str, tuple[bytes, int, str]] = {
    "no json": (b"{", 400, ""),
    "infinite": (b'{"model": "m", "input": {"a": 1e999}}', 400, ""),
    "twice inside": (b'{"model": "m", "input": {"a": 1, "a": 2}}', 400, ""),
    "too deep": (b'{"model": "m", "input": ' + b'{"a":' * 99 + b"1" + b"}" * 99 + b"}", 400, ""),
    "no model": (b'{"input": {}}', 422, "model"),
    "no input": (b'{"model": "m"}', 422, "input"),
    "model a number": (b'{"model": 1, "input": {}}', 422, "model"),
    "input a string": (b'{"model": "m", "input": "{}"}', 422, "input"),
    "unknown field": (b'{"model": "m", "input": {}, "modell": 1}', 422, "modell"),
    "notify_url": (b'{"model": "m", "input": {}, "notify_url": "a b"}', 422, "notify_url"),
}


def fields(answer: Any) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_submitted(env: Stack) -> Any:
    """No job is made of any of these."""
    before = {job["id"] for job in env.client.jobs(limit=200)}
    yield
    assert {job["id"] for job in env.client.jobs(limit=200)} == before


@pytest.mark.parametrize("model", HOSTILE_MODELS, ids=lambda model: repr(model[:20]))
def test_a_model_that_is_no_path_of_plain_names_is_refused(env: Stack, model: str) -> None:
    answer = env.post({"model": model, "input": {}})
    assert answer.status_code == 422, answer.text
    assert fields(answer) == ["model"]


@pytest.mark.parametrize(("body", "status", "field"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_a_wrong_body_is_refused_with_the_name_of_its_field(
    env: Stack, body: bytes, status: int, field: str
) -> None:
    answer = env.post(body)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not field or fields(answer) == [field]


def test_a_body_that_is_too_large_is_refused_before_it_comes(env: Stack) -> None:
    key, too_long = ("x-key", KEYS["submit"]), str(289 * 2**20)
    port = urlsplit(env.installation.url).port or 0
    with Wire(port) as wire:
        wire.send(request([key], b"{", target="/api/jobs", length=too_long))
        answer = wire.answer()
    assert answer and answer.status == 413 and b"MAX_INPUT_BYTES" in answer.body


@pytest.mark.parametrize("key", ["a b", "a" * 256, "é", "a\tb"])
def test_an_idempotency_key_that_is_none_is_refused(env: Stack, key: str) -> None:
    answer = env.post(env.request_body(), key=key.encode().decode("latin-1"))
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]
