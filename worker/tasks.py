"""The task that RQ calls by name."""

from functools import cache

from worker import startup
from worker.dispatcher import JobDispatcher


@cache
def dispatcher() -> JobDispatcher:
    """The dispatcher of this process."""
    return JobDispatcher(startup.current_services())


def process_waiting_jobs(_job_id: str) -> None:
    """Process all waiting jobs, whichever id RQ names (I18): a thread takes the most urgent."""
    dispatcher().drain()
