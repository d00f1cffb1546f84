"""Waits for a job: progress notifications, and the result of the tool at the end."""

import time
from collections.abc import Generator
from contextlib import closing

from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.status import Status
from receiver.api.long_poll import watch
from receiver.context import part, services
from receiver.feed.broker import Broker
from receiver.mcp import content
from receiver.mcp.protocol import Message
from receiver.mcp.tools import Waiting
from receiver.problem_details import detail_of

PROGRESS_SECONDS = 5.0  # routers cut a silent stream off
THUMBNAIL_SECONDS = 3.0  # when the job has ended, and its image is too large


def progress(waiting: Waiting, token: str | int | None) -> Generator[Message, None, Message]:
    """Notifications while the job is waited for; returns the result of the tool.

    A job that was submitted is never hidden by an error: its caller would pay for another.
    """
    began, noted, job = time.monotonic(), -PROGRESS_SECONDS, waiting.job
    try:
        with closing(_changes(waiting)) as changes:
            for change in changes:
                job, passed = change or job, time.monotonic() - began
                if change or passed >= noted + PROGRESS_SECONDS:
                    noted = passed
                    share = f", {job.progress:.0%}" if job.progress is not None else ""
                    told = {"progressToken": token, "progress": passed}
                    told["message"] = f"{job.status}{share}"
                    yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}
    except (errors.TooManyWaiting, errors.StoreUnavailable):
        pass  # the job goes on, and the result says how to wait for it
    except errors.UnknownJob as error:
        return content.error(detail_of(error))
    try:
        result = content.job_result(services(), job)
    except errors.FluxkeepError as error:
        return content.error(f"{detail_of(error)} {content.how_to_wait(job)}")
    has_failed = job.status.terminal and job.status is not Status.STORED
    return result | ({"isError": True} if has_failed and not waiting.is_question else {})


def _changes(waiting: Waiting) -> Generator[Job | None]:
    job, broker = waiting.job, part(Broker)
    if not waiting.seconds:
        return
    for change in watch(services(), broker, job.id, waiting.seconds):
        job = change or job
        yield change
    if not content.is_shown(job):
        yield from watch(services(), broker, job.id, THUMBNAIL_SECONDS, content.is_shown)
