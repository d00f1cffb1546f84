"""A server of raw sockets, for HTTP that breaks the rules."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import requests

from jobs.net import http_client
from jobs.net.urls import Origin, ParsedUrl

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DRIP_SECONDS = 30.0  # a server that drips goes on for this long; no test may wait for it
Answer = Callable[[socket.socket], None]


class RawServer:
    """Keeps every request head and answers as the test says."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.origin = Origin("http", "127.0.0.1", self.port)
        self.heads: list[bytes] = []
        self.answer: Answer = lambda peer: peer.sendall(OK)
        self.closing = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def address(self, target: str = "/a") -> ParsedUrl:
        return ParsedUrl(self.origin, target)

    def get(self, session: requests.Session, target: str = "/a", seconds: float = 5.0) -> bytes:
        with http_client.send_request(session, self.address(target), seconds=seconds) as response:
            body: bytes = response.raw.read(decode_content=False)
            return body

    def close(self) -> None:
        self.closing.set()
        self.listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while head := self._head(peer):
                self.heads.append(head)
                self.answer(peer)

    def _head(self, peer: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = peer.recv(1)
            if not piece:
                return b""
            head += piece
        return head

    def drip(self, peer: socket.socket, prefix: bytes, endless: bytes) -> None:
        """Send `prefix`, then `endless` again and again, slowly."""
        peer.sendall(prefix)
        until = time.monotonic() + DRIP_SECONDS
        while time.monotonic() < until and not self.closing.wait(0.05):
            peer.sendall(endless)
        peer.shutdown(socket.SHUT_RDWR)

    def stall(self, peer: socket.socket) -> None:
        """Say nothing for a long time, then hang up."""
        self.closing.wait(DRIP_SECONDS)
        peer.shutdown(socket.SHUT_RDWR)
