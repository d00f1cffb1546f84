"""Lifecycle of a job that Fluxkeep submits: queued, sent, then confirmed, refused or unconfirmed.

All steps are pure; `submission_life.py` has the table of what leads where. "Sent" is on record
before the request leaves: if the worker dies, the next one knows that BFL may have the task. Such a
job is not sent again without an operator (I13).
"""

from collections.abc import Mapping
from typing import Any

from jobs.domain.bfl_report import (
    UNCONFIRMED_CODES,
    ErrorCode,
    Failure,
    Report,
    SubmissionReceipt,
)
from jobs.domain.errors import OverBudget
from jobs.domain.job import Job
from jobs.domain.job_record import Notifications, Polling, Request, Submission
from jobs.domain.polling_policy import Timeouts
from jobs.domain.retry_policy import RetryPolicy
from jobs.domain.status import REPLAYABLE, ReportKind, Source, Status
from jobs.domain.submission_life import Phase, Step, applies, phase_of
from jobs.domain.timeline import EventCode
from jobs.domain.timestamps import rfc3339

# A circuit can stay open for days (no credits); what waits is submitted afterwards.
QUEUE_SECONDS = 7 * 86400.0
QUEUE_CHECK_SECONDS = 900.0  # restores a lost position in the queue
RESUBMITS_MAX = 6  # after a 500, which may be about this one job
RESUBMIT_PAUSE_MAX_SECONDS = 3600.0
RESUBMIT_PAUSE_GROWTH = 2.0
FIRST_POLL_SECONDS = 2.0  # of a task that BFL will not call back about
# An unanswered submission occupies its slot for as long as a generation may take. With the
# job's deadline instead, a few time-outs would occupy every slot for an hour.
UNANSWERED_SLOT_SECONDS = 600.0
DUPLICATES_MAX = 20
NO_CALLBACK = "BFL was not given a webhook for this job"


def create(
    job_id: str,
    model: str,
    now: float,
    request: Request | None = None,
    metadata: Mapping[str, Any] | None = None,
    notify_url: str | None = None,
) -> Job:
    """Create a job that waits for a concurrency slot."""
    job = Job(
        id=job_id,
        status=Status.QUEUED,
        model=model,
        metadata=metadata or {},
        created_at=now,
        updated_at=now,
        deadline=now + QUEUE_SECONDS,
        is_submission=True,
        polling=Polling(next_check_at=now + QUEUE_CHECK_SECONDS),
        request=request or Request(),
        submission=Submission(queued_at=now, is_queued=True),
        notifications=Notifications(notify_url=notify_url),
        version=int(now * 1e6),
    )
    return job.with_event(now, EventCode.SUBMISSION_QUEUED)


def await_budget(job: Job, now: float, refusal: OverBudget) -> Job:
    """Have a new job wait until its key's budget has room; fail if that takes too long."""
    detail = {"budget": refusal.budget, "resets_at": rfc3339(refusal.resets_at)}
    waiting = _priced(job, refusal).with_submission(awaits_budget=True)
    waiting = waiting.with_event(now, EventCode.SUBMISSION_OVER_BUDGET, **detail)
    if refusal.resets_at <= job.deadline and not refusal.is_final:
        return waiting
    too_late = f"the budget of its key has no room for it until {detail['resets_at']}"
    too_dear = f"it would cost more than all of its key's budget, {refusal.budget}"
    why = too_dear if refusal.is_final else too_late
    return _give_up(waiting, now, Status.FAILED, ErrorCode.NOT_SUBMITTED, why)


def _priced(job: Job, refusal: OverBudget) -> Job:
    """A job that waits for a budget, in the queue of its price."""
    return job.with_submission(reserve=refusal.price, is_guess=refusal.is_guess)


def price_anew(job: Job, _now: float, refusal: OverBudget) -> Job:
    """Have a job wait until there is room for its present price, which was another before."""
    if not job.submission.awaits_budget or not job.submission.is_queued:
        return job
    priced = _priced(job, refusal)
    if priced.submission == job.submission:
        return job
    return priced


def settle_price(job: Job, _now: float, price: float) -> Job:
    """Count the price of such jobs, which BFL has named since, instead of what the job reserved."""
    has_reserve = job.submission.reserved_at is not None
    is_unknown = job.submission.is_guess or job.submission.reserve is None
    if job.cost is not None or not has_reserve or not is_unknown:
        return job
    return job.with_submission(reserve=price, is_guess=False)


def hold(job: Job, now: float, why: str) -> Job:
    """Have a queued job wait for a key that was removed from the settings."""
    held = job.with_submission(is_held=True)
    return held.with_event(now, EventCode.SUBMISSION_PAUSED, reason=why)


def assign_bfl_key(job: Job, bfl_key: str) -> Job:
    """Have a queued job paid by its own API key's BFL key: the one that paid for both is gone."""
    return job.with_submission(bfl_key=bfl_key)


def admit(job: Job, now: float, origin: str, sent_by: str | None = None) -> Job:
    """Move a job from the queue into a slot; the worker that does so sends it at once."""
    if not applies(Step.ADMIT, job):
        return job
    leased = job.leased(now, fencing_token=job.next_fencing_token(now))
    sent = leased.with_submission(
        is_queued=False,
        is_held=False,
        slot=True,
        sent_at=now,
        sent_by=sent_by,
        origin=origin,
        awaits_budget=False,
    )
    return sent.with_event(now, EventCode.SUBMISSION_SENT, origin=origin)


def requeue(job: Job, now: float, why: str, *, last: bool = False) -> Job:
    """Requeue a job that BFL does not have; `last`, to block no others, if it may be the reason."""
    if not applies(Step.REQUEUE, job):
        return _release(job)
    waiting = _wait(job, now, last=last)
    return waiting.with_event(now, EventCode.SUBMISSION_REQUEUED, reason=why)


def _wait(job: Job, now: float, *, last: bool) -> Job:
    next_check_at = min(now + QUEUE_CHECK_SECONDS, job.deadline)
    waiting = job.unleased(next_check_at)
    queued_at = now if last else job.submission.queued_at
    return waiting.with_submission(is_queued=True, queued_at=queued_at, slot=False, sent_at=None)


def is_cancellable(job: Job) -> bool:
    """Whether a job waits to be sent, and BFL has certainly nothing of it."""
    submission = job.submission
    waits = job.status is Status.QUEUED and submission.is_queued and submission.sent_at is None
    # After an error, or silence, BFL may have a task nevertheless.
    may_be_at_bfl = submission.unconfirmed or job.task_id is not None
    return waits and not may_be_at_bfl


def accept(job: Job, now: float, answer: SubmissionReceipt, timeouts: Timeouts) -> Job:
    """Record BFL's answer to the submission: it has the task."""
    cost = job.cost
    if cost is None:
        cost = answer.cost
    if job.task_id not in (None, answer.task_id):  # a duplicate was ready first
        answered = with_duplicate(job.evolve(cost=cost), answer.task_id)
        answered = answered.with_submission(sent_at=None)
        return answered.with_event(now, EventCode.SUBMISSION_DUPLICATED, task_id=answer.task_id)
    answered = job.evolve(
        task_id=answer.task_id,
        cost=cost,
        polling=job.polling.evolve(polling_url=job.polling.polling_url or answer.polling_url),
        submission=job.submission.evolve(megapixels=answer.megapixels, sent_at=None),
    )
    if not applies(Step.ACCEPT, job):  # the callback came before the answer
        return job if answered == job else answered
    pause = timeouts.grace(job.model) if timeouts.has_webhook else FIRST_POLL_SECONDS
    submitted = answered.submitted(
        now,
        timeouts,
        awaits_callback=timeouts.has_webhook,
        next_check_at=now + pause,
    )
    detail = {"task_id": answer.task_id}
    if answer.unusable_cost is not None:
        detail["unusable_cost"] = answer.unusable_cost
    accepted = submitted.with_lease(lease_until=None)
    return accepted.with_event(now, EventCode.SUBMISSION_ACCEPTED, **detail)


def refuse(job: Job, now: float, failure: Failure) -> Job:
    """End a job that BFL refuses for good."""
    if not applies(Step.REFUSE, job):
        return _release(job)
    failed = job.ended(now, Status.FAILED, error=failure).with_submission(sent_at=None)
    return failed.with_event(now, EventCode.SUBMISSION_REFUSED, code=failure.code)


def back_off(job: Job, now: float, why: str, timeouts: Timeouts, *, is_counted: bool) -> Job:
    """Back off after a 5xx: submit again unless a callback comes first.

    A 5xx usually means that no task was created. `is_counted` limits the attempts: the error may
    be about this one job.
    """
    if not applies(Step.BACK_OFF, job):
        return _release(job)
    attempts = job.submission.attempts
    if is_counted and attempts >= RESUBMITS_MAX:
        message = "BFL answered with errors each time"
        return refuse(job, now, Failure(ErrorCode.BFL_UNAVAILABLE, message))
    pause = _resubmissions(job, timeouts).pause_seconds(attempts)
    waiting = job.unleased(min(now + pause, job.deadline))
    if is_counted:
        attempts += 1
    unconfirmed = waiting.with_submission(
        unconfirmed=True, slot=False, sent_at=None, attempts=attempts
    )
    return _note_unconfirmed(unconfirmed, now, why, timeouts)


def _resubmissions(job: Job, timeouts: Timeouts) -> RetryPolicy:
    """The policy of submissions that met a 5xx: a callback may come before the next one is sent."""
    grace = timeouts.grace(job.model) if timeouts.has_webhook else 0.0
    return RetryPolicy(
        first_seconds=grace,
        longest_seconds=RESUBMIT_PAUSE_MAX_SECONDS,
        growth=RESUBMIT_PAUSE_GROWTH,
        jitter=0.0,
    )


def await_confirmation(job: Job, now: float, why: str, timeouts: Timeouts) -> Job:
    """Record that no answer came: BFL probably has the task, and only a callback can prove it."""
    if not applies(Step.AWAIT_CONFIRMATION, job):
        return _release(job)
    grace = timeouts.grace(job.model)
    deadline = now + (timeouts.give_up_after if timeouts.has_webhook else grace)
    slot_until = now + max(grace, UNANSWERED_SLOT_SECONDS)
    waiting = job.evolve(
        status=Status.SUBMITTED,
        deadline=deadline,
        submission=job.submission.evolve(unconfirmed=True, sent_at=None),
    ).unleased(min(slot_until, deadline))
    return _note_unconfirmed(waiting, now, why, timeouts)


def _note_unconfirmed(job: Job, now: float, why: str, timeouts: Timeouts) -> Job:
    detail = {} if timeouts.has_webhook else {"callback": NO_CALLBACK}
    return job.with_event(now, EventCode.SUBMISSION_UNCONFIRMED, reason=why, **detail)


def _release(job: Job) -> Job:
    """The callback came before the answer, which proves that BFL has the task."""
    return job.with_lease(lease_until=None).with_submission(sent_at=None)


def note_late_callback(job: Job, report: Report, now: float) -> Job:
    """Record the task of a callback for an ended job: a replay polls it instead of paying again."""
    if not job.is_submission or report.source is not Source.CALLBACK:
        return job
    if job.task_id is not None:
        return note_duplicate(job, report, now)
    price = job.cost if job.cost is not None else report.cost
    return job.evolve(task_id=report.task_id, cost=price).with_event(
        now, EventCode.CALLBACK_LATE, task_id=report.task_id, status=report.status_text
    )


def note_duplicate(job: Job, report: Report, now: float) -> Job:
    """Book a further task of the job that BFL reports as made; it changes nothing else."""
    is_refused = report.moderation is not None and report.moderation.stage == "request"
    is_made = report.kind in (ReportKind.READY, ReportKind.UNCLEAR, ReportKind.MODERATED)
    if not is_made or is_refused:
        return job
    noted = with_duplicate(job, report.task_id)
    if noted is job:
        return job
    return noted.with_event(now, EventCode.SUBMISSION_DUPLICATED, task_id=report.task_id)


def recheck(job: Job, now: float, timeouts: Timeouts, obstacle: str = "") -> Job:
    """Recheck a due job, whether BFL has it or not: the step of the sweep.

    `obstacle` says why a queued job must not be sent now.
    """
    if job.status is Status.QUEUED:
        return _recheck_queued(job, now, timeouts, obstacle)
    if phase_of(job) is Phase.UNCONFIRMED:
        if now < job.deadline:
            return job.with_polling(next_check_at=job.deadline).with_submission(slot=False)
        why = "it was sent to BFL, which neither answered nor called; it may have been paid for"
        return _give_up(job, now, Status.LOST, ErrorCode.SUBMISSION_UNCONFIRMED, why)
    return job.recheck(now)


def _recheck_queued(job: Job, now: float, timeouts: Timeouts, obstacle: str) -> Job:
    if job.is_leased(now):
        return job.with_polling(next_check_at=job.lease.lease_until)
    phase = phase_of(job)
    if phase is Phase.SENT:  # BFL may have it, and it is paid once (I13)
        why = "the worker that sent it has stopped"
        return await_confirmation(job, now, why, timeouts)
    if now >= job.deadline:
        return _give_up_after_a_week(job, now, obstacle)
    if not applies(Step.SEND_AGAIN, job):
        return job.with_polling(next_check_at=min(now + QUEUE_CHECK_SECONDS, job.deadline))
    return _send_again(job, now)


def _give_up_after_a_week(job: Job, now: float, obstacle: str) -> Job:
    """End a job that could not be sent; the reason that hindered it last counts."""
    if job.submission.unconfirmed and phase_of(job) is Phase.BACKED_OFF:
        why = "BFL answered with an error a week ago, and it could not be sent again since"
        return _give_up(job, now, Status.FAILED, ErrorCode.BFL_UNAVAILABLE, why)
    why = "BFL did not take it within a week"
    if job.submission.awaits_budget:
        why = "the budget of its key had no room for it within a week"
    if obstacle:
        why = f"it waited for a week: {obstacle}"
    return _give_up(job, now, Status.FAILED, ErrorCode.NOT_SUBMITTED, why)


def _send_again(job: Job, now: float) -> Job:
    """Requeue a job that BFL answered with an error, and of which no callback came."""
    why = "BFL answered with an error and did not call; if it has the task, this one is paid too"
    # Last: if the errors are about this job alone, it would be each probe of the model's circuit.
    waiting = _wait(job, now, last=True)
    # The budget pays for both: the store reserves for the second send, and the first still counts.
    waiting = waiting.with_submission(unanswered=job.submission.unanswered + 1, reserved_at=None)
    return waiting.with_event(now, EventCode.SUBMISSION_RETRIED, reason=why)


def postpone_retry(job: Job, now: float, refusal: OverBudget) -> Job:
    """Send a job again later: its key's budget has no room for a second task."""
    detail = {"budget": refusal.budget, "resets_at": rfc3339(refusal.resets_at)}
    next_check_at = min(now + QUEUE_CHECK_SECONDS, job.deadline)
    postponed = job.with_polling(next_check_at=next_check_at)
    return postponed.with_event(now, EventCode.SUBMISSION_OVER_BUDGET, **detail)


def with_duplicate(job: Job, task_id: str | None) -> Job:
    """Note a further task that BFL made of the job: it is billed as well."""
    duplicates = job.submission.duplicates
    is_new = task_id is not None and task_id != job.task_id and task_id not in duplicates
    if not job.is_submission or not is_new or len(duplicates) >= DUPLICATES_MAX:
        return job
    return job.with_submission(duplicates=(*duplicates, task_id))


def _give_up(job: Job, now: float, status: Status, code: ErrorCode, why: str) -> Job:
    """End a job in any phase in which BFL may still have no task of it."""
    if not applies(Step.GIVE_UP, job):
        return job
    ended = job.ended(now, status, error=Failure(code, why))
    return ended.with_event(now, EventCode.JOB_GIVEN_UP)


def replay(job: Job, now: float, timeouts: Timeouts) -> Job:
    """Replay a job for an operator (I5): poll BFL, or submit again if it may not have the task."""
    if job.status not in REPLAYABLE or not applies(Step.REPLAY, job):
        return job
    if job.task_id is not None:
        reopened = job.evolve(error=None, ended_at=None)
        replayed = reopened.submitted(now, timeouts, is_replay=True)
        return replayed.with_event(now, EventCode.JOB_REPLAYED).enqueue(now)
    # Each time that it was sent, BFL may have made and billed a task.
    new_credits = job.cost_of_unanswered + job.cost_of_duplicates
    counts_as_reserve = job.is_without_price or job.may_be_billed
    if counts_as_reserve and not job.submission.is_guess:
        new_credits += job.submission.reserve or 0.0
    earlier_credits = job.submission.earlier or 0.0
    queued = job.evolve(
        status=Status.QUEUED,
        error=None,
        deadline=now + QUEUE_SECONDS,
        ended_at=None,
        polling=job.polling.evolve(next_check_at=now + QUEUE_CHECK_SECONDS),
        submission=job.submission.evolve(
            is_queued=True,
            queued_at=job.created_at,
            attempts=0,
            reserved_at=None,  # the store reserves anew
            earlier=(earlier_credits + new_credits) or None,
            unanswered=0,
            duplicates=(),
            unconfirmed=job.error is not None and job.error.code in UNCONFIRMED_CODES,
        ),
    )
    return queued.with_event(now, EventCode.SUBMISSION_REPLAYED)
