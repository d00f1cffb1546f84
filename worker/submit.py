"""Handing a job in at BFL, and reading what became of that.

What BFL certainly did not take goes back in line and keeps its place. What it may have taken is
in doubt, and only BFL's callback settles it: nothing is paid for twice without being said.
"""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from jobs import bfl_submissions as dialect
from jobs import submission
from jobs.api import Answer
from jobs.bfl import strict_json
from jobs.bfl_submissions import Webhook
from jobs.errors import BadReport, NotSent, TransferFailed
from jobs.job import Job
from jobs.report import Failure, Taken
from jobs.services import Services
from jobs.slots import EVERYTHING, PROBE_SECONDS
from jobs.states import Doubt
from worker.backoff import pause
from worker.claim import Claim

ANSWER_SECONDS = 20.0  # less than a platform gives a process to end
UPLOAD_BYTES_PER_SECOND = 250_000  # a slow uplink's pace, for inputs with pictures
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

REASONS = {
    dialect.NO_CREDITS: "BFL says that the credits are used up",
    401: "BFL refuses the API key",
    403: "BFL refuses the API key",
}
BUSY = "BFL says that too many tasks are active"
TAKEN = range(200, 300)
REFUSALS = range(400, 500)
OUTAGES = (502, 503, 504)

log = logging.getLogger(__name__)


def hand_in(services: Services, claim: Claim) -> None:
    """Submit a job that has just been given a slot; its lease runs meanwhile."""
    body = services.store.submission(claim.job.id)
    if body is None:
        _end(claim, Failure("input_lost", "what was to be submitted is gone"))
        return
    with undisturbed():
        Submission(services, claim).send(body)
        _call_the_next(services)


def _call_the_next(services: Services) -> None:
    """Entries are used up while nobody may go: after a pause each that goes calls another."""
    if found := services.slots.next(only_look=True):
        services.store.hint([found.job_id])


class Submission:
    """One worker's attempt to submit one job."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._claim = claim
        self._model = claim.job.model or ""

    def send(self, given: bytes) -> None:
        """POST it, and put the outcome on record."""
        webhook = self._webhook()
        body = dialect.body(strict_json(given), webhook)
        try:
            seconds = ANSWER_SECONDS + len(body) / UPLOAD_BYTES_PER_SECOND
            answer = self._services.api.submitted(self._model, body, seconds)
        except NotSent as error:
            self._wait(EVERYTHING, f"BFL cannot be reached: {error}", self._backoff(EVERYTHING))
        except TransferFailed as error:
            self._doubt(Doubt.SILENT, f"no answer from BFL: {error}")
        else:
            self._understand(answer, calls=webhook is not None)

    def _webhook(self) -> Webhook | None:
        if not self._services.settings.bfl_reaches_us:
            return None
        job, tokens = self._claim.job, self._services.tokens
        url = f"{self._services.base_url(job)}/webhooks/bfl/{tokens.sign(job.id)}"
        return Webhook(url, tokens.secret(job.id))

    def _understand(self, answer: Answer, *, calls: bool) -> None:
        if answer.status in TAKEN:
            self._taken(answer, calls=calls)
        elif reason := REASONS.get(answer.status):
            self._wait(EVERYTHING, reason, PROBE_SECONDS)
        elif answer.status == dialect.TOO_MANY:
            self._services.slots.resume(self._claim.probes)  # the key and the credits are good
            self._wait(self._model, BUSY, self._backoff(self._model, answer.retry_after))
        elif answer.status in REFUSALS and answer.status != dialect.TIMED_OUT:
            self._services.slots.resume(self._claim.probes)
            _end(self._claim, dialect.refusal(answer.status, answer.body))
        else:
            self._failed(answer)

    def _failed(self, answer: Answer) -> None:
        """Most probably nothing was made. What is not about this job the others are spared."""
        reason = f"BFL answered {answer.status}"
        if answer.status not in OUTAGES:
            self._doubt(Doubt.ANSWERED, reason)
            return
        pause = self._backoff(self._model, answer.retry_after)
        self._services.slots.pause(self._model, reason, pause)
        self._doubt(Doubt.UNAVAILABLE, reason)

    def _taken(self, answer: Answer, *, calls: bool) -> None:
        try:
            task = dialect.taken(answer.body)
        except BadReport:
            self._doubt(Doubt.SILENT, "BFL's answer names no task")
            return
        self._services.slots.resume(self._claim.probes)
        self._record(dialect.within(task, self._services.trust), calls=calls)

    def _record(self, task: Taken, *, calls: bool) -> None:
        """Without the fence: that BFL has it is true, whoever holds the job by now."""
        patience = self._services.settings.patience

        def take(job: Job | None, now: float) -> Job | None:
            return submission.taken(job, now, task, patience, calls=calls) if job else None

        self._services.store.change(self._claim.job.id, take)
        log.info("job %s: submitted as %s", self._claim.job.id, task.task_id)

    def _wait(self, scope: str, reason: str, seconds: float) -> None:
        """It keeps its place; whoever shares the reason waits with it."""
        log.warning("submitting %s pauses for %.0f s: %s", scope, seconds, reason)
        self._services.slots.pause(scope, reason, seconds)
        self._claim.commit(lambda job, now: submission.back_in_line(job, now, reason))

    def _backoff(self, scope: str, retry_after: float | None = None) -> float:
        tries = next((one.tries for one in self._services.slots.pauses() if one.scope == scope), 0)
        longer = pause(tries, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        return max(longer, retry_after or 0.0)

    def _doubt(self, doubt: Doubt, why: str) -> None:
        if doubt is not Doubt.UNAVAILABLE:
            self._services.slots.resume(self._claim.probes)  # whatever it was, BFL was there
        patience = self._services.settings.patience
        log.warning("job %s: %s; BFL's callback is waited for", self._claim.job.id, why)
        self._claim.commit(lambda job, now: submission.doubted(job, now, doubt, why, patience))


def _end(claim: Claim, failure: Failure) -> None:
    log.info("job %s: BFL refuses it: %s", claim.job.id, failure.code)
    claim.commit(lambda job, now: submission.refused(job, now, failure))


@contextmanager
def undisturbed() -> Iterator[None]:
    """A stop waits until it is on record what was done: with BFL it takes a moment, and money."""
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    for number in told:
        signal.raise_signal(number)
