"""The virtual processes: BFL's callbacks, an app, an operator, workers and the sweep."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jobs import ingest
from jobs.bfl import parsing
from jobs.errors import StorageError, StoreUnavailable, UnknownJob
from jobs.job import Job
from receiver.api.job_actions import delete_job
from worker import recovery
from worker.dispatcher import Dispatcher
from worker.sweep import sweep

IDLE_SECONDS = 5.0
CALLBACK_INTERVALS_SECONDS = (1.0, 5.0, 30.0)  # BFL repeats a callback after these


def caller(world: Any, task: str) -> Callable[[], None]:
    """BFL's callback: repeated until it is answered with 2xx, or abandoned."""

    def run() -> None:
        for seconds in (0.0, *CALLBACK_INTERVALS_SECONDS):
            world.scheduler.sleep(seconds)
            with suppress(StoreUnavailable, UnknownJob):
                wired = world.services()
                report = parsing.parse_callback(world.message(task))
                ingest.apply_report(wired.store, report, wired.settings.timeouts)
                if task not in world.deleted:
                    world.acknowledged.add(task)
                return

    return run


def announcer(world: Any, task: str) -> Callable[[], None]:
    """PUT /api/jobs/<task>, repeated until it is on record."""

    def run() -> None:
        wired = world.services()

        def expect(job: Job | None, now: float) -> Job:
            return job or Job.expected(task, now, wired.settings.timeouts)

        for _ in range(100):
            try:
                wired.store.update(task, expect)
            except StoreUnavailable:
                world.scheduler.sleep(5.0)
            else:
                return

    return run


def operator(world: Any) -> None:
    """DELETE /api/jobs/<id>, repeated until it is done."""
    wired = world.services()
    for task in world.tasks:
        while True:
            try:
                job = wired.store.load(task)
                if job:
                    delete_job(wired, job)
            except (StoreUnavailable, StorageError):
                world.scheduler.sleep(5.0)
            else:
                break
        world.acknowledged.discard(task)
        world.terminal.pop(task, None)
        world.deleted.add(task)


def worker(world: Any) -> Callable[[], None]:
    def run() -> None:
        dispatcher = Dispatcher(world.services())
        while True:
            try:
                claim = dispatcher._claim_next()  # noqa: SLF001 - without the threads around it
                if claim is not None:
                    dispatcher._process(claim)  # noqa: SLF001
                    continue
            except StoreUnavailable:
                pass
            world.scheduler.sleep(IDLE_SECONDS)

    return run


def sweeper(world: Any) -> Callable[[], None]:
    def run() -> None:
        wired = world.services()
        while True:
            pause = 5.0
            with suppress(StoreUnavailable, StorageError):
                pause = sweep(wired)
                recovery.delete_left_objects(wired)
            world.scheduler.sleep(max(pause, 1.0))

    return run
