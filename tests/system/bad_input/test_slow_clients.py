"""Stalled senders: other clients are served, and the stalled connections are closed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.harness.wire import Answer, Wire, chunked, request
from tests.system.bad_input.target import (
    PROOF,
    TargetServer,
    failed,
    new_id,
    pending,
    web_alone,
)

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


@dataclass(frozen=True)
class Ending:
    """Responses to a stalled sender, and seconds until its connection was closed."""

    answers: list[int]
    seconds: float


@pytest.fixture(scope="module")
def slow_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetServer]:
    """A web process of its own, as the Procfile starts it."""
    with web_alone(tmp_path_factory.mktemp("slow")) as target:
        yield target


def assert_served(target: TargetServer) -> None:
    with Wire(target.port) as wire:
        wire.send(request([PROOF], pending(new_id())))
        answer = wire.answer(GOOD_SECONDS)
    assert answer and answer.status == 200


def test_stalled_senders_are_disconnected_and_delay_no_other(slow_target: TargetServer) -> None:
    found: dict[str, Ending] = {}
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
                    found[name] = Ending(_statuses(received), time.monotonic() - began)
            assert_served(slow_target)
            time.sleep(DRIP_SECONDS)
    assert found.keys() == wires.keys(), f"still connected after {END_SECONDS} s"
    for name, ending in found.items():
        assert set(ending.answers) <= {200, 400, 408, 413}, (name, ending)
    assert slow_target.job("stalled") is None


def _statuses(received: list[Answer]) -> list[int]:
    return [answer.status for answer in received if answer.status >= 200]
