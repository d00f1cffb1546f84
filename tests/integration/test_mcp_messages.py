"""`POST /mcp` answers each message as the specification says, in each of its revisions."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from jobs.services import Services
from receiver import context
from receiver.feed.broker import SUBSCRIBERS_MAX, Broker
from receiver.mcp import content
from tests.harness import RedisServer
from tests.harness.agents import message, tool
from tests.harness.archive_installation import a_job
from tests.harness.parts import web_app
from tests.harness.required_settings import SECRETS
from tests.harness.stock import put_in

KEY, READ_KEY = {"x-key": "admin-key-of-tests"}, "read-key-of-tests"
KEYS = f"{SECRETS['API_KEYS']},b:{READ_KEY}:read"
OLD = {"MCP-Protocol-Version": "2025-06-18"}
REVISION = "io.modelcontextprotocol/protocolVersion"
META = {REVISION: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.fixture(scope="module")
def app(module_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    media = tmp_path_factory.mktemp("media").as_uri()
    with web_app(REDIS_URL=module_redis.url, MEDIA_URL=media, API_KEYS=KEYS) as made:
        yield made


def post(app: Flask, body: Any, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().post("/mcp", json=body, headers=KEY | named)


def stateless(method: str, **params: Any) -> dict[str, Any]:
    """A request of the newest revision: it names the revision itself."""
    return message(method, _meta=META, **params)


def repeated(body: dict[str, Any], **changes: str) -> dict[str, str]:
    """The headers that repeat what is in its body."""
    named = body["params"].get("name") or body["params"].get("uri")
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": body["method"]}
    return headers | ({"Mcp-Name": named} if named else {}) | changes


@pytest.mark.parametrize("wanted", ["2025-06-18", "2025-11-25"])
def test_a_handshake_agrees_on_a_known_revision(app: Flask, wanted: str) -> None:
    answer = post(app, message("initialize", protocolVersion=wanted))
    assert answer.json["result"]["protocolVersion"] == wanted
    # The batches of 2025-03-26 must be taken, and are refused here.
    for unknown in ("1999-01-01", "2025-03-26"):
        answer = post(app, message("initialize", protocolVersion=unknown))
        assert answer.json["result"]["protocolVersion"] == "2025-11-25"
    note = post(app, {"jsonrpc": "2.0", "method": "notifications/initialized"}, **OLD)
    assert (note.status_code, note.data) == (202, b"")
    pong = post(app, message("ping", "a"), **OLD).json
    assert pong == {"jsonrpc": "2.0", "id": "a", "result": {}}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"", 400, -32700),
        ([message("ping"), message("ping", 2)], 400, -32600),  # no revision but the oldest has them
        ({"id": 1, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600),
        (message("initialize"), 200, -32602),
        (message("tools/call", name="delete_job"), 200, -32602),
        (message("tools/call", name="get_job", arguments=[]), 200, -32602),
        (message("resources/list", cursor="x"), 200, -32602),
        (message("resources/read", uri="fluxkeep://jobs/unknown"), 200, -32002),
        (message("resources/read", uri="file:///etc/passwd"), 200, -32002),
        (message("server/discover"), 200, -32601),
        (message("no/such"), 200, -32601),
    ],
)
def test_an_error_has_its_code(app: Flask, body: Any, status: int, code: int) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer: Any = app.test_client().post("/mcp", headers=KEY | OLD, data=raw)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code), answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"jsonrpc": "2.0", "id": 7, "method": "ping", "params": []},
        {"jsonrpc": "2.0", "id": 7, "method": None},
        {"jsonrpc": "1.0", "id": 7, "method": "ping"},
        {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"arguments": {}}},
        {"jsonrpc": "2.0", "id": 7, "method": "no/such", "params": None},
    ],
)
def test_an_error_has_the_id_of_its_request(app: Flask, body: dict[str, Any]) -> None:
    assert post(app, body, **OLD).json["id"] == 7
    assert post(app, body | {"id": "a"}, **OLD).json["id"] == "a"
    assert post(app, body | {"id": [7]}, **OLD).json["id"] is None
    assert post(app, body | {"id": True}, **OLD).json["id"] is None


@pytest.mark.parametrize("request_id", [6.5, -0.25, 7.0, 1e300, 2**53 + 1, -1, 0, "", "6.5"])
def test_an_answer_has_the_id_as_it_was_sent(app: Flask, request_id: float | str) -> None:
    for method in ("ping", "no/such"):
        answer = post(app, message(method, request_id), **OLD).json
        assert answer["id"] == request_id and type(answer["id"]) is type(request_id)


def test_null_is_absence(app: Flask) -> None:
    assert post(app, message("ping") | {"params": None}, **OLD).json["result"] == {}
    for asked in (
        message("tools/list") | {"params": None},
        message("tools/list", _meta=None, cursor=None),
        message("resources/list", cursor=None),
        message("tools/call", name="list_models", arguments=None),
        message("tools/call", name="list_models", arguments=None, _meta={"progressToken": None}),
        tool("search_jobs", query=None, metadata=None, since=None, until=None, limit=None),
    ):
        answer = post(app, asked, **OLD).json
        assert not answer["result"].get("isError"), answer
    nulls = dict.fromkeys(("model", "wait", "images", "input", "over_budget", "dry_run"))
    result = post(app, tool("generate", prompt="null", **nulls | {"wait": 0}), **OLD).json["result"]
    assert result["structuredContent"]["status"] == "queued"
    required = post(app, tool("generate", prompt=None), **OLD).json["result"]
    assert "prompt: This is required" in required["content"][0]["text"]


def test_a_slash_at_the_end_makes_no_difference(app: Flask) -> None:
    client: Any = app.test_client()
    for path in ("/mcp", "/mcp/"):
        assert client.post(path, json=message("ping"), headers=KEY).json["result"] == {}
        assert client.get(path, headers=KEY).status_code == 405
    assert client.post("/mcp//", json=message("ping"), headers=KEY).status_code == 404


def test_without_a_handshake_a_server_is_discovered(app: Flask) -> None:
    body = stateless("server/discover")
    result = post(app, body, **repeated(body)).json["result"]
    assert result["supportedVersions"][-1] == "2026-07-28"
    assert result["resultType"] == "complete" and result["cacheScope"] == "public"
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "fluxkeep"


LIST = stateless("tools/list")
READ = stateless("resources/read", uri="fluxkeep://jobs/unknown")
ENCODED = "=?base64?Zmx1eGtlZXA6Ly9qb2JzL3Vua25vd24=?="


@pytest.mark.parametrize(
    ("body", "changes", "status", "code"),
    [
        (READ, {}, 400, -32602),
        (READ, {"Mcp-Name": ENCODED}, 400, -32602),
        (READ, {"Mcp-Name": "fluxkeep://jobs/another"}, 400, -32020),
        (READ, {"Mcp-Name": "=?base64?Zm?="}, 400, -32020),
        (LIST, {"Mcp-Method": "ping"}, 400, -32020),
        (LIST, {"Mcp-Method": ""}, 400, -32020),
        (LIST, {"MCP-Protocol-Version": ""}, 400, -32020),
        (LIST, {"MCP-Protocol-Version": "2025-11-25"}, 400, -32020),
        (message("tools/list"), {}, 400, -32602),
        (message("tools/list"), {"MCP-Protocol-Version": "1999-01-01"}, 400, -32022),
        (message("tools/list", _meta=META | {REVISION: 7}), {}, 400, -32020),
        (stateless("ping"), {}, 404, -32601),
        (stateless("initialize", protocolVersion="2026-07-28"), {}, 404, -32601),
    ],
)
def test_without_a_handshake_headers_repeat_what_proxies_look_at(
    app: Flask, body: dict[str, Any], changes: dict[str, str], status: int, code: int
) -> None:
    answer = post(app, body, **repeated(body, **changes))
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code), answer.text
    assert answer.json["id"] == 1


def test_only_post_with_a_key_and_from_no_foreign_page_is_answered(app: Flask) -> None:
    client, ping = app.test_client(), message("ping")
    for method in ("GET", "DELETE"):
        answer = client.open("/mcp", method=method, headers=KEY)
        assert answer.status_code == 405 and "POST" in answer.headers["Allow"]
    assert client.post("/mcp", json=ping).status_code == 401
    assert client.post("/mcp", json=ping, headers={"x-key": "wrong"}).status_code == 401
    for origin, host, status in (
        ("http://evil.example", "localhost", 403),
        ("http://evil.example", "evil.example", 403),  # whose name leads here
        ("null", "localhost", 403),
        ("http://localhost", "localhost", 200),
    ):
        answer = post(app, ping, Origin=origin, Host=host)
        assert answer.status_code == status, (origin, host)


STORED = [f"fluxkeep://jobs/{n}" for n in range(33)]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (tool("generate"), "prompt: This is required"),
        (tool("generate", prompt="a", wait=51), "wait: "),
        (tool("generate", prompt="a", steps=3), "steps: It belongs inside"),
        (tool("generate", prompt="a", model="x" * 201), "model: "),
        (tool("generate", prompt="a", input={"webhook_url": "https://a.example"}), "webhook_url"),
        (tool("generate", prompt="a", images=["https://a.example"] * 33), "images"),
        (tool("generate", prompt="a", images=["fluxkeep://jobs/a/0"]), "No job has this id"),
        (tool("generate", prompt="a", input={"b": STORED}), "at most 32 images"),
        (tool("get_job", id="unknown"), "No job has this id"),
        (tool("edit", job="unknown", prompt="a"), "No job has this id"),
        (tool("edit", job="https://a.example/cat.png", prompt="a"), "No job has this id"),
        (tool("search_jobs", query="a" * 300_000), "query: "),
        (tool("search_jobs", since="yesterday"), "since: Give a time"),
        (tool("search_jobs", metadata={"a": 1}), "metadata.a: Give a text"),
    ],
)
def test_a_tools_error_says_what_to_change(app: Flask, asked: dict[str, Any], why: str) -> None:
    result = post(app, asked).json["result"]
    assert result["isError"] and why in result["content"][0]["text"], result


def test_a_submitted_job_is_told_though_nobody_can_wait_for_it(app: Flask) -> None:
    """An error would have the agent submit, and pay, again."""
    broker = broker_of(app)
    taken = [broker.subscribe(None, f"key-{n}") for n in range(SUBSCRIBERS_MAX)]
    result = post(app, tool("generate", prompt="full", wait=5)).json["result"]
    assert "isError" not in result
    told = result["structuredContent"]
    assert told["status"] == "queued" and told["id"] in told["message"]
    for one in taken:
        broker.unsubscribe(one)


def test_a_submitted_job_is_told_though_redis_goes_away(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"REDIS_URL": redis_server.url, "MEDIA_URL": tmp_path.as_uri()}
    with web_app(**where) as app:
        broker = broker_of(app)
        monkeypatch.setattr(broker, "subscribe", lambda *_: redis_server.kill())
        monkeypatch.setattr(broker, "unsubscribe", lambda _: None)
        result = post(app, tool("generate", prompt="a", wait=5)).json["result"]
    assert "Redis does not answer" in (text := result["content"][0]["text"])
    assert re.search("Call `wait_for_job` with the id [0-9a-f-]{36}", text), text


def broker_of(app: Flask) -> Broker:
    parts: context.Parts = app.extensions[context.NAME]
    return parts.get(Broker)


def test_a_search_goes_on_where_it_stopped(app: Flask) -> None:
    for n in range(3):
        post(app, tool("generate", prompt=f"heron {n}", wait=0))
    first = post(app, tool("search_jobs", query="heron", limit=2)).json["result"]
    rows, until = first["structuredContent"].values()
    assert [row["prompt"] for row in rows] == ["heron 2", "heron 1"]
    asked = {"query": "heron", "until": until, "metadata": {"made by": "an agent"}}
    rest = post(app, tool("search_jobs", **asked)).json["result"]["structuredContent"]
    assert [row["prompt"] for row in rest["jobs"]] == ["heron 0"]
    assert rest["searched_until"] is None


def test_a_prompt_is_shown_to_keys_that_may_submit_as_by_the_api(app: Flask) -> None:
    job = post(app, tool("generate", prompt="a stork", wait=0)).json["result"]["structuredContent"]
    for asked in (
        tool("get_job", id=job["id"]),
        tool("search_jobs"),
        message("resources/list"),
        message("resources/read", uri=f"fluxkeep://jobs/{job['id']}"),
    ):
        assert "a stork" in post(app, asked).text
        shown = post(app, asked, x_key=READ_KEY).text
        assert job["id"] in shown and "a stork" not in shown, asked
    known = set(kinds(post(app, tool("get_job", id=job["id"]))))
    assert known == {"text"}, "the oldest revision gets no content that it does not know"


def test_answers_hold_few_images(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_places", threading.BoundedSemaphore(1))
    services: Services = app.extensions[context.NAME].get(Services)
    made = a_job(1)
    job = replace(made, media=(replace(made.media[0], bytes=8),))
    put_in(services.redis, [job])
    services.storage.write(job.media[0].key, b"an image")
    show = tool("get_job", id=job.id)
    read = message("resources/read", uri=f"fluxkeep://jobs/{job.id}/media/0")
    unread = app.test_client().post("/mcp", json=show, headers=KEY | OLD, buffered=False)
    assert kinds(post(app, show, **OLD)) == ["text", "resource_link"]
    assert "Retry-After" in post(app, read, **OLD).json["error"]["message"]
    assert "image" in kinds(unread)
    unread.close()
    assert "image" in kinds(post(app, show, **OLD))


def kinds(answer: Any) -> list[str]:
    return [block["type"] for block in answer.json["result"]["content"]]
