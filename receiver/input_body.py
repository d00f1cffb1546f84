"""Bodies that hold an input. A large one takes a turn before it is read, and is never in memory."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import chain
from typing import IO, Any, NamedTuple

from flask import request

from jobs import inputs
from jobs.net import strict_json
from receiver import request_body
from receiver.context import services
from receiver.long_strings import LongStringCutter
from receiver.thread_pool import run_in_thread
from receiver.turns import Turns

SMALL_BYTES = 256 * 1024
# Beside the input there is little: metadata, names, URLs.
FURTHER_MAX_BYTES = 64 * 1024

_turns = Turns(8)  # callbacks need none


class InputBody(NamedTuple):
    """A JSON object with parts in place of its long strings, the length and digest of its bytes."""

    fields: dict[str, Any]
    bytes: int
    digest: str  # of the path, too: under /v1 it names the model


@contextmanager
def received(default: bytes = b"") -> Iterator[InputBody]:
    """The body of Flask's request, or a default for an empty one; its staged files last as long.

    Raises BadRequest, BodyTooLarge, Invalid for too many long strings, TooManyWaiting and
    StorageError.
    """
    limit, size = services().settings.max_input_bytes, 0
    digest = hashlib.sha256(f"{request.path}\0".encode())
    with arriving(limit + FURTHER_MAX_BYTES, limit) as (pieces, is_large), staged() as open_file:
        if not is_large:
            raw = b"".join(pieces)
            digest.update(raw)
            yield InputBody(strict_json.load_object(raw or default), len(raw), digest.hexdigest())
            return
        cutter = LongStringCutter(open_file)
        for piece in pieces:
            size += len(piece)
            run_in_thread(digest.update, piece)
            run_in_thread(cutter.feed, piece)
        yield InputBody(run_in_thread(cutter.finish), size, digest.hexdigest())


@contextmanager
def arriving(max_bytes: int, limit: int) -> Iterator[tuple[Iterator[bytes], bool]]:
    """The pieces of the body, and whether it is large and has a turn."""
    pieces = request_body.pieces(request.environ, max_bytes, inputs.too_large(limit))
    length, head = request_body.declared_length(request.environ), list[bytes]()
    if length is None:
        length = 0
        for piece in pieces:
            head.append(piece)
            length += len(piece)
            if length > SMALL_BYTES:
                break
    is_large = length > SMALL_BYTES
    with _turns.take() if is_large else nullcontext():
        if is_large:  # what was left by a process that was killed
            run_in_thread(services().storage.staging_directory.delete_abandoned)
        yield chain(head, pieces), is_large


@contextmanager
def staged() -> Iterator[Callable[[], IO[bytes]]]:
    """A function that opens a staged file; all files are deleted at the end."""
    storage = services().storage  # not in the threads that open files
    with ExitStack() as files:
        yield lambda: files.enter_context(storage.staging_directory.open("upload"))
