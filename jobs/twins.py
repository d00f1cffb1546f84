"""A job that was sent more than once: BFL may have made several tasks of it, and one is enough."""

from jobs.evolution import replace
from jobs.job import Job
from jobs.patience import Patience
from jobs.report import Report
from jobs.states import News, Source, State

BAD_NEWS = frozenset({News.MODERATED, News.FAILED})
FINAL_NEWS = BAD_NEWS | {News.READY}


def heard(job: Job, report: Report, now: float, patience: Patience) -> Job:
    """The job after a report about any of its tasks."""
    if job.state.terminal:
        return _after_all(job, report, now)
    if not job.unheard or job.state is State.READY:
        return job.hear(report, now, patience)
    known = acquainted(job, report.task_id)
    if report.news in BAD_NEWS and _others_may_do(known, report.task_id):
        return _set_back(known, report, now, patience)
    if report.news in FINAL_NEWS or known.task_id in known.setbacks:
        known = _adopted(known, report.task_id)
    return known.hear(report, now, patience)


def _after_all(job: Job, report: Report, now: float) -> Job:
    """An end stays; but BFL can be asked about the task now, instead of being paid for another."""
    if not job.ours or job.task_id is not None or report.source is not Source.CALLBACK:
        return job
    known = replace(job, task_id=report.task_id)
    return known.noted(now, "BFL has it after all", task_id=report.task_id, status=report.said)


def acquainted(job: Job, task_id: str) -> Job:
    """All of its tasks find a job: no more than were sent."""
    if task_id in (job.task_id, *job.twins) or len(job.twins) > job.unheard:
        return job
    return replace(job, twins=(*job.twins, task_id))


def _others_may_do(job: Job, task_id: str) -> bool:
    sent = job.unheard + (not job.waits)
    return len({*job.setbacks, task_id}) < sent


def _set_back(job: Job, report: Report, now: float, patience: Patience) -> Job:
    """Kept in mind, and only the end if none of the others does better."""
    if report.task_id in job.setbacks:
        return job
    failed = replace(
        job,
        setbacks=(*job.setbacks, report.task_id),
        source=report.source,
        failure=report.failure,
        moderation=report.moderation,
    )
    noted = failed.noted(now, "one of its tasks failed", task_id=report.task_id, status=report.said)
    return _turned_to_another(noted, now, patience) if job.task_id == report.task_id else noted


def _turned_to_another(job: Job, now: float, patience: Patience) -> Job:
    """BFL is asked about a task that was heard of; one that was not may still call."""
    other = next((twin for twin in job.twins if twin not in job.setbacks), None)
    later = now if other else min(now + patience.callback_grace, job.deadline)
    turned = _adopted(job, other) if other else job
    return replace(turned, wanted=None, lease_until=None, look_at=later)


def _adopted(job: Job, task_id: str) -> Job:
    if job.task_id in (None, task_id):
        return job
    others = (twin for twin in (*job.twins, job.task_id) if twin and twin != task_id)
    return replace(job, task_id=task_id, polling_url=None, twins=tuple(dict.fromkeys(others)))


def are_over(job: Job) -> bool:
    """Whether the only task that was heard of has failed, and nothing else was heard in time."""
    return job.state is State.SUBMITTED and job.task_id is not None and job.task_id in job.setbacks


def ended(job: Job, now: float) -> Job:
    """As its task did."""
    state = State.MODERATED if job.moderation else State.FAILED
    return job.ended(now, state).noted(now, "none of its other tasks was heard of")
