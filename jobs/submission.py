"""The steps of a job that Fluxkeep submits: in line, sent, taken by BFL or not, or in doubt.

All of them are pure. "Sent" is put on record before the request leaves, so that whoever finds a
job that a dead worker has left knows that BFL may have it. Such a job is never sent again by
itself: BFL's callback names it, and is waited for.
"""

from collections.abc import Mapping
from typing import Any

from jobs import twins
from jobs.evolution import replace
from jobs.job import LEASE_SECONDS, Job
from jobs.patience import Patience
from jobs.report import Failure, Taken
from jobs.states import REOPENABLE, Doubt, State

# A pause may last for days (no credits); what waits then is submitted afterwards.
LINE_SECONDS = 7 * 86400.0
LINE_CHECK_SECONDS = 900.0  # its place is put right this often, should it ever get lost
RESUBMITS_MAX = 3
FIRST_POLL_SECONDS = 2.0  # where BFL has nobody to call
# What got no answer counts as active for as long as a generation may take. Counted until its
# deadline, a few that hang would keep every slot for an hour.
SILENT_SLOT_SECONDS = 600.0
NOBODY_TO_CALL = "BFL was given nobody to call (PUBLIC_URL is not set)"
# Ends of a job that BFL may have all the same.
UNSURE = ("bfl_unavailable", "submission_unconfirmed")


def in_line(job_id: str, model: str, now: float, facts: Mapping[str, Any]) -> Job:
    """A new job that waits for a slot at BFL."""
    job = Job(
        id=job_id,
        state=State.QUEUED,
        model=model,
        created_at=now,
        updated_at=now,
        deadline=now + LINE_SECONDS,
        look_at=now + LINE_CHECK_SECONDS,
        ours=True,
        waits=True,
        version=int(now * 1e6),
        **facts,
    )
    return job.noted(now, "queued")


def admitted(job: Job, now: float, origin: str) -> Job:
    """Out of the line and into a slot, claimed by the worker that sends it at once."""
    if not job.waits:
        return job
    until = now + LEASE_SECONDS
    sent = replace(
        job,
        waits=False,
        slot=True,
        sent_at=now,
        origin=origin,
        lease_until=until,
        look_at=until,
        fence=job.fence + 1,
    )
    return sent.noted(now, "submitting", origin=origin)


def back_in_line(job: Job, now: float, why: str, *, behind: bool = False) -> Job:
    """Not taken, for a reason that is not the job's: it keeps its place.

    `behind` all others when the reason may be the job's own: it must not hold them up.
    """
    if job.task_id is not None:
        return _let_go(job)
    later = min(now + LINE_CHECK_SECONDS, job.deadline)
    place = now if behind else job.behind
    waiting = replace(
        job, waits=True, slot=False, sent_at=None, behind=place, lease_until=None, look_at=later
    )
    return waiting.noted(now, "submitting put off", reason=why)


def taken(job: Job, now: float, answer: Taken, patience: Patience, *, calls: bool) -> Job:
    """BFL's answer: it has the task. `calls` says whether BFL was given somebody to call."""
    if job.task_id not in (None, answer.task_id):
        both = replace(twins.acquainted(job, answer.task_id), sent_at=None)
        return both.noted(now, "taken twice", task_id=answer.task_id)
    known = replace(
        job,
        task_id=answer.task_id,
        polling_url=job.polling_url or answer.polling_url,
        cost=job.cost if job.cost is not None else answer.cost,
        megapixels=answer.megapixels,
        sent_at=None,
    )
    if job.task_id or job.state.terminal:  # the callback was quicker than BFL's own answer
        return known if known != job else job
    grace = patience.callback_grace if calls else FIRST_POLL_SECONDS
    submitted = replace(
        known,
        state=State.SUBMITTED,
        waits=False,
        doubt=None,
        deadline=now + patience.give_up_after,
        look_at=now + min(grace, patience.last_poll_after),
        lease_until=None,
    )
    return submitted.noted(now, "submitted", task_id=answer.task_id)


def refused(job: Job, now: float, failure: Failure) -> Job:
    """BFL says that it will never take this one."""
    if job.task_id is not None:
        return _let_go(job)
    failed = job.ended(now, State.FAILED, failure=failure, sent_at=None)
    return failed.noted(now, "submission refused", code=failure.code)


def doubted(
    job: Job, now: float, doubt: Doubt, why: str, patience: Patience, *, calls: bool = True
) -> Job:
    """It was sent, and only BFL's callback can say whether it was taken.

    Without anybody to call (`calls`) nothing is waited for.
    """
    if job.task_id is not None:
        return _let_go(job)
    deadline = now + (patience.give_up_after if calls else patience.callback_grace)
    silent = calls and doubt is Doubt.SILENT
    slot_for = max(patience.callback_grace, SILENT_SLOT_SECONDS * silent)
    waiting = replace(
        job,
        state=State.SUBMITTED,
        doubt=doubt,
        deadline=deadline,
        look_at=min(now + slot_for, deadline),
        line_ends=job.deadline,
        sent_at=None,
        lease_until=None,
    )
    detail = {} if calls else {"callback": NOBODY_TO_CALL}
    noted = waiting.noted(now, "submission in doubt", reason=why, **detail)
    return noted if calls or doubt is Doubt.SILENT else _doubt_over(noted, now)


def _let_go(job: Job) -> Job:
    """BFL's callback came first and proves that it has the task, whatever was answered."""
    return replace(job, sent_at=None, lease_until=None)


def looked_at(job: Job, now: float, patience: Patience, *, calls: bool = True) -> Job:
    """What the sweep makes of a job that is due, whether BFL has it or not."""
    if job.state is State.QUEUED:
        return _looked_at_in_line(job, now, patience, calls=calls)
    if twins.are_over(job):
        return twins.ended(job, now)
    if job.doubt and now < job.deadline:
        return _doubt_over(job, now)
    if job.doubt:
        return _unconfirmed(job, now)
    return job.looked_at(now)


def _looked_at_in_line(job: Job, now: float, patience: Patience, *, calls: bool) -> Job:
    if job.waits:
        later = min(now + LINE_CHECK_SECONDS, job.deadline)
        return _never_sent(job, now) if now >= job.deadline else replace(job, look_at=later)
    if job.leased(now):
        return replace(job, look_at=job.lease_until)
    why = "the worker that sent it has gone"
    return doubted(job, now, Doubt.SILENT, why, patience, calls=calls)


def _doubt_over(job: Job, now: float) -> Job:
    """No callback came. The slot is given back; what BFL did not answer is not sent again."""
    if job.doubt is Doubt.SILENT:
        return replace(job, slot=False, look_at=job.deadline)
    counts = job.doubt is Doubt.ANSWERED
    if counts and job.resubmits >= RESUBMITS_MAX:
        return refused(job, now, Failure("bfl_unavailable", "BFL answered with errors each time"))
    again = replace(
        job,
        state=State.QUEUED,
        doubt=None,
        deadline=job.line_ends or now + LINE_SECONDS,
        resubmits=job.resubmits + counts,
        unheard=job.unheard + 1,
    )
    why = "BFL answered with an error and did not call; if it took the task, this one is paid too"
    return back_in_line(again.noted(now, "submitting again", reason=why), now, "in line again")


def _unconfirmed(job: Job, now: float) -> Job:
    why = "it was sent to BFL, which neither answered nor called; it may have been paid for"
    lost = job.ended(now, State.LOST, failure=Failure("submission_unconfirmed", why))
    return lost.noted(now, "given up")


def _never_sent(job: Job, now: float) -> Job:
    failure = Failure("not_submitted", "BFL did not take it within a week")
    return job.ended(now, State.FAILED, failure=failure).noted(now, "given up")


def reopened(job: Job, now: float, patience: Patience) -> Job:
    """Back to work at an operator's word; back in line when BFL is not known to have it."""
    if job.state not in REOPENABLE:
        return job
    if job.task_id is not None:
        return _asked_again(job, now, patience)
    again = replace(
        job,
        state=State.QUEUED,
        waits=True,
        failure=None,
        ended_at=None,
        deadline=now + LINE_SECONDS,
        look_at=now + LINE_CHECK_SECONDS,
        resubmits=0,
        unheard=job.unheard + (job.failure is not None and job.failure.code in UNSURE),
        setbacks=(),
        behind=None,
    )
    return again.noted(now, "submitted again by an operator")


def _asked_again(job: Job, now: float, patience: Patience) -> Job:
    asked = replace(
        job,
        state=State.SUBMITTED,
        deadline=now + patience.give_up_after,
        failure=None,
        ended_at=None,
        asked_again=False,
        setbacks=(),
        replaying=True,
        tries=0,
    )
    return asked.noted(now, "replay asked for").called_for(now)
