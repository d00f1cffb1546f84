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
from jobs.store.archiving.presence import DELETED
from jobs.store.commit import CommitOptions
from receiver.repair import sidecar_import
from receiver.repair.finding import Finding

PAGE_SIZE = 200
LOST = "has no record"


def examine(services: Services) -> Iterator[Finding]:
    listing = services.storage.list_objects()
    findings_of_inputs: list[Finding] = []
    lost_ids: set[str] = set()
    while page := list(islice(listing, PAGE_SIZE)):
        for finding in _examine_page(services, page):
            if layout.kind_of(finding.subject) is layout.ObjectKind.INPUT:
                findings_of_inputs.append(finding)
                continue
            if finding.problem == LOST:
                lost_ids.add(layout.job_id_of(finding.subject))
            yield finding
    expected = services.due.noted_inputs()  # read last: the record of a request may come now
    for finding in findings_of_inputs:
        is_of_lost_job = layout.job_id_of(finding.subject) in lost_ids
        if not is_of_lost_job and finding.subject not in expected:
            yield finding
    abandoned = services.storage.staging_directory.list_abandoned()
    if abandoned:
        problem = f"{len(abandoned)} abandoned files"
        yield Finding("staging", problem, partial(_delete_abandoned, services))


def _delete_abandoned(services: Services) -> bool:
    return services.storage.staging_directory.delete_abandoned() > 0


def _examine_page(services: Services, page: list[ListedObject]) -> Iterator[Finding]:
    our_objects = [listed for listed in page if layout.kind_of(listed.key)]
    jobs_by_id = services.catalog.load_many(layout.job_id_of(listed.key) for listed in our_objects)
    for listed in our_objects:
        job_id = layout.job_id_of(listed.key)
        job = jobs_by_id.get(job_id)
        # Active jobs belong to the workers; `indexes` reports unreadable records.
        if job_id in jobs_by_id and (job is None or not job.status.terminal):
            continue
        yield from _examine(services, listed, job)


def _examine(services: Services, listed: ListedObject, job: Job | None) -> Iterator[Finding]:
    kind = layout.kind_of(listed.key)
    if kind is layout.ObjectKind.INPUT:
        yield from _examine_input(services, listed.key, job)
    elif kind is not layout.ObjectKind.MEDIA:
        yield from _examine_companion(services, listed.key, job)
    elif job is None:
        yield from _examine_unrecorded(services, listed.key)
    elif listed.key not in job.object_keys:
        yield from _examine_unlisted(services, listed, job)


def _examine_input(services: Services, key: str, job: Job | None) -> Iterator[Finding]:
    """An object of an input, which never outlives the record."""
    if job is None:
        problem = "is part of an input without a record"
    elif key not in job.object_keys:
        problem = "is not part of its job's input"
    else:
        return
    yield Finding(key, problem, partial(_delete, services, key))


def _examine_companion(services: Services, key: str, job: Job | None) -> Iterator[Finding]:
    """A sidecar or a thumbnail: `media` reports where its recorded object is missing."""
    recorded_keys: set[str] = set()
    if job:
        recorded_keys = {file.key for file in job.present_media}
    is_expected = not recorded_keys.isdisjoint(layout.possible_object_keys(key))
    if not is_expected and _is_orphan(services, key):
        problem = "belongs to an object that does not exist"
        yield Finding(key, problem, partial(_remove_orphan, services, key))


def _delete(services: Services, key: str) -> bool:
    """Delete an object and its companions, unless a record lists it by now."""
    job = services.catalog.load(layout.job_id_of(key), exactly=True)
    if job and (not job.status.terminal or key in job.object_keys):
        return False
    services.storage.delete_with_companions(key)
    services.due.orphans.remove(key)
    return True


def _is_orphan(services: Services, key: str) -> bool:
    """Whether a companion has no object, and no active job could publish one."""
    job = services.catalog.load(layout.job_id_of(key), exactly=True)
    if services.storage.size(key) is None or (job and not job.status.terminal):
        return False
    object_keys = layout.possible_object_keys(key)
    return all(services.storage.size(object_key) is None for object_key in object_keys)


def _remove_orphan(services: Services, key: str) -> bool:
    if not _is_orphan(services, key):
        return False
    services.storage.delete(key)
    return True


def _examine_unrecorded(services: Services, key: str) -> Iterator[Finding]:
    """An object without a record: restore the record unless its retention has ended."""
    if services.storage.size(key) is None:
        return  # deleted since it was listed
    job_id = layout.job_id_of(key)
    if services.catalog.load(job_id, exactly=True):
        return  # recorded since it was listed
    if services.store.tombstone(job_id) == DELETED:
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
    else:
        without_input = retention.input_deleted(job)
        if without_input != job:
            problem = "describes an input that has outlived its record"
            repair = partial(_rewrite, services, without_input)
            yield Finding(layout.sidecar_key(key), problem, repair)


def _rewrite(services: Services, job: Job) -> bool:
    sidecars.rewrite(services.storage, job)
    return True


def _schedule_deletion(services: Services, job: Job, key: str) -> bool:
    """Have a job's media deleted when their time is over. False if this file was scheduled."""
    was_scheduled = key in services.due.orphans
    for file in job.present_media:
        services.due.orphans.schedule(file.key, job.end)
    return not was_scheduled


def _restore(services: Services, job: Job) -> bool:
    """Write the record unless there is one; of an old job its row. Returns whether it was done."""
    hot_since = services.store.now() - services.settings.hot_days * retention.DAY_SECONDS
    if services.archive and job.end < hot_since:
        return bool(sidecar_import.insert(services, services.archive, [job]))
    restored = _without_foreign_task(services, job)

    def create(recorded: Job | None, now: float) -> Job:
        if recorded is not None:
            return recorded
        first_version = replace(restored, version=int(now * 1e6))
        return thumbnail_schedule.schedule(first_version, now)

    # Not by `load`, which would find another job that has this id as its task id.
    try:
        return services.store.update(
            job.id, create, CommitOptions(unless_deleted=True), assumes_new=True
        ).written
    except (Evicted, UnknownJob):  # archived, or deleted since it was listed (I12)
        return False


def _without_foreign_task(services: Services, job: Job) -> Job:
    """The job, without a task id that leads to another job: a sidecar may name any task."""
    if job.task_id is None:
        return job
    owner = services.catalog.load(job.task_id)
    if owner is None or owner.id == job.id:
        return job
    return replace(job, task_id=None)


def _are_media_expired(services: Services, job: Job) -> bool:
    return job.end <= services.settings.cutoffs(services.store.now()).media


def _examine_unlisted(services: Services, listed: ListedObject, job: Job) -> Iterator[Finding]:
    """An object of an ended job whose record does not list it."""
    is_file_of_job = any(
        file.key == listed.key and file.bytes == listed.bytes for file in job.media
    )
    if is_file_of_job and not _are_media_expired(services, job):
        repair = partial(_mark_found, services, job.id, listed.key)
        yield Finding(listed.key, "exists, but its record marks it as missing", repair)
    elif job.status in REPLAYABLE and sidecars.is_stored(services.storage, listed.key):
        yield Finding(listed.key, f"was stored, but its job is {job.status}: replay the job")
    elif is_file_of_job or not job.present_media:
        problem = f"belongs to a job that has no media ({job.status})"
        yield Finding(listed.key, problem, partial(_delete, services, listed.key))
    elif layout.fencing_token_of(listed.key) < job.lease.fencing_token:
        # A worker that was late for a job which was deleted and announced again published it (I11).
        problem = "was superseded by what another worker stored"
        yield Finding(listed.key, problem, partial(_delete, services, listed.key))
    else:
        yield Finding(listed.key, "is not a file of its job")


def _mark_found(services: Services, job_id: str, key: str) -> bool:
    def mark(job: Job, now: float) -> Job:
        with_file = retention.media_found(job, now, key)
        if with_file is job:
            return job
        return thumbnail_schedule.schedule(with_file, now)

    change = services.catalog.change(job_id, mark)
    sidecars.update(services.store, services.storage, job_id)
    return change.written
