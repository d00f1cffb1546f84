"""Submit a job to BFL and record the outcome.

A job that BFL certainly did not take goes back into the queue. A job that BFL may have taken is
unconfirmed until BFL calls back: no generation is paid twice without a line on the timeline.
"""

import logging
from collections.abc import Mapping
from typing import Any

from jobs import drafts, submission
from jobs.bfl import account
from jobs.bfl import submissions as dialect
from jobs.bfl.account import Standing
from jobs.bfl.client import Answer
from jobs.bfl.submissions import Webhook
from jobs.errors import ConnectionFailed, Invalid, InvalidReport, StorageError, TransferFailed
from jobs.job import Job
from jobs.net import strict_json, watchdog
from jobs.report import Failure, Taken
from jobs.services import Services
from jobs.store.submission_queue import ALL_MODELS, PROBE_SECONDS
from worker.backoff import pause
from worker.claim import LEAST_SECONDS, PROGRESS_SECONDS, Claim

ANSWER_SECONDS = 20.0  # less than a platform gives a process to end
UPLOAD_BYTES_PER_SECOND = 250_000  # a slow uplink's pace, for inputs with pictures
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

BUSY = "BFL says that too many tasks are active"
TAKEN = range(200, 300)
REFUSALS = range(400, 500)
OWN_ERROR = 500  # the one error that may be about this job alone

log = logging.getLogger(__name__)


def submit_job(services: Services, claim: Claim) -> None:
    """Submit a job that has just been given a slot; its lease runs meanwhile."""
    watchdog.current.set(watchdog.Wire())  # nothing of this one has left yet
    body = services.store.submission(claim.job.id)
    if body is None:
        services.submission_queue.release_probes(claim.probes)
        _fail(claim, Failure("input_lost", "what was to be submitted is gone"))
        return
    claim.allow(LEAST_SECONDS)  # a draft may have to be read from a bucket
    _send(services, claim, body)
    _enqueue_next(services)


def answer_seconds(body: bytes) -> float:
    """The longest that BFL may take to receive and answer a submission."""
    return ANSWER_SECONDS + len(body) / UPLOAD_BYTES_PER_SECOND


def _send(services: Services, claim: Claim, body: bytes) -> None:
    attempt = Submission(services, claim)
    try:
        given = drafts.insert(services, strict_json.loads(body))
    except Invalid as error:
        services.submission_queue.release_probes(claim.probes)
        _fail(claim, Failure("draft_gone", error.errors[0]["message"]))
    except StorageError as error:
        attempt.requeue_last(f"the draft bundle cannot be read: {error}")
    else:
        attempt.send(given)


def _enqueue_next(services: Services) -> None:
    """RQ jobs are used up while a circuit is open; after it each submission enqueues the next."""
    if found := services.submission_queue.next(only_look=True):
        services.store.enqueue([found.job_id])


def requeue_unsent(services: Services, claim: Claim, kind: str) -> None:
    """An unexpected error of ours before anything was sent: others go first."""
    Submission(services, claim).requeue_last(f"unforeseen {kind}, before anything was sent")


class Submission:
    """One worker's attempt to submit one job."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._claim = claim
        self._model = claim.job.model or ""
        self._calls = services.settings.bfl_reaches_us and self._model not in services.strict_models

    def send(self, given: Mapping[str, Any]) -> None:
        """POST the input, and record the outcome."""
        try:
            answer = self._post(given)
        except ConnectionFailed as error:
            self._wait(ALL_MODELS, f"BFL cannot be reached: {error}", self._backoff(ALL_MODELS))
        except TransferFailed as error:
            self._unanswered(f"no answer from BFL: {error}")
        else:
            self._understand(answer)

    def _post(self, given: Mapping[str, Any]) -> Answer:
        """BFL's answer; a model that refuses the webhook is asked once more without."""
        answer = self._post_once(dialect.body(given, self._webhook()))
        if self._calls and answer.status in REFUSALS and dialect.refuses_webhook(answer.body):
            self._services.strict_models.remember(self._model)
            self._calls = False
            answer = self._post_once(dialect.body(given, None))
        return answer

    def _post_once(self, body: bytes) -> Answer:
        origin = self._services.origin_of(self._claim.job)
        seconds = answer_seconds(body)
        self._claim.allow(seconds + PROGRESS_SECONDS)
        return self._services.api.submitted(origin, self._model, body, seconds)

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
            self._refuse(dialect.refusal(answer.status, answer.body))
        else:
            self._failed(answer)

    def _taken(self, answer: Answer) -> None:
        try:
            task = dialect.taken(answer.body)
        except InvalidReport:
            self._refuse(dialect.without_task(self._model))
            return
        self._record(dialect.within(task, self._services.trust))
        self._settle()

    def _refuse(self, failure: Failure) -> None:
        self._settle()
        _fail(self._claim, failure)

    def _record(self, task: Taken) -> None:
        """Write without the fence: BFL has the task, whichever worker holds the job by now."""
        timeouts, calls = self._services.settings.timeouts, self._calls

        def confirm(job: Job | None, now: float) -> Job | None:
            return submission.confirm(job, now, task, timeouts, calls=calls) if job else None

        # If Redis is lost now, this line is the only trace of a task that is paid for.
        log.info("job %s: BFL took it as task %s", self._claim.job.id, task.task_id)
        self._services.store.update(self._claim.job.id, confirm)

    def _of_the_account(self, reason: str) -> None:
        """Open the circuit of all models, or of this one where BFL says that the account is fine.

        The job goes last, so that another one probes next, unless the account is to blame.
        """
        standing = account.standing(self._services.api)
        scope = self._model if standing is Standing.GOOD else ALL_MODELS
        self._wait(scope, reason, PROBE_SECONDS, last=standing is not Standing.BAD)

    def _failed(self, answer: Answer) -> None:
        """An error of BFL's (5xx, 408): open the model's circuit, submit again later."""
        reason, counts = f"BFL answered {answer.status}", answer.status == OWN_ERROR
        timeouts, calls = self._services.settings.timeouts, self._calls
        self._outage(reason, answer.retry_after)
        self._claim.commit(
            lambda job, now: submission.back_off(
                job, now, reason, timeouts, calls=calls, counts=counts
            )
        )

    def _unanswered(self, reason: str) -> None:
        """BFL may have the task: open the model's circuit, wait for BFL's callback."""
        timeouts, calls = self._services.settings.timeouts, self._calls
        self._outage(reason)
        self._claim.commit(
            lambda job, now: submission.await_confirmation(job, now, reason, timeouts, calls=calls)
        )

    def _outage(self, reason: str, retry_after: float | None = None) -> None:
        log.warning("job %s: unconfirmed: %s", self._claim.job.id, reason)
        self._settle(self._model, reason, self._backoff(self._model, retry_after))

    def requeue_last(self, reason: str) -> None:
        self._wait(self._model, reason, self._backoff(self._model), last=True)

    def _wait(self, scope: str, reason: str, seconds: float, *, last: bool = False) -> None:
        """Open a circuit: all jobs in its scope wait for the same reason."""
        self._settle(scope, reason, seconds)
        self._claim.commit(lambda job, now: submission.requeue(job, now, reason, last=last))

    def _settle(self, scope: str | None = None, reason: str = "", seconds: float = 0.0) -> None:
        """Close the circuits that this job has probed, except for the one that it opens anew."""
        self._services.submission_queue.close_circuits(
            [probe for probe in self._claim.probes if probe != scope]
        )
        if scope:
            log.warning("submitting %s pauses for %.0f s: %s", scope, seconds, reason)
            self._services.submission_queue.open_circuit(scope, reason, seconds)

    def _backoff(self, scope: str, retry_after: float | None = None) -> float:
        attempts = next(
            (
                one.attempts
                for one in self._services.submission_queue.open_circuits()
                if one.scope == scope
            ),
            0,
        )
        longer = pause(attempts, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        return max(longer, retry_after or 0.0)


def _fail(claim: Claim, failure: Failure) -> None:
    log.info("job %s: BFL refuses it: %s", claim.job.id, failure.code)
    claim.commit(lambda job, now: submission.refuse(job, now, failure))
