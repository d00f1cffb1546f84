"""One turn of a worker: the most urgent work that waits, whatever the entry named."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

from jobs import watchdog
from jobs.errors import ClaimLost, StoreUnavailable, UnknownJob
from jobs.job import Job
from jobs.services import Services
from jobs.states import State
from worker import drawings, poll, rescue, submit
from worker.claim import Claim

STEPS: dict[State, Callable[[Services, Claim], None]] = {
    State.QUEUED: submit.submit_job,
    State.SUBMITTED: poll.ask,
    State.READY: rescue.rescue,
}

STAY_SECONDS = 5.0  # less than a platform waits for a worker that it told to stop
WAIT_SECONDS = 1.0
RECALL = signal.SIGUSR1
STUMBLE_SECONDS = 10.0
RACES_MAX = 20
ABREAST = 4

_recalled = threading.Event()

log = logging.getLogger(__name__)


class Leaving(BaseException):
    """The process was told to stop."""


def take(services: Services, job_id: str, seconds: float = 0.0) -> bool:
    """Do the most urgent work, or else what the entry named; returns whether there was any.

    RQ is first in, first out, but a URL that dies in a minute cannot wait behind one that lives
    for an hour. There is an entry for every job that waits, so each gets its turn. Whoever has
    found work stays for some seconds and takes what comes: to fork and do RQ's bookkeeping for
    each job takes longer than to rescue a picture.
    """
    until = time.monotonic() + seconds
    try:
        with _stoppable():
            found = _one(services, partial(_found, services, job_id))
            if found:
                _stay(services, until)
            if not _recalled.is_set():
                _draw(services)
    except Leaving:
        return True
    return found


def _stay(services: Services, until: float) -> None:
    while time.monotonic() < until and not _recalled.is_set():
        if _one(services, partial(_another, services)):
            continue
        _draw(services)
        try:
            job_id = _next_entry(services)
        except StoreUnavailable:
            return  # RQ knows how to wait for it
        if job_id:
            _one(services, partial(_found, services, job_id))


def _next_entry(services: Services) -> str | None:
    """The job of an entry that came within a second; told to leave meanwhile, we give it back."""
    job_id = services.store.next_entry(WAIT_SECONDS)
    if job_id and _recalled.is_set():
        services.store.hint([job_id])
        return None
    return job_id


def _one(services: Services, find: Callable[[], Claim | None]) -> bool:
    """Whether there was work, which is done now. Raises Leaving once it was handed back."""
    claim = None
    try:
        # Told to stop in between, we would not know what to hand back.
        with submit.undisturbed():
            claim = find()
        if claim:
            _work(services, claim)
    except Leaving:
        if claim:
            _hand_back(services, claim)
        raise
    return claim is not None


def _found(services: Services, job_id: str) -> Claim | None:
    return _most_urgent(services) or _next_in_line(services) or Claim.take(services.store, job_id)


def _most_urgent(services: Services) -> Claim | None:
    """Whoever wins a job has taken it off the list: the losers take the next ones, then look again.

    So many workers that want the same one would else come to one job after the other in step.
    """
    for _ in range(RACES_MAX):
        urgent = services.store.urgent(ABREAST)
        for job_id in urgent.ids:
            known = urgent.record if job_id == urgent.ids[0] else None
            if claim := Claim.take(services.store, job_id, known):
                return claim
        if not urgent.ids:
            break
    return None  # nothing waits, or the others are quicker


def _another(services: Services) -> Claim | None:
    """More that is urgent; the entry that asked for it is not needed any more."""
    claim = _most_urgent(services)
    if claim:
        services.store.spend_hint()
    return claim


def _next_in_line(services: Services) -> Claim | None:
    for _ in range(RACES_MAX):
        found = services.slots.next()
        if found is None:
            return None
        if claim := Claim.admit(services, found):
            return claim
        services.slots.release(found.probes)
    return None  # the others are quicker: to every job, or to the last slot


def _work(services: Services, claim: Claim) -> None:
    try:
        job = claim.job
        with claim:
            STEPS[job.state](services, claim)
    except (ClaimLost, UnknownJob):
        log.info("job %s: somebody else has it now, or it was forgotten", claim.job.id)
    except StoreUnavailable as error:
        log.warning("job %s: %s; the lease will run out", claim.job.id, error)
    except Exception as error:  # noqa: BLE001 - one job must not be tried for ever in the dark
        _stumble(services, claim, error)


def _draw(services: Services) -> None:
    """Thumbnails last; whoever is stopped here leaves them to the next one."""
    try:
        drawings.catch_up(services, _recalled.is_set)
    except StoreUnavailable as error:
        log.warning("%s; thumbnails are drawn later", error)
    except Exception as error:  # noqa: BLE001 - a nicety must not make a rescue look failed
        log.error("unforeseen %s while drawing", type(error).__name__)  # noqa: TRY400


def _stumble(services: Services, claim: Claim, error: Exception) -> None:
    """A mistake of ours. Its text could hold what was sent, so only its type is told."""
    kind = type(error).__name__
    log.error("job %s: unforeseen %s", claim.job.id, kind)
    unsent = not watchdog.current.get(watchdog.Wire()).sent
    with suppress(ClaimLost, StoreUnavailable):
        if claim.job.state is State.QUEUED and unsent:
            submit.requeue_unsent(services, claim, kind)
            return
        claim.commit(
            lambda job, now: job.noted(now, "stumbled", error=kind).rested(now, STUMBLE_SECONDS)
        )


def _hand_back(services: Services, claim: Claim) -> None:
    claim.renew_no_more()
    with suppress(ClaimLost, StoreUnavailable):
        services.slots.release(claim.probes)
        claim.commit(Job.handed_back)
        log.info("job %s: handed back, this worker stops", claim.job.id)


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends the work in hand at once, instead of the whole process without a word.

    RECALL lets it be finished, and nothing else is begun.
    """

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise Leaving

    def recall(_signal: int, _frame: FrameType | None) -> None:
        _recalled.set()

    _recalled.clear()
    before = {n: signal.signal(n, do) for n, do in ((signal.SIGTERM, leave), (RECALL, recall))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
