"""Process runner of `make run`: honcho's, which stops all processes when one of them ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import honcho.manager
from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer

# Long enough to finish work in hand; platforms send SIGKILL after 30 s.
honcho.manager.KILL_WAIT = 24

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal is closed

_STARTED = re.compile(r"\w+ started \(pid=(\d+)\)")
_STOPPED = re.compile(r"(\w+) stopped \(rc=(-?\d+)\)")


class Runner(Manager):
    """Run processes until one of them or the embedded Redis ends, or a signal arrives."""

    def __init__(
        self,
        redis: subprocess.Popen[bytes] | None,
        on_start: Callable[[], None],
        on_pid: Callable[[str], None],
    ) -> None:
        """`on_start` is called once, when all have been forked; `on_pid` with each one's id."""
        self._console = Console(on_pid, self._say_why)
        super().__init__(self._console)
        self._redis = redis
        self._on_start = on_start
        self._was_signalled = False

    @property
    def failure(self) -> str | None:
        """The process that ended by itself, and why; None when a signal stopped everything."""
        return None if self._was_signalled else self._console.first_end

    def _start(self) -> None:
        # honcho's own handlers print, which fails while the interrupted code prints.
        for number in STOP_SIGNALS:
            signal.signal(number, self._record_signal)
        super()._start()
        self._on_start()

    def _record_signal(self, *_: object) -> None:
        self._was_signalled = True

    def _say_why(self, first_end: str) -> None:
        """Say at once why all processes are stopped: that may take as long as KILL_WAIT."""
        if not self._was_signalled:
            sys.stderr.write(f"Fluxkeep stops: {first_end}\n")
            sys.stderr.flush()

    def _any_stopped(self) -> bool:
        """Whether honcho must stop all processes; it asks several times a second."""
        exit_code = self._redis.poll() if self._redis else None
        if exit_code is not None:
            self._console.record_end("redis", exit_code)
        return self._was_signalled or self._console.first_end is not None

    def terminate(self) -> None:
        if self._all_started():
            super().terminate()
        else:  # by a signal; honcho does not know the ids of all processes yet
            self._was_signalled = True


class Console(Printer):
    """Print the output of all processes; record which process ended first, and how."""

    def __init__(self, on_pid: Callable[[str], None], on_first_end: Callable[[str], None]) -> None:
        super().__init__(sys.stdout, colour="NO_COLOR" not in os.environ)
        self._on_pid = on_pid
        self._on_first_end = on_first_end
        self.first_end: str | None = None
        self._last_lines: dict[str, str] = {}

    def write(self, message: Message) -> None:
        super().write(message)
        if message.name == SYSTEM_PRINTER_NAME:
            self._read_line_of_honcho(message.data.strip())
        else:
            self._last_lines[message.name] = message.data.decode(errors="replace").strip()

    def _read_line_of_honcho(self, line: str) -> None:
        """honcho tells only its printer which processes it started, and how they ended."""
        started = _STARTED.fullmatch(line)
        if started:
            self._on_pid(started[1])
        stopped = _STOPPED.fullmatch(line)
        if stopped:
            name, exit_code = stopped.groups()
            self.record_end(name, int(exit_code))

    def record_end(self, name: str, exit_code: int) -> None:
        """Record the first process that ended; the others are stopped because of it."""
        if self.first_end is not None:
            return
        is_signal = exit_code < 0
        cause = f"signal {-exit_code}" if is_signal else f"exit code {exit_code}"
        self.first_end = f"{name} ended with {cause}"
        last_line = self._last_lines.get(name)
        if last_line:
            self.first_end += f"; its last line: {last_line}"
        self._on_first_end(self.first_end)
