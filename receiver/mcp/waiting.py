"""Waits for a job: progress notifications, and the result of the tool at the end."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from jobs.domain import errors
from jobs.domain.job import Job
from receiver.api.long_poll import watch
from receiver.context import part, services
from receiver.feed.broker import Broker
from receiver.mcp import content
from receiver.mcp.protocol import Message, Request
from receiver.mcp.tools import Waiting
from receiver.problem_details import detail_of

PROGRESS_SECONDS = 5.0  # routers cut a silent stream off
THUMBNAIL_SECONDS = 3.0  # when the job has ended, and its image is too large


def messages(
    waiting: Waiting, asked: Request, respond: Callable[[Message], Message]
) -> Iterator[Message]:
    """Progress notifications while the job is waited for, then the response.

    A job that was submitted is never hidden by an error: its caller would pay for another.
    """
    began, noted, job = time.monotonic(), -PROGRESS_SECONDS, waiting.job
    try:
        with closing(_changes(waiting)) as changes:
            for change in changes:
                job, passed = change or job, time.monotonic() - began
                if change or passed >= noted + PROGRESS_SECONDS:
                    noted = passed
                    yield _progress(asked, job, passed)
    except (errors.TooManyWaiting, errors.StoreUnavailable):
        pass  # the job goes on, and the response says how to wait for it
    except errors.UnknownJob as error:
        yield respond(content.error(detail_of(error)))
        return
    try:
        result = content.job_result(services(), job, is_question=waiting.is_question)
    except errors.FluxkeepError as error:
        result = content.error(f"{detail_of(error)} {content.how_to_wait(job)}")
    yield respond(result)


def _changes(waiting: Waiting) -> Generator[Job | None]:
    job, broker = waiting.job, part(Broker)
    if not waiting.seconds:
        return
    for change in watch(services(), broker, job.id, waiting.seconds):
        job = change or job
        yield change
    if not content.is_shown(job):
        yield from watch(services(), broker, job.id, THUMBNAIL_SECONDS, content.is_shown)


def _progress(asked: Request, job: Job, seconds: float) -> Message:
    share = f", {job.progress:.0%}" if job.progress is not None else ""
    told = {"progressToken": asked.progress_token, "message": f"{job.status}{share}"}
    params = told | {"progress": seconds}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
