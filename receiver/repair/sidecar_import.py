"""Rows for objects whose record is lost, from the sidecars beside them.

They have version 0: whatever a process knows of their jobs replaces them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from jobs import job_validation, sidecars
from jobs.archive.archive import Archive
from jobs.domain.errors import ForeignObject
from jobs.domain.job import Job
from jobs.services import Services
from jobs.storage import layout

LOOKED_UP = 500  # objects at once
READ = 100  # sidecars at once, of up to 256 KiB
THREADS = 16  # each waits for a bucket
FILES, JOBS, EXPIRED, FOREIGN = "files", "jobs imported", "past their retention", "foreign"


class SidecarImport:
    """One walk through the storage. What is known is skipped, so that it can be repeated.

    `name` gets the sidecars that are foreign, and why. Raises StorageError, StoreUnavailable and
    ArchiveUnavailable.
    """

    def __init__(
        self, services: Services, archive: Archive, name: Callable[[str, str], None]
    ) -> None:
        self._services, self._archive, self._name = services, archive, name
        self._cutoff = services.settings.cutoffs(services.store.now()).jobs
        self.counts = Counter({FILES: 0, JOBS: 0, EXPIRED: 0, FOREIGN: 0})

    def run(self) -> Iterator[None]:
        """Yield after each step."""
        listed = (found.key for found in self._services.storage.list_objects())
        media = (key for key in listed if layout.kind_of(key) is layout.ObjectKind.MEDIA)
        with ThreadPoolExecutor(THREADS) as threads:
            while page := list(islice(media, LOOKED_UP)):
                lost = iter(_unrecorded(self._services, self._archive, page))
                while some := list(islice(lost, READ)):
                    self._import(dict(zip(some, threads.map(self._read, some), strict=True)))
                    yield
                self.counts[FILES] += len(page)
                yield

    def _read(self, key: str) -> Job | ForeignObject:
        try:
            return read(self._services, key)
        except ForeignObject as error:
            return error

    def _import(self, found: dict[str, Job | ForeignObject]) -> None:
        jobs: dict[str, Job] = {}
        for key, job in found.items():
            if isinstance(job, ForeignObject):
                self._leave(key, str(job))
            elif job.end <= self._cutoff:
                self.counts[EXPIRED] += 1
            else:
                jobs[job.id] = job
        rows = insert(self._services, self._archive, [*jobs.values()])
        self.counts[JOBS] += len(rows)
        for job_id in jobs.keys() - rows:
            self._leave(jobs[job_id].media[0].key, "another job has its id, or the time is full")

    def _leave(self, key: str, why: str) -> None:
        self.counts[FOREIGN] += 1
        self._name(layout.sidecar_key(key), why)


def read(services: Services, key: str) -> Job:
    """The job of an object, by its sidecar. Raises ForeignObject, StorageError."""
    job = sidecars.read(services.storage, key)
    job_validation.require_legal_record(job, services.settings.max_input_bytes)
    return job


def _unrecorded(services: Services, archive: Archive, keys: Sequence[str]) -> list[str]:
    """Those of the objects whose jobs have neither a record, nor a row, nor a deletion."""
    known = services.archiving.presences.load([*{layout.job_id_of(key) for key in keys}])
    lost = [
        job_id
        for job_id, one in known.items()
        if one.record is None and one.tombstone != "" and not one.hides(0)
    ]
    unrecorded = set(lost) - archive.versions(lost).keys()
    return [key for key in keys if layout.job_id_of(key) in unrecorded]


def insert(services: Services, archive: Archive, jobs: Sequence[Job]) -> set[str]:
    """Write rows of jobs that have none; the ids of those that have one now."""
    found = {job.id: job for job in _with_own_names(services, archive, jobs)}
    if not found:
        return set()
    now, newest = services.store.now(), max(job.created_at for job in found.values())
    services.archiving.counts.include(
        (), newest
    )  # first: a list must not end before a row that it lacks
    archive.put(found.values(), now)
    rows = archive.versions([*found])
    new = [found[name] for name, row in rows.items() if (row.version, row.archived_at) == (0, now)]
    services.archiving.counts.include(new, newest)
    return set(rows)


def _with_own_names(services: Services, archive: Archive, jobs: Sequence[Job]) -> Iterator[Job]:
    """The jobs, without a task id that another has, and without those whose id is one."""
    names = [*{name for job in jobs for name in (job.id, job.task_id) if name}]
    owners = archive.owners(names) | services.listing.owners(names) if names else {}
    for job in jobs:
        if owners.setdefault(job.id, job.id) == job.id:
            is_own = job.task_id and owners.setdefault(job.task_id, job.id) == job.id
            yield replace(job, task_id=job.task_id if is_own else None, version=0)
