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
    """The job after a report.

    A report never changes the status of a job that has ended (I5). A report that says nothing new
    returns the same object (I17).
    """
    status = TRANSITIONS.get((job.status, report.kind))
    if status is None or _is_of_duplicate(job, report):
        return submission.note_duplicate(job, report, now)
    if job.status is Status.READY and not _has_fresher_urls(job, report, now):
        return job
    job = _with_task(job, report.task_id, now, timeouts)
    if report.kind is ReportKind.PROGRESS:
        return _apply_progress(job, report, now, timeouts)
    if report.kind is ReportKind.UNCLEAR:
        return _apply_unclear(job, report, now)
    if report.left_out:
        job = job.with_event(now, EventCode.RESULT_TRUNCATED, count=report.left_out)
    return _apply_outcome(_log_report(job, report, now), report, status, now, timeouts)


def _is_of_duplicate(job: Job, report: Report) -> bool:
    """Whether a report is about another task of the job and must be ignored.

    The first ready task of a job that was submitted twice wins; failures of other tasks are
    ignored. While the job is submitted again, its task id is not known yet.
    """
    is_first_ready_task = report.kind is ReportKind.READY and job.status is not Status.READY
    if is_first_ready_task:
        return False
    if job.task_id is not None:
        return job.task_id != report.task_id
    return job.submission.unconfirmed and job.submission.sent_at is not None


def _has_fresher_urls(job: Job, report: Report, now: float) -> bool:
    """Whether a report about a ready job has other URLs than it has, which expire later."""
    if report.urls == job.delivery.urls:
        return False
    if job.delivery.expire_at is None:
        return report.expires_at(now) > 0.0
    return report.expires_at(now) > job.delivery.expire_at


def _with_task(job: Job, task_id: str, now: float, timeouts: Timeouts) -> Job:
    """Record that BFL has the job: its first report proves it."""
    if job.task_id == task_id:
        if job.request.announced_by:
            return job.with_request(announced_by=None)
        return job
    if job.task_id is not None:
        # The first task that is ready wins; the one that the record named is billed as well.
        after = submission.with_duplicate(job.evolve(task_id=task_id), job.task_id)
        after = after.with_polling(polling_url=None, is_host_found=False)
        return after.with_request(announced_by=None)
    next_check_at = job.lease.lease_until
    if next_check_at is None:
        next_check_at = now + timeouts.grace(job.model)
    submitted = job.submitted(now, timeouts, next_check_at=next_check_at)
    return submitted.evolve(task_id=task_id)


def _apply_unclear(job: Job, report: Report, now: float) -> Job:
    """Poll at once after an unclear callback; an unclear poll changes nothing."""
    is_polled = job.lease.work_deadline is not None or job.lease.lease_until is not None
    if report.source is not Source.CALLBACK or is_polled:
        return job
    return _log_report(job.evolve(status=Status.SUBMITTED), report, now).enqueue(now)


def _apply_progress(job: Job, report: Report, now: float, timeouts: Timeouts) -> Job:
    """Note the progress; after a sign of life the grace begins anew."""
    if report.is_alive:
        job = _extend_deadline(job, now, timeouts)
    progress = job.progress
    if report.progress is not None:
        progress = report.progress
    after = job.evolve(status=Status.SUBMITTED, progress=progress)
    is_changed = after != job
    if report.source is Source.CALLBACK and (is_changed or not job.timeline):
        return _log_report(after, report, now)
    if is_changed:
        return after
    return job


def _extend_deadline(job: Job, now: float, timeouts: Timeouts) -> Job:
    """Note a sign of life. The deadline moves, up to `ends_by` at most (I6)."""
    ends_by = job.polling.ends_by
    if not ends_by:
        ends_by = job.created_at + timeouts.give_up_at_most
    deadline = max(job.deadline, min(now + timeouts.give_up_after, ends_by))
    is_last = job.lease.is_last and deadline == job.deadline
    extended = job.evolve(deadline=deadline).with_lease(is_last=is_last)
    extended = extended.with_polling(alive_at=now, ends_by=ends_by)
    if job.lease.work_deadline is not None or job.lease.lease_until is not None:
        return extended  # a worker polls, now or soon, and sets the next check
    next_check_at = poll_time(now, timeouts.grace(job.model), deadline)
    return extended.with_polling(next_check_at=next_check_at)


def _log_report(job: Job, report: Report, now: float) -> Job:
    event = EventCode.POLL_ANSWERED
    if report.source is Source.CALLBACK:
        event = EventCode.CALLBACK_ACCEPTED
    detail = {"status": report.status_text}
    if report.unusable_cost is not None:
        detail["unusable_cost"] = report.unusable_cost
    return job.with_event(now, event, **detail)


def _apply_outcome(job: Job, report: Report, status: Status, now: float, timeouts: Timeouts) -> Job:
    """End the job; with URLs begin its rescue, which may last until they expire."""
    outcome: dict[str, Any] = {
        "source": report.source,
        "cost": _cost(job, report),
        "result": report.result or job.result,
        "error": report.error,
        "moderation": report.moderation,
    }
    if not report.urls:
        ended = job.ended(now, status, **outcome)
        if report.cost is None:
            return ended
        return price_schedule.finish(ended)
    expire_at = report.expires_at(now)
    end_of_rescue = min(expire_at + FINAL_POLL_SECONDS, now + timeouts.give_up_at_most)
    is_refresh = bool(job.delivery.urls) and report.source is not Source.CALLBACK
    ready = job.evolve(
        **outcome,
        status=status,
        progress=1.0,
        deadline=max(job.deadline, end_of_rescue),
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


def _cost(job: Job, report: Report) -> float | None:
    """The settled price, else the quote. A request that BFL refused to begin is not billed."""
    if report.cost is not None:
        return report.cost
    if report.moderation is not None and report.moderation.stage == "request":
        return 0.0
    return job.cost
