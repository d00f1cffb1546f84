"""`python -m worker.darkroom`: draws thumbnails, each in a child that no picture can outlive.

A process of its own, because Pillow can be stopped by nothing else: 20,000 scans in a JPEG of 1 MB,
EXIF data in a thousand pieces or a PNG of empty chunks keep it busy for the better part of a
minute, larger files for longer, and a fault in one of its decoders would take the rescue with it.
A child meets the limits below, and that is all. It is a fork, so that Pillow is loaded once and not
for every picture.

Its standard input is the socket to its worker (`worker.hatch`). An order is a content type with two
open files, the original and where the thumbnail goes, or else the reason why there is none; the
answer to it is how the child ended. Once the worker is gone or has closed the socket, so are we.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import warnings
from resource import RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, getrlimit, setrlimit
from typing import NoReturn

from worker import miniature
from worker.hatch import ENDING

MEMORY_MAX_BYTES = 384 * 2**20  # 32 megapixels need 256 MiB; a WebP twice that, so 20 are its most
CPU_SECONDS = 10
IDLE_SECONDS = 20.0  # then the memory is given back until the next picture
ORDER_MAX_BYTES = 100
REASON_MAX_CHARACTERS = 200


def main() -> None:
    warnings.simplefilter("ignore")  # whatever they say of a picture, it does not go into our log
    gc.freeze()  # what every child shares stays shared
    with socket.socket(fileno=sys.stdin.fileno()) as hatch:
        hatch.settimeout(IDLE_SECONDS)
        while order := next_order(hatch):
            _serve(hatch, *order)


def next_order(hatch: socket.socket) -> tuple[str, list[int]] | None:
    try:
        kind, files, _, _ = socket.recv_fds(hatch, ORDER_MAX_BYTES, 2)
    except TimeoutError:
        # Whoever orders from now on is told at once; who did a moment ago is still served.
        hatch.shutdown(socket.SHUT_RD)
        kind, files, _, _ = socket.recv_fds(hatch, ORDER_MAX_BYTES, 2)
    return (kind.decode(), files) if files else None


def _serve(hatch: socket.socket, kind: str, files: list[int]) -> None:
    gone, alive = os.pipe()
    child = os.fork()
    if child == 0:
        hatch.close()
        _draw(kind, *files)
    for file in (alive, *files):
        os.close(file)
    if not _ended_before_its_worker(hatch, gone):
        os.kill(child, signal.SIGKILL)
    os.close(gone)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        hatch.sendall(ENDING.pack(os.waitstatus_to_exitcode(status)))


def _ended_before_its_worker(hatch: socket.socket, gone: int) -> bool:
    """A child has the other end of a pipe until it ends; a worker says nothing while it waits."""
    readable, _, _ = select.select([gone, hatch.fileno()], [], [])
    return gone in readable


def _draw(kind: str, original: int, result: int) -> NoReturn:
    """All that happens in a child."""
    _limit()
    code = 1
    try:
        with open(original, "rb") as file, open(result, "wb") as answer:
            try:
                answer.write(miniature.drawn(file, kind))
                code = 0
            except BaseException as trouble:  # noqa: BLE001 - Pillow raises what it likes
                answer.write(_reason(trouble))
    finally:
        os._exit(code)


def _limit() -> None:
    for resource, most in (
        (RLIMIT_CORE, 0),
        (RLIMIT_CPU, CPU_SECONDS),
        (RLIMIT_AS, MEMORY_MAX_BYTES),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS but lets none be set
            setrlimit(resource, (most, getrlimit(resource)[1]))


def _reason(trouble: BaseException) -> bytes:
    text = f"{type(trouble).__name__}: {trouble}"
    return ascii(text[:REASON_MAX_CHARACTERS]).encode()


if __name__ == "__main__":
    main()
