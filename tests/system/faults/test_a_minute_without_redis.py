"""A minute without Redis: every process sits it out or leaves, and no job or media are lost."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.harness import Process, Stack, running_stack, wait_for
from tests.harness.patience import exit_codes
from tests.sandbox import Task

OUTAGE_SECONDS = 60.0
RECOVERED_WITHIN_SECONDS = 180.0
EXIT_WITHIN_SECONDS = 30.0
SLOW: dict[str, Any] = {"size": 400_000, "drip": 4_000}
# The last file is under way when Redis goes, is whole soon after, and dead when Redis is back.
DYING: dict[str, Any] = {"size": 100_000, "drip": 40_000, "life": 45, "resign": False}

pytestmark = pytest.mark.slow


@dataclass
class Outage:
    """Jobs from before the outage, and events during it."""

    stack: Stack
    processes: list[Process]
    silent: list[Task]
    in_hand: Task
    dying: list[Task]
    refused: set[int | str]
    exits: list[int]
    back_at: float


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """Callbacks BFL gives up, a download in hand, and one of each process told to stop."""
    with running_stack(tmp_path_factory.mktemp("minute"), CALLBACK_GRACE="5") as stack:
        installation = stack.installation
        in_hand = stack.generate(**SLOW)
        stack.wait_for_download(in_hand)
        leaving = [*installation.worker, *installation.sweep, *installation.web]
        staying = installation.start()
        silent = [stack.finished() for _ in range(8)]
        for task in silent:
            stack.announce(task)
        dying = [stack.generate(samples=samples, **DYING) for samples in (1, 2)]
        for task in dying:
            stack.wait_for_download(task, task.media_count)
        installation.redis.stop()
        down_at = time.monotonic()
        for process in leaving:
            process.terminate()
        deadline = down_at + EXIT_WITHIN_SECONDS
        hook = f"{installation.urls[1]}/webhooks/bfl"
        late = [stack.generate(webhook_url=hook) for _ in range(3)]
        refused = {outcome for task in late for outcome in stack.outcomes(task)}
        exits = exit_codes(leaving, max(0.0, deadline - time.monotonic()))
        stack.change_switches(in_hand, drip=None)
        wait_for("a minute", lambda: time.monotonic() - down_at > OUTAGE_SECONDS, 90)
        installation.redis.start()
        installation.start("web")
        back_at = time.monotonic()
        yield Outage(stack, staying, silent, in_hand, dying, refused, exits, back_at)


def test_polling_recovers_every_job_whose_callback_was_lost(outage: Outage) -> None:
    for task in outage.silent:
        job = outage.stack.stored(task, RECOVERED_WITHIN_SECONDS)
        assert job["source"] == "poll"
        assert len(outage.stack.deliveries(task)) == 1
    assert time.monotonic() - outage.back_at < RECOVERED_WITHIN_SECONDS


def test_what_was_in_hand_is_finished_afterwards(outage: Outage) -> None:
    outage.stack.stored(outage.in_hand, RECOVERED_WITHIN_SECONDS)
    assert len(outage.stack.objects(outage.in_hand)) == 1


def test_media_that_were_verified_are_stored_although_their_urls_are_dead(outage: Outage) -> None:
    for task in outage.dying:
        job = outage.stack.stored(task, RECOVERED_WITHIN_SECONDS)
        assert len(job["media"]) == len(outage.stack.deliveries(task)) == task.media_count


def test_callbacks_come_again_and_no_process_fails(outage: Outage) -> None:
    assert outage.refused == {503} and outage.exits == [0, 0, 0]
    assert all(process.alive for process in outage.processes)
    outage.stack.stored(outage.stack.generate())
    outage.stack.settled(idle=False)
