"""A deterministic scheduler: virtual processes as greenlets, and a clock that only it advances."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from greenlet import GreenletExit, getcurrent, greenlet

STEPS_MAX = 60_000  # a sweep whose clock is late looks for what is due every two seconds
STALL_SECONDS = 65.0  # longer than a lease
SUSPEND_SECONDS = 120.0
CLOCK_STEP_SECONDS = 600.0
# Seconds that each fault of a clock adds to it; during a suspend it stands still.
CLOCK_FAULTS = {
    "clock forward": CLOCK_STEP_SECONDS,
    "clock back": -CLOCK_STEP_SECONDS,
    "suspend": -SUSPEND_SECONDS,
}


class Killed(GreenletExit):
    """SIGKILL: the process ends where it stands, and whatever it still tries has no effect."""


class Chooser:
    """Decisions of a run: first the given ones, then seeded random ones; all are recorded.

    A choice is an index into the alternatives; 0 is "go on with the same process".
    """

    def __init__(self, seed: int, prefix: Sequence[int] = (), *, boldness: float = 0.15) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self._prefix = list(prefix)
        self._boldness = boldness
        self.taken: list[tuple[int, int]] = []

    def choose(self, alternatives: int, weight: float = 1.0) -> int:
        """An index below `alternatives`; `weight` makes a random deviation more likely."""
        if self._prefix:
            index = min(self._prefix.pop(0), alternatives - 1)
        elif alternatives > 1 and self._random.random() < self._boldness * weight:
            index = self._random.randrange(1, alternatives)
        else:
            index = 0
        self.taken.append((index, alternatives))
        return index


@dataclass
class Process:
    """One virtual process; `restart` seconds after it was killed its supervisor starts it again."""

    name: str
    run: Callable[[], None]
    restart: float | None = None
    wakes_at: float = 0.0
    awaits: Callable[[], object] = lambda: True  # what it waits for besides
    clock_error: float = 0.0  # seconds
    dead: bool = False
    task: greenlet = field(init=False)

    def start(self, parent: greenlet) -> None:
        self.task = greenlet(self.run, parent)
        self.dead = False


class Scheduler:
    """Runs processes step by step; every step is a decision and a line of the trace."""

    def __init__(self, chooser: Chooser, now: float, faults: Mapping[str, int]) -> None:
        self.now = now
        self.trace: list[str] = []
        self.killed_at: dict[str, float] = {}
        self.stall_seconds = STALL_SECONDS
        self._chooser = chooser
        self._faults = dict(faults)
        self._processes: list[Process] = []
        self._current: Process | None = None
        self._loop = getcurrent()

    def add(self, process: Process) -> None:
        """Start a process at its `wakes_at`."""
        process.start(self._loop)
        self._processes.append(process)

    def run(self, until: float, is_over: Callable[[], bool]) -> None:
        """Run until the clock is there, all is over or nothing can happen any more."""
        self._loop = getcurrent()
        for process in self._processes:
            process.task.parent = self._loop
        for _ in range(STEPS_MAX):
            if is_over() or not self._step(until):
                return
        raise AssertionError("the simulation does not come to rest")

    def close(self) -> None:
        """End every process: the collector does not see what suspended greenlets hold."""
        for process in self._processes:
            process.dead = True
            process.task.parent = getcurrent()
            with suppress(Exception):  # of what it had still to clean up
                process.task.throw(Killed)
        self._processes.clear()
        self._current = None

    def _step(self, until: float) -> bool:
        alive = [one for one in self._processes if not one.task.dead]
        if not alive:
            return False
        ready = [one for one in alive if one.wakes_at <= self.now and one.awaits()]
        if not ready:
            self.now = min(one.wakes_at for one in alive if one.wakes_at > self.now)
            return self.now <= until
        if self._current in ready:  # first, so that choice 0 goes on with it
            ready.remove(self._current)
            ready.insert(0, self._current)
        self._current = ready[self._chooser.choose(len(ready))]
        self._current.task.switch()
        return True

    @property
    def current(self) -> Process:
        """The process at work."""
        assert self._current is not None
        return self._current

    # Called by processes.

    def step(self, label: str) -> None:
        """A point at which other processes may run, or at which this one may die or stall."""
        process = self._current
        if process is None or getcurrent() is not process.task:
            return  # the simulation itself looks at something
        if process.dead:
            raise Killed
        self.trace.append(f"{self.now:.3f} {process.name}: {label}")
        fault = self._fault(process, ("kill", "stall") if process.restart is not None else ())
        if fault == "kill":
            self.kill(process)
        elif fault == "stall":
            self.sleep(self.stall_seconds)
        else:
            self._loop.switch()

    def _fault(self, process: Process, kinds: Iterable[str]) -> str | None:
        possible = [fault for fault in kinds if self._faults.get(fault)]
        index = self._chooser.choose(len(possible) + 1) if possible else 0
        if index == 0:
            return None
        fault = possible[index - 1]
        self.trace.append(f"{self.now:.3f} {process.name}: {fault}")
        self._faults[fault] -= 1
        return fault

    def kill(self, process: Process) -> None:
        """End the process at work; its supervisor starts it again."""
        process.dead = True
        self.killed_at[process.name] = self.now
        again = Process(process.name, process.run, process.restart)
        again.wakes_at = self.now + (process.restart or 0.0)
        self.add(again)
        raise Killed

    def sleep(self, seconds: float) -> None:
        """Let the others run for so long."""
        process = self._current
        if process is None or getcurrent() is not process.task:
            self.now += seconds
            return
        if process.dead:
            raise Killed
        process.wakes_at = self.now + max(seconds, 0.001)
        self._loop.switch()

    def wait(self, awaits: Callable[[], object]) -> None:
        """Let the others run until something has happened."""
        process = self.current
        process.awaits = awaits
        try:
            self.sleep(0.0)
        finally:
            process.awaits = lambda: True

    @property
    def local_now(self) -> float:
        """Time on the clock of the process at work, without a new fault."""
        return self.now + (self._current.clock_error if self._current else 0.0)

    def clock(self) -> float:
        """Read the clock of the process at work, which may be wrong from now on."""
        process = self._current
        if process is None or getcurrent() is not process.task:
            return self.now
        fault = self._fault(process, CLOCK_FAULTS)
        if fault is not None:
            process.clock_error += CLOCK_FAULTS[fault]
        if fault == "suspend":
            self.sleep(SUSPEND_SECONDS)
        return self.now + process.clock_error
