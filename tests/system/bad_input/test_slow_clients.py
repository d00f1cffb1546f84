"""Clients that stall or never read: they are disconnected, and other clients are served."""

import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.harness import Stack
from tests.harness.wire import Answer, Wire, chunked, request
from tests.system.bad_input.target import PROOF, TargetServer, failed, new_id, pending, web_alone

pytestmark = pytest.mark.slow

EACH = 6  # stalled connections of each kind
GOOD_SECONDS = 15.0  # BFL waits 30 s for its answer; a good one must not notice anything
END_SECONDS = 30.0  # what BFL gives us; by then a sender who stalls has been hung up on
DRIP_SECONDS = 0.5

CHUNKED = ("Transfer-Encoding", "chunked")
_BODY = failed("stalled")
_WHOLE = request([PROOF], _BODY)
_LARGE = request([PROOF], length="60000")
STALLS: dict[str, bytes] = {
    "nothing": b"",
    "half a head": _WHOLE[:70],
    "no body": _WHOLE[: -len(_BODY)],
    "half a large body": _LARGE + b" " * 30_000,
    "no last chunk": request([PROOF, CHUNKED], chunked(_BODY)[:-5], length=None),
    "asking first": request([PROOF, ("Expect", "100-continue")], length="100"),
    "too large, then nothing": request([PROOF], b" " * 1000, length="5000000000"),
    "a body nobody reads": request([], b" " * 10, method="GET", target="/healthz", length="1000"),
}


@pytest.fixture(scope="module")
def slow_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetServer]:
    """A web process of its own, as the Procfile starts it."""
    # One that sends nothing is an idle one: it may stay for as long as a router keeps its own.
    with web_alone(tmp_path_factory.mktemp("slow"), KEEP_ALIVE="5") as target:
        yield target


def assert_served(port: int) -> None:
    with Wire(port) as wire:
        wire.send(request([PROOF], pending(new_id())))
        answer = wire.answer(GOOD_SECONDS)
    assert answer and answer.status == 200


def test_stalled_senders_are_disconnected_and_delay_no_other(slow_target: TargetServer) -> None:
    found: dict[str, list[Answer]] = {}  # until the connection was closed
    with ExitStack() as stack:
        wires = {
            name: [stack.enter_context(Wire(slow_target.port)) for _ in range(EACH)]
            for name in [*STALLS, "dripping"]
        }
        for name, connections in wires.items():
            for wire in connections:
                wire.send(STALLS.get(name, _LARGE))
        began = time.monotonic()
        while len(found) < len(wires) and time.monotonic() - began < END_SECONDS:
            for wire in wires["dripping"]:
                wire.send(b" ")
            for name, (first, *_) in wires.items():
                if name not in found and (received := first.ended()) is not None:
                    found[name] = received
            assert_served(slow_target.port)
            time.sleep(DRIP_SECONDS)
    assert found.keys() == wires.keys(), f"still connected after {END_SECONDS} s"
    for name, received in found.items():
        assert {answer.status for answer in received} <= {100, 200, 400, 408, 413}, name
    assert slow_target.job("stalled") is None


# Clients that pipeline requests and never read: reset after a timeout.

CLIENTS = 300
PIPELINED = 8  # less than 2 KB in all
FILE_BYTES = 8_000_000
SLOW_SECONDS = 45.0
RESET_SECONDS = 180.0  # SEND_TIMEOUT_SECONDS of the server, and time to fill every buffer
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
                assert_served(stack.installation.ports[0])
                time.sleep(0.5)
        finally:
            for client in clients:
                client.close()
        slow.result()
