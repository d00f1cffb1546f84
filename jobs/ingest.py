"""Apply a report to its job: callbacks, polls and replays all end here."""

from jobs import submission
from jobs.errors import UnknownJob, WrongStatus
from jobs.job import Job
from jobs.report import Report
from jobs.status import Source
from jobs.store.counters import report_counter
from jobs.store.job_store import JobStore
from jobs.timeouts import Timeouts
from jobs.transitions import transition


def apply_report(
    store: JobStore, report: Report, timeouts: Timeouts, job_id: str | None = None
) -> Job:
    """Record a report and return its job; a report that is out of date changes nothing.

    `job_id` names a job that has an id of its own beside BFL's. A callback about an unknown task
    makes a job: it proves that the task exists.
    Raises UnknownJob when the job was forgotten, WrongStatus when the report is about a task of
    another job, StoreUnavailable when nothing was recorded.
    """
    from_callback = report.source is Source.CALLBACK
    general = from_callback and job_id is None

    def step(job: Job | None, now: float) -> Job:
        if job is None and not from_callback:
            raise UnknownJob
        if general:
            _check_brought_by_caller(job)
        elif not (job and report.task_id == job.task_id):
            _check_not_of_another(store, report.task_id, job_id or report.task_id)
        known = job or Job.expected(report.task_id, now, timeouts, job_id)
        if known.status.terminal:
            return submission.note_late_callback(known, report, now)
        return transition(known, report, now, timeouts)

    counts = {report_counter(report.source, report.kind): 1}
    try:
        change = store.update(
            job_id or report.task_id, step, counts=counts, new=general, unless_deleted=True
        )
    except UnknownJob:
        if general:
            _check_brought_by_caller(store.load(report.task_id))
        raise
    if not change.written:
        store.increment({report_counter(report.source, None): 1})
    assert change.after is not None  # `step` always makes one
    return change.after


def _check_brought_by_caller(job: Job | None) -> None:
    """A job that Fluxkeep submitted has a secret of its own. Raises WrongStatus."""
    if job is not None and job.is_submission:
        raise WrongStatus("the report came to the general address, without this job's own secret")


def _check_not_of_another(store: JobStore, task_id: str, job_id: str) -> None:
    """A leaked secret of one job must not take the task of another. Raises WrongStatus.

    No race: nobody can name a task before BFL has answered its own submission.
    """
    named = store.load(task_id)
    if named is not None and named.id != job_id:
        raise WrongStatus("the report names the task of another job")
