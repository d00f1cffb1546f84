"""Fuzzing of request heads: no 5xx, no crash. tests/unit/test_hostile_reports.py has the bodies."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import KEYS
from tests.harness.wire import Header, exchange, request
from tests.system.bad_input.target import (
    PROOF,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    TargetServer,
    pending,
    web_alone,
)

pytestmark = pytest.mark.slow

_bounded = settings(
    print_blob=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def _latin(text: str) -> bytes:
    return text.encode("latin-1")


# What a head may hold; everything else is answered by gunicorn.
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60).map(_latin),
    st.binary(max_size=20),
    st.sampled_from(
        [b"", b"-1", b"chunked", b"gzip", b"100-continue", b"bytes=0-", b"multipart/form-data",
         b"application/json; charset=utf-16", b"a" * 8000, b"Bearer", b"W/\"x\"", b"sha256="]
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
        ["/webhooks/bfl", "/webhooks/bfl/x.y", "/api/jobs", "/api/jobs/x", "/api/jobs/x/replays",
         "/media/x.y", "/healthz", "/metrics", "/", "*", "/openapi.json", "/v1/flux-2-pro"]
    ),
    st.text(max_size=20).map(lambda text: "/" + text),
    st.builds(
        lambda place, raw: place + quote(raw, safe="/?;:@&=+$,."),
        st.sampled_from(["/", "/api/jobs/", "/api/jobs?", "/media/"]),
        st.binary(max_size=40),
    ),
)  # fmt: skip
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X"])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetServer]:
    """A target of its own: generated ids must not collide with those of other tests."""
    with web_alone(tmp_path_factory.mktemp("fuzz")) as target:
        yield target


def _not_our_fault(target: TargetServer, data: bytes) -> None:
    answer = exchange(target.port, data)
    assert answer is None or answer.status < 500, (answer, data[:2000])


@_bounded
@given(
    method=METHODS, where=TARGETS, headers=HEADERS, body=st.binary(max_size=100), key=st.booleans()
)
def test_any_head_is_answered(
    target: TargetServer, method: str, where: str, headers: list[Header], body: bytes, key: bool
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


def test_after_all_that_jobs_are_listed_and_no_process_ended(server: TargetServer) -> None:
    log = server.installation.logs("web")
    assert len(server.installation.web) == 1 and log.count("Booting worker") == 1
    assert server.client.get("/api/jobs", limit=200).status_code == 200
