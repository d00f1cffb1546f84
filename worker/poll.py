"""Asking BFL what became of a task whose callback did not come."""

from contextlib import suppress

from jobs import bfl, ingest, strict_json
from jobs.api import Answer
from jobs.counts import POLLS
from jobs.errors import BadReport, BflUnavailable, StoreUnavailable
from jobs.job import Job
from jobs.report import Report
from jobs.services import Services
from jobs.states import News, Source, State
from worker.backoff import pause
from worker.claim import Claim

FIRST_PAUSE_SECONDS = 5.0  # a job of 10 s is asked about three times, whatever CALLBACK_GRACE is
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
    job = ingest.apply_report(services.store, report, services.settings.patience, claim.job.id)
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
    best, trouble, asked = None, None, 0
    with services.api.session as session:
        for url in _urls(services, job):
            asked += 1
            try:
                report = _understood(services.api.polled(session, url), job)
            except BflUnavailable as error:
                trouble = error
                continue
            best = report or best
            if report and report.news in _DECISIVE:
                break
    with suppress(StoreUnavailable):
        services.store.count({POLLS: asked})
    if best is None and trouble:
        raise trouble
    return best


def _urls(services: Services, job: Job) -> tuple[str, ...]:
    """The task's own polling URL; without one, where it was submitted, and around there."""
    if job.polling_url:
        return (job.polling_url,)
    origin = job.origin or str(services.api.origin)
    return bfl.polling_urls(origin, job.task_id or job.id, job.model)


def _understood(answer: Answer, job: Job) -> Report | None:
    if answer.unknown:
        return None
    if answer.key_refused:
        raise BflUnavailable("BFL refuses the API key")
    if not answer.good:
        raise BflUnavailable(f"BFL answered {answer.status}", answer.retry_after)
    return _report(answer.body, job)


def _report(body: bytes, job: Job) -> Report | None:
    try:
        message = strict_json.loads(body)
    except BadReport:
        raise BflUnavailable("BFL's answer is not JSON") from None
    if not isinstance(message, dict):
        raise BflUnavailable("BFL's answer is not an object")
    if message.get("id") not in (None, job.task_id):
        raise BflUnavailable("BFL answered for another task")
    if bfl.is_not_found(message):
        return None
    source = Source.REPLAY if job.replaying else Source.POLL
    return bfl.parse_report(message, job.task_id or job.id, source)
