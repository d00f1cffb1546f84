"""One generation BFL owes us: a frozen record and every step it can take.

No clock, Redis or HTTP in here: time and reports come in as arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from jobs.evolution import made, replace
from jobs.media_file import Kept, Role
from jobs.media_references import drop_marks
from jobs.record import Facts
from jobs.report import URL_LIFE_SECONDS, Failure
from jobs.status import State
from jobs.timeline import Moment, extended
from jobs.timeouts import Patience, poll_time

LEASE_SECONDS = 30.0
RESCUE_PUT_OFF = "rescue put off"
CRASHES_MAX = 3  # then the job itself is to blame
RECHECK_SECONDS = 60.0  # a job in the queue is looked at this often, in case its entry got lost


@dataclass(frozen=True, kw_only=True)
class Job(Facts):
    """The facts, and what becomes of them."""

    # How a job begins.

    @classmethod
    def expected(
        cls,
        task_id: str,
        now: float,
        patience: Patience,
        job_id: str | None = None,
        model: str | None = None,
    ) -> Self:
        """A job that BFL has, its callback awaited; its id is the task's unless it has its own."""
        return made(
            cls,
            id=job_id or task_id,
            task_id=task_id,
            state=State.SUBMITTED,
            created_at=now,
            updated_at=now,
            deadline=patience.deadline(now),
            ends_by=now + patience.give_up_at_most,
            model=model,
            look_at=now + patience.grace(model),
            # A forgotten job's namesake must not take up its count.
            version=int(now * 1e6),
        )

    def described(self, now: float, facts: Mapping[str, Any]) -> Self:
        """The job with what its caller says of it; what was not said stays."""
        new = {name: value for name, value in facts.items() if getattr(self, name) != value}
        return replace(self, updated_at=now, **new) if new else self

    def noted(self, now: float, what: str, **detail: Any) -> Self:
        """The job with one more line on its timeline; a line is not repeated."""
        lines = extended(self.timeline, Moment(now, what, detail))
        return self if lines is self.timeline else replace(self, updated_at=now, timeline=lines)

    # How it ends, and the work that is due.

    def ended(self, now: float, state: State, **facts: Any) -> Self:
        """Terminal: nobody looks at it any more, and no signed URL is kept."""
        return replace(
            self,
            state=state,
            updated_at=now,
            ended_at=now,
            expected_by=None,
            waits=False,
            slot=False,
            unconfirmed=False,
            urls=(),
            roles=(),
            urls_die_at=None,
            ready_at=None,
            replaying=False,
            look_at=None,
            wanted=None,
            lease_until=None,
            **facts,
        )

    def called_for(self, now: float) -> Self:
        """A worker should take it. What was not heard of yet may be an image just born."""
        until = self.urls_die_at if self.state is State.READY else None
        return replace(
            self,
            wanted=until or now + URL_LIFE_SECONDS,
            look_at=min(now + RECHECK_SECONDS, self.deadline),
        )

    def looked_at(self, now: float) -> Self:
        """What the sweep makes of a job that is due and that BFL is known to have."""
        if self.state.terminal:
            return self
        if now >= self.deadline:
            return self.given_up(now)
        if self.leased(now):
            return replace(self, look_at=min(self.lease_until or now, self.deadline))
        if self.wanted is not None:  # it keeps its place
            return replace(self, look_at=min(now + RECHECK_SECONDS, self.deadline))
        if self.lease_until is not None:
            return self._crashed(now)
        return self.called_for(now)

    def leased(self, now: float) -> bool:
        return self.lease_until is not None and self.lease_until > now

    def _crashed(self, now: float) -> Self:
        """The job after its lease ran out: another worker takes it, unless three have failed."""
        job = replace(self, lease_until=None, crashes=self.crashes + 1)
        if job.crashes < CRASHES_MAX:
            return job.called_for(now)
        failure = Failure("poison", f"{CRASHES_MAX} workers died or hung while they worked on it")
        return job.ended(now, State.FAILED, failure=failure).noted(now, "given up")

    def given_up(self, now: float) -> Self:
        """The deadline has passed: with a URL the media expired, without a word the job is lost."""
        if self.state is State.READY:
            return self.expired(
                now, self._last_reason() or "the media could not be fetched in time"
            )
        lost = self.ended(now, State.LOST, failure=self._no_final_word())
        return lost.noted(now, "given up")

    def _no_final_word(self) -> Failure:
        if self.alive_at is not None and self.deadline == self.ends_by:
            hours = (self.deadline - self.created_at) / 3600
            message = f"BFL still called it pending when {hours:.3g} hours were over"
            return Failure("still_pending", message)
        return Failure("no_final_word", "BFL gave no final word before the deadline")

    def _last_reason(self) -> str | None:
        """Why the last attempt to fetch its media failed."""
        lines = (line for line in reversed(self.timeline) if line.what == RESCUE_PUT_OFF)
        return next((str(line.detail["reason"]) for line in lines), None)

    def claimed(self, now: float) -> Self:
        """Taken by a worker, which may commit with this fence until another one takes it over."""
        until = now + LEASE_SECONDS
        return replace(
            self,
            wanted=None,
            lease_until=until,
            look_at=min(until, self.deadline),
            fence=self.next_fence(now),
            rescue_attempts=self.rescue_attempts + (self.state is State.READY),
        )

    def next_fence(self, now: float) -> int:
        """Drawn from the clock of Redis, so that a lost history cannot repeat a token."""
        return max(self.fence + 1, int(now * 1e6))

    def renewed(self, now: float) -> Self:
        until = now + LEASE_SECONDS
        return replace(self, lease_until=until, look_at=min(until, self.deadline))

    def rested(self, now: float, pause: float, *, firm: bool = False) -> Self:
        """Given back by its worker, to be looked at again after `pause` seconds.

        BFL is asked a last time shortly before the deadline, unless it named the pause itself
        (`firm`, from a Retry-After).
        """
        later = now + pause if firm else poll_time(now, pause, self.deadline)
        return replace(
            self,
            lease_until=None,
            tries=self.tries + 1,
            crashes=0,
            look_at=min(later, self.deadline),
        )

    def handed_back(self, now: float) -> Self:
        """Given back unfinished by a worker that was told to stop: the next one may start."""
        if self.state is State.QUEUED:
            return replace(self, waits=True, slot=False, sent_at=None, lease_until=None)
        return replace(self, lease_until=None).called_for(now)

    def role(self, n: int) -> Role:
        """What its n-th URL leads to; records did not always say so."""
        return self.roles[n] if n < len(self.roles) else Role.SAMPLE

    # The ends that are not BFL's word.

    def stored(self, now: float, media: tuple[Kept, ...], left_out: Sequence[int] = ()) -> Self:
        """All files are in storage, but for those of unknown places that could not be fetched."""
        draw_at = now if any(file.is_picture for file in media) else None
        result = drop_marks(self.result, left_out) if left_out else self.result
        kept = self.ended(
            now, State.STORED, media=media, failure=None, draw_at=draw_at, result=result
        )
        return kept.noted(now, "stored", bytes=sum(file.bytes for file in media))

    def refused(self, now: float, code: str, message: str) -> Self:
        failed = self.ended(now, State.FAILED, failure=Failure(code, message))
        return failed.noted(now, "media refused", code=code)

    def expired(self, now: float, why: str) -> Self:
        ended = self.ended(now, State.EXPIRED, failure=Failure("expired", why))
        return ended.noted(now, "expired", reason=why)
