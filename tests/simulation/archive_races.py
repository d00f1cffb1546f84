"""Clients that begin at the moment at which another process is at work on the same job."""

from contextlib import suppress
from functools import partial
from typing import Any

from jobs.domain.errors import ReportRefused, UnknownJob, WrongStatus
from jobs.store.redis.keys import ARCHIVE_DUE
from receiver.job_actions import delete_or_erase, replay_job
from tests.simulation.archive_processes import edit_job, until_done, walk

DELETED_AT_ONCE = 3


def racing_editor(world: Any) -> None:
    """PUT /api/jobs/<id> while a sweep looks at this job, or before it writes its row."""
    while True:
        world.pause()
        if world.choose(2):
            world.scheduler.wait(lambda: world.passes and _looked_at(world))
            edit_job(world, _looked_at(world))
        else:
            edit_job(world, world.choose_job())


def _looked_at(world: Any) -> str:
    """A job that is due in Redis; empty without one."""
    due = world.redis.data.get(ARCHIVE_DUE.encode(), {})
    at, name = min(((at, name.decode()) for name, at in due.items()), default=(0.0, ""))
    return name if at <= world.scheduler.now else ""


def racing_replayer(world: Any) -> None:
    """POST /api/jobs/<id>/replays while another client changes or deletes this job."""
    services = world.build_services()
    while True:
        world.scheduler.wait(lambda: world.changing)
        pause = 1.0
        while job_id := world.changing:  # for hours, if the change is answered with 503
            world.replayed.add(job_id)
            with suppress(UnknownJob, WrongStatus, ReportRefused):
                until_done(world, partial(replay_job, services, job_id))
            world.scheduler.sleep(pause)
            pause *= 2


def deleter_of_many(world: Any) -> None:
    """DELETE /api/jobs/<id> of jobs in a row; their rows stay until the next pass."""
    services = world.build_services()
    while True:
        world.pause()
        first = world.choose(len(world.job_ids))
        for job_id in world.job_ids[first : first + DELETED_AT_ONCE]:
            with world.deletion(job_id), suppress(UnknownJob):
                until_done(world, partial(delete_or_erase, services, job_id))


def racing_walker(world: Any) -> None:
    """Walks through lists whose rows are of deleted jobs."""
    services = world.build_services()
    while True:
        world.scheduler.wait(lambda: len(world.deleted & world.archive.rows().keys()) > 1)
        walk(world, services)
        world.pause()
