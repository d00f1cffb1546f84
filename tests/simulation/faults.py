"""Faults of a simulated run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """Faults of a run, and how often each occurs."""

    kills: int = 0
    stalls: int = 0
    clocks: int = 0  # of each kind: steps forward, steps back, suspends
    bfl: int = 0  # answers of BFL other than plain acceptance
    outage: tuple[float, float] | None = None  # Redis is away: from, to (seconds after the start)
    full: tuple[float, float] | None = None  # the memory of Redis is full: from, to
    failover_at: float | None = None  # Redis loses its last second
    lost_replies: int = 0  # scripts that run although their caller sees an error
    storage_errors: int = 0
    download_seconds: float = 0.0  # without a renewal: longer than a lease is a stalled worker
    lost_callbacks: bool = False
    duplicates: int = 0
    deleted_at: float | None = None  # an operator deletes the jobs
    replays: bool = False  # an operator replays each job that was not stored, once
