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
    return sorted(pid for pid in _pids() if _session(pid) == session and _parent(pid) is not None)


def children(parent: int) -> list[int]:
    """The living processes that this one started."""
    return [pid for pid in _pids() if _parent(pid) == parent]


def descendants(parent: int) -> list[int]:
    """The living processes that this one and its children started, in whatever session."""
    parents, found = {pid: _parent(pid) for pid in _pids()}, [parent]
    for pid in found:  # which grows meanwhile
        found += [child for child, its_parent in parents.items() if its_parent == pid]
    return found[1:]


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
    if sys.platform != "linux":
        return next((line for found, _, line in _ps_table() if found == pid), "")
    return _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")


def _pids() -> list[int]:
    """Every process, perhaps also those that have ended and wait for their parent."""
    if sys.platform != "linux":
        return [pid for pid, *_ in _ps_table()]
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - quick


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _parent(pid: int) -> int | None:
    """The parent of a living process; a zombie has ended and waits for its parent only."""
    if sys.platform != "linux":
        return next((parent for found, parent, _ in _ps_table() if found == pid), None)
    # The program's name stands in parentheses and may hold anything, even parentheses.
    state, *rest = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[:2] or [b"X"]
    return None if state in b"ZX" else int(rest[0])


def _read(path: str) -> bytes:
    """A file of /proc, empty when its process has ended."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - hundreds of them at a time
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _ps_table() -> Iterator[tuple[int, int, str]]:
    """Every living process: its id, its parent and its command line."""
    listing = subprocess.run(
        ["ps", "-axo", "pid=,stat=,ppid=,args="],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listing.stdout.splitlines():
        pid, state, parent, *command = line.split(maxsplit=3)
        if state[:1] not in "ZX":
            yield int(pid), int(parent), "".join(command)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its ended children; 0 once it has ended."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
