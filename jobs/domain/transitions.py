"""Apply a report to a job: pure steps, decided by the transition table."""

from typing import Any

from jobs.domain import price_schedule, submission
from jobs.domain.bfl_report import Report
from jobs.domain.job import Job
from jobs.domain.job_record import Delivery
from jobs.domain.polling_policy import FINAL_POLL_SECONDS, Timeouts, poll_time
from jobs.domain.status import TRANSITIONS, ReportKind, Source, Status
from jobs.domain.timeline import EventCode


def transition(job: Job, report: Report, now: float, timeouts: Timeouts) -> Job:
    """The job after a report; the same object when the report changes nothing (I5, I17)."""
    status = TRANSITIONS.get((job.status, report.kind))
    if status is None or _is_of_duplicate(job, report):
        return submission.note_duplicate(job, report, now)
    if job.status is Status.READY and (
        report.urls == job.delivery.urls
        or report.expires_at(now) <= (job.delivery.expire_at or 0.0)
    ):
        return job
    job = _with_task(job, report.task_id, now, timeouts)
    if report.kind is ReportKind.PROGRESS:
        return _apply_progress(job, report, now, timeouts)
    if report.kind is ReportKind.UNCLEAR:
        # Poll at once after an unclear callback; an unclear poll changes nothing.
        is_polled = job.lease.work_deadline or job.lease.lease_until
        if report.source is not Source.CALLBACK or is_polled:
            return job
        return _log_report(job.evolve(status=Status.SUBMITTED), report, now).enqueue(now)
    if report.left_out:
        job = job.with_event(now, EventCode.RESULT_TRUNCATED, count=report.left_out)
    return _apply_outcome(_log_report(job, report, now), report, status, now, timeouts)


def _is_of_duplicate(job: Job, report: Report) -> bool:
    """Whether a report is about another task of the job and must be ignored.

    The first ready task of a job that was submitted twice wins; failures of other tasks are
    ignored. While the job is submitted again, its task id is not known yet.
    """
    sent_again = (
        job.task_id is None and job.submission.unconfirmed and job.submission.sent_at is not None
    )
    another = job.task_id not in (None, report.task_id)
    wins = report.kind is ReportKind.READY and job.status is not Status.READY
    return (sent_again or another) and not wins


def _with_task(job: Job, task_id: str, now: float, timeouts: Timeouts) -> Job:
    """Record that BFL has the job: its first report proves it."""
    if job.task_id == task_id:
        return job.with_request(announced_by=None) if job.request.announced_by else job
    if job.task_id is not None:
        # The first task that is ready wins; the one that the record named is billed as well.
        known = submission.with_duplicate(job.evolve(task_id=task_id), job.task_id)
        return known.with_polling(polling_url=None, is_host_found=False).with_request(
            announced_by=None
        )
    next_check_at = job.lease.lease_until or now + timeouts.grace(job.model)
    submitted = job.submitted(now, timeouts, next_check_at=next_check_at)
    return submitted.evolve(task_id=task_id)


def _apply_progress(job: Job, report: Report, now: float, timeouts: Timeouts) -> Job:
    """Note the progress; after a sign of life the grace begins anew."""
    if report.is_alive:
        # I6: the deadline moves up to `ends_by` at most.
        ends_by = job.polling.ends_by or job.created_at + timeouts.give_up_at_most
        deadline = max(job.deadline, min(now + timeouts.give_up_after, ends_by))
        is_last = job.lease.is_last and deadline == job.deadline
        job = job.evolve(deadline=deadline).with_lease(is_last=is_last)
        job = job.with_polling(alive_at=now, ends_by=ends_by)
        # Otherwise a worker polls, now or soon, and sets the next check.
        if job.lease.work_deadline is None and job.lease.lease_until is None:
            next_check_at = poll_time(now, timeouts.grace(job.model), deadline)
            job = job.with_polling(next_check_at=next_check_at)
    progress = report.progress if report.progress is not None else job.progress
    after = job.evolve(status=Status.SUBMITTED, progress=progress)
    if report.source is not Source.CALLBACK:
        return job if after == job else after
    return job if after == job and job.timeline else _log_report(after, report, now)


def _log_report(job: Job, report: Report, now: float) -> Job:
    by_callback = report.source is Source.CALLBACK
    event = EventCode.CALLBACK_ACCEPTED if by_callback else EventCode.POLL_ANSWERED
    detail = {"status": report.status_text}
    if report.unusable_cost is not None:
        detail["unusable_cost"] = report.unusable_cost
    return job.with_event(now, event, **detail)


def _apply_outcome(job: Job, report: Report, status: Status, now: float, timeouts: Timeouts) -> Job:
    """End the job; with URLs begin its rescue, which may last until they expire."""
    # The settled price, else the quote; what BFL refused to begin is not billed.
    is_refused = report.moderation is not None and report.moderation.stage == "request"
    quoted = 0.0 if is_refused else job.cost
    outcome: dict[str, Any] = {
        "source": report.source,
        "cost": quoted if report.cost is None else report.cost,
        "result": report.result or job.result,
        "error": report.error,
        "moderation": report.moderation,
    }
    if not report.urls:
        ended = job.ended(now, status, **outcome)
        is_told = report.cost is not None
        return price_schedule.finish(ended) if is_told else ended
    expire_at = report.expires_at(now)
    until = min(expire_at + FINAL_POLL_SECONDS, now + timeouts.give_up_at_most)
    is_refresh = bool(job.delivery.urls) and report.source is not Source.CALLBACK
    ready = job.evolve(
        **outcome,
        status=status,
        progress=1.0,
        deadline=max(job.deadline, until),
        delivery=Delivery(
            urls=report.urls,
            roles=report.roles,
            expire_at=expire_at,
            ready_at=now,
            refreshed=job.delivery.refreshed or is_refresh,
        ),
        submission=job.submission.evolve(slot=False),
        polling=job.polling.evolve(attempts=0),
    )
    return ready.with_lease(lease_until=None, is_last=False).enqueue(now)
