"""A compressed request body is refused with a reason; a header alone is none."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.harness import RedisServer
from tests.harness.agents import message
from tests.harness.parts import web_app

KEY = {"x-key": "admin-key-of-tests"}
BODY = {"model": "flux-2-pro", "input": {"prompt": "a fox"}}
DOORS: dict[str, tuple[str, str, Any]] = {
    "submission": ("POST", "/api/jobs", BODY),
    "announcement": ("PUT", "/api/jobs/a-task", {}),
    "BFL's shape": ("POST", "/v1/flux-2-pro", BODY["input"]),
    "agents": ("POST", "/mcp", message("ping")),
}


@pytest.fixture(scope="module")
def app(module_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    media = tmp_path_factory.mktemp("media").as_uri()
    with web_app(REDIS_URL=module_redis.url, MEDIA_URL=media) as made:
        yield made


@pytest.mark.parametrize(("method", "path", "value"), DOORS.values(), ids=DOORS)
@pytest.mark.parametrize(
    ("coding", "compressed"),
    [("gzip", gzip.compress), ("", gzip.compress), ("deflate", zlib.compress), ("br", None)],
)
def test_a_compressed_body_is_refused_with_a_reason(
    app: Flask, method: str, path: str, value: Any, coding: str, compressed: Any
) -> None:
    plain = json.dumps(value).encode()
    body = compressed(plain) if compressed else b"\x8b\x02\x80" + plain
    headers = KEY | ({"Content-Encoding": coding} if coding else {})
    answer = app.test_client().open(path, method=method, data=body, headers=headers)
    assert answer.status_code == 415, answer.text
    assert "compressed" in answer.text and (coding or "gzip") in answer.text


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "gzip", "utf-8"])
def test_a_header_alone_is_no_reason(app: Flask, coding: str) -> None:
    headers = KEY | {"Content-Encoding": coding}
    for body in (BODY, {**BODY, "metadata": {"a": "b" * 3000}}):
        answer = app.test_client().post("/api/jobs", json=body, headers=headers)
        assert answer.status_code == 202, answer.text


def test_a_large_compressed_body_is_refused_too(app: Flask) -> None:
    body = gzip.compress(b"a" * 1000) + b"\0" * 400_000
    headers = KEY | {"Content-Encoding": "gzip"}
    answer: Any = app.test_client().post("/api/jobs", data=body, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (415, "compressed_body")
