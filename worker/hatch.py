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
        try:
            with self._ordered(original, content_type) as result:
                body = _read(result, until)
            return Drawn(self._ending(until), body)
        except BaseException:
            self.close()
            raise

    def _ordered(self, original: BinaryIO, content_type: str) -> BinaryIO:
        result, answer = os.pipe()
        try:
            self._hand_in(content_type.encode(), [original.fileno(), answer])
        except BaseException:
            os.close(result)
            raise
        finally:
            os.close(answer)
        return os.fdopen(result, "rb", buffering=0)

    def _hand_in(self, order: bytes, files: list[int]) -> None:
        if self._socket:
            with contextlib.suppress(OSError):  # it has closed, as it does after a while
                socket.send_fds(self._socket, [order], files)
                return
        self._open()
        assert self._socket
        socket.send_fds(self._socket, [order], files)

    def _open(self) -> None:
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

    def _ending(self, until: float) -> int:
        assert self._socket
        self._socket.settimeout(max(0.001, until - time.monotonic()))
        said = self._socket.recv(ENDING.size)
        if not said:
            raise InterruptedError
        code: int = ENDING.unpack(said)[0]
        return code

    def close(self) -> None:
        """End it at once, with all that it does; the next picture opens it again."""
        if self._socket:
            self._socket.close()
        if self._darkroom:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._darkroom.pid, signal.SIGKILL)
            self._darkroom.wait(CLOSING_SECONDS)
        self._socket = self._darkroom = None


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
