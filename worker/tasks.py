"""The task that RQ calls by name."""

from functools import cache

from worker import startup
from worker.dispatcher import Dispatcher


@cache
def dispatcher() -> Dispatcher:
    """The dispatcher of this process."""
    return Dispatcher(startup.get())


def attend(_job_id: str) -> None:
    """Do what waits: the record says what that is, and which job comes first."""
    dispatcher().drain()
