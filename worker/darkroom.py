"""`python -m worker.darkroom`: draws thumbnails, each in a child that no picture can outlive.

A process of its own, because Pillow can be stopped by nothing else: 20,000 scans in a JPEG of 1 MB,
EXIF data in a thousand pieces or a PNG of empty chunks keep it busy for the better part of a
minute, larger files for longer, and a fault in one of its decoders would take the rescue with it.
A child meets the limits below, and that is all. It is a fork, so that Pillow is loaded once and not
for every picture.

Its standard input is the socket to its worker (`worker.hatch`). An order is a content type with
three open files: the original, where the thumbnail goes (or else the reason why there is none), and
where it is said how the child ended. Pillow is loaded when the first order comes. Nobody goes on
drawing for one who has gone, and once the worker is gone or has closed the socket, so are we.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import warnings
from resource import RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, getrlimit, setrlimit
from typing import Any, NoReturn

from worker.hatch import ENDING

MEMORY_MAX_BYTES = 384 * 2**20  # 32 megapixels need 256 MiB; a WebP twice that, so 20 are its most
CPU_SECONDS = 10
IDLE_SECONDS = 60.0  # then the memory is given back until the next picture
ORDER_MAX_BYTES = 100
ORDER_FILES = 3
MINIATURE = "worker.miniature"
REASON_MAX_CHARACTERS = 200


def main() -> None:
    warnings.simplefilter("ignore")  # whatever they say of a picture, it does not go into our log
    with socket.socket(fileno=sys.stdin.fileno()) as hatch:
        hatch.settimeout(IDLE_SECONDS)
        while order := next_order(hatch):
            importlib.import_module(MINIATURE)
            gc.freeze()  # what every child shares stays shared
            _serve(hatch, *order)


def next_order(hatch: socket.socket) -> tuple[str, list[int]] | None:
    try:
        kind, files, _, _ = socket.recv_fds(hatch, ORDER_MAX_BYTES, ORDER_FILES)
    except TimeoutError:
        # Whoever orders from now on is told at once; who did a moment ago is still served.
        hatch.shutdown(socket.SHUT_RD)
        kind, files, _, _ = socket.recv_fds(hatch, ORDER_MAX_BYTES, ORDER_FILES)
    return (kind.decode(), files) if files else None


def _serve(hatch: socket.socket, kind: str, files: list[int]) -> None:
    original, result, ending = files
    gone, alive = os.pipe()
    child = os.fork()
    if child == 0:
        hatch.close()
        os.close(ending)
        _draw(kind, original, result)
    for file in (alive, original, result):
        os.close(file)
    if not _ended_before_its_worker(gone, hatch.fileno(), ending):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(ending, ENDING.pack(os.waitstatus_to_exitcode(status)))
    os.close(gone)
    os.close(ending)


def _ended_before_its_worker(gone: int, hatch: int, ending: int) -> bool:
    """A child has the other end of a pipe until it ends.

    Who waits for it has the other end of another, and orders nothing else meanwhile.
    """
    look = select.poll()
    look.register(gone, select.POLLIN)
    look.register(hatch, select.POLLIN)
    look.register(ending, 0)
    return gone in dict(look.poll())


def _draw(kind: str, original: int, result: int) -> NoReturn:
    """All that happens in a child."""
    _limit()
    code = 1
    try:
        with open(original, "rb") as file, open(result, "wb") as answer:
            try:
                miniature: Any = sys.modules[MINIATURE]
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
