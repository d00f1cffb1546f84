"""Dispatcher: drain what waits for a worker, most urgent first, with a few threads."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from jobs.errors import ClaimLost, StoreUnavailable, UnknownJob
from jobs.net import watchdog
from jobs.services import Services
from jobs.status import Status
from jobs.store.results import PendingWork
from worker import poll, rescue, submit, thumbnails
from worker.claim import Claim, Claims
from worker.shutdown import Shutdown

STEPS: dict[Status, Callable[[Services, Claim], None]] = {
    Status.QUEUED: submit.submit_job,
    Status.SUBMITTED: poll.ask,
    Status.READY: rescue.rescue,
}

TICK_SECONDS = 0.2
ERROR_SECONDS = 10.0
RACES_MAX = 20
ABREAST = 4  # several processes that race for one job take the next ones instead

log = logging.getLogger(__name__)


class Dispatcher:
    """The working threads of one process and the claims that they hold."""

    def __init__(self, services: Services) -> None:
        self.claims = Claims()
        self.shutdown = Shutdown(self.claims)
        self.is_kept_from_polls: Callable[[], bool] = lambda: False
        self.tick: Callable[[], None] = lambda: None
        self._services = services
        self.size = services.settings.worker_concurrency
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._claiming = threading.Lock()
        self._drawing = threading.Lock()
        self._has_rq_job = False

    def drain(self) -> None:
        """Do what waits and what comes meanwhile; return when nothing is left.

        The thread that calls this works on no job: it looks after the claims.
        """
        self._has_rq_job = True  # the one that called us stands for the first claim
        self._over.clear()
        self._start_thread(first=True)
        while not self._over.wait(TICK_SECONDS):
            self.tick()
            if hung := self.claims.tend():
                self.shutdown.because_of(hung)
            self._start_thread()

    def _start_thread(self, *, first: bool = False) -> None:
        """One more, to look for work that has come, unless all are busy or the last has ended."""
        with self._lock:
            if not (first or self._threads) or len(self._threads) >= self.size:
                return
            if self.shutdown.requested.is_set() and not first:
                return
            thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
            self._threads.add(thread)
        thread.start()

    def _run(self) -> None:
        try:
            while not self.shutdown.requested.is_set() and (self.work() or self.draw()):
                pass
        except StoreUnavailable as error:
            log.warning("%s; what waits is done later", error)
        except Exception as error:  # noqa: BLE001 - the next thread tries again
            log.error("unexpected %s in the dispatcher", type(error).__name__)  # noqa: TRY400
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
                if not self._threads:
                    self._over.set()

    # One piece of work.

    def work(self) -> bool:
        """Claim the most urgent piece of work and do it; returns whether there was any."""
        with self._claiming:  # threads of one process need not race each other
            claim = self._next()
            if claim is None:
                return False
            self._has_rq_job = False
            self.claims.add(claim)
        try:
            self._start_thread()
            self._do(claim)
        finally:
            self.claims.remove(claim)
        return True

    def _next(self) -> Claim | None:
        """A rescue before any submission, a submission before any poll."""
        store = self._services.store
        if claim := self._most_urgent(store.pending_rescues):
            return claim
        if not self._has_room_for_others():
            return None
        if claim := self._next_submission():
            return claim
        return None if self.is_kept_from_polls() else self._most_urgent(store.pending_polls)

    def _has_room_for_others(self) -> bool:
        """One thread is left for rescues, where there are several."""
        others = sum(claim.step is not Status.READY for claim in self.claims.all())
        return self.size == 1 or others < self.size - 1

    def _most_urgent(self, waiting: Callable[[int], PendingWork]) -> Claim | None:
        for _ in range(RACES_MAX):
            urgent = waiting(ABREAST)
            for job_id in urgent.ids:
                known = urgent.record if job_id == urgent.ids[0] else None
                store, takes = self._services.store, not self._has_rq_job
                if claim := Claim.take(store, job_id, known, takes_rq_job=takes):
                    return claim
            if not urgent.ids:
                break
        return None  # nothing waits, or the other processes are quicker

    def _next_submission(self) -> Claim | None:
        submission_queue = self._services.submission_queue
        for _ in range(RACES_MAX):
            found = submission_queue.next()
            if found is None:
                return None
            if claim := Claim.admit(self._services, found, takes_rq_job=not self._has_rq_job):
                return claim
            submission_queue.release_probes(found.probes)
        return None  # the other processes are quicker: to every job, or to the last slot

    def _do(self, claim: Claim) -> None:
        job = claim.job
        try:
            STEPS[job.status](self._services, claim)
        except (ClaimLost, UnknownJob):
            log.info("job %s: another worker has it now, or it was forgotten", job.id)
        except StoreUnavailable as error:
            log.warning("job %s: %s; the lease will run out", job.id, error)
        except Exception as error:  # noqa: BLE001 - one job must not be tried for ever in the dark
            self._unexpected(claim, error)

    def _unexpected(self, claim: Claim, error: Exception) -> None:
        """Put a job off after an error of ours, whose text could hold what was sent."""
        kind = type(error).__name__
        log.error("job %s: unexpected %s", claim.job.id, kind)
        unsent = not watchdog.current.get(watchdog.Wire()).sent
        with suppress(ClaimLost, StoreUnavailable):
            if claim.job.status is Status.QUEUED and unsent:
                submit.requeue_unsent(self._services, claim, kind)
                return
            claim.commit(
                lambda job, now: job.with_event(now, "stumbled", error=kind).back_off(
                    now, ERROR_SECONDS
                )
            )

    def draw(self) -> bool:
        """Draw the thumbnails of one job when nothing else waits; one thread is enough for that."""
        if not self._drawing.acquire(blocking=False):
            return False
        try:
            return thumbnails.draw_next(self._services, self.shutdown.requested)
        finally:
            self._drawing.release()
