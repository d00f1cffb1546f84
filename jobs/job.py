"""One generation BFL owes us: a frozen record and every step it can take.

No clock, Redis or HTTP in here: time and reports come in as arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from jobs.bfl_results import drop_marks
from jobs.evolution import made, replace
from jobs.facts import Facts
from jobs.kept import Kept, Role
from jobs.patience import FINAL_POLL_SECONDS, Patience, poll_time
from jobs.report import URL_LIFE_SECONDS, Failure, Report, quoted
from jobs.states import TRANSITIONS, News, Source, State
from jobs.timeline import Moment, extended

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

    # What BFL says.

    def hear(self, report: Report, now: float, patience: Patience) -> Self:
        """The job after a report; the very same object when the report is old news."""
        state = TRANSITIONS.get((self.state, report.news))
        if state is None or self._is_of_a_duplicate(report):
            return self
        if self.state is State.READY and not self._outlived_by(report, now):
            return self
        return self._known_to_bfl(report.task_id, now, patience)._heard(
            report, state, now, patience
        )

    def _is_of_a_duplicate(self, report: Report) -> bool:
        """Of a job that was submitted twice the first ready task wins; other failures are ignored.

        While it is sent again, nobody knows yet which of its tasks a report is about.
        """
        sent_again = self.task_id is None and self.unconfirmed and self.sent_at is not None
        another = self.task_id not in (None, report.task_id)
        wins = report.news is News.READY and self.state is not State.READY
        return (sent_again or another) and not wins

    def _known_to_bfl(self, task_id: str, now: float, patience: Patience) -> Self:
        """The first report proves that BFL has the job, sent by us or announced by its caller."""
        if self.task_id == task_id:
            return replace(self, expected_by=None) if self.expected_by else self
        if self.task_id is not None:
            return replace(self, task_id=task_id, polling_url=None, expected_by=None)
        return replace(
            self,
            expected_by=None,
            task_id=task_id,
            state=State.SUBMITTED,
            waits=False,
            unconfirmed=False,
            deadline=patience.deadline(now),
            ends_by=now + patience.give_up_at_most,
            look_at=self.lease_until or now + patience.grace(self.model),
        )

    def _heard(self, report: Report, state: State, now: float, patience: Patience) -> Self:
        if report.news is News.PROGRESS:
            job = self._seen_alive(now, patience) if report.is_alive else self
            return job._progressed(report, now)
        if report.news is News.UNCLEAR:
            return self._puzzled(report, now)
        heard = self._told(report, state, now)
        return heard._ready(report, now, patience) if report.urls else heard.ended(now, state)

    def _seen_alive(self, now: float, patience: Patience) -> Self:
        """A sign of life begins the grace anew and moves the deadline, within the absolute end."""
        ends_by = self.ends_by or self.created_at + patience.give_up_at_most
        deadline = min(max(self.deadline, now + patience.give_up_after), ends_by)
        job = replace(self, alive_at=now, deadline=deadline, ends_by=ends_by)
        if self.wanted is not None or self.lease_until is not None:
            return job  # a worker is to ask, or asks now, and decides what follows
        return replace(job, look_at=poll_time(now, patience.grace(self.model), deadline))

    def _outlived_by(self, report: Report, now: float) -> bool:
        fresh = report.urls != self.urls
        return fresh and report.death(now) > (self.urls_die_at or 0.0)

    def _progressed(self, report: Report, now: float) -> Self:
        progress = report.progress if report.progress is not None else self.progress
        job = replace(self, state=State.SUBMITTED, progress=progress)
        if job == self and (self.timeline or report.source is not Source.CALLBACK):
            return self
        return job._heard_line(report, now) if report.source is Source.CALLBACK else job

    def _puzzled(self, report: Report, now: float) -> Self:
        """A callback that is not clear is settled by asking; an answer to that can only wait."""
        if report.source is not Source.CALLBACK or self.wanted or self.lease_until:
            return self
        return replace(self, state=State.SUBMITTED)._heard_line(report, now).called_for(now)

    def _told(self, report: Report, state: State, now: float) -> Self:
        job = replace(
            self,
            state=state,
            source=report.source,
            cost=report.cost if report.cost is not None else self.cost,
            quoted_cost=quoted(self.quoted_cost, self.cost, report.cost),
            result=report.result or self.result,
            failure=report.failure,
            moderation=report.moderation,
        )
        if report.left_out:
            job = job.noted(now, "files left out", count=report.left_out)
        return job._heard_line(report, now)

    def _heard_line(self, report: Report, now: float) -> Self:
        what = "callback accepted" if report.source is Source.CALLBACK else "BFL answered"
        return self.noted(now, what, status=report.said)

    def _ready(self, report: Report, now: float, patience: Patience) -> Self:
        """The rescue may take as long as the URL lives, but never more than GIVE_UP_AT_MOST."""
        dies_at = report.death(now)
        until = min(dies_at + FINAL_POLL_SECONDS, now + patience.give_up_at_most)
        job = replace(
            self,
            urls=report.urls,
            roles=report.roles,
            urls_die_at=dies_at,
            ready_at=now,
            deadline=max(self.deadline, until),
            asked_again=self.asked_again or self._answers_for_dead_url(report),
            progress=1.0,
            slot=False,
            tries=0,
            lease_until=None,
        )
        return job.called_for(now)

    def _answers_for_dead_url(self, report: Report) -> bool:
        return bool(self.urls) and report.source is not Source.CALLBACK

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

    # Who looks after it.

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

    # How it ends, apart from BFL's own word.

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
