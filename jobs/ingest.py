"""Apply a report to its job: callbacks, polls and replays all end here."""

from collections.abc import Callable, Mapping
from functools import partial

from jobs.domain import submission
from jobs.domain.bfl_report import URL_LIFE_MAX_SECONDS, Report
from jobs.domain.errors import (
    ArchiveUnavailable,
    Evicted,
    ReportRefused,
    UnknownJob,
    UnknownToRedis,
)
from jobs.domain.job import Job
from jobs.domain.polling_policy import Timeouts
from jobs.domain.status import ReportKind, Source, Status
from jobs.domain.transitions import transition
from jobs.store.commit import NO_COUNTS, CommitOptions
from jobs.store.job_store import JobStore
from jobs.store.metrics import price_counter, report_counter

# The status of the job with one of these ids that only the archive has; None without a row.
FindArchived = Callable[[tuple[str, ...]], Status | None]

_SETTLED = (ReportKind.READY, ReportKind.MODERATED)


def apply_report(
    store: JobStore,
    report: Report,
    timeouts: Timeouts,
    job_id: str | None = None,
    counts: Mapping[str, int] = NO_COUNTS,
    find_archived: FindArchived | None = None,
) -> Job:
    """Record a report and return its job; a report that is out of date changes nothing (I1, I17).

    `counts` are further increments of counters.
    A callback to the general address has no `job_id`: its job has the id of the task. It creates a
    job for an unknown task, because it proves that the task exists. Where there is an archive,
    `find_archived` is asked before: a row is there longer than its tombstone (I29).
    Raises UnknownJob when the job was deleted, Evicted when only the archive has it, ReportRefused
    when the report is about a task of another job, StoreUnavailable when nothing was recorded, and
    ArchiveUnavailable when only the archive could tell whether the report is a late one.
    """
    is_general = report.source is Source.CALLBACK and job_id is None
    step = partial(_apply, store=store, report=report, timeouts=timeouts, job_id=job_id)
    increments = {report_counter(report.source, report.kind): 1, **counts}
    if report.cost is not None and report.kind in _SETTLED:
        increments[price_counter(report.source)] = 1
    options = CommitOptions(increments, unless_deleted=True, only_known=find_archived is not None)
    name = job_id
    if name is None:
        name = report.task_id
    try:
        try:
            change = store.update(name, step, options, assumes_new=is_general)
        except UnknownToRedis:
            _require_no_row(store, report, find_archived, (name, report.task_id))
            change = store.update(name, step, options._replace(only_known=False), assumes_new=True)
    except UnknownJob:
        if is_general:
            _require_no_submission(store.load(report.task_id))
        raise
    except Evicted:
        store.increment({report_counter(report.source, None): 1, **counts})
        raise
    if not change.written:
        store.increment({report_counter(report.source, None): 1, **counts})
    return change.after


def _require_no_row(
    store: JobStore, report: Report, find_archived: FindArchived | None, names: tuple[str, ...]
) -> None:
    """Raises Evicted where a row has the job, and ArchiveUnavailable.

    While the database is away a URL that may live is rescued all the same: it cannot wait. If
    there is a row after all, the record goes when the sweep compares the two.
    """
    if find_archived is None:
        return
    try:
        status = find_archived(tuple(dict.fromkeys(names)))
    except ArchiveUnavailable:
        if _may_be_fetched(report, store.now()):
            return
        raise
    if status is not None:
        raise Evicted(status.value)


def _may_be_fetched(report: Report, now: float) -> bool:
    """Whether a URL of a report may live: it states no expiry, or one in the near future."""
    if report.kind is not ReportKind.READY or not report.urls:
        return False
    expiry = report.stated_expiry
    if expiry is None:
        return True
    return now < expiry < now + URL_LIFE_MAX_SECONDS


def _apply(
    job: Job | None,
    now: float,
    *,
    store: JobStore,
    report: Report,
    timeouts: Timeouts,
    job_id: str | None,
) -> Job:
    """Apply the report to a record; a report that changes nothing gives the record as it is.

    Raises UnknownJob, ReportRefused.
    """
    from_callback = report.source is Source.CALLBACK
    if job is None and not from_callback:
        raise UnknownJob
    if from_callback and job_id is None:
        _require_no_submission(job)
    elif job is None or report.task_id != job.task_id:
        _require_own_task(store, report, job_id)
    if job is None:
        job = Job.awaited(report.task_id, now, timeouts, job_id)
    if job.status.terminal:
        return submission.note_late_callback(job, report, now)
    return transition(job, report, now, timeouts)


def _require_own_task(store: JobStore, report: Report, job_id: str | None) -> None:
    """Refuse a report about another job's task: a leaked secret is valid for one job (I16).

    There is no race: a task id is unknown until BFL has answered its submission. Raises
    ReportRefused.
    """
    job_of_task = store.load(report.task_id)
    if job_of_task is None:
        return
    own_id = job_id
    if own_id is None:
        own_id = report.task_id
    if job_of_task.id != own_id:
        raise ReportRefused("the report names the task of another job", job_of_task.id)


def _require_no_submission(job: Job | None) -> None:
    """Refuse a job that Fluxkeep submitted: it has its own secret (I16). Raises ReportRefused."""
    if job is not None and job.is_submission:
        why = "the report came to the general address, without this job's own secret"
        raise ReportRefused(why, job.id)
