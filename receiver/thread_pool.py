"""Thread pool for calls that block the gevent event loop, such as those to a bucket."""

from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar

from gevent.threadpool import ThreadPool

THREADS = 32
STORING_THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")


def run_in_storing_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `run_in_thread`, for uploads to a bucket, each of which buffers megabytes."""
    result: T = _storing_pool().apply(call, args, kwargs)
    return result


def run_in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in a thread; the process serves other requests meanwhile.

    obstore works in native threads and releases the interpreter lock, but its caller blocks the
    one thread that all requests of a gevent process share. Never call Redis in here: its
    connections belong to that thread.
    """
    result: T = _pool().apply(call, args, kwargs)
    return result


@cache
def _pool() -> ThreadPool:
    """A pool of our own: gevent's resolves host names, which must not queue behind these calls."""
    return ThreadPool(THREADS)


@cache
def _storing_pool() -> ThreadPool:
    return ThreadPool(STORING_THREADS)
