"""Fast delivery host that serves the same image under every path."""

import asyncio
import base64
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.patience import answers, wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process
from tests.sandbox.formats import JPEGS

MEGABYTE = 10**6
_HEAD_MAX_BYTES = 16 * 1024


@contextmanager
def serving(directory: Path, size: int = MEGABYTE) -> Iterator[str]:
    """Run the server; yields its URL."""
    port = str(free_port())
    command = [sys.executable, "-m", "tests.bench.delivery", port, str(size)]
    process = Process("delivery", command, {}, directory / "delivery.log")
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for("the delivery host", lambda: answers(url), 10)
        yield url
    finally:
        process.kill_all()


def image(size: int) -> bytes:
    """A JPEG padded to this size by a comment."""
    original = JPEGS[0]
    body, missing = original[:2], size - len(original)
    while missing > 4:
        length = min(missing - 2, 65_535)
        body += b"\xff\xfe" + length.to_bytes(2, "big") + bytes(length - 2)
        missing -= length + 2
    return body + original[2:]


class _Connection(asyncio.Protocol):
    answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._head = transport, b""

    def data_received(self, data: bytes) -> None:
        self._head = (self._head + data)[-_HEAD_MAX_BYTES:]
        if self._head.endswith(b"\r\n\r\n"):
            self._head = b""
            self._transport.write(self.answer)


async def _serve(port: int, size: int) -> None:
    body = image(size)
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-MD5: {md5}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    _Connection.answer = head.encode() + body
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
