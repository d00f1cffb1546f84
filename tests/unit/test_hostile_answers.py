"""Hostile answers of a delivery host: each one raises the documented error."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.bfl.hosts import HostPolicy
from jobs.errors import TransferFailed
from jobs.net import http_client
from jobs.net.urls import Origin, ParsedUrl
from worker import download

MEBIBYTE = 2**20


@contextmanager
def answering(*parts: bytes) -> Iterator[tuple[Origin, list[int]]]:
    """A server for one connection: it sends these parts and counts the bytes that were taken."""
    sent = [0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer, args=(server, parts, sent), daemon=True)
        thread.start()
        yield Origin("http", "127.0.0.1", server.getsockname()[1]), sent
    thread.join(5)


def _answer(server: socket.socket, parts: tuple[bytes, ...], sent: list[int]) -> None:
    client, _ = server.accept()
    server.close()  # a redirect to this server fails at once instead of timing out
    with client:
        client.recv(65536)
        try:
            for part in parts:
                client.sendall(part)
                sent[0] += len(part)
        except OSError:
            return  # the client has closed the connection


def fetched(origin: Origin, path: Path) -> download.Download:
    with http_client.create_session(origin) as session:
        address = ParsedUrl(origin, "/a.jpg")
        allow = HostPolicy(sandbox=origin).validate_delivery_url
        return download.download(session, address, path, download.Limits(20, MEBIBYTE), allow=allow)


@pytest.mark.parametrize("location", ["/elsewhere", "http://[", "//", "\xff", "javascript:1"])
def test_a_redirect_is_refused_whatever_it_says(tmp_path: Path, location: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    with answering(head.encode("latin-1")) as (origin, _), pytest.raises(TransferFailed):
        fetched(origin, tmp_path / "staged")


@pytest.mark.parametrize("status", ["302 Found", "500 Oh", "403 No"])
def test_the_body_of_a_refusal_is_not_read(tmp_path: Path, status: str) -> None:
    size = 256 * MEBIBYTE
    there = "http://127.0.0.1:9/y"
    head = f"HTTP/1.1 {status}\r\nLocation: {there}\r\nContent-Length: {size}\r\n\r\n".encode()
    with answering(head, *[bytes(MEBIBYTE)] * 256) as (origin, sent):
        with pytest.raises(Exception, match=r"redirects?|answered"):
            fetched(origin, tmp_path / "staged")
        assert sent[0] < 64 * MEBIBYTE


def test_a_length_of_five_thousand_digits_is_no_length(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
    with answering(head, b"\xff\xd8\xff") as (origin, _), pytest.raises(TransferFailed):
        fetched(origin, tmp_path / "staged")
