"""Rows for objects whose record is lost, from the sidecars beside them.

They have version 0: whatever a process knows of their jobs replaces them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from jobs import job_validation, sidecars
from jobs.archive.archive import Archive
from jobs.domain.errors import ForeignObject
from jobs.domain.job import Job
from jobs.services import Services
from jobs.storage import layout
from jobs.storage.base import MediaStorage
from jobs.store.archiving.presence import DELETED

LOOKED_UP_MAX = 500  # objects at once
READ_MAX = 100  # sidecars at once, of up to 256 KiB
THREADS = 16  # each waits for a bucket
FILES = "files"
JOBS = "jobs imported"
EXPIRED = "past their retention"
FOREIGN = "foreign"

ReportForeign = Callable[[str, str], None]  # gets the key of a sidecar, and why it is foreign


class SidecarImport:
    """One walk through the storage. Jobs that are known are skipped, so that it can be repeated.

    Raises StorageError, StoreUnavailable and ArchiveUnavailable.
    """

    def __init__(self, services: Services, archive: Archive, report_foreign: ReportForeign) -> None:
        self._services = services
        self._archive = archive
        self._report_foreign = report_foreign
        self._cutoff = services.settings.cutoffs(services.store.now()).jobs
        self.counts = Counter({FILES: 0, JOBS: 0, EXPIRED: 0, FOREIGN: 0})

    def run(self) -> Iterator[None]:
        """Yield after each step."""
        with ThreadPoolExecutor(THREADS) as threads:
            for keys in _pages_of_media(self._services.storage):
                lost_keys = _unrecorded(self._services, self._archive, keys)
                for start in range(0, len(lost_keys), READ_MAX):
                    self._import(lost_keys[start : start + READ_MAX], threads)
                    yield
                self.counts[FILES] += len(keys)
                yield

    def _import(self, keys: Sequence[str], threads: ThreadPoolExecutor) -> None:
        """Write the rows of the jobs that the sidecars among listed objects describe."""
        jobs: dict[str, Job] = {}
        for key, job in zip(keys, threads.map(self._read, keys), strict=True):
            if isinstance(job, ForeignObject):
                self._leave(key, str(job))
            elif job.end <= self._cutoff:
                self.counts[EXPIRED] += 1
            else:
                jobs[job.id] = job
        recorded_ids = insert(self._services, self._archive, list(jobs.values()))
        self.counts[JOBS] += len(recorded_ids)
        for job_id in jobs.keys() - recorded_ids:
            self._leave(jobs[job_id].media[0].key, "another job has its id, or the time is full")

    def _read(self, key: str) -> Job | ForeignObject:
        try:
            return read(self._services, key)
        except ForeignObject as error:
            return error

    def _leave(self, key: str, why: str) -> None:
        self.counts[FOREIGN] += 1
        self._report_foreign(layout.sidecar_key(key), why)


def _pages_of_media(storage: MediaStorage) -> Iterator[list[str]]:
    """The keys of all files of results, some at a time."""
    page: list[str] = []
    for listed in storage.list_objects():
        if layout.kind_of(listed.key) is layout.ObjectKind.MEDIA:
            page.append(listed.key)
        if len(page) == LOOKED_UP_MAX:
            yield page
            page = []
    if page:
        yield page


def read(services: Services, key: str) -> Job:
    """The job of an object, by its sidecar. Raises ForeignObject, StorageError."""
    job = sidecars.read(services.storage, key)
    job_validation.require_legal_record(job, services.settings.max_input_bytes)
    return job


def _unrecorded(services: Services, archive: Archive, keys: Sequence[str]) -> list[str]:
    """The objects whose jobs have neither a record, nor a row, nor a deletion."""
    job_ids = {layout.job_id_of(key) for key in keys}
    lost_ids = set()
    for job_id, presence in services.archiving.presences.load(list(job_ids)).items():
        is_deleted = presence.tombstone == DELETED or presence.hides(0)
        if presence.record is None and not is_deleted:
            lost_ids.add(job_id)
    lost_ids -= archive.versions(list(lost_ids)).keys()
    return [key for key in keys if layout.job_id_of(key) in lost_ids]


def insert(services: Services, archive: Archive, jobs: Sequence[Job]) -> set[str]:
    """Write rows of jobs that have none. Returns the ids of the jobs that have a row now."""
    jobs_by_id = {job.id: job for job in _without_foreign_names(services, archive, jobs)}
    if not jobs_by_id:
        return set()
    now = services.store.now()
    newest = max(job.created_at for job in jobs_by_id.values())
    counts = services.archiving.counts
    counts.include((), newest)  # first: a list must not end before a row that it lacks
    archive.put(jobs_by_id.values(), now)
    rows = archive.versions(list(jobs_by_id))
    written_jobs = []
    for job_id, row in rows.items():
        if row.version == 0 and row.archived_at == now:
            written_jobs.append(jobs_by_id[job_id])
    counts.include(written_jobs, newest)
    return set(rows)


def _without_foreign_names(
    services: Services, archive: Archive, jobs: Sequence[Job]
) -> Iterator[Job]:
    """The jobs, without task ids that other jobs have.

    A job whose own id is the task id of another job is left out.
    """
    names = set()
    for job in jobs:
        names.add(job.id)
        if job.task_id:
            names.add(job.task_id)
    if not names:
        return
    owners = archive.owners(list(names))
    owners.update(services.listing.owners(list(names)))
    for job in jobs:
        if owners.setdefault(job.id, job.id) != job.id:
            continue
        task_id = job.task_id
        if task_id and owners.setdefault(task_id, job.id) != job.id:
            task_id = None
        yield replace(job, task_id=task_id, version=0)
