"""Runs a command that gets a signal when its parent dies, where the system can do that (Linux).

`python deploy/tied.py <signal number> <parent's pid> <command>...`
"""

import contextlib
import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(signal_number: str, parent: str, *command: str) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(1)  # the parent died before it could be watched
    try:
        os.execvp(command[0], command)  # noqa: S606 - replacing itself is what it is for
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
