"""Supervisor of the processes of one container: restarts, an orderly stop, and named output.

It is made of the standard library alone, because it stays in memory. As process 1 it reaps orphans.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
STOP_SECONDS = 25.0  # platforms send SIGKILL 30 s after SIGTERM
STORE_STOP_SECONDS = 1.5  # of what stops last, which has nothing left to do by then
TICK_SECONDS = 0.1
RESTART_SECONDS = 1.0
QUICK_SECONDS = 10.0  # a process that ends sooner has not started
QUICK_DEATHS_MAX = 5

_print_lock = threading.Lock()


class SupervisedProcess:
    """A command that is started again whenever it ends."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.command = command
        self.last_line = ""
        self.quick_deaths = 0
        self.start_at = 0.0
        self._started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int | None:
        """Its id while it runs."""
        if self._process is None:
            return None
        return self._process.pid

    def start(self, environment: Mapping[str, str], inherited: Sequence[int]) -> None:
        self._started_at = time.monotonic()
        # A session of its own: a signal to the terminal's group must not stop a store early.
        self._process = subprocess.Popen(
            self.command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            start_new_session=True,
        )
        threading.Thread(target=self._pass_on_output, args=(self._process,), daemon=True).start()

    def send(self, number: signal.Signals) -> None:
        if self._process:
            os.kill(self._process.pid, number)

    def record_end(self, exit_code: int) -> None:
        """Note the end, and when it may start again."""
        if self._process:
            self._process.returncode = exit_code  # it was reaped here
            self._process = None
        now = time.monotonic()
        is_quick = now - self._started_at < QUICK_SECONDS
        if is_quick:
            self.quick_deaths += 1
        else:
            self.quick_deaths = 0
        self.start_at = now + RESTART_SECONDS

    def _pass_on_output(self, process: "subprocess.Popen[bytes]") -> None:
        if process.stdout is None:
            return
        with process.stdout:
            for line in process.stdout:
                text = line.decode(errors="replace").rstrip()
                if text:
                    self.last_line = text
                    print_line(self.name, text)


class Supervisor:
    """Run processes until a signal arrives, or one of them ends too soon too often.

    The first process is the store of the others: it starts first and stops last.
    """

    def __init__(
        self,
        processes: Sequence[SupervisedProcess],
        environment: Mapping[str, str],
        inherited: Sequence[int] = (),
        *,
        has_store: bool = True,
    ) -> None:
        self._processes = list(processes)
        self._store: SupervisedProcess | None = None
        if has_store:
            self._store = self._processes[0]
        self._environment = environment
        self._inherited = inherited
        self._is_stopping = False
        self._wakeup, self._wakeup_writer = os.pipe()
        os.set_blocking(self._wakeup_writer, False)

    def run(self) -> int:
        """The exit code is 0 after a signal, and 1 when a process does not start."""
        self._handle_signals()
        reason = ""
        while not self._is_stopping and not reason:
            self._start_due()
            self._wait()
            reason = self._reap()
        if reason:
            print_line("all", f"stops: {reason}")
        self._stop_all()
        if reason:
            return 1
        return 0

    def _handle_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only wakes
        for number in STOP_SIGNALS:
            signal.signal(number, self._begin_stop)

    def _begin_stop(self, *_: object) -> None:
        self._is_stopping = True

    def _start_due(self) -> None:
        for process in self._processes:
            if process.process_id is None and time.monotonic() >= process.start_at:
                process.start(self._environment, self._inherited)

    def _wait(self, seconds: float = RESTART_SECONDS) -> None:
        """Wait for a signal; the end of a process sends one."""
        readable, _, _ = select.select([self._wakeup], [], [], seconds)
        if readable:
            os.read(self._wakeup, 4096)

    def _reap(self) -> str:
        """Note each process that has ended; return why all must stop, or an empty text."""
        by_id = {process.process_id: process for process in self._processes}
        while True:
            try:
                process_id, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ""
            if process_id == 0:
                return ""
            ended = by_id.get(process_id)
            if ended is None:
                continue  # an orphan of somebody else
            exit_code = os.waitstatus_to_exitcode(status)
            ended.record_end(exit_code)
            if self._is_stopping:
                continue
            print_line("all", f"{ended.name} ended with {_cause(exit_code)}")
            if ended.quick_deaths >= QUICK_DEATHS_MAX:
                return (
                    f"{ended.name} ended {QUICK_DEATHS_MAX} times within {QUICK_SECONDS:.0f} s of "
                    f"its start; its last line: {ended.last_line}"
                )

    def _stop_all(self) -> None:
        self._is_stopping = True
        clients = [process for process in self._processes if process is not self._store]
        self._stop(clients, STOP_SECONDS)
        if self._store:
            self._stop([self._store], STORE_STOP_SECONDS)

    def _stop(self, processes: Sequence[SupervisedProcess], seconds: float) -> None:
        for process in processes:
            process.send(signal.SIGTERM)
        ends_at = time.monotonic() + seconds
        while _are_running(processes) and time.monotonic() < ends_at:
            self._wait(TICK_SECONDS)
            self._reap()
        for process in processes:
            if process.process_id is not None:
                print_line("all", f"{process.name} does not stop, and is killed")
                process.send(signal.SIGKILL)


def _are_running(processes: Sequence[SupervisedProcess]) -> bool:
    return any(process.process_id is not None for process in processes)


def _cause(exit_code: int) -> str:
    if exit_code < 0:
        return f"signal {-exit_code}"
    return f"exit code {exit_code}"


def print_line(name: str, text: str) -> None:
    """One line of output. JSON of our logs names its process, and stays JSON."""
    line = text
    if not text.startswith("{"):
        line = f"{name:<7} | {text}"
    with _print_lock:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
