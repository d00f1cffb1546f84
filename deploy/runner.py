"""Process runner of `make run`: honcho's, which stops all processes when one of them ends."""

import os
import re
import sys
from collections import deque
from collections.abc import Callable

import honcho.manager
from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer

# Long enough to finish work in hand; platforms send SIGKILL after 30 s.
honcho.manager.KILL_WAIT = 24

_STOPPED = re.compile(r"(\w+) stopped \(rc=(-?\d+)\)")


class Runner(Manager):
    """Run processes until one of them ends or a signal arrives."""

    def __init__(self, on_start: Callable[[], None]) -> None:
        """`on_start` is called once, when all processes have been forked."""
        self.console = Console(self._process_started)
        super().__init__(self.console)
        self._on_start: Callable[[], None] | None = on_start

    @property
    def failure(self) -> str | None:
        """The process that ended by itself, and why; None when a signal stopped everything."""
        return None if self.console.was_signalled else self.console.first_end

    def terminate(self) -> None:
        # honcho can signal only the processes whose ids it has read: after an early signal,
        # `_process_started` calls this again.
        if self._all_started():
            super().terminate()

    def _process_started(self) -> None:
        if self.console.was_signalled:
            self.terminate()
        elif on_start := self._on_start:
            self._on_start = None
            on_start()


class Console(Printer):
    """Print the output of all processes; record which process ended first, and how."""

    def __init__(self, on_process_start: Callable[[], None]) -> None:
        super().__init__(sys.stdout, colour="NO_COLOR" not in os.environ)
        self.was_signalled = False
        self.first_end: str | None = None
        self._on_process_start = on_process_start
        self._last_lines: dict[str, str] = {}
        self._queue: deque[Message] = deque()
        self._is_writing = False

    def write(self, message: Message) -> None:
        self._queue.append(message)
        if self._is_writing:
            return  # a signal handler interrupted the loop below, which will print the message
        self._is_writing = True
        while self._queue:
            self._write(self._queue.popleft())
        self._is_writing = False

    def _write(self, message: Message) -> None:
        super().write(message)
        if message.name != SYSTEM_PRINTER_NAME:
            self._last_lines[message.name] = message.data.decode(errors="replace").strip()
        else:
            self._handle_event(message.data.strip())

    def _handle_event(self, event: str) -> None:
        """Handle honcho's message about a process or a signal."""
        if event.endswith(" received"):
            self.was_signalled = True
        elif found := _STOPPED.fullmatch(event):
            self.record_end(found[1], int(found[2]))
        elif " started " in event:
            self._on_process_start()

    def record_end(self, name: str, code: int) -> None:
        """Record the first process that ended; the others are stopped because of it."""
        if self.first_end is None:
            cause = f"signal {-code}" if code < 0 else f"exit code {code}"
            last = self._last_lines.get(name)
            self.first_end = f"{name} ended with {cause}" + (
                f"; its last line: {last}" * bool(last)
            )
