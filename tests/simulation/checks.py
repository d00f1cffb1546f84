"""Checks of a world: its jobs, their objects, and their rows."""

from typing import Any

from jobs.domain.bfl_report import ErrorCode
from jobs.domain.job import CRASHES_MAX, LEASE_SECONDS, Job
from jobs.domain.status import Status
from jobs.storage.layout import companion_keys
from jobs.store.redis.keys import ARCHIVE_DUE
from tests.simulation.bfl import URL_SECONDS


def check_objects(world: Any, job: Job) -> None:
    for file in job.present_media:
        if world.media.size(file.key) != file.bytes:
            world.violate(f"I10: job {job.id} is stored and its object {file.key} is not there")
    named = {each for file in job.present_media for each in (file.key, *companion_keys(file.key))}
    found = {one.key for one in world.media.list_objects_of((job.id,), job.created_at)}
    if found - named and not world.failed_over:  # which may take claims back
        world.violate(f"I9: job {job.id} does not name {sorted(found - named)}")


def check_nothing_is_left(world: Any, job_id: str) -> None:
    """Of a deleted job."""
    objects_left = [each.key for each in world.media.list_objects() if job_id in each.key]
    if objects_left:
        world.violate(f"I12: job {job_id} was deleted, and these objects are left: {objects_left}")


def may_fail(world: Any, job: Job) -> bool:
    """Whether its URL may have died, or Fluxkeep may not know what BFL did.

    That a reply of Redis was lost must not make a job look as if it had been sent; that its worker
    was killed or stood still between the note and the request may.
    """
    faults = world.faults
    if faults.outage is not None and faults.outage[1] > URL_SECONDS / 2:
        return True
    if job.id in world.replayed:  # BFL may refuse it once more
        return True
    if job.error and job.error.code == ErrorCode.POISON:  # I7: the third worker is the last
        return _may_lose_workers(faults) >= CRASHES_MAX
    is_known = job.id in world.acknowledged or (
        job.id in world.bfl.accepted and not (faults.kills or faults.outage)
    )
    is_unsent = job.status == "lost" and job.id not in world.bfl.sent
    only_replies = faults.lost_replies and not (
        faults.kills or faults.stalls or faults.clocks or faults.outage or world.failed_over
    )
    return bool(world.models) and not (is_known or (is_unsent and only_replies))


def _may_lose_workers(faults: Any) -> int:
    """How many workers may die or hang while they work on one job."""
    if faults.download_seconds > LEASE_SECONDS:  # each of them hangs
        return CRASHES_MAX
    return int(faults.kills + faults.kills_after_publishing + faults.stalls + faults.clocks)


def check_identity(world: Any, name: str, job: Job) -> None:
    created_at = world.created_at.setdefault(name, job.created_at)
    incarnations = world.incarnations[name]
    if created_at == job.created_at:
        incarnations.add(created_at)
    else:
        if world.announces_blindly(name):  # accepted: its record goes when its row is compared
            incarnations.add(job.created_at)
            world.made_anew.add(name)
        # An older Redis brings a job back that was deleted; its row is of the one made anew.
        may_change = world.is_redis_older or name in world.made_anew
        if not (may_change and job.created_at in incarnations):
            world.violate(f"I29: {name} is the id of two jobs")
        world.created_at[name] = job.created_at
        world.terminal.pop(name, None)
        world.edits.pop(name, None)


def check_edits(world: Any, name: str, job: Job) -> None:
    if job.metadata.get("edit", 0) < world.edits.get(name, 0):
        world.violate(f"I28: edit {world.edits[name]} of job {name} is lost: {job.metadata}")


def check_due(world: Any) -> None:
    due, rows = world.redis.data.get(ARCHIVE_DUE.encode(), {}), world.archive.rows()
    for job in world.jobs():
        row = rows.get(job.id)
        is_proven = row and (row.version >= job.version or row.status == "stored")
        if job.status.terminal and job.id.encode() not in due and not is_proven:
            world.violate(f"I30: job {job.id} has ended, has no row, and no sweep looks at it")


def check_objects_of(world: Any, found: dict[str, Job]) -> None:
    for job in found.values():
        # A deletion that was interrupted has deleted the objects first.
        is_whole = job.id in world.readable and not world.epochs[job.id]
        for file in job.present_media if is_whole else ():
            if world.media.size(file.key) != file.bytes:
                world.violate(f"I32: object {file.key} of job {job.id} was deleted")


def check_rows(world: Any) -> None:
    """After each write of the database."""
    rows = world.archive.rows()
    before = world.row_epochs
    world.row_epochs = {
        name: (world.epochs[name], row.job.created_at) for name, row in rows.items()
    }
    for name, (epoch, created_at) in world.row_epochs.items():
        epoch_before, created_before = before.get(name, (-1, 0.0))
        if epoch_before == epoch and created_before < created_at:
            world.violate(f"I29: the row of {name} is of another job now")
    for name in world.stored & rows.keys():
        if rows[name].status != "stored":
            world.violate(f"I26: the stored row of {name} says {rows[name].status} now")
    world.stored = {name for name, row in rows.items() if row.status == "stored"}


def check_end(world: Any) -> None:
    for job_id, job in world.jobs_anywhere().items():
        if not job.status.terminal:
            world.violate(f"I6: job {job_id} is {job.status} in the end")
        if job.status is Status.STORED and not world.epochs[job_id]:
            check_objects(world, job)
