"""`doctor --try-bfl`: one image at BFL, to see how BFL answers, calls back and is polled.

BFL's documents leave this open or contradict each other, and nobody has published it.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from jobs.bfl import parsing
from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.client import BflResponse
from jobs.bfl.submissions import WEBHOOK_FIELDS
from jobs.domain import errors
from jobs.domain.bfl_report import SubmissionReceipt
from jobs.domain.job import Job
from jobs.net import lenient_json
from jobs.net.urls import parse
from jobs.services import Services
from jobs.signing import Scheme
from jobs.store.callback_trials import trial_job_id
from receiver.checks.callbacks import HEADERS
from receiver.checks.result import Result, failed, ok, warning

MODEL = "flux-2-klein-4b"
COST = "about 1.4 credits"
PROMPT = "a lighthouse at dawn"
ANSWER_SECONDS = 30.0
CALLBACK_SECONDS = 90.0
STORED_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.5

KNOWN_AT = "it is known at"
UNKNOWN_AT = "not known at"
NO_REPORT = "no report from"
_REACH = "Check PUBLIC_URL with `doctor`, and that no proxy or firewall refuses the POST."


def question(services: Services) -> str:
    return f"Submit one image to {services.bfl.origin} with {MODEL} ({COST})?"


def try_bfl(services: Services) -> Iterator[Result]:
    """Submit an image, and tell what BFL answers. Raises FluxkeepError if it takes none."""
    job_id = trial_job_id(str(uuid.uuid4()))
    answer = _submit(services, job_id)
    receipt = bfl_submissions.parse_accepted(answer.body, services.host_policy)
    job = _record(services, job_id, receipt)
    yield ok("task", f"BFL accepted it as task {receipt.task_id}; it is job {job_id}")
    yield _polling_url(answer, receipt)
    yield _hosts_that_know(services, job)
    callbacks = _await_callbacks(services, job_id)
    yield from _authentication(callbacks)
    yield from _content(callbacks)
    yield _media(services, job_id)


def _submit(services: Services, job_id: str) -> BflResponse:
    """Raises BflUnavailable, and BadRequest if BFL refuses the input."""
    url = f"{services.settings.base_url}/webhooks/bfl/{services.tokens.sign(job_id)}"
    url_field, secret_field = WEBHOOK_FIELDS
    values = {
        "prompt": PROMPT,
        url_field: url,
        secret_field: services.tokens.secret(job_id),
    }
    body = json.dumps(values).encode()
    try:
        answer = services.bfl.submit(services.bfl.origin, MODEL, body, ANSWER_SECONDS)
    except errors.TransferFailed as error:
        raise errors.BflUnavailable(f"no answer from BFL: {error}") from None
    if answer.status not in range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES):
        failure = bfl_submissions.parse_rejection(answer.status, answer.body)
        raise errors.BflUnavailable(f"BFL answered {answer.status}: {failure.message}")
    return answer


def _record(services: Services, job_id: str, receipt: SubmissionReceipt) -> Job:
    """An ordinary job, so that what was paid is kept, and polled if no callback comes."""

    def begin(job: Job | None, now: float) -> Job:
        if job is not None:
            return job
        awaited = Job.awaited(receipt.task_id, now, services.settings.timeouts, job_id, MODEL)
        details = {"metadata": {"source": "doctor --try-bfl"}, "cost": receipt.cost}
        return awaited.evolve(**details).with_polling(polling_url=receipt.polling_url)

    return services.store.update(job_id, begin, assumes_new=True).after


def _polling_url(answer: BflResponse, receipt: SubmissionReceipt) -> Result:
    fields = ", ".join(lenient_json.load_object(answer.body))
    if receipt.polling_url:
        host = parse(receipt.polling_url).origin
        return ok("polling_url", f"BFL names one, at {host}; its answer has {fields}")
    return ok("polling_url", f"BFL names none beside a webhook; its answer has {fields}")


def _hosts_that_know(services: Services, job: Job) -> Result:
    """Ask each host that may know the task."""
    urls = services.task_hosts.polling_urls(job.with_polling(polling_url=None))
    if job.polling.polling_url and job.polling.polling_url not in urls:
        urls = (job.polling.polling_url, *urls)
    hosts: dict[str, list[str]] = {KNOWN_AT: [], UNKNOWN_AT: [], NO_REPORT: []}
    for url, answer in zip(urls, services.bfl.poll_all(urls), strict=True):
        host = str(parse(url).origin)
        if isinstance(answer, errors.BflUnavailable):
            hosts[NO_REPORT].append(host)
        elif answer.status == HTTPStatus.NOT_FOUND or _is_unknown(answer):
            hosts[UNKNOWN_AT].append(host)
        elif answer.is_ok:
            hosts[KNOWN_AT].append(host)
            services.task_hosts.learn(url)
        else:
            hosts[NO_REPORT].append(f"{host} ({answer.status})")
    parts = []
    for words, hosts_of_kind in hosts.items():
        if hosts_of_kind:
            parts.append(f"{words} {', '.join(hosts_of_kind)}")
    why = "; ".join(parts)
    if hosts[KNOWN_AT]:
        return ok("hosts", why)
    return warning("hosts", why, "A lost callback of this task would be a lost job.")


def _is_unknown(answer: BflResponse) -> bool:
    try:
        return parsing.is_not_found(lenient_json.load_object(answer.body))
    except errors.BadRequest:
        return False


def _await_callbacks(services: Services, job_id: str) -> Sequence[dict[str, Any]]:
    """The callbacks until one that is final, or one that is refused."""
    until = time.monotonic() + CALLBACK_SECONDS
    while True:
        callbacks = services.callback_trials.observed(job_id)
        is_over = any(_ends_trial(callback) for callback in callbacks)
        if is_over or time.monotonic() > until:
            return callbacks
        time.sleep(LOOK_EVERY_SECONDS)


def _ends_trial(callback: Mapping[str, Any]) -> bool:
    return callback["scheme"] is None or callback.get("is_final", False)


def _authentication(callbacks: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
    """One line for each way in which BFL proved who it is, or failed to."""
    if not callbacks:
        why = f"no callback came within {CALLBACK_SECONDS:.0f} s"
        yield failed("callback", why, _REACH)
        return
    first_of_scheme: dict[str | None, Mapping[str, Any]] = {}
    for callback in callbacks:
        first_of_scheme.setdefault(callback["scheme"], callback)
    for scheme, callback in first_of_scheme.items():
        proofs = ", ".join(callback["headers"])
        if scheme is None:
            why = "a callback had neither X-Webhook-Secret nor X-BFL-Signature with a valid value"
            if proofs:
                why += f"; headers that may be a proof: {proofs}"
            remedy = "Please report this: BFL may have a scheme that Fluxkeep does not know."
            yield failed("callback", why, remedy)
        else:
            why = f"authenticated by {HEADERS[Scheme(scheme)]}"
            if proofs:
                why += f"; headers that look like a proof besides: {proofs}"
            yield ok("callback", why)


def _content(callbacks: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
    """The fields of each accepted callback; cost and hosts of the final one."""
    for callback in callbacks:
        if "problem" in callback:
            remedy = "Please report this: BFL's callbacks may have changed."
            yield failed("fields", f"the callback is not a report: {callback['problem']}", remedy)
        elif callback["scheme"] is not None:
            why = f"status {callback['status']}: {', '.join(callback['fields'])}"
            if callback["fields_of_result"]:
                why += f"; result has {', '.join(callback['fields_of_result'])}"
            yield ok("fields", why)
    for callback in callbacks:
        if callback.get("is_final"):
            is_where = "is" if callback["names_cost"] else "not"
            yield ok("cost", f"{is_where} in the callback")
            yield ok("delivery", f"by {', '.join(callback['hosts']) or 'no host: it has no file'}")
            return


def _media(services: Services, job_id: str) -> Result:
    """Wait until the job has ended: a worker rescues its file."""
    until = time.monotonic() + STORED_SECONDS
    while True:
        job = services.store.load(job_id)
        if job and job.status.terminal:
            return ok("job", f"{job_id} is {job.status}, by {job.source or 'no report'}")
        if time.monotonic() > until:
            why = f"{job_id} is {job.status if job else 'deleted'}"
            return warning("job", why, "Check the worker and the sweep with `doctor`.")
        time.sleep(LOOK_EVERY_SECONDS)
