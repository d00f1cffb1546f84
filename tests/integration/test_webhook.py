"""Callbacks accepted in this process: what is verified, parsed, recorded and counted (I1, I15)."""

import gzip
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.domain import submission
from jobs.domain.errors import BodyTooLarge, InvalidReport, TooManyWaiting, Unauthorized
from jobs.domain.job import Job
from jobs.services import Services
from jobs.signing import callback_digest
from jobs.store.metrics import Counter
from jobs.store.redis.keys import REFUSED_CALLBACKS_PREFIX
from jobs.store.refused_callbacks import CALLBACKS_MAX, RETENTION_SECONDS
from receiver import context, webhook
from receiver.checks import callbacks
from receiver.checks.context import Context
from tests.harness import RedisServer
from tests.harness.parts import api_over, services_over, web_app
from tests.harness.reports import call_back
from tests.harness.required_settings import SECRETS

SECRET = "webhook-secret-of-tests"
PENDING = {"id": "task", "status": "Pending"}


def environ(body: bytes, **headers: str) -> dict[str, Any]:
    given = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **given}


def test_a_callback_without_the_secret_of_its_job_is_shown_and_logged(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    def submitted(_job: object, now: float) -> Job:
        return submission.create("ours", "flux-2-pro", now).evolve(task_id="task")

    services.store.update("ours", submitted, assumes_new=True)
    body = json.dumps(PENDING).encode()
    with caplog.at_level("INFO"), pytest.raises(Unauthorized):
        webhook.accept_callback(services, environ(body, x_webhook_secret=SECRET))
    ((event,),) = services.refused_callbacks.latest(["ours"])
    reason = event.detail["reason"]
    assert "general address" in reason
    assert f"job ours: callback refused: {reason}" in caplog.text


def test_large_bodies_take_turns(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "LARGE_BODY_WAIT_SECONDS", 0.01)
    body = json.dumps({**PENDING, "prompt": "a" * webhook.UNVERIFIED_BODY_MAX_BYTES}).encode()
    signature = f"sha256={callback_digest(SECRET.encode(), body).decode()}"
    signed = partial(environ, body, x_bfl_signature=signature)
    for _ in range(webhook.LARGE_BODIES_MAX):
        assert webhook._large_bodies.acquire(timeout=1)  # noqa: SLF001 - as many requests would
    try:
        with pytest.raises(TooManyWaiting):
            webhook.accept_callback(services, signed())
        small = json.dumps(PENDING).encode().ljust(webhook.UNVERIFIED_BODY_MAX_BYTES)
        webhook.accept_callback(services, environ(small, x_webhook_secret=SECRET))
    finally:
        webhook._large_bodies.release(webhook.LARGE_BODIES_MAX)  # noqa: SLF001 - the same
    for _ in range(webhook.LARGE_BODIES_MAX + 1):  # one after the other
        assert webhook.accept_callback(services, signed())["id"] == "task"


def test_what_cannot_be_read_or_parsed_is_counted(services: Services) -> None:
    for size in (webhook.UNVERIFIED_BODY_MAX_BYTES + 1, webhook.BODY_MAX_BYTES):
        with pytest.raises(Unauthorized):  # unread
            webhook.accept_callback(services, environ(json.dumps(PENDING).encode().ljust(size)))
    with pytest.raises(BodyTooLarge):
        webhook.accept_callback(services, environ(b" " * (webhook.BODY_MAX_BYTES + 1)))
    before = services.metrics.totals().counts
    with pytest.raises(InvalidReport):
        webhook.accept_callback(services, environ(b"{", x_webhook_secret=SECRET))
    too_large = environ(b" " * (webhook.BODY_MAX_BYTES + 1), x_webhook_secret=SECRET)
    with pytest.raises(BodyTooLarge):
        webhook.accept_callback(services, too_large)
    after = services.metrics.totals().counts
    for counter in (Counter.CALLBACK_MALFORMED, Counter.CALLBACK_UNREADABLE):
        assert after[counter] - before.get(counter, 0) == 1


@pytest.mark.parametrize("headers", [{}, {"x_webhook_secret": "another"}])
def test_a_body_without_proof_changes_nothing_and_is_noted(
    services: Services, headers: dict[str, str]
) -> None:
    call_back(services.store, "task")
    before = services.store.load("task")
    for task_id in ("task", "stranger"):
        report = json.dumps({"id": task_id, "status": "Content Moderated"}).encode()
        with pytest.raises(Unauthorized):
            webhook.accept_callback(services, environ(report, **headers))
    assert services.store.load("task") == before and services.store.load("stranger") is None
    ((noted,),) = services.refused_callbacks.latest(["task"])
    assert noted.detail["reason"] == ("wrong secret" if headers else "no authentication")
    assert not services.redis.exists(f"{REFUSED_CALLBACKS_PREFIX}stranger")


def test_of_many_refusals_the_latest_are_kept_for_a_while(services: Services, redis: Redis) -> None:
    call_back(services.store, "known")
    for n in range(3 * CALLBACKS_MAX):
        services.refused_callbacks.record("known", f"reason {n}")
    (moments,) = services.refused_callbacks.latest(["known"])
    assert [moment.detail["reason"] for moment in moments] == [
        f"reason {n}" for n in range(2 * CALLBACKS_MAX, 3 * CALLBACKS_MAX)
    ]
    assert services.metrics.totals().counts["callback_refused"] == 3 * CALLBACKS_MAX
    assert 0 < int(redis.ttl(f"{REFUSED_CALLBACKS_PREFIX}known")) <= RETENTION_SECONDS


def signed_headers(body: bytes) -> dict[str, str]:
    return {"X-BFL-Signature": f"sha256={callback_digest(SECRET.encode(), body).decode()}"}


@pytest.fixture(params=["yes", "no"], ids=["accelerator", "Flask"])
def way_in(request: pytest.FixtureRequest, redis: Redis) -> Services:
    return services_over(redis, CALLBACK_ACCELERATOR=request.param)


def test_accepted_callbacks_are_counted_by_the_header_that_proved_them(way_in: Services) -> None:
    body, by_secret = json.dumps(PENDING).encode(), {"X-Webhook-Secret": SECRET}
    both = by_secret | signed_headers(body)
    web = api_over(way_in)
    for headers in (by_secret, by_secret, signed_headers(body), both, {"X-Webhook-Secret": "no"}):
        web.post("/webhooks/bfl", data=body, headers=headers)
    exposed = web.get("/metrics").text
    for scheme, number in (("secret", 2), ("signature", 1), ("both", 1)):
        name = f'fluxkeep_callbacks_authentic_total{{scheme="{scheme}"}}'
        assert f"{name} {number}.0" in exposed
    (result,) = callbacks.check(Context(way_in.settings, way_in))
    assert result.why == (
        "accepted so far: 2 by X-Webhook-Secret, 1 by X-BFL-Signature, "
        "1 by X-Webhook-Secret beside X-BFL-Signature"
    )


def test_a_refusal_names_headers_that_may_be_a_third_scheme_and_shows_none(
    way_in: Services,
) -> None:
    call_back(way_in.store, "task")
    headers = {
        "Webhook-Signature": "v1,canary",
        "X-Signature-Ed25519": "canary",
        "Authorization": "Bearer canary",
        "X-Webhook-Secret": "canary",
        "X-Request-Id": "canary",
        "X-Token-" + "a" * 80: "canary",
    }
    web = api_over(way_in)
    answer = web.post("/webhooks/bfl", json={"id": "task", "status": "Ready"}, headers=headers)
    assert answer.status_code == 401
    ((event,),) = way_in.refused_callbacks.latest(["task"])
    assert event.detail["reason"] == (
        "wrong secret; it had the headers authorization, webhook-signature, x-signature-ed25519"
    )
    assert "canary" not in web.get("/api/jobs/task").text


def test_the_names_in_a_refusal_are_bounded(way_in: Services) -> None:
    call_back(way_in.store, "task")
    many = {f"X-Secret-{n:02}": "a" for n in range(40)}
    api_over(way_in).post("/webhooks/bfl", json={"id": "task", "status": "Ready"}, headers=many)
    ((event,),) = way_in.refused_callbacks.latest(["task"])
    assert event.detail["reason"].count("x-secret-") == webhook.PROOF_NAMES_MAX


PATHS = ("/webhooks/bfl", "/webhooks/bfl/", "//webhooks/bfl", "/webhooks//bfl//")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accelerator", ["yes", "no"])
def test_a_slash_too_many_is_the_same_endpoint(
    redis_server: RedisServer, tmp_path: Path, path: str, accelerator: str
) -> None:
    where = {"REDIS_URL": redis_server.url, "MEDIA_URL": tmp_path.as_uri()}
    with web_app(CALLBACK_ACCELERATOR=accelerator, **where) as app:
        services: Services = app.extensions[context.NAME].get(Services)
        client = app.test_client()

        def answer(path: str, secret: str, **report: str) -> int:
            body = json.dumps({"status": "Pending", **report}).encode()
            headers = {"X-Webhook-Secret": secret}
            # As a path the client would take two slashes for the beginning of a host.
            overrides = {"PATH_INFO": path}
            response = client.post("/", data=body, headers=headers, environ_overrides=overrides)
            return response.status_code

        ours = SECRETS["WEBHOOK_SECRET"]
        assert answer(path, ours, id="task") == 200
        assert answer(path, "wrong", id="task") == 401

        def submitted(_job: object, now: float) -> Job:
            return submission.create("ours", "flux-2-pro", now).evolve(task_id="task-2")

        services.store.update("ours", submitted, assumes_new=True)
        token = services.tokens.sign("ours")
        secret = services.tokens.secret("ours")
        with_token = path.rstrip("/") + f"/{token}"
        for end in ("", "/", "//"):
            assert answer(with_token + end, secret, id="task-2") == 200
        assert answer(f"{with_token}/more", secret, id="task-2") == 404


def test_a_compressed_callback_is_read_once_it_is_proven(services: Services) -> None:
    body = gzip.compress(json.dumps({"id": "compressed", "status": "Pending"}).encode())
    signature = f"sha256={callback_digest(SECRET.encode(), body).decode()}"
    for coding in ("gzip", "x-gzip", "identity, gzip"):
        sent = environ(body, x_bfl_signature=signature, content_encoding=coding)
        assert webhook.accept_callback(services, sent)["id"] == "compressed"
    plain = json.dumps({"id": "plain", "status": "Pending"}).encode()
    for coding in ("identity", "gzip", "", "aws-chunked"):
        sent = environ(plain, x_webhook_secret=SECRET, content_encoding=coding)
        assert webhook.accept_callback(services, sent)["id"] == "plain"
    bomb = gzip.compress(b'{"id": "bomb", "a": "' + b"a" * 50_000_000)
    sent = environ(bomb, x_webhook_secret=SECRET, content_encoding="gzip")
    with pytest.raises(InvalidReport):
        webhook.accept_callback(services, sent)
    forged = environ(body, x_bfl_signature="sha256=" + "0" * 64, content_encoding="gzip")
    with pytest.raises(Unauthorized):
        webhook.accept_callback(services, forged)
