"""Mistakes are told to a Sentry on this machine, and nothing secret with them."""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from jobs.store.redis.keys import DUE, RECORD_PREFIX
from tests.harness import WEBHOOK_SECRET, Stack, running_stack, wait_for
from tests.harness.webhook_receiver import Hook

# What SENTRY_DSN needs, installed apart from all others by `make setup`.
PACKAGES = Path(sys.prefix) / "share" / "reporting"
DSN_KEY = "dsn-key-canary-81b4"


@pytest.fixture(scope="module")
def sentry() -> Iterator[Hook]:
    """Takes envelopes and answers 200."""
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sentry: Hook) -> Iterator[Stack]:
    dsn = f"http://{DSN_KEY}@127.0.0.1:{sentry.port}/42"
    variables = {"SENTRY_DSN": dsn, "PYTHONPATH": str(PACKAGES)}
    with running_stack(tmp_path_factory.mktemp("sentry"), None, None, **variables) as running:
        yield running
        text, hidden = json.dumps(events(sentry)), (*running.installation.secrets(), DSN_KEY)
        assert not [canary for canary in (*hidden, "query-canary") if canary in text]


def events(sentry: Hook) -> list[dict[str, Any]]:
    """The events of all envelopes so far: a header, then an item's header and its payload."""
    found = []
    for call in list(sentry.calls):
        body = gzip.decompress(call.body) if call.headers.get("Content-Encoding") else call.body
        lines = body.splitlines()
        for header, payload in zip(lines[1::2], lines[2::2], strict=False):
            if json.loads(header)["type"] == "event":
                found.append(json.loads(payload))
    return found


def event_of(sentry: Hook, process: str) -> dict[str, Any]:
    def reported() -> dict[str, Any] | None:
        return next((one for one in events(sentry) if one["tags"]["process"] == process), None)

    return wait_for(f"an event of {process}", reported, 20)


def test_an_error_in_a_request_is_reported_without_its_content(stack: Stack, sentry: Hook) -> None:
    with stack.installation.redis.client() as redis:
        redis.hset("fluxkeep:circuits", "*", f"{WEBHOOK_SECRET} []")
        answer = requests.get(f"{stack.installation.url}/metrics?sig=query-canary", timeout=30)
        redis.delete("fluxkeep:circuits")
    assert answer.status_code == 500
    event = event_of(sentry, "web")
    assert event["logentry"]["message"] == "unexpected %s in %s"
    assert event["logentry"]["params"][0] == "ValueError"
    assert "request" not in event and "breadcrumbs" not in event


def test_a_broken_record_is_reported_by_the_sweep(stack: Stack, sentry: Hook) -> None:
    with stack.installation.redis.client() as redis:
        redis.set(f"{RECORD_PREFIX}broken", b"1 {")
        redis.zadd(DUE, {"broken": 1.0})
    event = event_of(sentry, "sweep")
    redis.delete(f"{RECORD_PREFIX}broken")
    assert event["level"] == "error"


def test_an_error_in_the_worker_is_reported_before_it_ends(stack: Stack, sentry: Hook) -> None:
    with stack.installation.redis.client() as redis:
        redis.set(f"{RECORD_PREFIX}broken-too", b"1 {")
        redis.zadd("fluxkeep:pending_rescues", {"broken-too": 1.0})
    stack.stored(stack.generate())
    event_of(sentry, "worker")
