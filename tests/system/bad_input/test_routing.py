"""Routing depends on the path only, whatever the headers say."""

import json

import pytest

from tests.harness import KEYS
from tests.harness.wire import CALLBACKS, Header, request
from tests.system.bad_input.target import PROOF, TargetServer, failed, new_id, pending

ADMIN: Header = ("x-key", KEYS["admin"])

# Methods.


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE", "BREW"])
def test_another_method_is_refused(server: TargetServer, job_id: str, method: str) -> None:
    answer = server.authentic(failed(job_id), method=method)
    assert answer.status == 405 and "POST" in answer.headers["allow"]


@pytest.mark.parametrize("method", ["post", "POST\x00", "", "P\xd6ST", "A" * 3000])
def test_a_method_that_is_none_is_refused(server: TargetServer, job_id: str, method: str) -> None:
    assert server.authentic(failed(job_id), method=method.encode("latin-1")).status in (400, 405)


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Original-Method"])
def test_a_method_is_not_overridden(server: TargetServer, job_id: str, name: str) -> None:
    where = f"/api/jobs/{job_id}"
    assert server.authentic(failed(job_id), (name, "POST"), method="GET").status == 405
    shown = server.exchange(request([ADMIN, (name, "DELETE")], method="GET", target=where))
    assert shown.status == 200 and json.loads(shown.body)["status"] == "submitted"
    assert server.authentic(pending(job_id), (name, "GET")).status == 200


ROUTES = ("PATH_INFO", "PATH-INFO", "SCRIPT_NAME", "RAW_URI", "X-Original-URL", "X-Rewrite-URL",
          "X-Forwarded-Prefix", "REQUEST_METHOD")  # fmt: skip


@pytest.mark.parametrize("name", ROUTES)
def test_no_header_leads_a_request_elsewhere(server: TargetServer, job_id: str, name: str) -> None:
    for value in ("/healthz", "http://other.test/healthz", "DELETE"):
        answer = server.authentic(pending(job_id), (name, value))
        assert answer.status == 200 and json.loads(answer.body)["id"] == job_id
        health = server.exchange(request([(name, CALLBACKS)], method="GET", target="/healthz"))
        assert health.status == 200 and json.loads(health.body) == {"status": "ok"}


@pytest.mark.parametrize("host", ["", "evil.test", "[::1", "a" * 5000, b"\xff"], ids=repr)
def test_a_strange_host_changes_nothing(server: TargetServer, host: str | bytes) -> None:
    name = host if isinstance(host, bytes) else host.encode()
    for data in (
        request([PROOF], pending(new_id())),
        request([ADMIN], method="GET", target="/webhooks//bfl"),
    ):
        answer = server.exchange(data.replace(b"Host: fluxkeep.test", b"Host: " + name))
        assert answer.status < 500
        assert "evil.test" not in answer.body.decode() or answer.status >= 300


# A slash too many is the same address (tests/integration/test_webhook.py); nothing else is.
NO_CALLBACK = [
    "/webhooks/bfl/./",
    "/webhooks/bfl;/",
    "/webhooks/bfl%00",
    "/webhooks/bfl%0d%0aX-Webhook-Secret:%20x",
    "/webhooks/bfl/../bfl",
    "/webhooks/bfl%zz",
    "/webhooks/%c0%afbfl",
    "/WEBHOOKS/BFL",
]


@pytest.mark.parametrize("where", NO_CALLBACK)
def test_a_path_similar_to_callbacks_is_refused(
    server: TargetServer, job_id: str, where: str
) -> None:
    answer = server.authentic(failed(job_id), target=where)
    # 401 and 403 are the answers of the paths that carry a token.
    assert answer.status in (400, 401, 403, 404, 405), answer


@pytest.mark.parametrize("size", [8191, 1_000_000])
def test_a_very_long_url_is_refused(server: TargetServer, job_id: str, size: int) -> None:
    for path in (f"{CALLBACKS}?", "/api/jobs/", "/media/"):
        answer = server.authentic(failed(job_id), target=path + "a" * size)
        assert answer.status in (400, 404, 405, 414)
