"""Fuzzing: no 5xx, no crash, no unreadable record."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.installation import KEYS
from tests.system.bad_input.target import (
    PROOF,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    TargetServer,
    new_id,
    pending,
    web_alone,
)
from tests.system.bad_input.wire import Header, exchange, request

pytestmark = pytest.mark.slow

# At 2 to 4 ms each, all of them together take about 9 s.
_bounded = settings(
    print_blob=True,
    max_examples=500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

IDS = st.one_of(
    st.sampled_from([new_id() for _ in range(5)]),  # some jobs hear several things
    st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True),
    st.text(max_size=140),
    st.none(),
    st.integers(),
)
WORDS = st.one_of(
    st.sampled_from(
        ["Ready", "Pending", "Error", "Request Moderated", "SUCCESS", "Task not found", "ready "]
    ),
    st.text(max_size=80),
    st.none(),
)
URLS = st.one_of(
    st.sampled_from(["https://delivery-eu1.bfl.ai/a.jpeg?se=2030-01-01T00%3A00%3A00Z&sig=x"]),
    st.text(max_size=50).map(lambda text: f"https://x.test/?se={text}"),
    st.text(max_size=60).map(lambda text: f"http://{text}"),
    st.text(max_size=20),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**400), 10**400),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=40),
        URLS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=12), inner, max_size=6)
    ),
    max_leaves=25,
)
RESULTS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "sample": st.one_of(URLS, JSON),
            "samples": st.one_of(st.lists(st.one_of(URLS, JSON), max_size=20), JSON),
            "draft_cache": st.one_of(URLS, JSON),
            "seed": JSON,
            "prompt": JSON,
            "cost": JSON,
        },
    ),
)
REPORTS = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "task_id": IDS,
        "status": st.one_of(WORDS, JSON),
        "result": RESULTS,
        "progress": JSON,
        "cost": JSON,
        "details": st.one_of(JSON, st.fixed_dictionaries({"Moderation Reasons": JSON})),
        "detail": JSON,
        "error": JSON,
        "message": JSON,
    },
)


def _latin(text: str) -> bytes:
    return text.encode("latin-1")


# What a head may hold without being none: everything else is answered by gunicorn.
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60).map(_latin),
    st.binary(max_size=20),
    st.sampled_from(
        [b"", b"0", b"-1", b"chunked", b"gzip", b"close", b"100-continue", b"*/*", b"bytes=0-",
         b"multipart/form-data; boundary=x", b"application/json; charset=utf-16", b"a" * 8000,
         b"Bearer", b"Basic Og==", b"W/\"x\"", b"127.0.0.1", b"/api/jobs", b"sha256="]
    ),
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(
        [SECRET_HEADER, SIGNATURE_HEADER, "x-key", "Authorization", "Content-Type", "Cookie",
         "Content-Encoding", "Accept", "Accept-Encoding", "Connection", "Range", "If-Range",
         "If-None-Match", "If-Modified-Since", "Forwarded", "X-Forwarded-Proto", "Upgrade",
         "X-Forwarded-For", "Content-Length", "Expect", "TE", "Trailer", "Host", "Origin",
         "X-HTTP-Method-Override", "Last-Event-ID", "Idempotency-Key", "Transfer-Encoding"]
    ),
    st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=3).map(_latin),
)  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=5)
TARGETS = st.one_of(
    st.sampled_from(
        ["/webhooks/bfl", "/webhooks/bfl/x.y", "/api/jobs", "/api/jobs/x", "/api/jobs/x/rescues",
         "/media/x.y", "/healthz", "/metrics", "/", "*", "/openapi.json", "/v1/flux-2-pro"]
    ),
    st.text(max_size=20).map(lambda text: "/" + text),
    st.binary(max_size=40).map(lambda raw: "/" + quote(raw, safe="/?;:@&=+$,")),
    st.binary(max_size=40).map(lambda raw: "/api/jobs/" + quote(raw)),
    st.binary(max_size=40).map(lambda raw: "/api/jobs?" + quote(raw, safe="&=")),
    st.binary(max_size=40).map(lambda raw: "/media/" + quote(raw, safe=".")),
)  # fmt: skip
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X"])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetServer]:
    """A target of its own: generated ids must not collide with those of other tests."""
    with web_alone(tmp_path_factory.mktemp("fuzz")) as target:
        yield target


def _not_our_fault(target: TargetServer, data: bytes) -> int | None:
    answer = exchange(target.port, data)
    assert answer is None or answer.status < 500, (answer, data[:2000])
    return answer.status if answer else None


@_bounded
@given(report=REPORTS, ascii_only=st.booleans())
def test_any_report_with_proof_is_answered(
    target: TargetServer, report: dict[str, Any], ascii_only: bool
) -> None:
    body = json.dumps(report, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    expected = (200, 400) if len(body) <= 2**20 else (413,)
    assert _not_our_fault(target, request([PROOF], body)) in expected


@_bounded
@given(
    method=METHODS, where=TARGETS, headers=HEADERS, body=st.binary(max_size=100), key=st.booleans()
)
def test_any_head_is_answered(
    target: TargetServer,
    method: str,
    where: str,
    headers: list[Header],
    body: bytes,
    key: bool,
) -> None:
    # With the admin key there is more to reach; without it a stranger must get nothing done.
    shown: list[Header] = [("x-key", KEYS["admin"])] if key else []
    path = where.encode("utf-8", "surrogatepass")
    _not_our_fault(target, request([*shown, *headers], body, method=method, target=path))


@_bounded
@given(at=st.integers(0, 250), cut=st.integers(0, 6), put=st.binary(max_size=6))
def test_a_good_request_with_any_bytes_changed_is_answered(
    target: TargetServer, at: int, cut: int, put: bytes
) -> None:
    good = request([PROOF, ("Content-Type", "application/json")], pending("fuzzed"))
    _not_our_fault(target, good[:at] + put + good[at + cut :])


def test_after_all_that_every_job_can_be_shown_and_no_process_ended(
    server: TargetServer,
) -> None:
    log = server.installation.logs("web")
    assert len(server.installation.web) == 1 and log.count("Booting worker") == 1
    page: dict[str, Any] = {"next_cursor": None}
    while True:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        answer = server.client.get("/api/jobs", limit=200, **cursor)
        assert answer.status_code == 200, answer.text[:300]
        page = answer.json()
        if page["next_cursor"] is None:
            break
