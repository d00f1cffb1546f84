"""Keeps processes running on a developer's machine: what dies is started again."""

import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy import processes
from deploy.console import Console

LOOK_EVERY_SECONDS = 0.1
RESTART_PAUSE_SECONDS = 1.0
LAST_WORDS_SECONDS = 1.0


@dataclass
class Charge:
    """A process in our care."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    running: subprocess.Popen[bytes] | None = None
    restart_at: float = 0.0
    readers: list[threading.Thread] = field(default_factory=list)


class Supervisor:
    """Starts, watches and stops processes. To be used from the main thread alone.

    Linux ends a process together with the thread that started it, and so none outlives us.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._charges: dict[str, Charge] = {}

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        charge = Charge(name, command, environment, directory)
        self._charges[name] = charge
        self._launch(charge)

    def watch(self, stop: threading.Event) -> None:
        """Returns when told to stop."""
        while not stop.wait(LOOK_EVERY_SECONDS):
            for charge in self._charges.values():
                self._look_at(charge)

    def _look_at(self, charge: Charge) -> None:
        now = time.monotonic()
        if charge.running is None:
            if now >= charge.restart_at:
                self._launch(charge)
            return
        code = charge.running.poll()
        if code is not None:
            self._console.say(f"{charge.name} has ended ({_cause(code)}), starting it again")
            # Its children too: they may still hold its port.
            processes.end(charge.running.pid)
            charge.running = None
            charge.restart_at = now + RESTART_PAUSE_SECONDS

    def _launch(self, charge: Charge) -> None:
        running = processes.launch(
            charge.command, subprocess.PIPE, charge.environment, charge.directory
        )
        charge.running = running
        assert running.stdout is not None
        charge.readers.append(self._console.follow(charge.name, running.stdout))

    def stop(self, names: Iterable[str], seconds: float) -> None:
        """SIGTERM for all of them, SIGKILL for what is left of them after this time."""
        chosen = [self._charges.pop(name) for name in names if name in self._charges]
        for charge in chosen:
            if charge.running is not None:
                charge.running.terminate()
        deadline = time.monotonic() + seconds
        for charge in chosen:
            self._see_off(charge, deadline)

    def _see_off(self, charge: Charge, deadline: float) -> None:
        if charge.running is None:
            return
        try:
            charge.running.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._console.say(f"{charge.name} does not end by itself and is killed")
        processes.end(charge.running.pid)
        charge.running.wait()
        for reader in charge.readers:
            reader.join(LAST_WORDS_SECONDS)


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
