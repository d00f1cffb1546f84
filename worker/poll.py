"""Poll BFL for a task whose callback did not come."""

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from jobs import ingest
from jobs.bfl import parsing
from jobs.bfl.client import BflResponse
from jobs.bfl.submissions import explain_account_refusal
from jobs.domain.bfl_report import Report
from jobs.domain.errors import BadRequest, BflUnavailable, StoreUnavailable
from jobs.domain.job import Job
from jobs.domain.polling_policy import FINAL_POLL_SECONDS
from jobs.domain.status import ReportKind, Source, Status
from jobs.domain.timeline import EventCode
from jobs.net import lenient_json
from jobs.services import Services
from jobs.store.metrics import Counter
from worker.backoff import backoff_seconds
from worker.claim import HeldClaim

BACKOFF_MIN_SECONDS = 5.0
BACKOFF_MAX_SECONDS = 60.0
ALL_HOSTS_SECONDS = 90.0  # one after the other

_DECISIVE = frozenset({ReportKind.READY, ReportKind.MODERATED, ReportKind.FAILED})


def poll_job(services: Services, claim: HeldClaim) -> None:
    """Poll BFL once and record the report; back off unless the report is final."""
    job = claim.job
    everywhere = is_first_or_last(job, services.store.now())
    try:
        with claim.silence(ALL_HOSTS_SECONDS):
            report = fetch_report(services, job, everywhere=everywhere)
    except BflUnavailable as error:
        _back_off(claim, str(error), retry_after=error.retry_after)
        return
    if report is None:
        _back_off(claim, "BFL does not know this task yet")
        return
    timeouts = services.settings.timeouts
    after = ingest.apply_report(services.store, report, timeouts, job.id)
    if after.status is Status.SUBMITTED:
        restarts_grace = report.is_alive and job.polling.awaits_callback
        _back_off(
            claim, report.status_text, grace=timeouts.grace(job.model) if restarts_grace else 0.0
        )


def is_first_or_last(job: Job, now: float) -> bool:
    """Whether to poll all hosts: four more requests each time would be too many."""
    return job.polling.attempts == 0 or now >= job.deadline - FINAL_POLL_SECONDS


def _back_off(
    claim: HeldClaim, reason: str, *, retry_after: float | None = None, grace: float = 0.0
) -> None:
    def back_off(job: Job, now: float) -> Job:
        seconds = backoff_seconds(job.polling.attempts, BACKOFF_MIN_SECONDS, BACKOFF_MAX_SECONDS)
        with_event = job.with_event(now, EventCode.POLL_RETRIED, answer=reason) if reason else job
        seconds = max(seconds, grace, retry_after or 0.0)
        return with_event.back_off(now, seconds, firm=retry_after is not None)

    claim.commit(back_off)


def fetch_report(services: Services, job: Job, *, everywhere: bool = True) -> Report | None:
    """Fetch BFL's report on a task; None when no host knows the task. Raises BflUnavailable.

    Without the task's own polling URL several hosts are polled. Another host than the task's own
    may deny the task or call it pending for ever. So only a final report ends the round, and a
    pending one is no sign of life.
    """
    best, unavailable, polls = None, None, 0
    bfl = services.bfl_for(job)
    with bfl.create_session() as session:
        for url in polling_urls(services, job, everywhere=everywhere):
            polls += 1
            try:
                report = _parse_answer(bfl.poll(session, url), job)
            except BflUnavailable as error:
                unavailable = error
                continue
            best = report or best
            if report and report.kind in _DECISIVE:
                break
    with suppress(StoreUnavailable):
        services.store.increment({Counter.POLLS: polls})
    if best is None and unavailable:
        raise unavailable
    return best if best is None or job.polling.polling_url else replace(best, is_alive=False)


def polling_urls(services: Services, job: Job, *, everywhere: bool) -> tuple[str, ...]:
    """The task's own polling URL; without one, the host it was submitted to, then the others."""
    if job.polling.polling_url:
        return (job.polling.polling_url,)
    origin = job.submission.origin or str(services.bfl.origin)
    urls = parsing.polling_urls(origin, job.task_id or job.id, services.host_policy.region)
    return urls if everywhere else urls[:1]


def _parse_answer(answer: BflResponse, job: Job) -> Report | None:
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.is_key_refused:
        why = explain_account_refusal(answer.status, answer.body, has_credits=False)
        raise BflUnavailable(why)
    is_report = answer.is_ok
    if not is_report and answer.status != HTTPStatus.TOO_MANY_REQUESTS:
        with suppress(BadRequest):  # BFL reports failed tasks with a 422 or 503
            is_report = parsing.is_final(lenient_json.load_object(answer.body))
    if not is_report:
        raise BflUnavailable(f"BFL answered {answer.status}", answer.retry_after)
    message = lenient_json.load_object(answer.body, BflUnavailable)
    if message.get("id") not in (None, job.task_id):
        raise BflUnavailable("BFL answered for another task")
    if parsing.is_not_found(message):
        return None
    source = Source.REPLAY if job.polling.is_replay else Source.POLL
    return parsing.parse_report(message, job.task_id or job.id, source)
