"""Cache of one value that many requests read: computed at most once a second."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

TTL_SECONDS = 1.0

T = TypeVar("T")


@dataclass(slots=True)
class TtlCache(Generic[T]):
    """Compute the value again once it is older than a second; requests meanwhile wait for it."""

    compute: Callable[[], T]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _expires_at: float = 0.0
    _value: T | None = None

    def get(self) -> T:
        with self._lock:
            if self._value is None or time.monotonic() >= self._expires_at:
                self._value = self.compute()
                self._expires_at = time.monotonic() + TTL_SECONDS
            return self._value
