"""Single flight: requests that come while a value is computed share the next computation."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class SingleFlight(Generic[T]):
    """Compute a value for all that wait for it; it is never older than the request for it."""

    compute: Callable[[], T]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started_at: float = -math.inf
    _value: T | None = None

    def get(self) -> T:
        """The value of a computation that began after this call."""
        called_at = time.monotonic()
        with self._lock:
            if self._value is None or self._started_at <= called_at:
                started_at = time.monotonic()
                self._value = self.compute()
                self._started_at = started_at
            return self._value
