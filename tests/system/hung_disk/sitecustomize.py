"""Loaded by a worker under test: a disk that never answers to the fsync of one large file."""

import os
import time
from typing import Any

HUNG_BYTES = 300_000

_fsync = os.fsync


def _hanging(descriptor: Any) -> None:
    while os.fstat(descriptor).st_size == HUNG_BYTES:
        time.sleep(1)
    _fsync(descriptor)


os.fsync = _hanging  # type: ignore[assignment]  # the same calls reach it
