"""Start processes in sessions of their own; list, signal and end process trees."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

# Of util-linux: ends the process when the test run dies, so that nothing is left behind.
_SETPRIV = shutil.which("setpriv")


def launch(
    command: Sequence[str],
    output: IO[bytes] | int,
    environment: Mapping[str, str],
    directory: Path,
    user: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command; on Linux it is killed when the thread that called this is gone.

    Root may name another user, who has no groups but its own.
    """
    tied = [_SETPRIV, "--pdeathsig", "KILL"] if _SETPRIV else []
    return subprocess.Popen(
        [*tied, *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
    )


def members(session: int) -> list[int]:
    """The living processes of a session, of whatever process group."""
    # The cheap question first: a table of all processes is needed only when some belong to it.
    found = {pid for pid in _pids() if _session(pid) == session}
    return sorted(found & _parents().keys()) if found else []


def children(parent: int) -> list[int]:
    """The living processes that this one started."""
    return [pid for pid, its_parent in _parents().items() if its_parent == parent]


def descendants(parent: int) -> list[int]:
    """The living processes that this one and its children started, in whatever session."""
    own = children(parent)
    return own + [pid for child in own for pid in descendants(child)]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal, unless the process has just ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def end(session: int) -> None:
    """SIGKILL every process of a session until none is left."""
    # Repeated: a process that was just forked is not in the list that was read before.
    while found := members(session):
        for pid in found:
            send(pid, signal.SIGKILL)
        time.sleep(0.01)


def command_line(pid: int) -> str:
    """The command line of a process, empty when it has ended."""
    return next((line for found, _, _, line in _table() if found == pid), "")


def _pids() -> list[int]:
    """Every process, including those that have ended and wait for their parent."""
    linux = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return list(linux) if sys.platform == "linux" else [pid for pid, *_ in _ps_table()]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _parents() -> dict[int, int]:
    """Every living process and its parent; a zombie has ended and waits for its parent only."""
    return {pid: parent for pid, state, parent, _ in _table() if state[:1] not in "ZX"}


def _table() -> Iterator[tuple[int, str, int, str]]:
    """Every process: its id, its state, its parent and its command line."""
    return _linux_table() if sys.platform == "linux" else _ps_table()


def _linux_table() -> Iterator[tuple[int, str, int, str]]:
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The program's name stands in parentheses and may hold anything, even parentheses.
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield int(path.name), state, int(parent), line


def _ps_table() -> Iterator[tuple[int, str, int, str]]:
    listing = subprocess.run(
        ["ps", "-axo", "pid=,stat=,ppid=,args="],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listing.stdout.splitlines():
        pid, state, parent, *command = line.split(maxsplit=3)
        yield int(pid), state, int(parent), "".join(command)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
