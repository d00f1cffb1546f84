"""Callbacks accepted in this process: what is verified, parsed, recorded and counted (I1, I15)."""

import io
import json
from typing import Any

import pytest

from jobs.domain import submission
from jobs.domain.errors import BodyTooLarge, InvalidReport, TooManyWaiting, Unauthorized
from jobs.domain.job import Job
from jobs.services import Services
from jobs.signing import callback_digest
from jobs.store.metrics import Counter
from jobs.store.redis.keys import COUNTERS
from receiver import webhook

SECRET = "webhook-secret-of-tests"
PENDING = {"id": "task", "status": "Pending"}


def environ(body: bytes, **headers: str) -> dict[str, Any]:
    given = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **given}


def with_secret(report: object, secret: str = SECRET) -> dict[str, Any]:
    return environ(json.dumps(report).encode(), x_webhook_secret=secret)


def signed(body: bytes, secret: str = SECRET) -> dict[str, Any]:
    digest = callback_digest(secret.encode(), body).decode()
    return environ(body, x_bfl_signature=f"sha256={digest}")


def count(services: Services, counter: Counter) -> int:
    found: Any = services.redis.hget(COUNTERS, counter)
    return int(found or 0)


def refusals(services: Services, job_id: str) -> list[str]:
    (events,) = services.refused_callbacks.latest([job_id])
    return [event.detail["reason"] for event in events]


def test_a_callback_without_the_secret_of_its_job_is_shown_and_logged(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    def submitted(_job: object, now: float) -> Job:
        return submission.create("ours", "flux-2-pro", now).evolve(task_id="task")

    services.store.update("ours", submitted, new=True)
    with caplog.at_level("INFO"), pytest.raises(Unauthorized):
        webhook.accept_callback(services, with_secret(PENDING))
    (reason,) = refusals(services, "ours")
    assert "general address" in reason
    assert f"job ours: callback refused: {reason}" in caplog.text


def test_large_bodies_take_turns(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "LARGE_BODY_WAIT_SECONDS", 0.01)
    body = json.dumps({**PENDING, "prompt": "a" * webhook.UNVERIFIED_BODY_MAX_BYTES}).encode()
    for _ in range(webhook.LARGE_BODIES_MAX):
        assert webhook._large_bodies.acquire(timeout=1)  # noqa: SLF001 - as many requests would
    try:
        with pytest.raises(TooManyWaiting):
            webhook.accept_callback(services, signed(body))
        small = json.dumps(PENDING).encode().ljust(webhook.UNVERIFIED_BODY_MAX_BYTES)
        webhook.accept_callback(services, signed(small))
    finally:
        webhook._large_bodies.release(webhook.LARGE_BODIES_MAX)  # noqa: SLF001 - the same
    for _ in range(webhook.LARGE_BODIES_MAX + 1):  # one after the other
        assert webhook.accept_callback(services, signed(body))["id"] == "task"


def test_a_large_body_without_proof_is_refused_unread(services: Services) -> None:
    for size in (webhook.UNVERIFIED_BODY_MAX_BYTES + 1, webhook.BODY_MAX_BYTES):
        with pytest.raises(Unauthorized):
            webhook.accept_callback(services, environ(json.dumps(PENDING).encode().ljust(size)))
    with pytest.raises(BodyTooLarge):
        webhook.accept_callback(services, environ(b" " * (webhook.BODY_MAX_BYTES + 1)))


def test_what_cannot_be_read_or_parsed_is_counted(services: Services) -> None:
    with pytest.raises(InvalidReport):
        webhook.accept_callback(services, environ(b"{", x_webhook_secret=SECRET))
    assert count(services, Counter.CALLBACK_MALFORMED) == 1
    too_large = environ(b" " * (webhook.BODY_MAX_BYTES + 1), x_webhook_secret=SECRET)
    with pytest.raises(BodyTooLarge):
        webhook.accept_callback(services, too_large)
    assert count(services, Counter.CALLBACK_UNREADABLE) == 1
