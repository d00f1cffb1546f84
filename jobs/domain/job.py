"""One generation that BFL owes us: a frozen record and its pure steps, without a clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from jobs.domain.bfl_report import URL_LIFE_SECONDS, ErrorCode, Failure
from jobs.domain.job_record import Delivery, JobRecord, Lease, MediaFile, Polling, Thumbnails
from jobs.domain.media_references import drop_references
from jobs.domain.polling_policy import Timeouts, poll_time
from jobs.domain.status import REPLAYABLE, Status
from jobs.domain.timeline import TIMELINE_HEAD, TIMELINE_MAX, EventCode, TimelineEvent

LEASE_SECONDS = 30.0
CRASHES_MAX = 3  # then the job itself is to blame
RECHECK_SECONDS = 60.0  # restores the RQ job of a waiting job, should it have been lost
LAST_LOOK_SECONDS = 600.0  # after the deadline, for a worker that looks into the storage
# Two records of one id whose creation differs by more are two jobs. A sidecar rounds the time.
INCARNATION_SECONDS = 1.0
FORGOTTEN_SECONDS = 3 * 3600.0  # a client of BFL's says that tasks are known for a few hours
UNCLEAR_MAX_SECONDS = 600.0  # as long as the URL of an image lives
_TAKEN_BY_BFL = (EventCode.SUBMISSION_SENT, EventCode.SUBMISSION_ACCEPTED)
PRICE_DELAY_SECONDS = 10.0  # rescues and polls come first; BFL knows a task for hours
NOT_FETCHED = "the media could not be fetched in time"


@dataclass(frozen=True, kw_only=True)
class Job(JobRecord):
    """The record and its steps."""

    @classmethod
    def awaited(
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
            model=model,
            polling=Polling(
                ends_by=now + timeouts.give_up_at_most,
                next_check_at=now + timeouts.grace(model),
            ),
            # A deleted job with the same id must not have had this version.
            version=int(now * 1e6),
        )

    def with_event(self, now: float, event: EventCode, **detail: Any) -> Self:
        """Add an event to the timeline, unless it repeats the last one."""
        if self.timeline:
            last = self.timeline[-1]
            if last.event == event and last.detail == detail:
                return self
        timeline = (*self.timeline, TimelineEvent(now, event, detail))
        if len(timeline) > TIMELINE_MAX:
            newest_events = TIMELINE_MAX - TIMELINE_HEAD
            timeline = timeline[:TIMELINE_HEAD] + timeline[-newest_events:]
        return self.evolve(updated_at=now, timeline=timeline)

    def with_polling(self, **changes: Any) -> Self:
        return self.evolve(polling=self.polling.evolve(**changes))

    def with_lease(self, **changes: Any) -> Self:
        return self.evolve(lease=self.lease.evolve(**changes))

    def with_submission(self, **changes: Any) -> Self:
        return self.evolve(submission=self.submission.evolve(**changes))

    def with_request(self, **changes: Any) -> Self:
        return self.evolve(request=self.request.evolve(**changes))

    def with_notifications(self, **changes: Any) -> Self:
        return self.evolve(notifications=self.notifications.evolve(**changes))

    def with_thumbnails(self, **changes: Any) -> Self:
        return self.evolve(thumbnails=self.thumbnails.evolve(**changes))

    def with_files(self, change: Callable[[MediaFile], MediaFile]) -> Self:
        """Change each file of the result; an unchanged job if no file differs afterwards."""
        media = tuple([change(file) for file in self.media])
        if media == self.media:
            return self
        return self.evolve(media=media)

    def with_details(self, now: float, details: Mapping[str, Any]) -> Self:
        """Add what its caller says: `model`, `metadata`, `polling_url`, `notify_url`."""
        changes = dict(details)
        if "polling_url" in changes:
            polling_url = changes.pop("polling_url")
            is_same_url = polling_url == self.polling.polling_url
            changes["polling"] = self.polling.evolve(
                polling_url=polling_url, is_host_found=self.polling.is_host_found and is_same_url
            )
        if "notify_url" in changes:
            notify_url = changes.pop("notify_url")
            changes["notifications"] = self.notifications.evolve(notify_url=notify_url)
        after = self.evolve(**changes)
        if after == self:
            return self
        return after.evolve(updated_at=now)

    def with_host(self, polling_url: str) -> Self:
        """Adopt the host that knows the task, of which BFL had named no polling URL."""
        return self.with_polling(polling_url=polling_url, is_host_found=True)

    def submitted(self, now: float, timeouts: Timeouts, **polling: Any) -> Self:
        """BFL has the task: the time without a sign of life begins now."""
        return self.evolve(
            status=Status.SUBMITTED,
            deadline=timeouts.deadline(now),
            polling=self.polling.evolve(ends_by=now + timeouts.give_up_at_most, **polling),
            submission=self.submission.evolve(is_queued=False, unconfirmed=False),
        )

    def enqueue(self, now: float) -> Self:
        """Wait for a worker. Before the first report the media may be new: assume a short life."""
        work_deadline = now + URL_LIFE_SECONDS
        if self.status is Status.READY and self.delivery.expire_at:
            work_deadline = self.delivery.expire_at
        waiting = self.with_lease(work_deadline=work_deadline)
        return waiting.with_polling(next_check_at=min(now + RECHECK_SECONDS, self.deadline))

    def recheck(self, now: float) -> Self:
        """The sweep's step for a due job of which BFL has a task.

        The job ends at its deadline (I6), and a lease that has run out is free again (I7).
        """
        if self.status.terminal:
            return self
        if now >= self.deadline:
            return self._give_up_or_look(now)
        if self.lease.lease_until is not None and self.is_leased(now):
            return self.with_polling(next_check_at=min(self.lease.lease_until, self.deadline))
        if self.lease.work_deadline is not None:  # it waits for a worker, and keeps its position
            next_check_at = min(now + RECHECK_SECONDS, self.deadline)
            return self.with_polling(next_check_at=next_check_at)
        crashes = self.lease.crashes
        if self.lease.lease_until is not None:  # its worker died or hung
            crashes += 1
        job = self.with_lease(lease_until=None, crashes=crashes)
        if crashes < CRASHES_MAX:
            return job.enqueue(now)
        message = f"{CRASHES_MAX} workers died or hung while they worked on it"
        failed = job.ended(now, Status.FAILED, error=Failure(ErrorCode.POISON, message))
        return failed.with_event(now, EventCode.JOB_GIVEN_UP)

    def _give_up_or_look(self, now: float) -> Self:
        """After the deadline. An earlier claim may have published files: a worker looks (I22)."""
        if self.lease.is_last or not self.lease.rescue_attempts:
            return self.give_up(now)
        extended = self.evolve(deadline=now + LAST_LOOK_SECONDS)
        return extended.with_lease(is_last=True).recheck(now)

    def is_leased(self, now: float) -> bool:
        return self.lease.lease_until is not None and self.lease.lease_until > now

    def claimed(self, now: float) -> Self:
        """Lease the job: a lease (I7), and a fencing token that every commit must show (I8)."""
        rescue_attempts = self.lease.rescue_attempts
        if self.status is Status.READY:
            rescue_attempts += 1
        return self.leased(
            now,
            work_deadline=None,
            fencing_token=self.next_fencing_token(now),
            rescue_attempts=rescue_attempts,
        )

    def leased(self, now: float, **changes: Any) -> Self:
        """Lease the job to a worker; the sweep checks it once the lease has run out."""
        until = now + LEASE_SECONDS
        leased = self.with_lease(lease_until=until, **changes)
        return leased.with_polling(next_check_at=min(until, self.deadline))

    def next_fencing_token(self, now: float) -> int:
        """The next token: it only rises (I8, I9).

        It follows the Redis clock, so that a Redis that lost its latest writes repeats none.
        """
        return max(self.lease.fencing_token + 1, int(now * 1e6))

    def back_off(self, now: float, pause: float, *, firm: bool = False) -> Self:
        """Release the claim; the next check is after `pause` seconds.

        A last poll takes place shortly before the deadline, unless BFL named the pause itself
        (`firm`, from a Retry-After).
        """
        if firm:
            next_check_at = min(now + pause, self.deadline)
        else:
            next_check_at = min(poll_time(now, pause, self.deadline), self.deadline)
        failed = self.with_lease(crashes=0).with_polling(attempts=self.polling.attempts + 1)
        return failed.unleased(next_check_at)

    def unleased(self, next_check_at: float) -> Self:
        """End the lease; no worker is needed before the next check."""
        return self.with_lease(lease_until=None).with_polling(next_check_at=next_check_at)

    def release(self, now: float) -> Self:
        """Release the claim of a worker that stops; another one may start at once."""
        released = self.with_lease(lease_until=None)
        if self.status is Status.QUEUED:
            return released.with_submission(is_queued=True, slot=False, sent_at=None)
        return released.enqueue(now)

    def ended(self, now: float, status: Status, **facts: Any) -> Self:
        """End the job: no more checks (I3), and no signed URL stays on record."""
        polling = Polling(awaits_callback=self.polling.awaits_callback)
        if status in REPLAYABLE:
            polling = polling.evolve(
                polling_url=self.polling.polling_url, is_host_found=self.polling.is_host_found
            )
        ended = self.evolve(
            status=status,
            updated_at=now,
            ended_at=now,
            polling=polling,
            lease=Lease(
                fencing_token=self.lease.fencing_token, rescue_attempts=self.lease.rescue_attempts
            ),
            delivery=Delivery(),
            submission=self.submission.evolve(is_queued=False, slot=False, unconfirmed=False),
            request=self.request.evolve(announced_by=None),
            **facts,
        )
        if not ended.owes_price:
            return ended
        return ended.with_polling(
            polling_url=self.polling.polling_url,
            is_host_found=self.polling.is_host_found,
            price_due_at=now + PRICE_DELAY_SECONDS,
        )

    def stored(
        self, now: float, media: tuple[MediaFile, ...], left_out: Sequence[int] = ()
    ) -> Self:
        """All files are in the storage, except those `left_out`."""
        thumbnails = Thumbnails()
        if any(file.is_image for file in media):
            thumbnails = Thumbnails(due_at=now)
        result = self.result
        if left_out:
            result = drop_references(result, left_out)
        stored = self.ended(
            now, Status.STORED, media=media, error=None, thumbnails=thumbnails, result=result
        )
        size = sum(file.bytes for file in media)
        return stored.with_event(now, EventCode.JOB_STORED, bytes=size)

    def refused(self, now: float, code: str, message: str) -> Self:
        """The media must not be stored."""
        failed = self.ended(now, Status.FAILED, error=Failure(code, message))
        return failed.with_event(now, EventCode.RESCUE_REFUSED, code=code)

    def expired(self, now: float, why: str) -> Self:
        """The URLs died before all files were stored."""
        ended = self.ended(now, Status.EXPIRED, error=Failure(ErrorCode.EXPIRED, why))
        return ended.with_event(now, EventCode.JOB_EXPIRED, reason=why)

    def lost(self, now: float, why: str) -> Self:
        """BFL has no such task, or has forgotten it."""
        ended = self.ended(now, Status.LOST, error=Failure(ErrorCode.NO_FINAL_WORD, why))
        return ended.with_event(now, EventCode.JOB_GIVEN_UP, reason=why)

    def is_forgotten_by_bfl(self, now: float) -> bool:
        """Whether a task that its own host does not know is so old that BFL has forgotten it."""
        if self.polling.polling_url is None:
            return False
        taken_at = self.created_at
        taken_times = [event.at for event in self.timeline if event.event in _TAKEN_BY_BFL]
        if taken_times:
            taken_at = max(taken_times)
        return now - taken_at >= FORGOTTEN_SECONDS

    def is_unclear_for_long(self, now: float) -> bool:
        """Whether BFL has called it ready for long without naming a file."""
        since = self.polling.unclear_since
        return since is not None and now - since >= UNCLEAR_MAX_SECONDS

    def give_up(self, now: float) -> Self:
        """The deadline has passed: `expired` with URLs, `lost` without."""
        if self.status is Status.READY:
            return self.expired(now, self._last_reason_for_retry())
        lost = self.ended(now, Status.LOST, error=self._failure_of_lost_job())
        return lost.with_event(now, EventCode.JOB_GIVEN_UP)

    def _last_reason_for_retry(self) -> str:
        """Why the last rescue failed."""
        for event in reversed(self.timeline):
            if event.event is EventCode.RESCUE_RETRIED:
                return str(event.detail["reason"])
        return NOT_FETCHED

    def _failure_of_lost_job(self) -> Failure:
        ends_by = self.polling.ends_by
        is_at_most = ends_by is None or self.deadline >= ends_by
        if self.polling.alive_at is None or not is_at_most:
            message = "BFL gave no final word before the deadline"
            return Failure(ErrorCode.NO_FINAL_WORD, message)
        hours = (self.deadline - self.created_at) / 3600
        message = f"BFL still called it pending when {hours:.3g} hours were over"
        return Failure(ErrorCode.STILL_PENDING, message)
