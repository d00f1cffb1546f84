"""Stalled senders: other clients are served, and the stalled connections are closed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.system.bad_input.target import (
    PROOF,
    TargetServer,
    failed,
    new_id,
    pending,
    web_alone,
)
from tests.system.bad_input.wire import Answer, Wire, chunked, request

pytestmark = pytest.mark.slow

STALLED_CONNECTIONS = 40
GOOD_CALLBACKS = 10
GOOD_SECONDS = 15.0  # BFL waits 30 s for its answer; a good one must not notice anything
END_SECONDS = 30.0  # what BFL gives us; by then a sender who stalls has been hung up on
DRIP_SECONDS = 0.5

CHUNKED = ("Transfer-Encoding", "chunked")
_BODY = failed("stalled")
_WHOLE = request([PROOF], _BODY)
_LARGE = request([PROOF], length="60000")
STALLS: dict[str, bytes] = {
    "nothing": b"",
    "half a request line": _WHOLE[:8],
    "half a head": _WHOLE[:70],
    "no body": _WHOLE[: -len(_BODY)],
    "half a body": _WHOLE[:-5],
    "half a large body": _LARGE + b" " * 30_000,
    "a chunk cut": request([PROOF, CHUNKED], chunked(_BODY)[:-20], length=None),
    "no last chunk": request([PROOF, CHUNKED], chunked(_BODY)[:-5], length=None),
    "asking first": request([PROOF, ("Expect", "100-continue")], length="100"),
    "too large, then nothing": request([PROOF], b" " * 1000, length="5000000000"),
    "a body nobody reads": request([], b" " * 10, method="GET", target="/healthz", length="1000"),
}


@pytest.fixture(scope="module")
def slow_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetServer]:
    """A web process of its own, as the Procfile starts it."""
    with web_alone(tmp_path_factory.mktemp("slow")) as target:
        yield target


def _served(target: TargetServer) -> float:
    """Seconds until the slowest of some valid callbacks was accepted."""
    slowest = 0.0
    for _ in range(GOOD_CALLBACKS):
        began = time.monotonic()
        with Wire(target.port) as wire:
            wire.send(request([PROOF], pending(new_id())))
            answer = wire.answer(GOOD_SECONDS)
        assert answer and answer.status == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


@pytest.mark.parametrize("data", STALLS.values(), ids=STALLS)
def test_valid_callbacks_are_served_while_others_stall(
    slow_target: TargetServer, data: bytes
) -> None:
    with ExitStack() as stack:
        for _ in range(STALLED_CONNECTIONS):
            stack.enter_context(Wire(slow_target.port)).send(data)
        time.sleep(0.5)  # each has its thread by now, where it gets one
        assert _served(slow_target) < GOOD_SECONDS
    assert slow_target.job("stalled") is None


def test_valid_callbacks_are_served_while_others_send_slowly(slow_target: TargetServer) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(slow_target.port)) for _ in range(STALLED_CONNECTIONS)]
        for wire in wires:
            wire.send(_LARGE)
        for _ in range(6):
            for wire in wires:
                wire.send(b" ")
            time.sleep(DRIP_SECONDS)
        assert _served(slow_target) < GOOD_SECONDS


@dataclass(frozen=True)
class Ending:
    """Responses to a stalled sender, and seconds until its connection was closed."""

    answers: list[int]
    seconds: float


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ending]]:
    """One stalled sender of each kind, all at the same time."""
    with web_alone(tmp_path_factory.mktemp("slow_clients")) as target:
        yield _watched(target.port)


def _watched(port: int) -> dict[str, Ending]:
    found: dict[str, Ending] = {}
    with ExitStack() as stack:
        wires = {name: stack.enter_context(Wire(port)) for name in [*STALLS, "dripping"]}
        began = time.monotonic()
        for name, data in STALLS.items():
            wires[name].send(data)
        wires["dripping"].send(_LARGE)
        while len(found) < len(wires) and time.monotonic() - began < END_SECONDS:
            wires["dripping"].send(b" ")
            for name, wire in wires.items():
                if name not in found and (received := wire.ended()) is not None:
                    found[name] = Ending(_statuses(received), time.monotonic() - began)
            time.sleep(DRIP_SECONDS)
    return found


def _statuses(received: list[Answer]) -> list[int]:
    return [answer.status for answer in received if answer.status >= 200]


@pytest.mark.parametrize("name", [*STALLS, "dripping"])
def test_a_sender_that_stalls_is_disconnected(endings: dict[str, Ending], name: str) -> None:
    assert name in endings, f"still connected after {END_SECONDS} s"
    assert endings[name].seconds <= END_SECONDS
    assert set(endings[name].answers) <= {200, 400, 408, 413}, endings[name]
