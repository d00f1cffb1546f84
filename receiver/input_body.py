"""Bodies that hold an input. A large one takes a turn before it is read, and is never in memory."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple

from flask import request

from jobs import kept_inputs
from jobs.domain.errors import CompressedBody, TooManyWaiting
from jobs.net import content_coding, strict_json
from receiver import request_body
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services
from receiver.long_string_cutter import LongStringCutter

SMALL_BYTES = 256 * 1024
FURTHER_MAX_BYTES = 64 * 1024  # beside the input: metadata, names, URLs
TURNS = 8  # large bodies at once in each process; callbacks need none
TURN_SECONDS = 30.0
CODING_MAX_CHARS = 40
# JSON, white space before it, and the boundary of a form.
_STARTS_OF_BODIES = (b"{", b"[", b'"', b" ", b"\t", b"\r", b"\n", b"-")

_turns = threading.BoundedSemaphore(TURNS)


class InputBody(NamedTuple):
    """A JSON object with parts in place of its long strings, the length and digest of its bytes."""

    fields: dict[str, Any]
    bytes: int
    digest: str  # of the path and the body: under /v1 the path names the model


@contextmanager
def receive(default: bytes = b"") -> Iterator[InputBody]:
    """The body of Flask's request, or a default for an empty one; its staged files last as long.

    Raises BadRequest, BodyTooLarge, Invalid for too many long strings, TooManyWaiting and
    StorageError.
    """
    digest = hashlib.sha256(f"{request.path}\0".encode())
    max_bytes = current_services().settings.max_input_bytes + FURTHER_MAX_BYTES
    with receive_pieces(max_bytes) as pieces, staged_files() as open_file:
        if _is_small():
            raw = b"".join(pieces)
            digest.update(raw)
            fields = strict_json.load_object(raw or default)
            yield InputBody(fields, len(raw), digest.hexdigest())
            return
        cutter = LongStringCutter(open_file)
        arrived_bytes = 0
        for piece in pieces:
            arrived_bytes += len(piece)
            run_in_thread(digest.update, piece)
            run_in_thread(cutter.feed, piece)
        if arrived_bytes == 0:
            fields = strict_json.load_object(default)
        else:
            fields = run_in_thread(cutter.finish)
        yield InputBody(fields, arrived_bytes, digest.hexdigest())


@contextmanager
def receive_pieces(max_bytes: int) -> Iterator[Iterator[bytes]]:
    """The pieces of the body, once it is its turn.

    Raises TooManyWaiting, BodyTooLarge. The iterator raises CompressedBody, too.
    """
    too_large = kept_inputs.too_large(current_services().settings.max_input_bytes)
    pieces = _require_uncompressed(request_body.read_pieces(request.environ, max_bytes, too_large))
    if _is_small():
        yield pieces
        return
    if not _turns.acquire(timeout=TURN_SECONDS):
        raise TooManyWaiting(
            "Too many large requests come at once. Send it again after `Retry-After`."
        )
    try:
        # A process that was killed has left its staged files.
        run_in_thread(current_services().storage.staging_directory.delete_abandoned)
        yield pieces
    finally:
        _turns.release()


def _require_uncompressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces of a body that is not compressed. Raises CompressedBody.

    A header alone is no reason to refuse: the first bytes decide.
    """
    coding = request.headers.get("Content-Encoding", "")
    is_first = True
    for piece in pieces:
        if is_first and piece[:1] not in _STARTS_OF_BODIES and _is_compressed(coding, piece):
            coding_name = coding[:CODING_MAX_CHARS] or content_coding.GZIP
            raise CompressedBody(
                f"The body is compressed ({coding_name}): send it as it is, without "
                "`Content-Encoding`."
            )
        is_first = False
        yield piece


def _is_compressed(coding: str, piece: bytes) -> bool:
    is_named = coding.strip().lower() not in ("", "identity")
    return is_named or content_coding.is_in(piece, content_coding.GZIP)


def _is_small() -> bool:
    """Whether the body says that it is small; a chunked one says nothing."""
    length = request_body.declared_length(request.environ) or 0
    return length <= SMALL_BYTES and "Transfer-Encoding" not in request.headers


@contextmanager
def staged_files() -> Iterator[Callable[[], IO[bytes]]]:
    """A function that opens a staged file; all files are deleted at the end."""
    storage = current_services().storage  # not in the threads that open files
    with ExitStack() as files:
        yield lambda: files.enter_context(storage.staging_directory.open("upload"))
