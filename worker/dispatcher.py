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
# Another process may take the submission first, or it must wait because its key was removed.
SUBMISSIONS_TRIED_MAX = 200
CANDIDATES = 4  # processes that race for one job take the next ones instead
CANDIDATES_AFTER_SUSPECTS = 100

log = logging.getLogger(__name__)


def _always() -> bool:
    return True


def _do_nothing() -> None:
    pass


class JobDispatcher:
    """The working threads of one process and their claims."""

    def __init__(
        self,
        services: Services,
        *,
        may_poll: Callable[[], bool] = _always,
        on_tick: Callable[[], None] = _do_nothing,
    ) -> None:
        """`may_poll` is asked before a poll is claimed; `on_tick` is called often in `drain`."""
        self.claims = Claims()
        self.shutdown = Shutdown(self.claims, services.settings)
        self.size = services.settings.worker_concurrency
        self._may_poll = may_poll
        self._on_tick = on_tick
        self._services = services
        self._threads: set[threading.Thread] = set()
        self._threads_lock = threading.Lock()
        self._is_drained = threading.Event()
        self._has_begun = False
        self._claim_lock = threading.Lock()
        self._thumbnail_lock = threading.Lock()
        self._are_thumbnails_requested = False
        self._has_rq_job = False
        self._may_others_wait = True  # jobs beside the one that was claimed last

    def begin(self) -> None:
        """Start on the work of an RQ job, beside RQ's own writes; `drain` follows."""
        self._has_rq_job = True
        self._has_begun = True
        self._start_first_thread()

    def drain(self, *, has_rq_job: bool = True) -> None:
        """Process all waiting jobs, new ones included; return when none is left.

        The calling thread processes no job: it supervises the claims. An RQ job that called this
        stands for the first claim.
        """
        has_begun_for_rq_job = has_rq_job and self._has_begun
        if not has_begun_for_rq_job:
            self._has_rq_job = has_rq_job
            self._start_first_thread()
        self._has_begun = False
        seconds = FIRST_TICK_SECONDS
        while not self._is_drained.wait(seconds):
            seconds = TICK_SECONDS
            self._on_tick()
            hung_claims = self.claims.supervise()
            if hung_claims:
                self.shutdown.exit_hung(hung_claims)
            self._start_further_thread()

    def _start_first_thread(self) -> None:
        """Start a thread that looks for work, also during a shutdown, unless all are busy."""
        with self._threads_lock:
            if not self._has_free_thread():
                return
            thread = self._add_thread()
        thread.start()

    def _start_further_thread(self) -> None:
        """Start a thread that looks for work, unless all are busy or the last one has ended."""
        with self._threads_lock:
            is_drained = not self._threads
            is_stopping = self.shutdown.requested.is_set()
            if is_drained or is_stopping or not self._has_free_thread():
                return
            thread = self._add_thread()
        thread.start()

    def _has_free_thread(self) -> bool:
        """Whether a further thread may work; one that waits for a silent connection is no load."""
        count = len(self._threads)
        busy_count = count - self.claims.count_silent()
        return busy_count < self.size and count < THREADS_MAX

    def _add_thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._threads.add(thread)
        self._is_drained.clear()
        return thread

    def _run(self) -> None:
        try:
            self._work_until_drained()
        except StoreUnavailable as error:
            log.warning("%s; waiting jobs are processed later", error)
        except Exception as error:  # noqa: BLE001 - the next thread tries again
            log.error("unexpected %s in the dispatcher", type(error).__name__)  # noqa: TRY400
        finally:
            with self._threads_lock:
                self._threads.discard(threading.current_thread())
                if not self._threads:
                    self._is_drained.set()

    def _work_until_drained(self) -> None:
        """Process jobs, and make thumbnails while no job waits, until a shutdown is requested."""
        while not self.shutdown.requested.is_set():
            has_processed = self.process_next()
            if not has_processed and not self.make_thumbnails():
                return

    def process_next(self) -> bool:
        """Claim and process the most urgent job; return whether there was one."""
        with self._claim_lock:  # threads of one process need not race each other
            claim = self._claim_next()
            if claim is None:
                return False
            self._has_rq_job = False
            may_others_wait = self._may_others_wait
            self.claims.add(claim)
        try:
            if may_others_wait:  # else the next tick starts one: most rescues end before it
                self._start_further_thread()
            self._process(claim)
        finally:
            self.claims.remove(claim)
        return True

    def _claim_next(self) -> HeldClaim | None:
        """Rescues go before submissions, submissions before polls (I21)."""
        store = self._services.store
        claim = self._claim_most_urgent(store.pending_rescues)
        if claim:
            return claim
        self._may_others_wait = True
        if self._is_last_thread_reserved():
            return None
        claim = self._claim_submission()
        if claim:
            return claim
        if self._may_poll():
            return self._claim_most_urgent(store.pending_polls)
        return None

    def _is_last_thread_reserved(self) -> bool:
        """Whether the only thread that is free waits for a rescue: one of several threads does."""
        if self.size == 1:
            return False
        unreserved_count = self.size - 1
        busy = [claim for claim in self.claims.copy() if claim.claimed_status is not Status.READY]
        return len(busy) >= unreserved_count

    def _claim_submission(self) -> HeldClaim | None:
        """Claim the next submission that may be sent; other processes may be faster."""
        queue = self._services.submission_queue
        takes_rq_job = not self._has_rq_job
        for _ in range(SUBMISSIONS_TRIED_MAX):
            candidate = queue.next()
            if not candidate:
                return None
            claim = HeldClaim.admit(self._services, candidate, takes_rq_job=takes_rq_job)
            if claim:
                return claim
            queue.release_half_open(candidate.half_open)
        return None

    def _claim_most_urgent(self, load_pending: Callable[[int], PendingWork]) -> HeldClaim | None:
        """Claim the first waiting job that no other process takes.

        Of the jobs with which a worker died before (suspects), a process takes one at a time: the
        others would die again with the one to blame.
        """
        has_suspect = any(claim.job.lease.crashes for claim in self.claims.copy())
        limit = CANDIDATES_AFTER_SUSPECTS if has_suspect else CANDIDATES
        declined_ids = set[str]()

        def accept(job: Job) -> bool:
            if has_suspect and job.lease.crashes:
                declined_ids.add(job.id)
            return job.id not in declined_ids

        for _ in range(RACES_MAX):
            pending = load_pending(limit)
            self._may_others_wait = len(pending.ids) > 1
            claim = self._claim_first(pending, accept)
            if claim:
                return claim
            if declined_ids.issuperset(pending.ids):
                return None  # nothing waits for this process
        return None  # other processes are faster

    def _claim_first(self, pending: PendingWork, accept: Callable[[Job], bool]) -> HeldClaim | None:
        record = pending.record  # the first job's, read together with the ids
        for job_id in pending.ids:
            claim = HeldClaim.acquire(
                self._services.store,
                job_id,
                record,
                takes_rq_job=not self._has_rq_job,
                accept=accept,
            )
            if claim:
                return claim
            record = None
        return None

    def _process(self, claim: HeldClaim) -> None:
        job = claim.job
        handler = HANDLERS[job.status]
        is_first_or_last_look = job.lease.is_last or not job.polling.attempts
        if job.lease.rescue_attempts and is_first_or_last_look:
            handler = rescue.rescue  # an earlier claim may have stored a replayed job (I22)
        try:
            handler(self._services, claim)
            if claim.job.status.terminal:
                submit.probe_waiting_videos(self._services, claim.job)
        except (ClaimLost, UnknownJob):
            log.info("job %s: another worker has it now, or it was deleted", job.id)
        except StoreUnavailable as error:
            log.warning("job %s: %s; the lease will run out", job.id, error)
        except Exception as error:  # noqa: BLE001 - one job must not stop the others
            # It is tried again. The text of the error is not logged, it may hold secrets.
            kind = type(error).__name__
            log.error("job %s: unexpected %s", job.id, kind)  # noqa: TRY400
            with suppress(ClaimLost, StoreUnavailable):
                self._recover(claim, kind)

    def _recover(self, claim: HeldClaim, error_kind: str) -> None:
        """Have a job that met an unexpected error tried again later."""
        exchange = watchdog.current.get()
        is_sent = exchange is not None and exchange.is_sent
        if claim.job.status is Status.QUEUED and not is_sent:
            attempt = submit.Attempt(self._services, claim)
            attempt.requeue(f"unexpected {error_kind}, before anything was sent", last=True)
            return

        def back_off(job: Job, now: float) -> Job:
            failed = job.with_event(now, EventCode.WORKER_FAILED, error=error_kind)
            return failed.back_off(now, ERROR_BACKOFF_SECONDS)

        claim.commit(back_off)

    def make_thumbnails(self) -> bool:
        """Make the thumbnails of one job, in one thread at a time; return whether any were due.

        While another thread makes some, that thread looks once more afterwards, and this one ends.
        """
        self._are_thumbnails_requested = True
        while self._are_thumbnails_requested and self._thumbnail_lock.acquire(blocking=False):
            try:
                self._are_thumbnails_requested = False
                if thumbnails.process_next(self._services, self.shutdown.requested):
                    return True
            finally:
                self._thumbnail_lock.release()
        return False
