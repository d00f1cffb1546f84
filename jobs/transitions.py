"""Apply a report to a job: pure steps, decided by the transition table."""

from jobs.evolution import replace
from jobs.job import Job
from jobs.report import Report, quoted
from jobs.status import TRANSITIONS, News, Source, State
from jobs.timeouts import FINAL_POLL_SECONDS, Patience, poll_time


def transition(job: Job, report: Report, now: float, patience: Patience) -> Job:
    """The job after a report; the very same object when the report is old news."""
    state = TRANSITIONS.get((job.state, report.news))
    if state is None or _is_of_duplicate(job, report):
        return job
    if job.state is State.READY and not _has_fresher_urls(job, report, now):
        return job
    return _apply(_confirm(job, report.task_id, now, patience), report, state, now, patience)


def _is_of_duplicate(job: Job, report: Report) -> bool:
    """Of a job that was submitted twice the first ready task wins; other failures are ignored.

    While it is sent again, nobody knows yet which of its tasks a report is about.
    """
    sent_again = job.task_id is None and job.unconfirmed and job.sent_at is not None
    another = job.task_id not in (None, report.task_id)
    wins = report.news is News.READY and job.state is not State.READY
    return (sent_again or another) and not wins


def _confirm(job: Job, task_id: str, now: float, patience: Patience) -> Job:
    """The first report proves that BFL has the job, sent by us or announced by its caller."""
    if job.task_id == task_id:
        return replace(job, expected_by=None) if job.expected_by else job
    if job.task_id is not None:
        return replace(job, task_id=task_id, polling_url=None, expected_by=None)
    return replace(
        job,
        expected_by=None,
        task_id=task_id,
        state=State.SUBMITTED,
        waits=False,
        unconfirmed=False,
        deadline=patience.deadline(now),
        ends_by=now + patience.give_up_at_most,
        look_at=job.lease_until or now + patience.grace(job.model),
    )


def _apply(job: Job, report: Report, state: State, now: float, patience: Patience) -> Job:
    if report.news is News.PROGRESS:
        job = _extend_deadline(job, now, patience) if report.is_alive else job
        return _apply_progress(job, report, now)
    if report.news is News.UNCLEAR:
        return _apply_unclear(job, report, now)
    heard = _record_outcome(job, report, state, now)
    return _apply_ready(heard, report, now, patience) if report.urls else heard.ended(now, state)


def _extend_deadline(job: Job, now: float, patience: Patience) -> Job:
    """A sign of life begins the grace anew and moves the deadline, within the absolute end."""
    ends_by = job.ends_by or job.created_at + patience.give_up_at_most
    deadline = min(max(job.deadline, now + patience.give_up_after), ends_by)
    job = replace(job, alive_at=now, deadline=deadline, ends_by=ends_by)
    if job.wanted is not None or job.lease_until is not None:
        return job  # a worker is to ask, or asks now, and decides what follows
    return replace(job, look_at=poll_time(now, patience.grace(job.model), deadline))


def _has_fresher_urls(job: Job, report: Report, now: float) -> bool:
    fresh = report.urls != job.urls
    return fresh and report.death(now) > (job.urls_die_at or 0.0)


def _apply_progress(job: Job, report: Report, now: float) -> Job:
    progress = report.progress if report.progress is not None else job.progress
    after = replace(job, state=State.SUBMITTED, progress=progress)
    if after == job and (job.timeline or report.source is not Source.CALLBACK):
        return job
    return _log_report(after, report, now) if report.source is Source.CALLBACK else after


def _apply_unclear(job: Job, report: Report, now: float) -> Job:
    """A callback that is not clear is settled by asking; an answer to that can only wait."""
    if report.source is not Source.CALLBACK or job.wanted or job.lease_until:
        return job
    return _log_report(replace(job, state=State.SUBMITTED), report, now).called_for(now)


def _record_outcome(job: Job, report: Report, state: State, now: float) -> Job:
    job = replace(
        job,
        state=state,
        source=report.source,
        cost=report.cost if report.cost is not None else job.cost,
        quoted_cost=quoted(job.quoted_cost, job.cost, report.cost),
        result=report.result or job.result,
        failure=report.failure,
        moderation=report.moderation,
    )
    if report.left_out:
        job = job.noted(now, "files left out", count=report.left_out)
    return _log_report(job, report, now)


def _log_report(job: Job, report: Report, now: float) -> Job:
    what = "callback accepted" if report.source is Source.CALLBACK else "BFL answered"
    return job.noted(now, what, status=report.said)


def _apply_ready(job: Job, report: Report, now: float, patience: Patience) -> Job:
    """The rescue may take as long as the URL lives, but never more than GIVE_UP_AT_MOST."""
    dies_at = report.death(now)
    until = min(dies_at + FINAL_POLL_SECONDS, now + patience.give_up_at_most)
    job = replace(
        job,
        urls=report.urls,
        roles=report.roles,
        urls_die_at=dies_at,
        ready_at=now,
        deadline=max(job.deadline, until),
        asked_again=job.asked_again or _is_refresh(job, report),
        progress=1.0,
        slot=False,
        tries=0,
        lease_until=None,
    )
    return job.called_for(now)


def _is_refresh(job: Job, report: Report) -> bool:
    return bool(job.urls) and report.source is not Source.CALLBACK
