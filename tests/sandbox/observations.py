"""Observations of the sandbox: callbacks, deliveries, requests and peaks."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Callback:
    """One callback attempt; `outcome` is the HTTP status or the error as text."""

    time: float
    outcome: int | str
    headers: dict[str, str]
    body: bytes


@dataclass
class Delivery:
    """One request for media; `sent` counts the bytes sent so far."""

    time: float
    status: int
    sent: int = 0
    over: bool = False


@dataclass(frozen=True)
class Request:
    """One HTTP request as received."""

    time: float
    method: str
    target: str  # path and query, byte for byte
    headers: dict[str, str]  # names in lower case
    body: bytes = b""
    host: int = 0  # that received it: the global one, or the n-th cluster

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def has_key(self) -> bool:
        return "x-key" in self.headers

    def as_json(self) -> dict[str, Any]:
        headers = self.headers | ({"x-key": "(hidden)"} if self.has_key else {})
        return {
            "time": self.time,
            "method": self.method,
            "path": self.path,
            "target": self.target,
            "has_key": self.has_key,
            "headers": headers,
        }


@dataclass(frozen=True)
class Peak:
    """The largest number of active tasks, and the number of submissions refused with 429."""

    active: int
    peak: int
    peak_by_model: dict[str, int]
    refused: int
