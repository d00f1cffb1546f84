"""Submit a job to BFL and record the outcome.

A job that BFL certainly did not accept goes back into the queue. A job that BFL may have accepted
is unconfirmed until BFL calls back: no generation is paid twice without a timeline event.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import IO, Any

from jobs import drafts, ingest, kept_inputs
from jobs.bfl import account_refusals
from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.client import BflResponse
from jobs.bfl.model_names import is_video
from jobs.bfl.submissions import WEBHOOK_FIELDS
from jobs.domain import errors, submission
from jobs.domain.bfl_report import ErrorCode, Failure
from jobs.domain.job import Job
from jobs.domain.retry_policy import RetryPolicy
from jobs.input_parts import InputPart, JsonBody, opened, parts_in
from jobs.net import watchdog
from jobs.services import Services
from jobs.store.scopes import at_account
from jobs.store.submission_queue import ALL_MODELS, HALF_OPEN_SECONDS
from worker.claim import LEAST_SECONDS, PROGRESS_SECONDS, HeldClaim

ANSWER_SECONDS = 20.0  # less than a platform waits before SIGKILL
STRICT_MODEL_SECONDS = 86400  # BFL may change a model
BYTES_PER_SECOND = 250_000  # of a slow uplink, for inputs with images
STORAGE_PAUSE_SECONDS = 20.0  # after its relief jobs go within a minute
CIRCUIT_PAUSES = RetryPolicy(first_seconds=1.0, longest_seconds=60.0)

# With this many credits, a 402 concerns an expensive model or prompt, not the account.
AMPLE_CREDITS = 100.0
BUSY = "BFL says that too many tasks are active"
ACCEPTED = range(200, 300)
CLIENT_ERRORS = range(400, 500)
INTERNAL_ERROR = 500  # may be caused by this job alone; 502 to 504 are outages

OpenFiles = Mapping[InputPart, IO[bytes]]

log = logging.getLogger(__name__)


def submit_job(services: Services, claim: HeldClaim) -> None:
    """Submit a job that was just admitted to a slot, and record the outcome."""
    watchdog.current.set(None)  # nothing was sent yet
    attempt = Attempt(services, claim)
    try:
        with claim.silence(LEAST_SECONDS):
            services.storage_room.require(services.storage)
    except errors.StorageError as error:
        attempt.await_storage(f"the storage refuses: {error}")
        return
    try:
        _send_kept_input(services, claim, attempt)
    except errors.Invalid as error:
        message = error.errors[0]["message"]
        attempt.refuse(Failure(ErrorCode.DRAFT_GONE, message), is_sent=False)
    except errors.StorageError as error:
        attempt.requeue(f"the input cannot be read: {error}", last=True)
    # While a circuit was open, RQ jobs were used up: the next submission may have none.
    next_submission = services.submission_queue.next(peek=True)
    if next_submission:
        services.store.enqueue([next_submission.job_id])


def _send_kept_input(services: Services, claim: HeldClaim, attempt: "Attempt") -> None:
    """Read the input and send it. Raises Invalid for a draft that is gone, and StorageError."""
    with claim.silence(LEAST_SECONDS):  # a bucket may be slow
        kept_input = kept_inputs.load(services.storage, claim.job)
    if kept_input is None:
        message = "The input of this submission is gone from the storage."
        attempt.refuse(Failure(ErrorCode.INPUT_LOST, message), is_sent=False)
        return
    with claim.silence(LEAST_SECONDS):
        model_input, draft_link = drafts.insert(services, kept_input, claim.job.request.draft)
    size_bytes = sum(part.size_bytes for part in parts_in(model_input))
    seconds = LEAST_SECONDS + size_bytes / BYTES_PER_SECOND
    with claim.silence(seconds), opened(services.storage, model_input) as files:
        attempt.send(model_input, draft_link, files)


def probe_waiting_videos(services: Services, job: Job) -> None:
    """Have a video that waits for another one to settle sent as soon as this one has ended."""
    if not is_video(job.model or ""):
        return
    queue = services.submission_queue
    account = job.submission.bfl_key or ""
    waiting_scopes = list[str]()
    for circuit in queue.open_circuits():
        _model, _separator, account_of_circuit = circuit.scope.partition("@")
        is_waiting = account_refusals.is_video_waiting(circuit.reason)
        if is_waiting and account_of_circuit == account:
            waiting_scopes.append(circuit.scope)
    queue.release_half_open(waiting_scopes)


class Attempt:
    """One attempt to submit one job."""

    def __init__(self, services: Services, claim: HeldClaim) -> None:
        self._services = services
        self._claim = claim
        self._circuits = services.submission_queue
        self._model = claim.job.model or ""
        self._bfl = services.bfl_for(claim.job)
        key = claim.job.submission.bfl_key
        # Scopes of circuits: all models of the account, and the job's model.
        self._account_scope = at_account(ALL_MODELS, key)
        self._model_scope = at_account(self._model, key)
        self._timeouts = services.settings.timeouts
        if self._model in services.strict_models:
            self._timeouts = replace(self._timeouts, has_webhook=False)

    def send(
        self, model_input: Mapping[str, Any], draft_link: str | None, files: OpenFiles
    ) -> None:
        """POST the input, and record the outcome."""
        try:
            answer = self._post(model_input, draft_link, files)
        except errors.ConnectionFailed as error:
            self.requeue(f"BFL cannot be reached: {error}", self._account_scope)
        except errors.TransferFailed as error:
            reason = f"no answer from BFL: {error}"
            self._commit_unconfirmed(submission.await_confirmation, reason)
        else:
            self._record(answer)

    def _record(self, answer: BflResponse) -> None:
        is_client_error = answer.status in CLIENT_ERRORS
        if answer.status in ACCEPTED:
            self._accept(answer)
        elif answer.is_key_malformed:
            # It is about no model: the account pauses, and the job that met it goes first.
            reason = account_refusals.explain_account_refusal(
                answer.status, answer.body, has_credits=False
            )
            self.requeue(reason, self._account_scope, HALF_OPEN_SECONDS)
        elif answer.status in account_refusals.ACCOUNT_REASONS:
            self._requeue_for_account(answer)
        elif answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.requeue(BUSY, self._model_scope, answer.retry_after)
        elif is_client_error and answer.status != HTTPStatus.REQUEST_TIMEOUT:
            self.refuse(self._rejection(answer), is_sent=True)
        else:
            back_off = partial(submission.back_off, is_counted=answer.status == INTERNAL_ERROR)
            reason = f"BFL answered {answer.status}"
            self._commit_unconfirmed(back_off, reason, answer.retry_after)

    def _post(
        self, model_input: Mapping[str, Any], draft_link: str | None, files: OpenFiles
    ) -> BflResponse:
        """Post the input; again without the webhook, or with a link to the draft, if BFL refuses.

        A refusal made no task.
        """
        webhook = self._webhook()
        fields = dict(model_input)
        fields.update(webhook)
        body = JsonBody(fields, files)
        seconds = ANSWER_SECONDS + len(body) / BYTES_PER_SECOND  # upload included
        origin = self._services.origin_of(self._claim.job)
        with self._claim.silence(seconds + PROGRESS_SECONDS):
            answer = self._bfl.submit(origin, self._model, body, seconds)
        if answer.status not in CLIENT_ERRORS:
            return answer
        if webhook and bfl_submissions.is_webhook_rejected(answer.body):
            with suppress(errors.StoreUnavailable):  # then the next submission finds it out again
                self._services.strict_models.add(self._model, STRICT_MODEL_SECONDS)
            self._timeouts = replace(self._timeouts, has_webhook=False)
            return self._post(model_input, draft_link, files)
        if draft_link and bfl_submissions.is_field_rejected(answer.body, drafts.FIELD):
            input_with_link = dict(model_input)
            input_with_link[drafts.FIELD] = draft_link
            return self._post(input_with_link, None, files)
        return answer

    def _webhook(self) -> dict[str, str]:
        """The fields that tell BFL where to call, and how to prove that it is BFL."""
        if not self._timeouts.has_webhook:
            return {}
        job = self._claim.job
        tokens = self._services.tokens
        settings = self._services.settings
        base_url = settings.public_url or job.request.base_url or settings.base_url
        url_field, secret_field = WEBHOOK_FIELDS
        return {
            url_field: f"{base_url}/webhooks/bfl/{tokens.sign(job.id)}",
            secret_field: tokens.secret(job.id),
        }

    def _accept(self, answer: BflResponse) -> None:
        try:
            task = bfl_submissions.parse_accepted(answer.body, self._services.host_policy)
        except errors.InvalidReport as error:
            self._await_the_callback_of(answer, error)
            return
        # If Redis is lost now, this line is the only trace of a paid task.
        log.info("job %s: BFL accepted it as task %s", self._claim.job.id, task.task_id)
        self._services.task_hosts.learn(task.polling_url)
        # Without the fencing token: the task exists even if the claim is lost.
        accept = partial(submission.accept, answer=task, timeouts=self._timeouts)
        self._services.store.change(self._claim.job.id, accept)
        self._circuits.close_circuits(self._claim.half_open)
        report = bfl_submissions.final_report(answer.body, task.task_id)
        if report is not None:
            with suppress(errors.UnknownJob, errors.ReportRefused, errors.Evicted):
                ingest.apply_report(
                    self._services.store, report, self._timeouts, self._claim.job.id
                )

    def _await_the_callback_of(self, answer: BflResponse, error: errors.InvalidReport) -> None:
        """BFL accepted it, and may bill it: an answer that cannot be read is silence (I13).

        The silence is about this one task. BFL answers, so that the model does not pause.
        """
        is_generation = bfl_submissions.is_generation(self._model)
        if not is_generation and bfl_submissions.is_readable(answer.body):
            self.refuse(bfl_submissions.missing_task_failure(self._model), is_sent=True)
            return
        reason = f"BFL accepted it, but its answer cannot be read: {error}"
        log.warning("job %s: unconfirmed: %s", self._claim.job.id, reason)
        self._circuits.close_circuits(self._claim.half_open)
        step = partial(submission.await_confirmation, why=reason, timeouts=self._timeouts)
        self._claim.commit(step)

    def _rejection(self, answer: BflResponse) -> Failure:
        failure = bfl_submissions.parse_rejection(answer.status, answer.body)
        if failure.code != ErrorCode.UNKNOWN_MODEL:
            return failure
        known_models = self._services.schemas.load().endpoints
        return bfl_submissions.with_nearest_model(failure, self._model, known_models)

    def _requeue_for_account(self, answer: BflResponse) -> None:
        """Open the circuit of all models, or of this one where BFL says that the account is fine.

        The job goes last, so that another one probes next, unless the account is the cause.
        """
        credits_left = self._credits_left()
        has_credits = credits_left is not None and credits_left >= AMPLE_CREDITS
        has_none = credits_left is not None and credits_left <= 0
        is_unpaid = answer.status == HTTPStatus.PAYMENT_REQUIRED
        if is_unpaid and has_credits and self._is_other_video_under_way():
            reason = account_refusals.explain_waiting_video(answer.body)
            self.requeue(reason, self._model_scope)
            return
        reason = account_refusals.explain_account_refusal(
            answer.status, answer.body, has_credits=has_credits, is_video=is_video(self._model)
        )
        scope = self._model_scope if has_credits else self._account_scope
        self.requeue(reason, scope, HALF_OPEN_SECONDS, last=not has_none)

    def _credits_left(self) -> float | None:
        """The credits of the account; None if BFL does not say."""
        try:
            return self._bfl.credits_left()
        except errors.BflKeyRefused:
            return 0.0
        except errors.BflUnavailable:
            return None

    def _is_other_video_under_way(self) -> bool:
        """Whether BFL works on another video of this account: it has to settle first."""
        if not is_video(self._model):
            return False
        slots_of_this_job = 1
        return self._circuits.slots_used(self._model_scope) > slots_of_this_job

    def _commit_unconfirmed(
        self, step: Callable[..., Job], reason: str, retry_after: float | None = None
    ) -> None:
        """Open the model's circuit, and submit again later or wait for BFL's callback."""
        log.warning("job %s: unconfirmed: %s", self._claim.job.id, reason)
        self._open_circuit(self._model_scope, reason, retry_after)
        self._claim.commit(partial(step, why=reason, timeouts=self._timeouts))

    def refuse(self, failure: Failure, *, is_sent: bool) -> None:
        """End the job; BFL's refusal proves that BFL answers."""
        if is_sent:
            self._circuits.close_circuits(self._claim.half_open)
        else:
            self._circuits.release_half_open(self._claim.half_open)
        log.info("job %s: BFL refuses it: %s", self._claim.job.id, failure.code)
        self._claim.commit(partial(submission.refuse, failure=failure))

    def await_storage(self, reason: str) -> None:
        """Let nothing be made that could not be stored; soon one job tries again."""
        other_scopes = [scope for scope in self._claim.half_open if scope != self._account_scope]
        self._circuits.release_half_open(other_scopes)
        log.warning("submitting pauses for %.0f s: %s", STORAGE_PAUSE_SECONDS, reason)
        self._circuits.open_circuit(self._account_scope, reason, STORAGE_PAUSE_SECONDS)
        self._claim.commit(partial(submission.requeue, why=reason))

    def requeue(
        self,
        reason: str,
        scope: str | None = None,
        retry_after: float | None = None,
        *,
        last: bool = False,
    ) -> None:
        """Open a circuit for all jobs of the scope, usually the model, and requeue this one."""
        self._open_circuit(scope or self._model_scope, reason, retry_after)
        self._claim.commit(partial(submission.requeue, why=reason, last=last))

    def _open_circuit(self, scope: str, reason: str, retry_after: float | None) -> None:
        """Open the circuit of `scope`; close the others that this job probed."""
        other_scopes = [half_open for half_open in self._claim.half_open if half_open != scope]
        self._circuits.close_circuits(other_scopes)
        seconds = CIRCUIT_PAUSES.pause_seconds(
            self._earlier_failures(scope),
            jitter_factor=CIRCUIT_PAUSES.draw_jitter_factor(),
            retry_after=retry_after or 0.0,
        )
        log.warning("submitting %s pauses for %.0f s: %s", scope, seconds, reason)
        self._circuits.open_circuit(scope, reason, seconds)

    def _earlier_failures(self, scope: str) -> int:
        """How often the circuit of a scope was opened in a row."""
        for circuit in self._circuits.open_circuits():
            if circuit.scope == scope:
                return circuit.attempts
        return 0
