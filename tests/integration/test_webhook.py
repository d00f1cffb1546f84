"""Callbacks accepted in this process: what is verified, parsed, recorded and counted (I1, I15)."""

import io
import json
from functools import partial
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
from receiver import webhook
from tests.harness.reports import call_back

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

    services.store.update("ours", submitted, new=True)
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
