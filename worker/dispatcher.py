"""Dispatcher: process waiting jobs, most urgent first, with a few threads."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from jobs.domain.errors import StoreUnavailable, UnknownJob
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from jobs.net import watchdog
from jobs.services import Services
from jobs.store.job_store import PendingWork
from worker import poll, rescue, submit, thumbnails
from worker.claim import ClaimLost, Claims, HeldClaim
from worker.shutdown import Shutdown

HANDLERS: dict[Status, Callable[[Services, HeldClaim], None]] = {
    Status.QUEUED: submit.submit_job,
    Status.SUBMITTED: poll.poll_job,
    Status.READY: rescue.rescue,
}

TICK_SECONDS = 0.2
FIRST_TICK_SECONDS = 0.03
THREADS_MAX = 100  # WORKER_CONCURRENCY, and those that wait for a silent connection
ERROR_BACKOFF_SECONDS = 10.0
RACES_MAX = 20
SUBMISSIONS_TRIED_MAX = 200  # others were faster, or its key was removed and it must wait
CANDIDATES = 4  # processes that race for one job take the next ones instead
CANDIDATES_AFTER_SUSPECTS = 100

log = logging.getLogger(__name__)


class JobDispatcher:
    """The working threads of one process and their claims."""

    def __init__(self, services: Services) -> None:
        self.claims = Claims()
        self.shutdown = Shutdown(self.claims, services.settings)
        self.may_poll: Callable[[], bool] = lambda: True
        self.on_tick: Callable[[], None] = lambda: None
        self.size = services.settings.worker_concurrency
        self._services = services
        self._threads: set[threading.Thread] = set()
        self._threads_lock = threading.Lock()
        self._is_drained = threading.Event()
        self._has_begun = False
        self._claim_lock = threading.Lock()
        self._thumbnail_lock = threading.Lock()
        self._thumbnails_asked = False
        self._has_rq_job = False
        self._more_waits = True  # than was claimed, as far as is known

    def begin(self) -> None:
        """Start on the work of an RQ job, beside RQ's own writes; `drain` follows."""
        self._has_rq_job = self._has_begun = True
        self._start_thread(first=True)

    def drain(self, *, has_rq_job: bool = True) -> None:
        """Process all waiting jobs, new ones included; return when none is left.

        The calling thread processes no job: it supervises the claims. An RQ job that called this
        stands for the first claim.
        """
        if not (has_rq_job and self._has_begun):
            self._has_rq_job = has_rq_job
            self._start_thread(first=True)
        self._has_begun, seconds = False, FIRST_TICK_SECONDS
        while not self._is_drained.wait(seconds):
            seconds = TICK_SECONDS
            self.on_tick()
            if hung := self.claims.supervise():
                self.shutdown.exit_hung(hung)
            self._start_thread()

    def _start_thread(self, *, first: bool = False) -> None:
        """Start a thread that looks for work, unless all are busy or the last one has ended."""
        with self._threads_lock:
            count = len(self._threads)
            if not (first or count) or count - self.claims.count_silent() >= self.size:
                return
            if (self.shutdown.requested.is_set() and not first) or count >= THREADS_MAX:
                return
            thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
            self._threads.add(thread)
            self._is_drained.clear()
        thread.start()

    def _run(self) -> None:
        try:
            while not self.shutdown.requested.is_set() and (
                self.process_next() or self.make_thumbnails()
            ):
                pass
        except StoreUnavailable as error:
            log.warning("%s; waiting jobs are processed later", error)
        except Exception as error:  # noqa: BLE001 - the next thread tries again
            log.error("unexpected %s in the dispatcher", type(error).__name__)  # noqa: TRY400
        finally:
            with self._threads_lock:
                self._threads.discard(threading.current_thread())
                if not self._threads:
                    self._is_drained.set()

    def process_next(self) -> bool:
        """Claim and process the most urgent job; return whether there was one."""
        with self._claim_lock:  # threads of one process need not race each other
            claim = self._claim_next()
            if claim is None:
                return False
            self._has_rq_job = False
            more_waits = self._more_waits
            self.claims.add(claim)
        try:
            if more_waits:  # else the next tick looks: most rescues are over before it
                self._start_thread()
            self._process(claim)
        finally:
            self.claims.remove(claim)
        return True

    def _claim_next(self) -> HeldClaim | None:
        """Rescues go before submissions, submissions before polls (I21)."""
        store = self._services.store
        if claim := self._claim_most_urgent(store.pending_rescues):
            return claim
        self._more_waits = True
        others = sum(claim.claimed_status is not Status.READY for claim in self.claims.copy())
        if 1 <= self.size - 1 <= others:  # one thread of several is reserved for rescues
            return None
        submission_queue, takes_rq_job = self._services.submission_queue, not self._has_rq_job
        for _ in range(SUBMISSIONS_TRIED_MAX):
            if not (found := submission_queue.next()):
                break
            if claim := HeldClaim.admit(self._services, found, takes_rq_job=takes_rq_job):
                return claim
            submission_queue.release_half_open(found.half_open)
        return self._claim_most_urgent(store.pending_polls) if self.may_poll() else None

    def _claim_most_urgent(self, waiting: Callable[[int], PendingWork]) -> HeldClaim | None:
        """Claim the first waiting job that no other process takes.

        Of the jobs with which a worker died before (suspects), a process takes one at a time: the
        others would die again with the one to blame.
        """
        has_suspect = any(claim.job.lease.crashes for claim in self.claims.copy())
        declined = set[str]()

        def accept(job: Job) -> bool:
            if has_suspect and job.lease.crashes:
                declined.add(job.id)
            return job.id not in declined

        store, takes_rq_job = self._services.store, not self._has_rq_job
        for _ in range(RACES_MAX):
            urgent = waiting(CANDIDATES_AFTER_SUSPECTS if has_suspect else CANDIDATES)
            self._more_waits = len(urgent.ids) > 1
            for n, job_id in enumerate(urgent.ids):
                record = None if n else urgent.record
                if claim := HeldClaim.acquire(
                    store, job_id, record, takes_rq_job=takes_rq_job, accept=accept
                ):
                    return claim
            if declined.issuperset(urgent.ids):
                break
        return None  # nothing waits for this process, or other processes are faster

    def _process(self, claim: HeldClaim) -> None:
        job = claim.job
        # An earlier claim may have stored a replayed job (I22).
        looks = job.lease.rescue_attempts and (job.lease.is_last or not job.polling.attempts)
        try:
            (rescue.rescue if looks else HANDLERS[job.status])(self._services, claim)
            if claim.job.status.terminal:
                submit.probe_waiting_videos(self._services, claim.job)
        except (ClaimLost, UnknownJob):
            log.info("job %s: another worker has it now, or it was deleted", job.id)
        except StoreUnavailable as error:
            log.warning("job %s: %s; the lease will run out", job.id, error)
        except Exception as error:  # noqa: BLE001 - one job must not stop the others
            # It is tried again. The text of the error is not logged, it may hold secrets.
            kind, exchange = type(error).__name__, watchdog.current.get()
            log.error("job %s: unexpected %s", job.id, kind)  # noqa: TRY400
            with suppress(ClaimLost, StoreUnavailable):
                if claim.job.status is Status.QUEUED and not (exchange and exchange.is_sent):
                    attempt = submit.Attempt(self._services, claim)
                    attempt.requeue(f"unexpected {kind}, before anything was sent", last=True)
                    return
                claim.commit(
                    lambda job, now: job.with_event(
                        now, EventCode.WORKER_FAILED, error=kind
                    ).back_off(now, ERROR_BACKOFF_SECONDS)
                )

    def make_thumbnails(self) -> bool:
        """Make the thumbnails of one job, in one thread at a time; return whether any were due.

        A thread that finds another one at it has it look once more, and may end.
        """
        self._thumbnails_asked = True
        while self._thumbnails_asked and self._thumbnail_lock.acquire(blocking=False):
            try:
                self._thumbnails_asked = False
                if thumbnails.process_next(self._services, self.shutdown.requested):
                    return True
            finally:
                self._thumbnail_lock.release()
        return False
