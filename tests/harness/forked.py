"""Start the product's processes as forks of a zygote, which has imported their modules."""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from deploy.procfile import ROOT

POLL_SECONDS = 0.005
FLASK = ("flask", "--app", "receiver")
PROGRAMS = {
    ("python", "-m", "worker"): ("plain", "worker.__main__:main"),
    ("python", "-m", "worker.sweep"): ("plain", "worker.sweep:main"),
    FLASK: ("plain", "flask.cli:main"),
    ("gunicorn", "--config", "deploy/gunicorn.conf.py", "receiver:create_app()"): (
        "gevent",
        "gunicorn.app.wsgiapp:run",
    ),
}
# What these do, they do while an interpreter starts.
AT_START = ("PYTHON", "LD_", "TZ")
enabled = False  # by pytest; benchmarks start the real programs


def fork(
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    streams: tuple[Path, Path, Path],
) -> "ForkedProcess | None":
    """Run a command with these files as its standard streams; None when it must be started."""
    is_typed = tuple(command[:3]) == FLASK
    found = PROGRAMS.get(FLASK if is_typed else tuple(command))
    runs_here = is_typed or directory == ROOT
    if not found or not runs_here or _changes_the_interpreter(environment):
        return None
    kind, program = found
    zygote = _zygote(kind)
    pid = zygote.fork(
        program=program,
        arguments=list(command),
        environment=dict(environment),
        directory=str(directory),
        streams=[str(path) for path in streams],
    )
    return ForkedProcess(zygote, pid)


def _changes_the_interpreter(environment: Mapping[str, str]) -> bool:
    usual = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}.items() | os.environ.items()
    return any(name.startswith(AT_START) for name, _ in environment.items() - usual)


class Zygote:
    """A process of tests.harness.zygote, and what it said about the children that it forked."""

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("zygote.py")), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._received = b""
        self._exit_codes: dict[int, int] = {}

    def fork(self, **request: object) -> int:
        """The process id of a new child."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            while (pid := self._read_line()) is None:
                pass
            return pid

    def exit_code(self, pid: int) -> int | None:
        with self._lock:
            while b"\n" in self._received or bool(select.select([self._fd], [], [], 0)[0]):
                self._read_line()
            return self._exit_codes.get(pid)

    def close(self) -> None:
        """End it, and with it its children."""
        with self._process as process:
            process.kill()

    def _read_line(self) -> int | None:
        """Read one answer: a new child's id, or None for the end of a child."""
        while b"\n" not in self._received:
            self._received += os.read(self._fd, 4096) or self._fail()
        line, _, self._received = self._received.partition(b"\n")
        pid, *code = map(int, line.split())
        if not code:
            self._exit_codes.pop(pid, None)  # of an earlier process with this id
            return pid
        self._exit_codes[pid] = code[0]
        return None

    @property
    def _fd(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _fail(self) -> bytes:
        raise RuntimeError(f"the zygote ended with {self._process.wait()}")


class ForkedProcess:
    """A child of a zygote, with the methods of `subprocess.Popen`."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self._zygote, self.pid = zygote, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._zygote.exit_code(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, number: Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(SIGKILL)

    def terminate(self) -> None:
        self.send_signal(SIGTERM)


@cache
def _zygote(kind: str) -> Zygote:
    zygote = Zygote(kind)
    atexit.register(zygote.close)
    return zygote
