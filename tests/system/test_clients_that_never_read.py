"""Clients that pipeline requests and never read: reset after a timeout, others unaffected."""

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.harness import Stack
from tests.harness.wire import Wire, request
from tests.system.bad_input.target import PROOF, new_id, pending

pytestmark = pytest.mark.slow

CLIENTS = 300
PIPELINED = 8  # less than 2 KB in all
FILE_BYTES = 8_000_000
SLOW_SECONDS = 45.0
RESET_SECONDS = 180.0  # SEND_TIMEOUT_SECONDS of the server, and time to fill every buffer
GOOD_SECONDS = 15.0  # BFL waits 30 s for its answer
_GONE = select.POLLHUP | select.POLLERR


SETTINGS = {"WEB_CONCURRENCY": "1"}


@pytest.fixture(scope="module")
def link(stack: Stack) -> str:
    """Path of a file that is larger than the kernel's send buffer."""
    job = stack.stored(stack.generate(size=FILE_BYTES))
    return str(urlsplit(job["media"][0]["url"]).path)


def connected(stack: Stack, data: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", stack.installation.ports[0]))
    client.sendall(data)
    return client


def still_there(clients: list[socket.socket]) -> int:
    look = select.poll()
    for client in clients:
        look.register(client, 0)
    return len(clients) - sum(bool(event & _GONE) for _, event in look.poll(0))


def served(stack: Stack) -> float:
    began = time.monotonic()
    with Wire(stack.installation.ports[0]) as wire:
        wire.send(request([PROOF], pending(new_id())))
        answer = wire.answer(GOOD_SECONDS)
    assert answer and answer.status == 200
    return time.monotonic() - began


def reads_slowly(stack: Stack, link: str) -> None:
    """Read a file for longer than the send timeout."""
    with connected(stack, request(method="GET", target=link)) as client:
        client.settimeout(10.0)
        until = time.monotonic() + SLOW_SECONDS
        while time.monotonic() < until:
            assert client.recv(4096)
            time.sleep(0.1)


@pytest.mark.timeout(240)
def test_clients_that_never_read_are_reset_and_delay_no_other(stack: Stack, link: str) -> None:
    """The connection of a client that reads slowly stays."""
    data = request(method="GET", target=link) * PIPELINED
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(reads_slowly, stack, link)
        clients = [connected(stack, data) for _ in range(CLIENTS)]
        try:
            until = time.monotonic() + RESET_SECONDS
            while left := still_there(clients):
                assert time.monotonic() < until, f"{left} of {CLIENTS} are still connected"
                assert served(stack) < GOOD_SECONDS
                time.sleep(0.5)
        finally:
            for client in clients:
                client.close()
        slow.result()
