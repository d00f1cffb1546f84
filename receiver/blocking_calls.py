"""Calls that keep their thread until a bucket answers, made where they hold nobody else up."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from gevent.threadpool import ThreadPool

THREADS = 32

T = TypeVar("T")


def aside(call: Callable[[], T]) -> T:
    """What a call returns or raises; other requests are served meanwhile.

    obstore works in threads of its own and lets go of the interpreter, but the thread that waits
    for it is the one that all requests of a gevent process share. Nothing of Redis goes in here:
    its connections belong to that thread.
    """
    answer: T = _threads().apply(call)
    return answer


@cache
def _threads() -> ThreadPool:
    """Not gevent's own: that one resolves the names of hosts, which must not queue here."""
    return ThreadPool(THREADS)
