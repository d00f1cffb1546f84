"""Claims: a lease that is renewed while its work makes progress, and a fence for each commit."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self

from jobs import submission
from jobs.errors import ClaimLost, NoFreeSlot, StoreUnavailable, UnreadableRecord
from jobs.job import LEASE_SECONDS, Job
from jobs.net import watchdog
from jobs.services import Services
from jobs.status import Status
from jobs.store import codec
from jobs.store.job_store import JobStore
from jobs.store.results import NO_COUNTS
from jobs.store.submission_queue import NextSubmission

POISONED_FOR_SECONDS = 300.0
RENEW_EVERY_SECONDS = LEASE_SECONDS / 3
PROGRESS_SECONDS = 45.0  # the longest that a connection may take to be made and to say something
LEAST_SECONDS = 120.0  # of a poll, a submission, or a rescue whose URL is dead already
AFTER_EXPIRY_SECONDS = 60.0
HUNG_SECONDS = 10.0  # after its connections were cut, work that can end has ended
LATE_TICK_SECONDS = 5.0

log = logging.getLogger(__name__)


class Claim:
    """A job that is ours until another worker takes it over."""

    def __init__(self, store: JobStore, job: Job, probes: tuple[str, ...] = ()) -> None:
        self.job = job
        self.step = job.status  # the kind of work that it was claimed for
        self.probes = probes  # the pauses of submitting that its outcome may end
        self.lost = False
        self.thread = threading.get_ident()
        self._store = store
        now = time.monotonic()
        self._renew_at = now + RENEW_EVERY_SECONDS
        self._progress_by = now + PROGRESS_SECONDS
        self._ends_by = now + LEAST_SECONDS
        if job.status is Status.READY and job.expire_at:
            life = job.expire_at - store.now()
            self._ends_by = now + max(life + AFTER_EXPIRY_SECONDS, LEAST_SECONDS)

    @classmethod
    def take(
        cls, store: JobStore, job_id: str, known: bytes | None = None, *, takes_rq_job: bool = False
    ) -> Self | None:
        """Claim a job that waits for a worker; None when another worker was quicker.

        `known` is its record as it was a moment ago. A record that cannot be read is put off, so
        that it does not keep the workers from the other jobs.
        """

        def claim(job: Job | None, now: float) -> Job | None:
            return job.claimed(now) if job and job.work_deadline is not None else job

        try:
            before = codec.decode(known) if known else store.load(job_id)
            change = store.update_from(before, claim, takes_rq_job=takes_rq_job)
        except UnreadableRecord as error:
            _put_off(store, job_id, error)
            return None
        return cls(store, change.after) if change.written and change.after else None

    @classmethod
    def admit(
        cls, services: Services, found: NextSubmission, *, takes_rq_job: bool = False
    ) -> Self | None:
        """Claim the next queued submission together with a slot; None when that was not possible.

        When the answer to our own write gets lost, the write is found on record: it is ours, and
        a job that nobody sends must not look as if BFL might have it.
        """
        own: Job | None = None

        def admit(job: Job | None, now: float) -> Job | None:
            nonlocal own
            if job is None or not job.is_queued:
                return job
            own = submission.admit(job, now, str(services.origin_of(job)))
            return own

        try:
            before = services.store.load(found.job_id)
            change = services.store.update_from(before, admit, takes_rq_job=takes_rq_job)
        except NoFreeSlot:
            return None
        except UnreadableRecord as error:
            _put_off(services.store, found.job_id, error)
            services.submission_queue.remove(found)
            return None
        if change.after and own and _lease(change.after) == _lease(own):
            return cls(services.store, change.after, found.probes)
        # Another worker has it, or it was forgotten.
        services.submission_queue.remove_unchanged(
            found, change.after.version if change.after else 0
        )
        return None

    def commit(
        self, step: Callable[[Job, float], Job], counts: Mapping[str, int] = NO_COUNTS
    ) -> Job:
        """Apply a step while the job is still ours. Raises ClaimLost when it is not."""

        def guarded(job: Job | None, now: float) -> Job:
            if job is None or job.lease_until is None or _hold(job) != _hold(self.job):
                raise ClaimLost
            return step(job, now)

        before = self.job.lease_until
        change = self._store.update_from(self.job, guarded, counts)
        self.job = change.after or self.job
        if self.job.lease_until != before:
            self._renew_at = time.monotonic() + RENEW_EVERY_SECONDS
        return self.job

    # Progress, as the thread that works reports it.

    def progress(self) -> None:
        """Bytes have moved: the lease may be renewed for another while."""
        self._progress_by = time.monotonic() + PROGRESS_SECONDS

    def allow(self, seconds: float) -> None:
        """Announce a step that shows no progress and may take so long."""
        self._progress_by = time.monotonic() + seconds
        self._ends_by = max(self._ends_by, self._progress_by)

    # What the thread that looks after all claims does.

    def tend(self, now: float) -> None:
        """Renew the lease when that is due, or cut the work off when nothing moves any more."""
        if self.lost:
            return
        if now > min(self._progress_by, self._ends_by):
            log.warning("job %s: no progress, its lease is not renewed", self.job.id)
            self.cut()
        elif now >= self._renew_at:
            self._renew(now)

    def _renew(self, now: float) -> None:
        self._renew_at = now + RENEW_EVERY_SECONDS
        try:
            self.commit(Job.renewed)
        except ClaimLost:
            log.info("job %s: taken over by another worker", self.job.id)
            self.cut()
        except StoreUnavailable:
            # The next try may get through; if the lease runs out meanwhile, the fence decides.
            log.warning("job %s: lease not renewed, Redis does not answer", self.job.id)

    def cut(self) -> None:
        """The work ends as soon as it can: nothing that it commits counts any more."""
        self.lost = True
        watchdog.cut_connections(self.thread)

    def is_hung(self, now: float) -> bool:
        """Whether the work goes on although its connections were cut long ago."""
        return now > min(self._progress_by, self._ends_by) + HUNG_SECONDS

    def hand_back(self) -> None:
        """Let another worker begin at once. A submission under way is left to its lease."""
        if self.step is Status.QUEUED:
            return
        with suppress(ClaimLost, StoreUnavailable):
            self.commit(Job.release)
            log.info("job %s: handed back, this worker stops", self.job.id)
        self.cut()


class Claims:
    """The claims of one process, looked after by one thread."""

    def __init__(self) -> None:
        self._held: set[Claim] = set()
        self.ticked_at = time.monotonic()

    def add(self, claim: Claim) -> None:
        self._held.add(claim)

    def remove(self, claim: Claim) -> None:
        self._held.discard(claim)

    def all(self) -> list[Claim]:
        return list(self._held.copy())

    def tend(self) -> list[Claim]:
        """Renew what makes progress; returns the claims whose work hangs."""
        now, since = time.monotonic(), self.ticked_at
        self.ticked_at = now
        if now - since > LATE_TICK_SECONDS:
            # This process was stopped, or waited for Redis: so did the others' work.
            for claim in self.all():
                claim.allow(PROGRESS_SECONDS)
        for claim in self.all():
            claim.tend(now)
        return [claim for claim in self.all() if claim.is_hung(now)]


def _put_off(store: JobStore, job_id: str, error: UnreadableRecord) -> None:
    log.error("job %s: %s Put off.", job_id, error)
    store.postpone(job_id, POISONED_FOR_SECONDS)


def _lease(job: Job) -> tuple[int, float | None]:
    """No two claims have the same."""
    return job.fencing_token, job.lease_until


def _hold(job: Job) -> tuple[int, float]:
    """The fence, and which job it is: one that was forgotten may have a namesake."""
    return job.fencing_token, job.created_at
