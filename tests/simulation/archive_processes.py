"""The virtual processes of an installation with an archive: its sweeps and its clients."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from flask import Flask, g
from pydantic import SecretStr
from redis.exceptions import RedisError

from jobs.config.api_keys import ApiKey
from jobs.domain import errors
from jobs.domain.status import Status
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from receiver import announcement, webhook
from receiver.context import NAME, Parts, current_services
from receiver.job_actions import delete_or_erase, replay_job
from receiver.schemas.bodies import Announcement
from tests.simulation.bfl import URL_SECONDS, Task
from tests.simulation.boundaries import decode
from worker import published_objects
from worker.periodic.archiving import Archiving
from worker.periodic.held_callbacks import apply_held
from worker.sweep import sweep

CLIENTS = ("editor", "reader", "walker", "replayer", "deleter", "late_caller")
AWAY_SECONDS = 600.0
SWEEP_RETRY_SECONDS = 60.0  # soon enough that the work of a dead worker is taken over (I7)
HOUR = 3600.0
DAY = 24 * HOUR
IDLE_SECONDS = 6 * HOUR
LATE_CALLBACKS = (0.0, 30.0, 20 * HOUR, 50 * HOUR, 100 * HOUR, 160 * HOUR)
PAUSES = (20 * HOUR, 60.0, 5 * HOUR, 27 * HOUR, 49 * HOUR, 73 * HOUR)
LATE_STATUSES = ("Ready", "Error", "Pending")
PAGE = 1
TRIES = 20
_DUE, _SUPERSEDED = b"fluxkeep:due", b"fluxkeep:superseded"
_HELD = b"fluxkeep:held_callbacks"


# The sweeps.


def archiver(world: Any) -> None:
    """The sweep's passes; it sleeps until the next job is due."""
    services = world.build_services()
    archiving = Archiving(services, services.archive)
    while True:
        world.passes += 1
        try:
            archiving.run_pass()
        except (RedisError, errors.StoreUnavailable):
            world.scheduler.sleep(AWAY_SECONDS)
        finally:
            world.passes -= 1
        idle = world.archive_faults.idle_seconds
        world.scheduler.sleep(_until_due(world, b"fluxkeep:archive_due", 2.0, idle))


def sweeper(world: Any) -> None:
    """The sweep of jobs under way, and of what late workers left."""
    services = world.build_services()
    while True:
        world.scheduler.wait(lambda: world.redis.data.keys() & {_DUE, _SUPERSEDED})
        pause = SWEEP_RETRY_SECONDS
        with suppress(RedisError, errors.StoreUnavailable, errors.StorageError):
            sweep(services)
            published_objects.delete_left_objects(services)
            pause = _until_due(world, _DUE, 2.0, 60.0)
        world.scheduler.sleep(pause)


def applier(world: Any) -> None:
    """The sweep's thread for callbacks that wait for the archive."""
    services = world.build_services()
    while True:
        world.scheduler.wait(lambda: _HELD in world.redis.data)
        with suppress(RedisError, errors.StoreUnavailable):
            apply_held(services)
        world.scheduler.sleep(AWAY_SECONDS if _HELD in world.redis.data else 2.0)


def _until_due(world: Any, key: bytes, least: float, most: float) -> float:
    now = world.scheduler.local_now  # by which the process finds what is due
    first = min(world.redis.data.get(key, {}).values(), default=now + most)
    return float(min(max(first - now, least), most))


# Clients.


def caller(world: Any, task: Task, n: int) -> None:
    """BFL's callback about a task, repeated until it is answered; the second one comes late."""
    if n:
        world.scheduler.sleep(LATE_CALLBACKS[world.choose(len(LATE_CALLBACKS))])
    for _ in range(TRIES):
        with suppress(errors.StoreUnavailable):
            before = world.epochs[task.job_id]
            report = world.bfl.callback(task)
            told = webhook.accept_callback(world.build_services(), report, task.token)["status"]
            # A deletion beside an announcement may have been the last of the two.
            is_known = task.job_id not in world.deleted and told not in ("deleted", webhook.HELD)
            if is_known and world.epochs[task.job_id] == before:
                world.answer(task.job_id)
            return
        world.scheduler.sleep(30.0)


def late_caller(world: Any) -> None:
    """Authentic callbacks of weeks ago, whose URLs are dead: nothing may change by them.

    A deletion is remembered for eight days; callbacks about deleted jobs come by `caller`.
    """
    while True:
        world.pause()
        if world.scheduler.now > world.ends_at - DAY:  # a job that is made now may not end
            return
        task = world.bfl.tasks[world.choose_job()]
        status = LATE_STATUSES[world.choose(len(LATE_STATUSES))]
        body = b"" if status == "Ready" else json.dumps({"id": task.id, "status": status}).encode()
        is_late = world.scheduler.now > task.ready_at + URL_SECONDS
        if is_late and task.job_id not in world.deleted and task.job_id != world.changing:
            until_done(world, partial(_call_back, world, task, body))


def _call_back(world: Any, task: Task, body: bytes) -> None:
    webhook.accept_callback(world.build_services(), world.bfl.callback(task, body), task.token)


def announcer(world: Any, job_id: str) -> None:
    """PUT /api/jobs/<id>, repeated until it is answered."""
    with world.announcement(job_id):
        until_done(world, lambda: _put(world, job_id, None))


def _put(world: Any, job_id: str, edit: int | None) -> None:
    before = world.epochs[job_id]
    metadata: Any = None if edit is None else {"edit": edit}
    with web(world):
        change = announcement.record(current_services(), job_id, Announcement(metadata=metadata))
    if world.epochs[job_id] == before:
        world.answer(change.after.id)
        if edit is not None and not world.is_outranked(job_id):
            world.edits[job_id] = edit


@contextmanager
def web(world: Any) -> Iterator[None]:
    """A request to a web process."""
    app = Flask("simulated")
    app.extensions[NAME] = Parts([world.build_services()])
    with app.app_context():
        g.api_key = ApiKey("app", SecretStr("the key of an app"), "submit")
        yield


def editor(world: Any) -> None:
    """PUT /api/jobs/<id> with other metadata, whatever became of the job."""
    while True:
        world.pause()
        edit_job(world, world.choose_job())


def edit_job(world: Any, job_id: str) -> None:
    """Give a job other metadata; it may have been deleted."""
    world.last_edit += 1
    if world.is_redis_older and job_id not in world.readable:
        return
    with world.announcement(job_id), suppress(errors.WrongStatus):
        until_done(world, partial(_put, world, job_id, world.last_edit))


def replayer(world: Any) -> None:
    """POST /api/jobs/<id>/replays, which a stored job refuses."""
    services = world.build_services()
    while True:
        world.pause()
        job_id = world.choose_job()
        world.replayed.add(job_id)
        with suppress(errors.UnknownJob, errors.WrongStatus, errors.ReportRefused):
            until_done(world, partial(replay_job, services, job_id))


def deleter(world: Any) -> None:
    """DELETE /api/jobs/<id>, once in a while; what is deleted may be announced again."""
    services = world.build_services()
    while True:
        world.pause()
        if not world.choose(2):
            continue
        job_id = world.choose_job()
        with world.deletion(job_id), suppress(errors.UnknownJob):
            until_done(world, partial(delete_or_erase, services, job_id))


def reader(world: Any) -> None:
    """GET /api/jobs/<id>."""
    services = world.build_services()
    while True:
        world.pause()
        job_id = world.choose_job()
        seen = Seen(world)
        with suppress(errors.StoreUnavailable):
            if world.choose(2):
                job = services.catalog.load_many([job_id]).get(job_id)
            else:
                job = services.catalog.load(job_id)
            seen.check_job(job_id, job)


def walker(world: Any) -> None:
    """Walks through lists, once in a while."""
    services = world.build_services()
    while True:
        world.pause()
        walk(world, services, [(), (Status.STORED,)][world.choose(2)])


def walk(world: Any, services: Any, statuses: tuple[Status, ...] = ()) -> None:
    """GET /api/jobs with a cursor to its end, each page repeated until it is answered."""
    seen, found, position = Seen(world), list[str](), None
    while True:
        found += _page(world, services, Search(statuses=statuses), position, seen)
        position = seen.last
        if position is None:
            break
    seen.check_walk(found, statuses)


def _page(
    world: Any, services: Any, search: Search, position: Position | None, seen: "Seen"
) -> list[str]:
    for _ in range(TRIES):
        page_seen = Seen(world)
        try:
            page = services.catalog.page(search, PAGE, position)
        except errors.StoreUnavailable:
            world.scheduler.sleep(HOUR)
            continue
        for job in page.jobs:
            page_seen.check_job(job.id, job)
        seen.last = page.last
        return [job.id for job in page.jobs]
    seen.last, seen.is_complete = None, False
    return []


class Seen:
    """Truth when a client began to read; checked against what it was answered."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._jobs = world.jobs_anywhere()
        self._epochs, self._restores = dict(world.epochs), world.restores
        self._records = {name: world.record(name) for name in world.job_ids}
        self._deleted = set(world.deleted)
        self.last: Position | None = None
        self.is_complete = True

    def _is_stable(self, job_id: str) -> bool:
        return bool(
            self._world.restores == self._restores
            and self._world.epochs[job_id] == self._epochs[job_id]
        )

    def check_job(self, job_id: str, job: Any) -> None:
        """One job as it was answered."""
        world = self._world
        if not self._is_stable(job_id):
            return
        if job is None:
            if job_id in self._jobs:
                world.violate(f"I24: job {job_id} is not found")
            return
        if job_id in self._deleted:
            world.violate(f"I27: job {job_id} was deleted and is answered")
        record = self._records[job_id]
        if record and record == world.record(job_id) and job != decode(record):
            world.violate(f"I25: job {job_id} is not what Redis says")
        world.answer(job.id)

    def check_walk(self, found: list[str], statuses: tuple[Status, ...]) -> None:
        """Each job that did not change comes once."""
        world, now = self._world, self._world.jobs_anywhere()
        if not self.is_complete:
            return
        for job_id, job in self._jobs.items():
            is_same = job_id in now and now[job_id].version == job.version
            is_wanted = not statuses or job.status in statuses
            if self._is_stable(job_id) and is_same and is_wanted and found.count(job_id) != 1:
                world.violate(f"I31: a walk has job {job_id} {found.count(job_id)} times: {found}")


def until_done(world: Any, request: Callable[[], object]) -> None:
    """Repeat a request that is answered with 503, for some hours."""
    for _ in range(TRIES):
        try:
            request()
        except (errors.StoreUnavailable, errors.StorageError):
            world.scheduler.sleep(HOUR)
        else:
            return
    world.scheduler.wait(lambda: False)  # the client is gone, and knows of no answer
