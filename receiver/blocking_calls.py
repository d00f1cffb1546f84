"""Thread pool for calls that block the gevent event loop, such as those to a bucket."""

from collections.abc import Callable
from functools import cache, partial
from typing import ParamSpec, TypeVar

from gevent.threadpool import ThreadPool

THREADS = 32
STORING_THREADS = 4
DATABASE_THREADS = 3

# Own pools: gevent's resolves host names, which must not queue behind these calls.
_pool = cache(ThreadPool)

P = ParamSpec("P")
T = TypeVar("T")


def run_in_storing_thread(call: Callable[[], T]) -> T:
    """As `run_in_thread`, for uploads to a bucket, each of which buffers megabytes."""
    return _apply(_pool(STORING_THREADS), call)


def run_in_database_thread(call: Callable[[], T]) -> T:
    """As `run_in_thread`, for a database in a file."""
    return _apply(_pool(DATABASE_THREADS), call)


def run_in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in a thread; the process serves other requests meanwhile.

    obstore works in native threads and releases the interpreter lock, but its caller blocks the
    one thread that all requests of a gevent process share. Never call Redis in here: its
    connections belong to that thread.
    """
    return _apply(_pool(THREADS), partial(call, *args, **kwargs))


def _apply(pool: ThreadPool, call: Callable[[], T]) -> T:
    """Run a call in a pool. gevent would print the traceback of an exception that it passes on."""

    def attempt() -> T | Exception:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - raised again
            return error

    outcome: T | Exception = pool.apply(attempt)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
