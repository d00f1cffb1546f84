"""The life of a submission as a table: its phases, and the steps that lead from one to the next.

`jobs/domain/submission.py` has the steps, and asks the table whether each one applies.
"""

from enum import StrEnum

from jobs.domain.job import Job
from jobs.domain.status import Status


class Phase(StrEnum):
    """Phase of a submission."""

    WAITING = "waiting"  # in the submission queue; BFL has no task of it, or none that is known
    SENT = "sent"  # a worker waits for BFL's answer
    BACKED_OFF = "backed off"  # BFL answered with an error; a callback may come all the same
    UNCONFIRMED = "unconfirmed"  # no answer came; only a callback can prove that BFL has it
    AT_BFL = "at BFL"  # its task is known; from here on `TRANSITIONS` in `status.py` decides
    ENDED = "ended"


class Step(StrEnum):
    """Step of a submission, by the name of its function."""

    ADMIT = "admit"
    REQUEUE = "requeue"
    ACCEPT = "accept"
    REFUSE = "refuse"
    BACK_OFF = "back_off"
    AWAIT_CONFIRMATION = "await_confirmation"
    SEND_AGAIN = "send_again"
    GIVE_UP = "give_up"
    REPLAY = "replay"


# Every pair that is not listed leaves the phase as it is.
LIFE: dict[tuple[Phase, Step], Phase] = {
    (Phase.WAITING, Step.ADMIT): Phase.SENT,
    (Phase.WAITING, Step.GIVE_UP): Phase.ENDED,
    (Phase.SENT, Step.ACCEPT): Phase.AT_BFL,
    (Phase.SENT, Step.REFUSE): Phase.ENDED,
    (Phase.SENT, Step.REQUEUE): Phase.WAITING,  # BFL certainly does not have it
    (Phase.SENT, Step.BACK_OFF): Phase.BACKED_OFF,  # after RESUBMITS_MAX errors it is refused
    (Phase.SENT, Step.AWAIT_CONFIRMATION): Phase.UNCONFIRMED,
    (Phase.BACKED_OFF, Step.SEND_AGAIN): Phase.WAITING,
    (Phase.BACKED_OFF, Step.GIVE_UP): Phase.ENDED,
    (Phase.UNCONFIRMED, Step.GIVE_UP): Phase.ENDED,  # it is not sent again (I13: paid once)
    # The answer is recorded without the fencing token: the sweep may have been faster.
    (Phase.WAITING, Step.ACCEPT): Phase.AT_BFL,
    (Phase.BACKED_OFF, Step.ACCEPT): Phase.AT_BFL,
    (Phase.UNCONFIRMED, Step.ACCEPT): Phase.AT_BFL,
    (Phase.ENDED, Step.REPLAY): Phase.WAITING,  # at BFL if its task is known
}


def phase_of(job: Job) -> Phase:
    """The phase of a submission, by its record."""
    if job.status.terminal:
        return Phase.ENDED
    if job.status is Status.QUEUED:
        if job.submission.sent_at is not None:
            return Phase.SENT
        if job.submission.is_queued:
            return Phase.WAITING
        return Phase.BACKED_OFF
    if job.submission.unconfirmed:
        return Phase.UNCONFIRMED
    return Phase.AT_BFL


def applies(step: Step, job: Job) -> bool:
    """Whether the step leads a job from its phase to another one."""
    return (phase_of(job), step) in LIFE
