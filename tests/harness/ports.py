"""Ports for the servers of tests."""

import fcntl
from pathlib import Path
from tempfile import gettempdir

from deploy import local_redis

_given: set[int] = set()
# Byte n of this file is locked by the process that was given port n, until it ends.
_locks = (Path(gettempdir()) / "fluxkeep-test-ports").open("ab")


def free_port() -> int:
    """A free port that no other test is given, also of a run at the same time."""
    while True:
        port = local_redis.free_port()
        if port not in _given and _is_locked(port):
            _given.add(port)
            return port


def _is_locked(port: int) -> bool:
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True
