"""Where callback, poll and replay meet: one report, one decision, one write."""

from jobs import submission
from jobs.errors import UnknownJob, WrongState
from jobs.job import Job
from jobs.patience import Patience
from jobs.report import Report
from jobs.states import Source
from jobs.store import Store


def accept(store: Store, report: Report, patience: Patience, job_id: str | None = None) -> Job:
    """Put a report on record and return the job as it stands; old news changes nothing.

    `job_id` is given for a job that has an id of its own beside BFL's. A task nobody announced
    gets a job: BFL's callback is the proof that it exists. Raises UnknownJob when the job was
    forgotten, WrongState when the report gives a job the task of another, StoreUnavailable when
    nothing could be recorded.
    """

    from_callback = report.source is Source.CALLBACK

    def hear(job: Job | None, now: float) -> Job:
        if job is None and not from_callback:
            raise UnknownJob
        if job_id is not None and not (job and report.task_id == job.task_id):
            _not_of_another(store, report.task_id, job_id)
        known = job or Job.expected(report.task_id, now, patience, job_id)
        if known.state.terminal:
            return submission.note_late_callback(known, report, now)
        return known.hear(report, now, patience)

    counts = {f"{report.source}_{report.news}": 1}
    announced = job_id is not None
    change = store.change(
        job_id or report.task_id,
        hear,
        counts=counts,
        new=from_callback and not announced,
        unless_forgotten=True,
    )
    if not change.written:
        store.count({f"{report.source}_old": 1})
    assert change.after is not None  # `hear` always makes one
    return change.after


def _not_of_another(store: Store, task_id: str, job_id: str) -> None:
    """Whose secret leaked must not take another's name. Raises WrongState.

    Nobody can name a task before BFL has told its own job of it, so nothing is lost to a race.
    """
    named = store.load(task_id)
    if named is not None and named.id != job_id:
        raise WrongState("the report names the task of another job")
