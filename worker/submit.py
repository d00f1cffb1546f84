"""Handing a job in at BFL, and reading what became of that.

What BFL certainly did not take goes back in line and keeps its place. What it may have taken is
in doubt, and only BFL's callback settles it: nothing is paid for twice without being said.
"""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from jobs import account, strict_json, submission, watchdog
from jobs import bfl_submissions as dialect
from jobs.account import Standing
from jobs.api import Answer
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

BUSY = "BFL says that too many tasks are active"
TAKEN = range(200, 300)
REFUSALS = range(400, 500)
OWN_ERROR = 500  # about one job, unless several have it in a row
ERRING_JOBS = 3

log = logging.getLogger(__name__)


def hand_in(services: Services, claim: Claim) -> None:
    """Submit a job that has just been given a slot; its lease runs meanwhile."""
    watchdog.current.set(watchdog.Wire())  # nothing of this one has left yet
    body = services.store.submission(claim.job.id)
    if body is None:
        services.slots.release(claim.probes)
        _end(claim, Failure("input_lost", "what was to be submitted is gone"))
        return
    with undisturbed():
        Submission(services, claim).send(body)
        _call_the_next(services)


def _call_the_next(services: Services) -> None:
    """Entries are used up while nobody may go: after a pause each that goes calls another."""
    if found := services.slots.next(only_look=True):
        services.store.hint([found.job_id])


def put_back(services: Services, claim: Claim, kind: str) -> None:
    """A mistake of ours before anything was sent: it falls behind, others are tried first."""
    Submission(services, claim).put_back(f"unforeseen {kind}, before anything was sent")


class Submission:
    """One worker's attempt to submit one job."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._claim = claim
        self._model = claim.job.model or ""
        self._calls = services.settings.bfl_reaches_us

    def send(self, given: bytes) -> None:
        """POST it, and put the outcome on record."""
        body = dialect.body(strict_json.loads(given), self._webhook())
        try:
            seconds = ANSWER_SECONDS + len(body) / UPLOAD_BYTES_PER_SECOND
            answer = self._services.api.submitted(self._model, body, seconds)
        except NotSent as error:
            self._wait(EVERYTHING, f"BFL cannot be reached: {error}", self._backoff(EVERYTHING))
        except TransferFailed as error:
            self._outage(Doubt.SILENT, f"no answer from BFL: {error}")
        else:
            self._understand(answer)

    def _webhook(self) -> Webhook | None:
        if not self._calls:
            return None
        job, tokens = self._claim.job, self._services.tokens
        url = f"{self._services.base_url(job)}/webhooks/bfl/{tokens.sign(job.id)}"
        return Webhook(url, tokens.secret(job.id))

    def _understand(self, answer: Answer) -> None:
        if answer.status in TAKEN:
            self._taken(answer)
        elif reason := account.REASONS.get(answer.status):
            self._of_the_account(reason)
        elif answer.status == dialect.TOO_MANY:
            self._wait(self._model, BUSY, self._backoff(self._model, answer.retry_after))
        elif answer.status in REFUSALS and answer.status != dialect.TIMED_OUT:
            self._settle()
            _end(self._claim, dialect.refusal(answer.status, answer.body))
        else:
            self._failed(answer)

    def _taken(self, answer: Answer) -> None:
        try:
            task = dialect.taken(answer.body)
        except BadReport:
            self._settle()
            self._doubt(Doubt.SILENT, "BFL's answer names no task")
            return
        self._record(dialect.within(task, self._services.trust))
        self._settle()
        self._services.slots.went_well(self._model)

    def _record(self, task: Taken) -> None:
        """Without the fence: that BFL has it is true, whoever holds the job by now."""
        patience, calls = self._services.settings.patience, self._calls

        def take(job: Job | None, now: float) -> Job | None:
            return submission.taken(job, now, task, patience, calls=calls) if job else None

        # Should Redis stay away, this line is all that tells of a task that is paid.
        log.info("job %s: BFL took it as task %s", self._claim.job.id, task.task_id)
        self._services.store.change(self._claim.job.id, take)

    def _of_the_account(self, reason: str) -> None:
        """Everything waits, unless BFL says that the account is fine and only this is refused.

        The job falls behind, so that the next probe is another, unless the account is to blame.
        """
        standing = account.standing(self._services.api)
        scope = self._model if standing is Standing.GOOD else EVERYTHING
        self._wait(scope, reason, PROBE_SECONDS, behind=standing is not Standing.BAD)

    def _failed(self, answer: Answer) -> None:
        """Most probably nothing was made. What is not about this job the others are spared."""
        reason = f"BFL answered {answer.status}"
        if self._is_outage(answer.status):
            self._outage(Doubt.UNAVAILABLE, reason, answer.retry_after)
        elif self._calls:
            self._settle()
            self._doubt(Doubt.ANSWERED, reason)
        else:
            self._outage(Doubt.ANSWERED, reason)  # it is sent again without any other delay

    def _is_outage(self, status: int) -> bool:
        if status != OWN_ERROR:
            return status > OWN_ERROR
        return self._services.slots.erred(self._model, self._claim.job.id) >= ERRING_JOBS

    def _outage(self, doubt: Doubt, reason: str, retry_after: float | None = None) -> None:
        """Only this job is in doubt; the others of its model wait until a probe goes through."""
        self._settle(self._model, reason, self._backoff(self._model, retry_after))
        self._doubt(doubt, reason)

    def _doubt(self, doubt: Doubt, why: str) -> None:
        log.warning("job %s: in doubt: %s", self._claim.job.id, why)
        patience, calls = self._services.settings.patience, self._calls
        self._claim.commit(
            lambda job, now: submission.doubted(job, now, doubt, why, patience, calls=calls)
        )

    def put_back(self, reason: str) -> None:
        self._wait(self._model, reason, self._backoff(self._model), behind=True)

    def _wait(self, scope: str, reason: str, seconds: float, *, behind: bool = False) -> None:
        """Whoever shares the reason waits with it."""
        self._settle(scope, reason, seconds)
        self._claim.commit(
            lambda job, now: submission.back_in_line(job, now, reason, behind=behind)
        )

    def _settle(self, scope: str | None = None, reason: str = "", seconds: float = 0.0) -> None:
        """Each outcome of a probe ends the pauses that it probed, but for the one it sets anew."""
        self._services.slots.resume([probe for probe in self._claim.probes if probe != scope])
        if scope:
            log.warning("submitting %s pauses for %.0f s: %s", scope, seconds, reason)
            self._services.slots.pause(scope, reason, seconds)

    def _backoff(self, scope: str, retry_after: float | None = None) -> float:
        tries = next((one.tries for one in self._services.slots.pauses() if one.scope == scope), 0)
        longer = pause(tries, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        return max(longer, retry_after or 0.0)


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
