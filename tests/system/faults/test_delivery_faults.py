"""Delivery hosts that fail, crawl, cut, lie or send elsewhere: stored whole in the end, or not."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Stack, running_stack, wait_for_none
from tests.sandbox import Task
from tests.sandbox.formats import MP4

GIVE_UP_SECONDS = 30
SWEEP_SECONDS = 5
FOR_EVER = 10_000
SIZE_BYTES = 200_000
ODD_MP4 = base64.b64encode(MP4 + bytes(4)).decode()
# Switches that say how often a delivery fails.
COUNTED = ("delivery_500", "short_body", "reset", "wrong_md5", "delivery_status_times")
BARE = {"no_length": True, "no_md5": True}

# All of them begin at once, each on its own task.
STORED_IN_THE_END: dict[str, dict[str, Any]] = {
    "5xx three times": {"delivery_500": 3},
    "short twice": {"short_body": 2},
    "reset twice": {"reset": 2},
    "wrong MD5 once": {"wrong_md5": 1},
    "one after the other": {"delivery_500": 1, "reset": 1, "short_body": 1, "wrong_md5": 1},
    "no length": {"no_length": True},
    "no MD5": {"no_md5": True},
    "neither, short once": {**BARE, "short_body": 1},
    "gzip nobody asked for": {"gzip": True},
    "a coding that is none": {"delivery_headers": {"Content-Encoding": "aws-chunked"}},
    "refused before its time": {"delivery_status": 404, "delivery_status_times": 2},
}
# The same bytes twice: whatever contradicts them is wrong itself.
DOUBTED: dict[str, tuple[str, dict[str, Any]]] = {
    "wrong MD5": ("Content-MD5", {"wrong_md5": FOR_EVER}),
    "zeros behind an MP4": ("other bytes follow", {"body_base64": ODD_MP4, "no_md5": True}),
}
# With words of the reason that the job gives.
NEVER_PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "5xx": ("answered 500", {"delivery_500": FOR_EVER}),
    "reset": ("connection broke", {"reset": FOR_EVER}),
    "short": ("connection broke", {"short_body": FOR_EVER}),
    "short without length": ("breaks off", {**BARE, "short_body": FOR_EVER}),
    "a byte a second": ("too long", {"drip": 1}),
    "headers at a byte a second": ("too long", {"drip_headers": 1}),
    "silence": ("too long", {"hang": 120}),
    "another host": ("example.com", {"sample_url": "https://example.com/sample.jpeg?sig=canary"}),
}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "html": ("not_media", {"body": "<!doctype html><p>Sorry, not an image at all."}),
    "far too large": ("media_too_large", {"too_large": True}),
    "endless without a length": ("media_too_large", {"too_large": True, "no_length": True}),
    "plain http": ("refused_url", {"sample_url": "http://example.com/sample.jpeg"}),
}
DEAD = (401, 403, 404, 410)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Short of patience; six workers, because some of the tasks keep one busy until the end."""
    with running_stack(
        tmp_path_factory.mktemp("delivery"),
        GIVE_UP_AFTER=str(GIVE_UP_SECONDS),
        GIVE_UP_AT_MOST=str(GIVE_UP_SECONDS),
        MAX_MEDIA_BYTES="1000000",
    ) as running:
        running.sandbox.settings.max_active = 1000
        running.installation.start("worker", n=5)
        yield running
        running.settled()
        shown = json.dumps(running.client.jobs(limit=200))
        assert "sig=" not in shown, "whatever failed, its signed URL is not shown"


@pytest.fixture(scope="module")
def tasks(stack: Stack) -> dict[str, Task]:
    fatal = (DOUBTED | NEVER_PUBLISHED | REFUSED).items()
    wanted = STORED_IN_THE_END | {name: switches for name, (_, switches) in fatal}
    wanted |= {f"dead {status}": {"delivery_status": status} for status in DEAD}
    return {
        name: stack.generate(**{"size": SIZE_BYTES, **switches})
        for name, switches in wanted.items()
    }


def ended(stack: Stack, task: Task) -> dict[str, Any]:
    return stack.client.wait_for(task.id, timeout=GIVE_UP_SECONDS + SWEEP_SECONDS + 5)


@pytest.mark.parametrize("fault", STORED_IN_THE_END)
def test_what_heals_is_stored_whole(stack: Stack, tasks: dict[str, Task], fault: str) -> None:
    job = stack.stored(tasks[fault], GIVE_UP_SECONDS + SWEEP_SECONDS)
    assert job["source"] == "callback"
    assert len(stack.objects(tasks[fault])) == 1
    switches = STORED_IN_THE_END[fault]
    counts = [switches.get(name, 0) for name in COUNTED]
    assert len(stack.deliveries(tasks[fault])) == sum(counts) + 1


@pytest.mark.parametrize("fault", DOUBTED)
def test_what_is_only_doubted_is_kept(stack: Stack, tasks: dict[str, Task], fault: str) -> None:
    job = stack.stored(tasks[fault], GIVE_UP_SECONDS + SWEEP_SECONDS)
    assert len(stack.objects(tasks[fault])) == 1 and len(stack.deliveries(tasks[fault])) == 2
    reasons = [
        e["detail"]["reason"] for e in job["timeline"] if e["event"] == "rescue.file_doubted"
    ]
    assert len(reasons) == 1 and DOUBTED[fault][0] in reasons[0]


@pytest.mark.parametrize("fault", NEVER_PUBLISHED)
def test_what_never_heals_is_given_up_at_the_deadline_and_never_published(
    stack: Stack, tasks: dict[str, Task], fault: str
) -> None:
    job = ended(stack, tasks[fault])
    assert job["status"] == "expired" and job["error"]["code"] == "expired"
    assert NEVER_PUBLISHED[fault][0] in job["error"]["message"]
    assert job["media"] == stack.objects(tasks[fault]) == []


@pytest.mark.parametrize("fault", ["a byte a second", "headers at a byte a second", "silence"])
def test_a_crawling_transfer_is_cut(stack: Stack, tasks: dict[str, Task], fault: str) -> None:
    ended(stack, tasks[fault])
    task = tasks[fault]
    staged = lambda: [path for path in stack.staged() if task.id in path.name]  # noqa: E731
    wait_for_none("its worker is free", staged, SWEEP_SECONDS)
    assert 1 <= len(stack.deliveries(task)) <= 3


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused_says_why(stack: Stack, tasks: dict[str, Task], fault: str) -> None:
    job = ended(stack, tasks[fault])
    assert job["status"] == "failed"
    assert job["error"]["code"] == REFUSED[fault][0]
    assert job["media"] == stack.objects(tasks[fault]) == []


@pytest.mark.parametrize("status", DEAD)
def test_a_url_that_stays_dead_before_its_time_is_tried_until_the_deadline(
    stack: Stack, tasks: dict[str, Task], status: int
) -> None:
    task = tasks[f"dead {status}"]
    job = ended(stack, task)
    assert job["status"] == "expired" and str(status) in job["error"]["message"]
    assert 1 <= len(stack.polls(task)) <= 3
    assert len(stack.deliveries(task)) >= 3
