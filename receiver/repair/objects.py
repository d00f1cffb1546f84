"""Check objects in the storage: each has a record, and no companion lacks its object.

A record that was lost is restored from the sidecar next to its media.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

from jobs import sidecars
from jobs.domain import retention, thumbnail_schedule
from jobs.domain.errors import Evicted, ForeignObject, UnknownJob
from jobs.domain.job import Job
from jobs.domain.status import REPLAYABLE
from jobs.services import Services
from jobs.storage import layout
from jobs.storage.base import ListedObject
from jobs.store.commit import CommitOptions
from receiver.repair import Finding, sidecar_import

PAGE_SIZE = 200
LOST = "has no record"


def examine(services: Services) -> Iterator[Finding]:
    listing = services.storage.list_objects()
    inputs, lost = list[Finding](), set[str]()
    while page := list(islice(listing, PAGE_SIZE)):
        for finding in _examine_page(services, page):
            if layout.kind_of(finding.subject) is layout.ObjectKind.INPUT:
                inputs.append(finding)
                continue
            if finding.problem == LOST:
                lost.add(layout.job_id_of(finding.subject))
            yield finding
    expected = services.due.noted_inputs()  # read last: the record of a request may come now
    for one in inputs:
        if layout.job_id_of(one.subject) not in lost and one.subject not in expected:
            yield one
    staging = services.storage.staging_directory
    if abandoned := staging.list_abandoned():
        problem = f"{len(abandoned)} abandoned files"
        yield Finding("staging", problem, lambda: staging.delete_abandoned() > 0)


def _examine_page(services: Services, page: list[ListedObject]) -> Iterator[Finding]:
    ours = [found for found in page if layout.kind_of(found.key)]
    known = services.catalog.load_many(layout.job_id_of(found.key) for found in ours)
    for found in ours:
        job_id = layout.job_id_of(found.key)
        job = known.get(job_id)
        # Active jobs belong to the workers; `indexes` reports unreadable records.
        if job_id in known and (job is None or not job.status.terminal):
            continue
        yield from _examine(services, found, job)


def _examine(services: Services, found: ListedObject, job: Job | None) -> Iterator[Finding]:
    if layout.kind_of(found.key) is layout.ObjectKind.INPUT:
        if job is None or found.key not in job.object_keys:  # it never outlives the record
            what = "not part of its job's input" if job else "part of an input without a record"
            yield Finding(found.key, f"is {what}", partial(_delete, services, found.key))
    elif layout.kind_of(found.key) is not layout.ObjectKind.MEDIA:
        recorded = {file.key for file in job.present_media} if job else set[str]()
        # `media` reports a recorded object that is missing.
        is_expected = not recorded.isdisjoint(layout.possible_object_keys(found.key))
        if not is_expected and _is_orphan(services, found.key):
            problem = "belongs to an object that does not exist"
            yield Finding(found.key, problem, partial(_remove_orphan, services, found.key))
    elif job is None:
        yield from _examine_unrecorded(services, found.key)
    elif found.key not in job.object_keys:
        yield from _examine_unlisted(services, found, job)


def _delete(services: Services, key: str) -> bool:
    """Delete an object and its companions, unless a record lists it by now."""
    job = services.catalog.load(layout.job_id_of(key), exactly=True)
    if job and (not job.status.terminal or key in job.object_keys):
        return False
    services.storage.delete_with_companions(key)
    services.due.orphans.remove(key)
    return True


def _is_orphan(services: Services, key: str) -> bool:
    """Whether there is no object, and no active job that could publish one."""
    job = services.catalog.load(layout.job_id_of(key), exactly=True)
    if services.storage.size(key) is None or (job and not job.status.terminal):
        return False
    return all(services.storage.size(each) is None for each in layout.possible_object_keys(key))


def _remove_orphan(services: Services, key: str) -> bool:
    if not _is_orphan(services, key):
        return False
    services.storage.delete(key)
    return True


def _examine_unrecorded(services: Services, key: str) -> Iterator[Finding]:
    """An object without a record: restore the record unless its retention has ended."""
    if services.storage.size(key) is None or services.catalog.load(
        layout.job_id_of(key), exactly=True
    ):
        return  # deleted, or recorded, since it was listed
    if services.store.tombstone(layout.job_id_of(key)) == "":
        yield Finding(key, "belongs to a deleted job", partial(_delete, services, key))
        return
    try:
        job = sidecar_import.read(services, key)
    except ForeignObject as error:
        yield Finding(key, f"has no record, and cannot be restored from its sidecar: {error}")
        return
    if job.end > services.settings.cutoffs(services.store.now()).jobs:
        yield Finding(key, LOST, partial(_restore, services, job))
    elif _are_media_expired(services, job):
        problem = "has no record, and its retention has ended"
        yield Finding(key, problem, partial(_delete, services, key))
    elif services.settings.retain_media_days and key not in services.due.orphans:
        problem = "has outlived its record, and its deletion is not scheduled"
        yield Finding(key, problem, partial(_schedule_deletion, services, job, key))
    elif (bare := retention.input_deleted(job)) != job:
        problem = "describes an input that has outlived its record"
        yield Finding(layout.sidecar_key(key), problem, partial(_rewrite, services, bare))


def _rewrite(services: Services, job: Job) -> bool:
    sidecars.rewrite(services.storage, job)
    return True


def _schedule_deletion(services: Services, job: Job, key: str) -> bool:
    """Have a job's media deleted when their time is over. False if this file has been already."""
    is_known = key in services.due.orphans
    for file in job.present_media:
        services.due.orphans.schedule(file.key, job.end)
    return not is_known


def _restore(services: Services, job: Job) -> bool:
    """Write the record unless there is one; of an old job its row. Returns whether it was done."""
    hot_since = services.store.now() - services.settings.hot_days * retention.DAY_SECONDS
    if services.archive and job.end < hot_since:
        return bool(sidecar_import.insert(services, services.archive, [job]))
    owner = services.catalog.load(job.task_id) if job.task_id else None
    is_foreign = owner is not None and owner.id != job.id  # a sidecar may name any task
    restored = replace(job, task_id=None) if is_foreign else job

    def create(known: Job | None, now: float) -> Job:
        return known or thumbnail_schedule.schedule(replace(restored, version=int(now * 1e6)), now)

    # Not by `load`, which would find another job that has this id as its task id.
    try:
        return services.store.update(
            job.id, create, CommitOptions(unless_deleted=True), new=True
        ).written
    except (Evicted, UnknownJob):  # archived, or deleted since it was listed (I12)
        return False


def _are_media_expired(services: Services, job: Job) -> bool:
    return job.end <= services.settings.cutoffs(services.store.now()).media


def _examine_unlisted(services: Services, found: ListedObject, job: Job) -> Iterator[Finding]:
    """An object of an ended job whose record does not list it."""
    returned = [file for file in job.media if file.key == found.key and file.bytes == found.bytes]
    if returned and not _are_media_expired(services, job):
        repair = partial(_mark_found, services, job.id, found.key)
        yield Finding(found.key, "exists, but its record marks it as missing", repair)
    elif job.status in REPLAYABLE and sidecars.is_stored(services.storage, found.key):
        yield Finding(found.key, f"was stored, but its job is {job.status}: replay the job")
    elif returned or not job.present_media:
        problem = f"belongs to a job that has no media ({job.status})"
        yield Finding(found.key, problem, partial(_delete, services, found.key))
    elif layout.fencing_token_of(found.key) < job.lease.fencing_token:
        # A worker that was late for a job which was deleted and announced again published it (I11).
        problem = "was superseded by what another worker stored"
        yield Finding(found.key, problem, partial(_delete, services, found.key))
    else:
        yield Finding(found.key, "is not a file of its job")


def _mark_found(services: Services, job_id: str, key: str) -> bool:
    def mark(job: Job, now: float) -> Job:
        found = retention.media_found(job, now, key)
        return found if found is job else thumbnail_schedule.schedule(found, now)

    change = services.catalog.change(job_id, mark)
    sidecars.update(services.store, services.storage, job_id)
    return change.written
