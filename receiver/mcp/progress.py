"""Progress of a job while an answer waits for it, as notifications of the protocol."""

import time
from collections.abc import Generator
from contextlib import closing

from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.status import Status
from receiver.api.long_poll import watch
from receiver.context import current_services, part
from receiver.feed.broker import Broker
from receiver.mcp import content
from receiver.mcp.protocol import Message, RequestId
from receiver.mcp.tools import Waiting
from receiver.problem_details import detail_of

PROGRESS_SECONDS = 5.0  # routers cut a silent stream off
THUMBNAIL_SECONDS = 3.0  # when the job has ended, and its image is too large


def notifications(waiting: Waiting, token: RequestId | None) -> Generator[Message, None, Message]:
    """Yield notifications while the job is waited for; return the result of the tool.

    A job that was submitted is never hidden by an error: its caller would pay for another.
    """
    began_at = time.monotonic()
    notified_seconds = -PROGRESS_SECONDS  # when the last notification was sent
    job = waiting.job
    try:
        with closing(_changes(waiting)) as changes:
            for changed_job in changes:
                seconds = time.monotonic() - began_at
                is_due = seconds >= notified_seconds + PROGRESS_SECONDS
                if changed_job:
                    job = changed_job
                if changed_job or is_due:
                    notified_seconds = seconds
                    yield _notification(job, token, seconds)
    except (errors.TooManyWaiting, errors.StoreUnavailable):
        pass  # the job goes on, and the result says how to wait for it
    except errors.UnknownJob as error:
        return content.error_result(detail_of(error))
    return _result(waiting, job)


def _changes(waiting: Waiting) -> Generator[Job | None]:
    """The job after each change, and None in each second without one, for the time to wait."""
    if not waiting.seconds:
        return
    broker = part(Broker)
    job = waiting.job
    for changed_job in watch(current_services(), broker, job.id, waiting.seconds):
        if changed_job:
            job = changed_job
        yield changed_job
    if content.awaits_thumbnail(job):
        yield from watch(current_services(), broker, job.id, THUMBNAIL_SECONDS, _is_shown)


def _is_shown(job: Job) -> bool:
    return not content.awaits_thumbnail(job)


def _notification(job: Job, token: RequestId | None, seconds: float) -> Message:
    message = str(job.status)
    if job.progress is not None:
        message += f", {job.progress:.0%}"
    params = {"progressToken": token, "progress": seconds, "message": message}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def _result(waiting: Waiting, job: Job) -> Message:
    try:
        result = content.job_result(current_services(), job)
    except errors.FluxkeepError as error:
        return content.error_result(f"{detail_of(error)} {content.how_to_wait(job)}")
    has_failed = job.status.terminal and job.status is not Status.STORED
    if has_failed and not waiting.is_question:
        result["isError"] = True
    return result
