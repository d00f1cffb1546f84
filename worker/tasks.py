"""The task that RQ calls by name."""

from functools import cache

from worker import startup
from worker.process import WorkerProcess


@cache
def worker_process() -> WorkerProcess:
    """This process, in which RQ runs the task."""
    return WorkerProcess(startup.current_services())


def process_waiting_jobs(_job_id: str) -> None:
    """Process all waiting jobs, whichever id RQ names (I18): a thread takes the most urgent."""
    worker_process().dispatcher.drain()
