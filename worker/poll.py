"""Poll BFL for a task whose callback did not come."""

from contextlib import suppress
from dataclasses import replace

from jobs import ingest
from jobs.bfl import parsing
from jobs.bfl.client import Answer
from jobs.errors import BflUnavailable, InvalidReport, StoreUnavailable
from jobs.job import Job
from jobs.net import strict_json
from jobs.report import Report
from jobs.services import Services
from jobs.status import ReportKind, Source, Status
from jobs.store.counters import POLLS
from jobs.timeouts import FINAL_POLL_SECONDS
from worker.backoff import pause
from worker.claim import Claim

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
ROUND_SECONDS = 90.0  # for all hosts, one after the other
SERVER_ERROR = 500

_DECISIVE = frozenset({ReportKind.READY, ReportKind.MODERATED, ReportKind.FAILED})


def ask(services: Services, claim: Claim) -> None:
    """Ask BFL once, put its answer on record, and come back later unless that was its last word."""
    job = claim.job
    claim.allow(ROUND_SECONDS)
    try:
        report = inquire(services, job, everywhere=is_first_or_last(job, services.store.now()))
    except BflUnavailable as trouble:
        _rest(claim, str(trouble), retry_after=trouble.retry_after)
        return
    if report is None:
        _rest(claim, "BFL does not know this task yet")
        return
    timeouts = services.settings.timeouts
    after = ingest.apply_report(services.store, report, timeouts, job.id)
    if after.status is Status.SUBMITTED:
        begins_anew = report.is_alive and job.awaits_callback
        _rest(claim, report.said, grace=timeouts.grace(job.model) if begins_anew else 0.0)


def is_first_or_last(job: Job, now: float) -> bool:
    """Whether a poll is worth asking all hosts: four more requests each time would be too many."""
    return job.attempts == 0 or now >= job.deadline - FINAL_POLL_SECONDS


def _rest(
    claim: Claim, why: str = "", *, retry_after: float | None = None, grace: float = 0.0
) -> None:
    def rest(job: Job, now: float) -> Job:
        seconds = pause(job.attempts, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        with_event = job.with_event(now, "BFL asked", answer=why) if why else job
        later = max(seconds, grace, retry_after or 0.0)
        return with_event.back_off(now, later, firm=retry_after is not None)

    claim.commit(rest)


def inquire(services: Services, job: Job, *, everywhere: bool = True) -> Report | None:
    """BFL's word on a task, None when nobody knows it. Raises BflUnavailable.

    Without the task's own polling URL several hosts are asked: a host that is not the task's own
    may deny it or answer "Pending" for ever, so only a final word ends the round, and only the
    task's own host is believed to be at work.
    """
    best, trouble, asked = None, None, 0
    with services.api.session as session:
        for url in urls_of(services, job, everywhere=everywhere):
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
        services.store.increment({POLLS: asked})
    if best is None and trouble:
        raise trouble
    return best if best is None or job.polling_url else replace(best, is_alive=False)


def urls_of(services: Services, job: Job, *, everywhere: bool) -> tuple[str, ...]:
    """The task's own polling URL; without one, where it was submitted, and all other hosts."""
    if job.polling_url:
        return (job.polling_url,)
    origin = job.origin or str(services.api.origin)
    urls = parsing.polling_urls(origin, job.task_id or job.id, services.trust.region)
    return urls if everywhere else urls[:1]


def _understood(answer: Answer, job: Job) -> Report | None:
    if answer.unknown:
        return None
    if answer.key_refused:
        raise BflUnavailable("BFL refuses the API key")
    if answer.good or (answer.status >= SERVER_ERROR and _is_final(answer.body)):
        return _report(answer.body, job)
    raise BflUnavailable(f"BFL answered {answer.status}", answer.retry_after)


def _is_final(body: bytes) -> bool:
    """Whether an error is the answer all the same: BFL tells of some failed tasks with a 503."""
    try:
        message = strict_json.loads(body)
    except InvalidReport:
        return False
    return isinstance(message, dict) and parsing.is_final(message)


def _report(body: bytes, job: Job) -> Report | None:
    try:
        message = strict_json.loads(body)
    except InvalidReport:
        raise BflUnavailable("BFL's answer is not JSON") from None
    if not isinstance(message, dict):
        raise BflUnavailable("BFL's answer is not an object")
    if message.get("id") not in (None, job.task_id):
        raise BflUnavailable("BFL answered for another task")
    if parsing.is_not_found(message):
        return None
    source = Source.REPLAY if job.replaying else Source.POLL
    return parsing.parse_report(message, job.task_id or job.id, source)
