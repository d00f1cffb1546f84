"""A worker's hold on a job: a lease renewed while it works, and a fence that guards each commit."""

import logging
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from jobs import records, submission
from jobs.errors import BrokenRecord, ClaimLost, NoSlot, StoreUnavailable
from jobs.found import NO_COUNTS
from jobs.job import LEASE_SECONDS, Job
from jobs.services import Services
from jobs.slots import Next
from jobs.store import Store

POISONED_FOR_SECONDS = 300.0
RENEW_EVERY_SECONDS = LEASE_SECONDS / 3

log = logging.getLogger(__name__)


class Claim:
    """A job that is ours until somebody else takes it over.

    `on_loss` is called from another thread as soon as that is known, to cut a transfer short.
    """

    def __init__(self, store: Store, job: Job, probes: tuple[str, ...] = ()) -> None:
        self.job = job
        self.probes = probes  # the pauses of submitting that its outcome may end
        self.lost = False
        self.on_loss: Callable[[], None] | None = None
        self._store = store
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    @classmethod
    def take(cls, store: Store, job_id: str, known: bytes | None = None) -> Self | None:
        """Claim a job that waits for a worker; None when another worker was quicker.

        `known` is its record as it was a moment ago.

        A record that cannot be read is put off: it must not keep anybody from the others.
        """

        def claim(job: Job | None, now: float) -> Job | None:
            return job.claimed(now) if job and job.wanted is not None else job

        try:
            change = (
                store.change_from(records.decode(known), claim)
                if known
                else store.change(job_id, claim)
            )
        except BrokenRecord as error:
            _put_off(store, job_id, error)
            return None
        return cls(store, change.after) if change.written and change.after else None

    @classmethod
    def admit(cls, services: Services, found: Next) -> Self | None:
        """Claim a job that is next in line together with a slot; None when somebody was quicker.

        When the answer to our own write gets lost, the write is found on record: it is ours, and
        a job that nobody sends must not look as if BFL might have it.
        """
        own: Job | None = None

        def admit(job: Job | None, now: float) -> Job | None:
            nonlocal own
            if job is None or not job.waits:
                return job
            own = submission.admit(job, now, str(services.origin_of(job)))
            return own

        try:
            change = services.store.change(found.job_id, admit)
        except NoSlot:
            return None
        except BrokenRecord as error:
            _put_off(services.store, found.job_id, error)
            services.slots.remove(found)
            return None
        if change.after and own and _lease(change.after) == _lease(own):
            return cls(services.store, change.after, found.probes)
        # Another worker has it, or it was forgotten.
        services.slots.leave(found, change.after.version if change.after else 0)
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.renew_no_more()
        self._thread.join()

    def renew_no_more(self) -> None:
        """A stop may come before the block under this claim is entered, or while it is left."""
        self._done.set()

    def commit(
        self, step: Callable[[Job, float], Job], counts: Mapping[str, int] = NO_COUNTS
    ) -> Job:
        """Apply a step while the job is still ours. Raises ClaimLost when it is not."""

        def guarded(job: Job | None, now: float) -> Job:
            if job is None or job.lease_until is None or _hold(job) != _hold(self.job):
                raise ClaimLost
            return step(job, now)

        change = self._store.change_from(self.job, guarded, counts)
        self.job = change.after or self.job
        return self.job

    def _renew(self) -> None:
        while not self._done.wait(RENEW_EVERY_SECONDS):
            try:
                self.commit(Job.renewed)
            except ClaimLost:
                log.info("job %s: taken over by another worker", self.job.id)
                self.lost = True
                if self.on_loss:
                    self.on_loss()
                return
            except StoreUnavailable:
                # The next turn may get through; if the lease runs out meanwhile, the fence decides.
                log.warning("job %s: lease not renewed, Redis does not answer", self.job.id)


def _put_off(store: Store, job_id: str, error: BrokenRecord) -> None:
    log.error("job %s: %s Put off.", job_id, error)
    store.put_off(job_id, POISONED_FOR_SECONDS)


def _lease(job: Job) -> tuple[int, float | None]:
    """No two claims have the same."""
    return job.fence, job.lease_until


def _hold(job: Job) -> tuple[int, float]:
    """The fence, and which job it is: one that was forgotten may have a namesake."""
    return job.fence, job.created_at
