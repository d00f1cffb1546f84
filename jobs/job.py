"""One generation BFL owes us: a frozen record and every step it can take.

No clock, Redis or HTTP in here: time and reports come in as arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from jobs.errors import ErrorCode
from jobs.media_file import MediaFile, Role
from jobs.media_references import drop_marks
from jobs.record import JobRecord
from jobs.report import URL_LIFE_SECONDS, Failure
from jobs.status import Status
from jobs.timeline import EventCode, TimelineEvent, extended
from jobs.timeouts import Timeouts, poll_time

LEASE_SECONDS = 30.0
CRASHES_MAX = 3  # then the job itself is to blame
RECHECK_SECONDS = 60.0  # a job in the queue is looked at this often, in case its entry got lost


@dataclass(frozen=True, kw_only=True)
class Job(JobRecord):
    """The facts, and what becomes of them."""

    # How a job begins.

    @classmethod
    def expected(
        cls,
        task_id: str,
        now: float,
        timeouts: Timeouts,
        job_id: str | None = None,
        model: str | None = None,
    ) -> Self:
        """A job that BFL has, its callback awaited; its id is the task's unless it has its own."""
        return cls(
            id=job_id or task_id,
            task_id=task_id,
            status=Status.SUBMITTED,
            created_at=now,
            updated_at=now,
            deadline=timeouts.deadline(now),
            ends_by=now + timeouts.give_up_at_most,
            model=model,
            next_check_at=now + timeouts.grace(model),
            # A forgotten job's namesake must not take up its count.
            version=int(now * 1e6),
        )

    def with_details(self, now: float, facts: Mapping[str, Any]) -> Self:
        """The job with what its caller says of it; what was not said stays."""
        new = {name: value for name, value in facts.items() if getattr(self, name) != value}
        return replace(self, updated_at=now, **new) if new else self

    def with_event(self, now: float, event: EventCode, **detail: Any) -> Self:
        """Add an event to the timeline, unless it repeats the last one."""
        timeline = extended(self.timeline, TimelineEvent(now, event, detail))
        same = timeline is self.timeline
        return self if same else replace(self, updated_at=now, timeline=timeline)

    # How it ends, and the work that is due.

    def ended(self, now: float, status: Status, **facts: Any) -> Self:
        """Terminal: nobody looks at it any more, and no signed URL is kept."""
        return replace(
            self,
            status=status,
            updated_at=now,
            ended_at=now,
            expected_by=None,
            is_queued=False,
            slot=False,
            unconfirmed=False,
            urls=(),
            roles=(),
            expire_at=None,
            ready_at=None,
            replaying=False,
            next_check_at=None,
            work_deadline=None,
            lease_until=None,
            **facts,
        )

    def enqueue(self, now: float) -> Self:
        """A worker should take it. What was not heard of yet may be an image just born."""
        until = self.expire_at if self.status is Status.READY else None
        return replace(
            self,
            work_deadline=until or now + URL_LIFE_SECONDS,
            next_check_at=min(now + RECHECK_SECONDS, self.deadline),
        )

    def recheck(self, now: float) -> Self:
        """What the sweep makes of a job that is due and that BFL is known to have."""
        if self.status.terminal:
            return self
        if now >= self.deadline:
            return self.give_up(now)
        if self.leased(now):
            return replace(self, next_check_at=min(self.lease_until or now, self.deadline))
        if self.work_deadline is not None:  # it keeps its place
            return replace(self, next_check_at=min(now + RECHECK_SECONDS, self.deadline))
        if self.lease_until is not None:
            return self._crashed(now)
        return self.enqueue(now)

    def leased(self, now: float) -> bool:
        return self.lease_until is not None and self.lease_until > now

    def _crashed(self, now: float) -> Self:
        """The job after its lease ran out: another worker takes it, unless three have failed."""
        job = replace(self, lease_until=None, crashes=self.crashes + 1)
        if job.crashes < CRASHES_MAX:
            return job.enqueue(now)
        failure = Failure(
            ErrorCode.POISON, f"{CRASHES_MAX} workers died or hung while they worked on it"
        )
        return job.ended(now, Status.FAILED, error=failure).with_event(now, EventCode.JOB_GIVEN_UP)

    def give_up(self, now: float) -> Self:
        """The deadline has passed: with a URL the media expired, without a word the job is lost."""
        if self.status is Status.READY:
            return self.expired(
                now, self._last_reason() or "the media could not be fetched in time"
            )
        lost = self.ended(now, Status.LOST, error=self._no_final_word())
        return lost.with_event(now, EventCode.JOB_GIVEN_UP)

    def _no_final_word(self) -> Failure:
        if self.alive_at is not None and self.deadline == self.ends_by:
            hours = (self.deadline - self.created_at) / 3600
            message = f"BFL still called it pending when {hours:.3g} hours were over"
            return Failure(ErrorCode.STILL_PENDING, message)
        return Failure(ErrorCode.NO_FINAL_WORD, "BFL gave no final word before the deadline")

    def _last_reason(self) -> str | None:
        """Why the last attempt to fetch its media failed."""
        reasons = (
            str(one.detail["reason"])
            for one in reversed(self.timeline)
            if one.event is EventCode.RESCUE_RETRIED
        )
        return next(reasons, None)

    def claimed(self, now: float) -> Self:
        """Taken by a worker, which may commit with this fence until another one takes it over."""
        until = now + LEASE_SECONDS
        return replace(
            self,
            work_deadline=None,
            lease_until=until,
            next_check_at=min(until, self.deadline),
            fencing_token=self.next_fence(now),
            rescue_attempts=self.rescue_attempts + (self.status is Status.READY),
        )

    def next_fence(self, now: float) -> int:
        """Drawn from the clock of Redis, so that a lost history cannot repeat a token."""
        return max(self.fencing_token + 1, int(now * 1e6))

    def renewed(self, now: float) -> Self:
        until = now + LEASE_SECONDS
        return replace(self, lease_until=until, next_check_at=min(until, self.deadline))

    def back_off(self, now: float, pause: float, *, firm: bool = False) -> Self:
        """Given back by its worker, to be looked at again after `pause` seconds.

        BFL is asked a last time shortly before the deadline, unless it named the pause itself
        (`firm`, from a Retry-After).
        """
        later = now + pause if firm else poll_time(now, pause, self.deadline)
        return replace(
            self,
            lease_until=None,
            attempts=self.attempts + 1,
            crashes=0,
            next_check_at=min(later, self.deadline),
        )

    def release(self, now: float) -> Self:
        """Given back unfinished by a worker that was told to stop: the next one may start."""
        if self.status is Status.QUEUED:
            return replace(self, is_queued=True, slot=False, sent_at=None, lease_until=None)
        return replace(self, lease_until=None).enqueue(now)

    def role(self, n: int) -> Role:
        """What its n-th URL leads to; records did not always say so."""
        return self.roles[n] if n < len(self.roles) else Role.SAMPLE

    # The ends that are not BFL's word.

    def stored(
        self, now: float, media: tuple[MediaFile, ...], left_out: Sequence[int] = ()
    ) -> Self:
        """All files are in storage, but for those of unknown places that could not be fetched."""
        thumbnails_due_at = now if any(file.is_picture for file in media) else None
        result = drop_marks(self.result, left_out) if left_out else self.result
        kept = self.ended(
            now,
            Status.STORED,
            media=media,
            error=None,
            thumbnails_due_at=thumbnails_due_at,
            result=result,
        )
        return kept.with_event(now, EventCode.JOB_STORED, bytes=sum(file.bytes for file in media))

    def refused(self, now: float, code: str, message: str) -> Self:
        failed = self.ended(now, Status.FAILED, error=Failure(code, message))
        return failed.with_event(now, EventCode.RESCUE_REFUSED, code=code)

    def expired(self, now: float, why: str) -> Self:
        ended = self.ended(now, Status.EXPIRED, error=Failure(ErrorCode.EXPIRED, why))
        return ended.with_event(now, EventCode.JOB_EXPIRED, reason=why)
