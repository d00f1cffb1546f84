"""Poll BFL for a task whose callback did not come."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from jobs import ingest
from jobs.bfl import parsing
from jobs.bfl.account_refusals import explain_account_refusal
from jobs.bfl.client import ANSWER_SECONDS, BflResponse
from jobs.bfl.submissions import is_task_id_refused
from jobs.domain.bfl_report import Report
from jobs.domain.errors import BadRequest, BflUnavailable, StoreUnavailable
from jobs.domain.job import Job
from jobs.domain.polling_policy import FINAL_POLL_SECONDS
from jobs.domain.retry_policy import RetryPolicy
from jobs.domain.status import ReportKind, Source, Status
from jobs.domain.timeline import EventCode
from jobs.net import lenient_json
from jobs.services import Services
from jobs.store.metrics import Counter
from worker.claim import HeldClaim

RETRIES = RetryPolicy(first_seconds=5.0, longest_seconds=60.0)
ALL_HOSTS_SECONDS = 90.0  # the best guess, then the others at the same time
LAST_ROUND_ANSWER_SECONDS = 4.0  # twice that passes before the deadline does
# Hosts that gave no answer when all were asked are asked in so many rounds more.
UNANSWERED_ROUNDS = 5

FORGOTTEN = "BFL does not know this task any more: it forgets finished tasks after a few hours"
NO_FILES = "BFL says that it is ready, and has named no file of it for ten minutes"

_DECISIVE = frozenset({ReportKind.READY, ReportKind.MODERATED, ReportKind.FAILED})


class TaskIdRefused(BflUnavailable):
    """BFL says that this is no id of a task: no task will ever have it."""


class HostAnswer(NamedTuple):
    """The answer of one host: a report, an error, or neither if it does not know the task."""

    url: str
    report: Report | None = None
    error: BflUnavailable | None = None

    @property
    def is_decisive(self) -> bool:
        return self.report is not None and self.report.kind in _DECISIVE


def poll_job(services: Services, claim: HeldClaim) -> None:
    """Poll BFL once and record the report; back off unless the report is final."""
    try:
        with claim.silence(ALL_HOSTS_SECONDS):
            answers = ask_hosts(services, claim.job)
    except BflUnavailable as error:  # no key of this account
        _back_off(claim, str(error), claim.job.polling.unanswered)
        return
    unanswered = tuple(answer.url for answer in answers if answer.error)
    best = _best_of(services, answers)
    if best is None:
        first = answers[0]  # the host that is most likely to know the task
        if isinstance(first.error, TaskIdRefused):
            claim.commit(partial(Job.lost, why=str(first.error)))
        elif first.error:
            _back_off(claim, str(first.error), unanswered, retry_after=first.error.retry_after)
        elif not unanswered and claim.job.is_forgotten_by_bfl(services.store.now()):
            claim.commit(partial(Job.lost, why=FORGOTTEN))
        else:
            _back_off(claim, "BFL does not know this task yet", unanswered)
        return
    _adopt_host(services, claim, best.url)
    timeouts = services.settings.timeouts
    after = ingest.apply_report(services.store, best.report, timeouts, claim.job.id)
    if after.status is Status.SUBMITTED:
        restarts_grace = best.report.is_alive and claim.job.polling.awaits_callback
        grace = timeouts.grace(claim.job.model) if restarts_grace else 0.0
        is_unclear = best.report.kind is ReportKind.UNCLEAR
        _back_off(claim, best.report.status_text, unanswered, grace=grace, is_unclear=is_unclear)


def _back_off(
    claim: HeldClaim,
    reason: str,
    unanswered: tuple[str, ...],
    *,
    retry_after: float | None = None,
    grace: float = 0.0,
    is_unclear: bool = False,
) -> None:
    """Poll again later, or end a job of which BFL has named no file for too long."""
    jitter_factor = RETRIES.draw_jitter_factor()

    def back_off(job: Job, now: float) -> Job:
        if is_unclear and job.is_unclear_for_long(now):
            return job.expired(now, NO_FILES)
        unclear_since: float | None = None
        if is_unclear:
            unclear_since = job.polling.unclear_since or now
        pause = RETRIES.pause_seconds(
            job.polling.attempts, jitter_factor=jitter_factor, retry_after=retry_after or 0.0
        )
        noted = job
        if reason:
            noted = job.with_event(now, EventCode.POLL_RETRIED, answer=reason)
        noted = noted.with_polling(unanswered=unanswered, unclear_since=unclear_since)
        return noted.back_off(now, max(pause, grace), firm=retry_after is not None)

    claim.commit(back_off)


def _adopt_host(services: Services, claim: HeldClaim, url: str) -> None:
    """Make the host that knows the task the job's own: from now on it alone is polled."""
    services.task_hosts.learn(url)
    if url != claim.job.polling.polling_url:
        claim.commit(lambda job, _now: job.with_host(url))


def fetch_report(services: Services, job: Job) -> Report | None:
    """Fetch BFL's report on a task; None when no host knows the task.

    Raises BflUnavailable when the host that is most likely to know the task gave no answer.
    """
    answers = ask_hosts(services, job, asks_all=True)
    task = _best_of(services, answers)
    if task:
        return task.report
    if answers[0].error:
        raise answers[0].error
    return None


def ask_hosts(services: Services, job: Job, *, asks_all: bool = False) -> list[HostAnswer]:
    """Ask the host that is most likely to know a task, and in some rounds all others too.

    The answer of the likeliest host comes first. BFL's clusters do not know each other's tasks,
    and another host than the task's own may call it pending for ever: so only a final report
    spares the others the question. Raises BflKeyMissing.
    """
    is_last = is_last_round(job, services.store.now())
    seconds = LAST_ROUND_ANSWER_SECONDS if is_last else ANSWER_SECONDS
    answers = _ask(services, job, [services.task_hosts.best_guess(job)], seconds)
    if not answers[0].is_decisive:
        is_first = asks_all or job.polling.attempts == 0
        further_urls = _further_urls(services, job, answers[0], is_first=is_first, is_last=is_last)
        answers += _ask(services, job, further_urls, seconds)
    with suppress(StoreUnavailable):
        services.store.increment({Counter.POLLS: len(answers)})
    return answers


def is_last_round(job: Job, now: float) -> bool:
    return now >= job.deadline - FINAL_POLL_SECONDS


def _further_urls(
    services: Services, job: Job, likeliest: HostAnswer, *, is_first: bool, is_last: bool
) -> list[str]:
    """The polling URLs to ask besides that of the likeliest host.

    A polling URL that BFL named is asked alone. One that was found by asking is no proof: all hosts
    are asked again once it does not know the task, and before the job is given up.
    """
    polling = job.polling
    if polling.polling_url and not polling.is_host_found:
        return []
    is_settled = polling.is_host_found and likeliest.report is not None
    urls: tuple[str, ...] = ()
    if is_last or (is_first and not is_settled):
        urls = services.task_hosts.polling_urls(job)
    elif polling.attempts <= UNANSWERED_ROUNDS:
        urls = polling.unanswered
    return [url for url in urls if url != likeliest.url]


def _ask(services: Services, job: Job, urls: Sequence[str], seconds: float) -> list[HostAnswer]:
    def is_enough(answer: BflResponse) -> bool:
        return _read("", answer, job).is_decisive

    answers = services.bfl_for(job).poll_all(urls, seconds, is_enough)
    return [_read(url, answer, job) for url, answer in zip(urls, answers, strict=True)]


def _read(url: str, answer: BflResponse | BflUnavailable, job: Job) -> HostAnswer:
    if isinstance(answer, BflUnavailable):
        return HostAnswer(url, error=answer)
    try:
        return HostAnswer(url, _parse_answer(answer, job))
    except BflUnavailable as error:
        return HostAnswer(url, error=error)


class KnownTask(NamedTuple):
    """A report, and the polling URL at which it was given."""

    url: str
    report: Report


def _best_of(services: Services, answers: Sequence[HostAnswer]) -> KnownTask | None:
    """The report that counts: a final one, else that of a cluster, else that of any host.

    If several hosts say that the task is pending, a cluster is right more often than the hosts
    that stand before all clusters.
    """
    tasks = list[KnownTask]()
    for answer in answers:
        if answer.report:
            tasks.append(KnownTask(answer.url, answer.report))
    for task in tasks:
        if task.report.kind in _DECISIVE:
            return task
    for task in tasks:
        if services.host_policy.is_cluster(task.url):
            return task
    if tasks:
        return tasks[0]
    return None


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
    if answer.status == HTTPStatus.BAD_REQUEST and is_task_id_refused(answer.body):
        raise TaskIdRefused(f"BFL has no task {job.task_id or job.id}: its id is no UUID")
    if not is_report:
        raise BflUnavailable(f"BFL answered {answer.status}", answer.retry_after)
    message = lenient_json.load_object(answer.body, BflUnavailable)
    if message.get("id") not in (None, job.task_id):
        raise BflUnavailable("BFL answered for another task")
    if parsing.is_not_found(message):
        return None
    source = Source.REPLAY if job.polling.is_replay else Source.POLL
    return parsing.parse_report(message, job.task_id or job.id, source)
