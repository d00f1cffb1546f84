"""The hatch of the darkroom: originals go in, thumbnails come out, whatever happens behind it."""

import atexit
import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 64 * 1024
CLOSING_SECONDS = 5.0
ENDING = struct.Struct("i")  # the exit code; minus the signal's number when one ended a child
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Drawn:
    """How drawing ended, as an exit code, and the thumbnail or the reason that there is none."""

    code: int
    body: bytes


class Hatch:
    """A darkroom that is opened for the first picture, and again when it has closed."""

    def __init__(self) -> None:
        self._darkroom: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def draw(self, original: BinaryIO, content_type: str, seconds: float) -> Drawn:
        """Have one picture drawn.

        Raises TimeoutError, or another OSError when the darkroom was ended by somebody. However
        this is left without an answer, nobody goes on drawing.
        """
        until = time.monotonic() + seconds
        with _pipe() as (result, their_result), _pipe() as (ending, their_ending):
            try:
                with their_result, their_ending:
                    files = [file.fileno() for file in (original, their_result, their_ending)]
                    self._hand_in(content_type.encode(), files)
                body, code = _read(result, until), _read(ending, until)
            except BaseException:
                self.close()
                raise
        if not code:
            raise InterruptedError
        return Drawn(ENDING.unpack(code)[0], body)

    def _hand_in(self, order: bytes, files: list[int]) -> None:
        if self._socket:
            with contextlib.suppress(OSError):  # it has closed, as it does after a while
                socket.send_fds(self._socket, [order], files)
                return
        self.close()
        self.open()
        assert self._socket
        socket.send_fds(self._socket, [order], files)

    def open(self) -> None:
        """Open the darkroom unless it is; whoever forks can share one with all its children."""
        if self._darkroom and self._darkroom.poll() is None:
            return
        self.close()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._darkroom = subprocess.Popen(
                [sys.executable, "-m", "worker.darkroom"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=_ROOT,
                process_group=0,  # to be ended with the child in which it draws
            )

    def close(self) -> None:
        """End it at once, with all that it does; the next picture opens it again."""
        if self._socket:
            self._socket.close()
        if self._darkroom:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._darkroom.pid, signal.SIGKILL)
            self._darkroom.wait(CLOSING_SECONDS)
        self._socket = self._darkroom = None


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Of this order alone: what was meant for somebody who died must reach nobody else."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as ours, os.fdopen(writing, "wb") as theirs:
        yield ours, theirs


def _read(result: BinaryIO, until: float) -> bytes:
    blocks: list[bytes] = []
    while True:
        readable, _, _ = select.select([result], [], [], max(0.0, until - time.monotonic()))
        if not readable:
            raise TimeoutError
        block = result.read(BLOCK_BYTES)
        if not block:
            return b"".join(blocks)
        blocks.append(block)


hatch = Hatch()
atexit.register(hatch.close)
