"""Invalid API requests: the right status, the field's name, no side effect."""

import base64
import json
import secrets

import pytest

from tests.harness import KEYS, WEBHOOK_SECRET
from tests.harness.wire import Answer, Header, request
from tests.system.bad_input.target import TargetServer, new_id

ADMIN: Header = ("Authorization", f"Bearer {KEYS['admin']}")


def key(scope: str) -> Header:
    return "x-key", KEYS[scope]


def ask(
    server: TargetServer, target: str, *headers: Header, method: str = "GET", body: bytes = b""
) -> Answer:
    return server.exchange(request(headers, body, method=method, target=target))


def put(server: TargetServer, job_id: str, body: bytes, *headers: Header) -> Answer:
    return ask(
        server, f"/api/jobs/{job_id}", *(headers or (key("submit"),)), method="PUT", body=body
    )


def problem(answer: Answer, status: int) -> str:
    """The text of a problem document of this status."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    problem_body = json.loads(answer.body)
    assert problem_body["status"] == status and problem_body["title"]
    return json.dumps(problem_body, ensure_ascii=False)


WRONG_KEYS: dict[str, list[Header]] = {
    "none": [],
    "empty": [("x-key", "")],
    "bearer alone": [("Authorization", "Bearer")],
    "with its scope": [("x-key", f"{KEYS['read']}:admin")],
    "twice": [key("admin"), key("admin")],
    "two keys": [key("admin"), key("read")],
    "bytes beyond ascii": [("x-key", b"\xff\xfe\x80")],
    "half a character": [("Authorization", b"Bearer \xc3")],
    "basic": [("Authorization", "Basic " + base64.b64encode(KEYS["admin"].encode()).decode())],
    "a cookie": [("Cookie", f"key={KEYS['admin']}; x-key={KEYS['admin']}")],
    "the webhook's secret": [("x-key", WEBHOOK_SECRET)],
    "underscore": [("X_Key", KEYS["admin"])],
}


@pytest.mark.parametrize("headers", WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_without_a_key_nothing_is_shown_or_done(
    server: TargetServer, job_id: str, headers: list[Header]
) -> None:
    # Each from an address of its own: too many wrong keys from one are refused otherwise.
    headers = [*headers, ("X-Forwarded-For", f"2001:db8:{secrets.token_hex(2)}::1")]
    asked = [
        ask(server, f"/api/jobs/{job_id}", *headers, method=method)
        for method in ("GET", "PUT", "DELETE")
    ]
    asked += [ask(server, "/api/jobs", *headers), ask(server, f"/api/jobs/{new_id()}", *headers)]
    asked += [ask(server, f"/api/jobs/{job_id}/replays", *headers, method="POST")]
    (body,) = {problem(answer, 401) for answer in asked}
    wrong = problem(ask(server, "/api/jobs", ("x-key", "wrong"), headers[-1]), 401)
    assert body in (problem(ask(server, "/api/jobs"), 401), wrong)
    assert server.job(job_id)


@pytest.mark.parametrize("where", ["key", "x-key"])
def test_a_key_in_the_query_opens_nothing(server: TargetServer, where: str) -> None:
    assert ask(server, f"/api/jobs?{where}={KEYS['admin']}").status == 401


IDS = (
    "a" * 129, "%00", "a%0a", "a%0d%0ab", "a%2fb", "..%2f..", "a:b", "a.json", "%ff", "%d9%a1",
    "%20a", "%7bx%7d", "fluxkeep:job:x",
)  # fmt: skip


@pytest.mark.parametrize("job_id", IDS, ids=lambda job_id: job_id[:20])
def test_an_id_that_cannot_be_is_unknown(server: TargetServer, job_id: str) -> None:
    before = server.records()
    problem(ask(server, f"/api/jobs/{job_id}", ADMIN), 404)
    problem(ask(server, f"/api/jobs/{job_id}", ADMIN, method="DELETE"), 404)
    problem(ask(server, f"/api/jobs/{job_id}/replays", ADMIN, method="POST"), 404)
    refused = put(server, job_id, b"{}")
    # An id with a slash is another path, which nobody knows.
    assert refused.status == 404 or "id" in problem(refused, 400)
    assert server.records() == before


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


NUMBERS = ("", "0", "-1", "201", "1.5", "1e2", "1_0", "+5", "%205", "5%0a", "ten", "%d9%a3",
           "9" * 3000)  # fmt: skip
CURSORS = ("", "x", "%ff", "a" * 3000, "===", _cursor("null"), _cursor("[]"), _cursor("[1]"),
           _cursor('["1","a"]'), _cursor('[NaN,"a"]'), _cursor('[1e999,"a"]'), _cursor('[1.5,5]'),
           _cursor('[1.5,"a:b"]'), _cursor('[1.5,"a","b"]'), _cursor("[" * 2000),
           _cursor(f'[{"1" * 2900},"a"]'), _cursor('[1.5,"a"]') + "*")  # fmt: skip
STATUSES = ("", "Stored", "stored,lost", "stored%00", "%ff", "__class__")
WRONG_QUERY = [
    *(("limit", value) for value in NUMBERS),
    *(("cursor", value) for value in CURSORS),
    *(("status", value) for value in STATUSES),
    *(("limit", value) for value in ("5&limit=x", "5&limit=6")),
]


@pytest.mark.parametrize(
    ("name", "value"), WRONG_QUERY, ids=[f"{n} {v[:20]!r}" for n, v in WRONG_QUERY]
)
def test_a_wrong_parameter_is_named(server: TargetServer, name: str, value: str) -> None:
    assert name in problem(ask(server, f"/api/jobs?{name}={value}", ADMIN), 400)


@pytest.mark.parametrize("name", ["Limit", "limit[]", "limit%00", "%ff"])
def test_an_unknown_parameter_is_named(server: TargetServer, name: str) -> None:
    text = problem(ask(server, f"/api/jobs?{name}=5", ADMIN), 400)
    assert name.partition("%")[0] in text


def test_the_name_of_an_unknown_parameter_is_not_repeated_at_length(server: TargetServer) -> None:
    assert len(problem(ask(server, f"/api/jobs?{'a' * 3000}=1", ADMIN), 400)) < 500


NOT_JSON = (b"{", b"[]", b"\xff", b'{"a":NaN}', b'{"model":"a","model":"b"}', b"model=a",
            b"[" * 60_000, b'{"metadata":{"a":"\\ud800"}}')  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:30]))
def test_a_body_that_is_no_json_object_is_refused(server: TargetServer, body: bytes) -> None:
    problem(put(server, job_id := new_id(), body), 400)
    assert server.job(job_id) is None


WRONG_FIELDS: dict[str, tuple[str, object]] = {
    "model a number": ("model", 5),
    "model with a newline": ("model", "flux\n"),
    "model too long": ("model", "a" * 201),
    "metadata too large": ("metadata", {"a": "b" * 9000}),
    "notify_url with a password": ("notify_url", "https://a:b@example.com/"),
    "polling_url a number": ("polling_url", 5),
    "an unknown field": ("priority", 5),
    "a field in capitals": ("Model", "a"),
    "an empty name": ("", 1),
    "a name beyond ascii": ("m\xf6del", "a"),
}


@pytest.mark.parametrize(("field", "value"), WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_a_wrong_field_is_named(server: TargetServer, field: str, value: object) -> None:
    answer = put(server, job_id := new_id(), json.dumps({field: value}).encode())
    problem(answer, 422)
    assert field in {
        error["field"].partition(".")[0] for error in json.loads(answer.body)["errors"]
    }
    assert server.job(job_id) is None


def test_every_wrong_field_is_named_at_once_and_a_known_job_is_left_alone(
    server: TargetServer, job_id: str
) -> None:
    before = server.records()
    answer = put(server, job_id, b'{"model": 5, "metadata": [], "notify_url": 1, "x": null}')
    fields = {error["field"] for error in json.loads(answer.body)["errors"]}
    assert answer.status == 422 and fields == {"model", "metadata", "notify_url", "x"}
    assert server.records() == before
