"""`flask --app receiver …` in a process of its own, forked where everything is imported already.

What is saved is the second that Python needs for that; a command is typed hundreds of times here.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import cli

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["flask.cli", "receiver"])


@dataclass(frozen=True)
class Typed:
    """A command, and where and with what environment it is typed."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path


def run(typed: Typed, stdin: bytes, timeout: float) -> subprocess.CompletedProcess[bytes]:
    """How it ended and what it said. Raises subprocess.TimeoutExpired, and leaves no process."""
    with TemporaryDirectory(prefix="fluxkeep-shell-") as name:
        given, out, err = (Path(name) / stream for stream in ("in", "out", "err"))
        given.write_bytes(stdin)
        process = _FORKS.Process(target=_obey, args=(typed, (given, out, err)))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(typed.arguments, timeout)
        ended = process.exitcode
        process.close()
        return subprocess.CompletedProcess(
            typed.arguments, ended, out.read_bytes(), err.read_bytes()
        )


def _obey(typed: Typed, streams: tuple[Path, Path, Path]) -> None:
    """Runs in the forked process, which is nothing else's."""
    os.environ.clear()
    os.environ.update(typed.environment)
    os.chdir(typed.directory)
    for number, (path, mode) in enumerate(zip(streams, "rww", strict=True)):
        with path.open(mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin = os.fdopen(0)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["flask", "--app", "receiver", *typed.arguments]
    cli.main()
