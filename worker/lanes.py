"""Who is told next: each host in its own lane, so that a slow one holds up nobody but itself."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from jobs.target import Target

SENDERS = 16
PER_HOST_MAX = 4
SLOW_MAX = SENDERS // 2  # for all hosts together that have not just answered quickly
QUICK_SECONDS = 5.0
WAITING_MAX = 64  # more of one host stay where they are, in Redis
LANES_MAX = 1000


class Errand(NamedTuple):
    """A job whose end somebody must be told, and the host where that is."""

    host: str
    job_id: str
    to: Target


@dataclass(slots=True)
class _Lane:
    waiting: deque[Errand] = field(default_factory=deque)
    out: int = 0
    quick: bool = False  # until it has proved it

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.out)


class Lanes:
    """Errands by host: round robin, four at once where answers are quick and one where not."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}  # whose turn it is stands first
        self._changed = threading.Condition()
        self._closed = False

    def has_room(self, host: str) -> bool:
        """Only the one who puts may ask: then it is still so when the errand comes."""
        with self._changed:
            lane = self._lanes.get(host)
            return lane is None or len(lane.waiting) < WAITING_MAX

    def put(self, errand: Errand) -> None:
        """Nothing new when the same one is waiting already."""
        with self._changed:
            lane = self._lanes.setdefault(errand.host, _Lane())
            if errand not in lane.waiting:
                lane.waiting.append(errand)
                self._changed.notify()

    def next(self) -> Errand | None:
        """Waits for an errand that may be run; None when there will be none any more."""
        with self._changed:
            while not self._closed:
                if errand := self._whose_turn():
                    return errand
                self._changed.wait()
        return None

    def _whose_turn(self) -> Errand | None:
        slow = sum(lane.out for lane in self._lanes.values() if not lane.quick)
        for host, lane in self._lanes.items():
            free = lane.out < PER_HOST_MAX if lane.quick else not lane.out and slow < SLOW_MAX
            if lane.waiting and free:
                self._lanes[host] = self._lanes.pop(host)
                lane.out += 1
                return lane.waiting.popleft()
        return None

    def done(self, errand: Errand, seconds: float | None) -> None:
        """Back from an errand that took so long, or that nobody had to be sent for (None)."""
        with self._changed:
            lane = self._lanes[errand.host]
            lane.out -= 1
            if seconds is not None:
                lane.quick = seconds < QUICK_SECONDS
            if lane.idle and (not lane.quick or len(self._lanes) > LANES_MAX):
                del self._lanes[errand.host]
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody is sent out any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
