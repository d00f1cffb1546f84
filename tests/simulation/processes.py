"""The virtual processes: BFL's callbacks, apps, an operator, workers and the sweep."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from jobs.domain.errors import ReportRefused, StorageError, StoreUnavailable
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.domain.status import REPLAYABLE
from jobs.store.rq_queue import QUEUE_KEY
from receiver import new_submission, webhook
from receiver.job_actions import delete_job, replay_job
from receiver.schemas.submission import SubmissionBody
from tests.simulation.bfl import Task
from worker import published_objects
from worker.dispatcher import JobDispatcher
from worker.periodic import late_objects
from worker.sweep import sweep

RETRY_SECONDS = 5.0
CALLBACK_INTERVALS_SECONDS = (1.0, 5.0, 30.0)  # BFL repeats a callback after these


def caller(world: Any, task: Task) -> None:
    """BFL's callback: repeated until it is answered with 2xx, or abandoned."""
    for seconds in (0.0, *CALLBACK_INTERVALS_SECONDS):
        world.scheduler.sleep(seconds)
        with suppress(StoreUnavailable):
            webhook.accept_callback(world.build_services(), world.bfl.callback(task), task.token)
            if task.job_id not in world.deleted:
                world.acknowledged.add(task.job_id)
            return


def announcer(world: Any, task_id: str) -> None:
    """PUT /api/jobs/<task>, repeated until it is on record."""
    services = world.build_services()

    def announce(job: Job | None, now: float) -> Job:
        return job or Job.awaited(task_id, now, services.settings.timeouts)

    _until_done(world, lambda: services.store.update(task_id, announce))


def submitter(world: Any, job_id: str, model: str) -> None:
    """POST /api/jobs with an idempotency key, repeated until it is on record."""
    services = world.build_services()
    body = SubmissionBody(model=model, input={"prompt": job_id})
    _until_done(world, lambda: new_submission.enqueue(services, body, Submission(), job_id=job_id))


def operator(world: Any) -> None:
    """DELETE /api/jobs/<id>, repeated until it is done."""
    services = world.build_services()

    found = set[str]()

    def delete(job_id: str) -> None:
        if job := services.store.load(job_id):
            found.add(job_id)
            delete_job(services, job)

    for job_id in world.job_ids:
        _until_done(world, partial(delete, job_id))
        if job_id not in found:  # its app may not have submitted it yet
            continue
        world.acknowledged.discard(job_id)
        world.terminal.pop(job_id, None)
        world.deleted.add(job_id)


def replayer(world: Any) -> None:
    """POST /api/jobs/<id>/replays for each job that was not stored, once."""
    services = world.build_services()
    while True:
        world.scheduler.sleep(60.0)
        replayable = [job_id for job_id, status in world.terminal.items() if status in REPLAYABLE]
        for job_id in sorted(set(replayable) - world.replayed):
            world.replayed.add(job_id)
            world.bfl.sent.discard(job_id)  # the operator decides that it may be paid twice
            with suppress(ReportRefused):
                _until_done(world, partial(replay_job, services, job_id))


def _until_done(world: Any, request: Callable[[], object]) -> None:
    while True:
        try:
            request()
        except (StoreUnavailable, StorageError):
            world.scheduler.sleep(RETRY_SECONDS)
        else:
            return


def worker(world: Any) -> None:
    """An RQ worker: each RQ job makes it process all that waits."""
    services = world.build_services()
    dispatcher, queue = JobDispatcher(services), QUEUE_KEY
    while True:
        world.scheduler.wait(lambda: world.redis.data.get(queue.encode()))
        try:
            services.redis.lpop(queue)
            dispatcher._has_rq_job = True  # noqa: SLF001 - `drain` without its threads
            while dispatcher.process_next():
                pass
        except (RedisError, StoreUnavailable):
            world.scheduler.sleep(RETRY_SECONDS)


def sweeper(world: Any) -> None:
    services = world.build_services()
    while True:
        pause = RETRY_SECONDS
        with suppress(StoreUnavailable, StorageError):
            pause = sweep(services)
            published_objects.delete_left_objects(services)
            late_objects.step(services)
        world.scheduler.sleep(max(pause, 1.0))
