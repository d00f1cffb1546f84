"""Shared value: requests that come while it is computed share one computation."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class SharedValue(Generic[T]):
    """A value for all that ask for it; its computation began `max_age_seconds` ago at most."""

    compute: Callable[[], T]
    max_age_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started_at: float = -math.inf
    _value: T | None = None

    def get(self) -> T:
        """The value; with no maximum age, of a computation that began after this call."""
        called_at = time.monotonic()
        with self._lock:
            if self._value is None or self._started_at + self.max_age_seconds <= called_at:
                started_at = time.monotonic()
                self._value = self.compute()
                self._started_at = started_at
            return self._value
