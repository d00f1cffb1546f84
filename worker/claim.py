"""Claims: a lease that is renewed while its work makes progress, and a fencing token."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from secrets import token_hex
from typing import Self

from jobs.domain import errors, submission
from jobs.domain.job import LEASE_SECONDS, Job
from jobs.domain.status import Status
from jobs.net import watchdog
from jobs.services import Services
from jobs.store import codec
from jobs.store.commit import NO_COUNTS, CommitOptions
from jobs.store.job_store import JobStore
from jobs.store.submission_queue import NextSubmission

UNREADABLE_POSTPONED_SECONDS = 300.0
RENEW_EVERY_SECONDS = LEASE_SECONDS / 3
PROGRESS_SECONDS = 45.0  # the longest silence of a connection, its opening included
SILENT_SECONDS = 3.0  # then its thread only waits, and another may work
LEAST_SECONDS = 120.0  # for a poll, a submission, or a rescue whose URL is dead already
AFTER_EXPIRY_SECONDS = 60.0
HUNG_SECONDS = 10.0  # after its connections were cut, work that can end has ended
LATE_CHECK_SECONDS = 5.0

log = logging.getLogger(__name__)


class ClaimLost(errors.FluxkeepError):
    """Another worker claimed the job, or it has ended."""


class HeldClaim:
    """A job that one thread works on, until another worker takes it over."""

    def __init__(self, store: JobStore, job: Job, half_open: tuple[str, ...] = ()) -> None:
        self.job = job
        self.claimed_status = job.status
        self.half_open = half_open  # scopes of the circuits that its outcome may close
        self.is_lost = False
        self._thread_id = threading.get_ident()
        self._store = store
        now = time.monotonic()
        self._renew_at = now + RENEW_EVERY_SECONDS
        self._progress_by = now + PROGRESS_SECONDS
        self.silent_at = now + SILENT_SECONDS
        self._ends_by = now + LEAST_SECONDS
        if job.status is Status.READY and job.delivery.expire_at:
            life = job.delivery.expire_at - store.now()
            self._ends_by = now + max(life + AFTER_EXPIRY_SECONDS, LEAST_SECONDS)

    @classmethod
    def acquire(
        cls,
        store: JobStore,
        job_id: str,
        record: bytes | None = None,
        *,
        takes_rq_job: bool = False,
        accept: Callable[[Job], bool] = lambda _job: True,
    ) -> Self | None:
        """Claim a job that waits for a worker; None when another worker has it.

        `record` is the job's record as read a moment ago. A job that `accept` declines is left
        to others. An unreadable record is postponed, so that it does not block other jobs.
        """

        def claim(job: Job | None, now: float) -> Job | None:
            if job is None:
                return None
            is_waiting = job.lease.work_deadline is not None
            if is_waiting and accept(job):
                return job.claimed(now)
            return job

        try:
            before = codec.decode(record) if record else store.load(job_id)
            change = store.update_from(before, claim, CommitOptions(takes_rq_job=takes_rq_job))
        except errors.UnreadableRecord as error:
            _postpone(store, job_id, error)
            return None
        if not change.written or change.after is None:
            return None
        return cls(store, change.after)

    @classmethod
    def admit(
        cls, services: Services, candidate: NextSubmission, *, takes_rq_job: bool = False
    ) -> Self | None:
        """Claim the next queued submission together with a slot; None when that failed.

        If the reply to our own write was lost, the write is found on record and counts as ours:
        otherwise a job that is never sent would look as if BFL might have it.
        """
        admitted: Job | None = None
        sent_by = token_hex(4)

        def admit(job: Job | None, now: float) -> Job | None:
            nonlocal admitted
            if job is None or not job.submission.is_queued:
                return job
            # Its key may have been removed from the settings since it was queued.
            obstacle = services.obstacle_to_sending(job)
            if obstacle:
                admitted = None
                return submission.hold(job, now, obstacle)
            admitted = submission.admit(job, now, str(services.origin_of(job)), sent_by)
            return admitted

        try:
            before = services.store.load(candidate.job_id)
            options = CommitOptions(takes_rq_job=takes_rq_job)
            change = services.store.update_from(before, admit, options)
        except errors.NoFreeSlot:
            return None
        except errors.OverBudget as refusal:
            # It may be in the queue of another price, of which it must not be the first again.
            price_anew = partial(submission.price_anew, refusal=refusal)
            services.store.change(candidate.job_id, price_anew)
            return None
        except errors.UnreadableRecord as error:
            _postpone(services.store, candidate.job_id, error)
            services.store.remove_queued(candidate.job_id, candidate.queue)
            return None
        if change.after and admitted and _mark_of_claim(change.after) == _mark_of_claim(admitted):
            return cls(services.store, change.after, candidate.half_open)
        # Another worker has it, or it was deleted.
        version = change.after.version if change.after else 0
        services.store.remove_queued(candidate.job_id, candidate.queue, version)
        return None

    def commit(
        self, step: Callable[[Job, float], Job], counts: Mapping[str, int] = NO_COUNTS
    ) -> Job:
        """Apply a step under our fencing token (I8). Raises ClaimLost, StoreUnavailable."""

        def guarded(job: Job | None, now: float) -> Job:
            if job is None or job.lease.lease_until is None or _holder(job) != _holder(self.job):
                raise ClaimLost
            return step(job, now)

        before = self.job.lease.lease_until
        change = self._store.update_from(self.job, guarded, CommitOptions(counts))
        self.job = change.after
        if self.job.lease.lease_until != before:
            self._renew_at = time.monotonic() + RENEW_EVERY_SECONDS
        return self.job

    # Progress, reported by the thread that works.

    def report_progress(self) -> None:
        """Bytes have moved: the lease may be renewed for PROGRESS_SECONDS.

        Raises ClaimLost: the connection may have opened after `abort` cut those that were open.
        """
        if self.is_lost:
            raise ClaimLost
        now = time.monotonic()
        self._progress_by = now + PROGRESS_SECONDS
        self.silent_at = now + SILENT_SECONDS

    @contextmanager
    def silence(self, seconds: float) -> Iterator[None]:
        """Run a step that reports no progress and may take this long; its end is progress."""
        outer_progress_by = self._progress_by
        outer_silent_at = self.silent_at
        until = time.monotonic() + seconds
        self._progress_by = until
        self.silent_at = until
        self._ends_by = max(self._ends_by, self._progress_by)
        try:
            yield
        finally:
            now = time.monotonic()
            self._progress_by = max(outer_progress_by, now + PROGRESS_SECONDS)
            self.silent_at = max(outer_silent_at, now + SILENT_SECONDS)

    # Supervision, by the thread that checks all claims of the process.

    def supervise(self, now: float) -> bool:
        """Renew the lease when that is due; abort the work when it makes no progress (I7).

        Returns whether the work goes on although its connections were cut long ago.
        """
        if not self.is_lost and now > min(self._progress_by, self._ends_by):
            log.warning("job %s: no progress, its lease is not renewed", self.job.id)
            self.abort()
        elif not self.is_lost and now >= self._renew_at:
            self._renew_at = now + RENEW_EVERY_SECONDS
            try:
                self.commit(Job.leased)
            except ClaimLost:
                log.info("job %s: taken over by another worker", self.job.id)
                self.abort()
            except errors.StoreUnavailable:
                # The next renewal may succeed; if the lease runs out first, the token decides.
                log.warning("job %s: lease not renewed, Redis does not answer", self.job.id)
        return now > min(self._progress_by, self._ends_by) + HUNG_SECONDS

    def abort(self) -> None:
        """Cut the connections of the work: it may commit nothing any more."""
        self.is_lost = True
        watchdog.abort_transfer(self._thread_id)

    def resume(self, now: float) -> None:
        """Allow for the time in which the whole process was stopped."""
        self._progress_by = max(self._progress_by, now + PROGRESS_SECONDS)
        self.silent_at = max(self.silent_at, now + SILENT_SECONDS)
        self._ends_by = max(self._ends_by, now + PROGRESS_SECONDS)

    def release(self) -> None:
        """Let another worker take the job at once. A submission under way keeps its lease."""
        if self.claimed_status is Status.QUEUED:
            return
        with suppress(ClaimLost, errors.StoreUnavailable):
            self.commit(Job.release)
            log.info("job %s: released, this worker stops", self.job.id)
        self.abort()


class Claims(set[HeldClaim]):
    """The claims of one process, supervised by one thread, which iterates over copies."""

    def __init__(self) -> None:
        super().__init__()
        self.checked_at = time.monotonic()

    def count_silent(self) -> int:
        """Count the claims whose threads wait for a delivery host that sends nothing."""
        now = time.monotonic()
        silent_claims = [claim for claim in self.copy() if now > claim.silent_at]
        return len(silent_claims)

    def supervise(self) -> list[HeldClaim]:
        """Renew leases of work that makes progress; return the claims whose work hangs."""
        now = time.monotonic()
        seconds_since_check = now - self.checked_at
        self.checked_at = now
        if seconds_since_check > LATE_CHECK_SECONDS:
            # This process was stopped, or waited for Redis: so did the work.
            for claim in self.copy():
                claim.resume(now)
        hung_claims = [claim for claim in self.copy() if claim.supervise(now)]
        # A renewal may have waited for Redis, and work have ended meanwhile.
        return [claim for claim in hung_claims if claim in self]


def _postpone(store: JobStore, job_id: str, error: errors.UnreadableRecord) -> None:
    log.error("job %s: %s Put off.", job_id, error)
    store.postpone(job_id, UNREADABLE_POSTPONED_SECONDS)


def _mark_of_claim(job: Job) -> tuple[int, float | None, str | None]:
    """The part of a record that differs for each claim of a submission, even in one instant."""
    return job.lease.fencing_token, job.lease.lease_until, job.submission.sent_by


def _holder(job: Job) -> tuple[int, float]:
    """The fencing token and the job's creation: a deleted job's id may have been used again."""
    return job.lease.fencing_token, job.created_at
