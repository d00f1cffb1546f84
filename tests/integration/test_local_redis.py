"""The embedded Redis of `make run` is stopped, whenever a signal arrives."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local_redis import LocalRedis
from deploy.supervisor import STOP_SIGNALS
from tests.harness import processes


class Interrupt(Exception):
    """What the handler of a signal raises."""


@pytest.fixture(params=STOP_SIGNALS)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal whose handler raises."""

    def interrupt(*_: object) -> None:
        raise Interrupt

    signal_number: signal.Signals = request.param
    previous = signal.signal(signal_number, interrupt)
    yield signal_number
    signal.signal(signal_number, previous)


@pytest.fixture
def started(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of started processes. The signal arrives before `Popen` has returned."""
    process_ids: list[int] = []
    start = subprocess.Popen

    def start_and_signal(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = start(*arguments, **options)
        process_ids.append(process.pid)
        signal.raise_signal(number)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_signal)
    return process_ids


def test_a_signal_while_redis_is_started_does_not_leave_it(
    started: list[int], number: signal.Signals, tmp_path: Path
) -> None:
    handler = signal.getsignal(number)
    with pytest.raises(Interrupt), LocalRedis(tmp_path).running():
        pytest.fail("the signal is not handled")
    (process_id,) = started
    assert not processes.command_line(process_id)
    assert signal.getsignal(number) == handler


def test_a_server_that_cannot_be_started_leaves_the_handlers(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    handler = signal.getsignal(number)
    monkeypatch.setattr(LocalRedis, "command", ["/no/such/program"])
    with pytest.raises(FileNotFoundError), LocalRedis(tmp_path).running():
        pytest.fail("there is no such program")
    assert signal.getsignal(number) == handler


def test_a_signal_while_redis_runs_stops_it(number: signal.Signals, tmp_path: Path) -> None:
    with pytest.raises(Interrupt), LocalRedis(tmp_path).running() as server:
        signal.raise_signal(number)
    assert server.returncode is not None
