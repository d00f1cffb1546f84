"""Tells those who want to hear of a job's end, beside the rescues and never in their way.

It runs in threads of the sweep process: a receiver that is slow or dead costs no worker its turn.
What is owed stands in the record; who sends takes it there first, so that a sender that dies has
only delayed it.
"""

import logging
import random
import threading
import time
from contextlib import suppress

from jobs import notice
from jobs.counts import Told, of_notice
from jobs.errors import BrokenRecord, RefusedUrl, StoreUnavailable
from jobs.job import Job
from jobs.notice import Outcome
from jobs.services import Services
from jobs.target import Notice, Target
from worker.lanes import SENDERS, Errand, Lanes
from worker.letter import Letter, recipient_of

LOOK_EVERY_SECONDS = 0.5
BATCH = 200
HELD_SECONDS = 30.0  # what waits here is due again in Redis if this process dies
CROWDED_SECONDS = (5.0, 60.0)
JITTER = (0.9, 1.1)
LEAVE_SECONDS = 22.0  # an answer may take 20

log = logging.getLogger(__name__)


def start(services: Services, stop: threading.Event) -> threading.Thread:
    """Tell until told to stop."""
    thread = threading.Thread(target=_run, args=(services, stop), name="notices", daemon=True)
    thread.start()
    return thread


def _run(services: Services, stop: threading.Event) -> None:
    lanes = Lanes()
    senders = [
        threading.Thread(target=_send, args=(services, lanes), name=f"notice-{n}", daemon=True)
        for n in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    pause = 0.0
    while not stop.wait(pause):
        pause = 0.0 if _look(services, lanes) else LOOK_EVERY_SECONDS
    lanes.close()
    _see_off(senders)


def _see_off(senders: list[threading.Thread]) -> None:
    """Whoever is still out when a platform would kill us counts as not sent."""
    until = time.monotonic() + LEAVE_SECONDS
    for sender in senders:
        sender.join(max(until - time.monotonic(), 0))


def _look(services: Services, lanes: Lanes) -> bool:
    """Bring what is due into the lanes; whether there may be more of it."""
    try:
        due = services.store.to_tell(BATCH)
        for job_id in due:
            _take_up(services, lanes, job_id)
    except StoreUnavailable as error:
        log.warning("%s", error)
        return False
    return len(due) == BATCH


def _take_up(services: Services, lanes: Lanes, job_id: str) -> None:
    """Its place in Redis moves back, so that what is due behind it comes into sight."""
    try:
        job = services.store.load(job_id)
    except BrokenRecord:
        job = None
    now = services.store.now()
    errands = [_errand(services, job, one) for one in job.notices if one.at <= now] if job else []
    if job is None or not errands:
        at = min((one.at for one in job.notices), default=None) if job else None
        services.store.settle_notice(job_id, at)
        return
    going = [errand for errand in errands if lanes.has_room(errand.host)]
    pause = HELD_SECONDS if going == errands else _jittered(CROWDED_SECONDS)
    services.store.settle_notice(job_id, now + pause)
    for errand in going:
        lanes.put(errand)


def _errand(services: Services, job: Job, one: Notice) -> Errand:
    host = ""
    with suppress(RefusedUrl):
        host = recipient_of(services, job, one.to).address.origin.host
    return Errand(host, job.id, one.to)


def _send(services: Services, lanes: Lanes) -> None:
    while errand := lanes.next():
        began, called = time.monotonic(), False
        try:
            called = tell(services, errand.job_id, errand.to)
        except StoreUnavailable as error:
            log.warning("job %s: %s; its end is told again", errand.job_id, error)
        except BrokenRecord:
            log.error("job %s: its record is broken", errand.job_id)  # noqa: TRY400 - said it all
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the sender
            # Its text could hold what was sent.
            log.error("job %s: unforeseen %s", errand.job_id, type(error).__name__)  # noqa: TRY400
        lanes.done(errand, time.monotonic() - began if called else None)


def tell(services: Services, job_id: str, to: Target) -> bool:
    """Take what is owed and put the outcome on record; False when another sender was quicker."""
    change = services.store.change(job_id, lambda job, now: job and notice.telling(job, to, now))
    taken = notice.owed_to(change.after, to) if change.written and change.after else None
    if change.after is None or taken is None:
        return False
    outcome = _outcome(services, change.after, taken)
    log.info("job %s: %s %s", job_id, to, outcome.problem or "called")
    jitter = _jittered(JITTER)
    after = notice.answered(change.after, taken, outcome, services.store.now(), jitter)
    services.store.change(
        job_id,
        lambda job, now: job and notice.answered(job, taken, outcome, now, jitter),
        counts={of_notice(_came_of_it(after, to, outcome)): 1},
    )
    return True


def _came_of_it(after: Job, to: Target, outcome: Outcome) -> Told:
    if not outcome.problem:
        return Told.TOLD
    return Told.PUT_OFF if notice.owed_to(after, to) else Told.GIVEN_UP


def _outcome(services: Services, job: Job, taken: Notice) -> Outcome:
    try:
        letter = Letter.of(services, job, taken)
    except RefusedUrl as error:
        return Outcome(str(error), final=True)
    return letter.sent()


def _jittered(bounds: tuple[float, float]) -> float:
    return random.uniform(*bounds)  # noqa: S311 - no secret depends on it
