"""One running program, in a session of its own, with what it says kept in a file."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.procfile import ROOT
from tests.harness import forked, processes
from tests.harness.forked import ForkedProcess

DRAWING = "worker.thumbnail_child"


class Process:
    """A started program. Whatever a test does to it, `kill_all` leaves nothing of it behind."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        directory: Path = ROOT,
    ) -> None:
        self.name = name
        self.environment = dict(environment)
        self.log = log
        self.log.touch()  # a forked program opens it later than a test reads it
        self._popen = self._forked(command, directory) or self._started(command, directory)

    def _forked(self, command: Sequence[str], directory: Path) -> ForkedProcess | None:
        if not forked.enabled:
            return None
        streams = (Path(os.devnull), self.log, self.log)
        return forked.fork(command, self.environment, directory, streams)

    def _started(self, command: Sequence[str], directory: Path) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return processes.launch(command, output, self.environment, directory)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        return self._popen.poll()

    def children(self) -> list[int]:
        """Gunicorn's workers; not the process in which an RQ worker draws a thumbnail."""
        found = processes.children(self.pid)
        return [pid for pid in found if DRAWING not in processes.command_line(pid)]

    def offspring(self) -> list[int]:
        """Everything in its session but itself, whoever is the parent by now."""
        return [pid for pid in processes.members(self.pid) if pid != self.pid]

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self._popen.wait(timeout)

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self.send(signal.SIGTERM)

    def stop(self, timeout: float = 30.0) -> int:
        """SIGTERM and wait. Raises subprocess.TimeoutExpired when it does not end by itself."""
        self.terminate()
        return self.wait(timeout)

    def kill(self) -> None:
        """SIGKILL for the process alone: its children live on."""
        self._popen.kill()
        self.wait()

    def kill_all(self) -> None:
        """SIGKILL for the process and all its offspring, also when it has ended before."""
        processes.end(self.pid)
        self._popen.kill()  # just forked, it may have no session of its own yet
        self.wait()

    def pause(self) -> None:
        """SIGSTOP for the process and all its offspring."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def terminate_all(self) -> None:
        """SIGTERM for the process and all its offspring at once, as some platforms do it."""
        self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in processes.members(self.pid):
            processes.send(pid, number)

    def output(self) -> str:
        """Output of this process and its predecessors with the same log."""
        return self.log.read_text(errors="replace")
