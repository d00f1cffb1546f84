"""Asking BFL what became of a task whose callback did not come."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import requests

from jobs import bfl, intake
from jobs.errors import BadReport, BflUnavailable, RefusedUrl, TransferFailed
from jobs.hosts import Address
from jobs.job import Job
from jobs.report import Report
from jobs.services import Services
from jobs.states import News, Source, State
from worker import web
from worker.backoff import pause
from worker.claim import Claim

ASK_SECONDS = 10.0
ANSWER_MAX_BYTES = 1_048_576
RETRY_AFTER_MAX_SECONDS = 3600.0
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0

_DECISIVE = frozenset({News.READY, News.MODERATED, News.FAILED})


def ask(services: Services, claim: Claim) -> None:
    """Ask BFL once, put its answer on record, and come back later unless that was its last word."""
    try:
        report = inquire(services, claim.job)
    except BflUnavailable as trouble:
        _rest(claim, str(trouble), trouble.retry_after)
        return
    if report is None:
        _rest(claim, "BFL does not know this task yet")
        return
    job = intake.accept(services.store, report, services.settings.patience)
    if job.state is State.SUBMITTED:
        _rest(claim, report.said)


def _rest(claim: Claim, why: str = "", retry_after: float | None = None) -> None:
    def rest(job: Job, now: float) -> Job:
        seconds = pause(job.tries, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        noted = job.noted(now, "BFL asked", answer=why) if why else job
        return noted.rested(now, max(seconds, retry_after or 0.0), firm=retry_after is not None)

    claim.commit(rest)


def inquire(services: Services, job: Job) -> Report | None:
    """BFL's word on a task, None when nobody knows it. Raises BflUnavailable.

    Without the task's own polling URL several hosts are asked: a host that is not the task's own
    may deny it or answer "Pending" for ever, so only a final word ends the round.
    """
    best, trouble = None, None
    with web.new_session(services.trust.sandbox) as session:
        for address in _addresses(services, job):
            try:
                report = _ask_one(services, session, address, job)
            except BflUnavailable as error:
                trouble = error
                continue
            best = report or best
            if report and report.news in _DECISIVE:
                break
    if best is None and trouble:
        raise trouble
    return best


def _addresses(services: Services, job: Job) -> Iterator[Address]:
    task_id = job.task_id or job.id
    fallback = bfl.polling_urls(services.settings.bfl_origin, services.trust.sandbox, task_id)
    for url in (job.polling_url,) if job.polling_url else fallback:
        try:
            yield services.trust.api(url)
        except RefusedUrl as error:
            raise BflUnavailable(str(error)) from None


def _ask_one(
    services: Services, session: requests.Session, address: Address, job: Job
) -> Report | None:
    key = services.settings.bfl_api_key
    if key is None and address.origin != services.trust.sandbox:
        raise BflUnavailable("BFL_API_KEY is not set, so BFL cannot be asked")
    headers = {"x-key": key.get_secret_value()} if key else {}
    try:
        with web.exchange(session, address, seconds=ASK_SECONDS, headers=headers) as response:
            body = response.raw.read(ANSWER_MAX_BYTES, decode_content=False)
            return _understood(response, body, job)
    except (TransferFailed, RefusedUrl) as error:
        raise BflUnavailable(str(error)) from None


def _understood(response: requests.Response, body: bytes, job: Job) -> Report | None:
    status = response.status_code
    if status == requests.codes.not_found:
        return None
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        raise BflUnavailable("BFL refuses the API key")
    if status != requests.codes.ok:
        wait = _retry_after(response.headers.get("Retry-After"))
        raise BflUnavailable(f"BFL answered {status}", wait)
    return _report(body, job)


def _report(body: bytes, job: Job) -> Report | None:
    try:
        message = bfl.strict_json(body)
    except BadReport:
        raise BflUnavailable("BFL's answer is not JSON") from None
    if not isinstance(message, dict):
        raise BflUnavailable("BFL's answer is not an object")
    if message.get("id") not in (None, job.task_id):
        raise BflUnavailable("BFL answered for another task")
    if bfl.is_not_found(message):
        return None
    source = Source.REPLAY if job.replaying else Source.POLL
    return bfl.read(message, job.task_id or job.id, source)


def _retry_after(header: str | None) -> float | None:
    """Seconds, from either form RFC 9110 allows; None when the header says nothing usable."""
    if not header:
        return None
    if header.isascii() and header.isdigit() and len(header) < 10:
        return min(float(header), RETRY_AFTER_MAX_SECONDS)
    try:
        seconds = parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_SECONDS)
