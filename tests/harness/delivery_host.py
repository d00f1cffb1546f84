"""A delivery host over raw sockets, and downloads from it."""

import hashlib
import socket
from base64 import b64encode
from pathlib import Path

import pytest
import requests

from jobs.bfl.hosts import HostPolicy
from jobs.domain.errors import FluxkeepError
from tests.harness.raw_server import RawServer
from tests.sandbox.formats import JPEGS
from worker.download import Download, Limits, download

JPEG = JPEGS[0]
MEBIBYTE = 2**20


def md5(body: bytes) -> str:
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


class DeliveryHost:
    """A delivery host and a directory for what it delivers."""

    def __init__(self, server: RawServer, session: requests.Session, directory: Path) -> None:
        self.server, self.session = server, session
        self.path = directory / "staged"
        self.max_bytes = 10 * MEBIBYTE

    def serves(self, body: bytes, *, status: int = 200, **headers: str | int | None) -> None:
        """Answer with this body and hang up; a header that is None is left out."""
        sent_headers = {"Connection": "close", "Content-Length": len(body)} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        lines = [f"{name}: {value}" for name, value in sent_headers.items() if value is not None]
        head = "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""])

        def answer(peer: socket.socket) -> None:
            peer.sendall(head.encode() + body)
            peer.shutdown(socket.SHUT_RDWR)

        self.server.answer = answer

    def fetch(self, seconds: float = 5.0) -> Download:
        address, allow = (
            self.server.address("/a?sig=b"),
            HostPolicy(sandboxes=(self.server.origin,)).validate_delivery_url,
        )
        most = self.max_bytes
        return download(self.session, address, self.path, Limits(seconds, most), allow=allow)

    def fails(self, error: type[FluxkeepError], sentence: str = ".") -> None:
        with pytest.raises(error, match=sentence) as caught:
            self.fetch()
        assert type(caught.value) is error
