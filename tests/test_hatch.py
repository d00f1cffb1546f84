"""The darkroom and its hatch: one for many pictures, and gone when nobody needs it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness import processes
from tests.harness.patience import wait_for
from tests.harness.pictures import PICTURES
from worker import darkroom
from worker.hatch import Hatch

SECONDS = 30.0


@pytest.fixture
def hatch() -> Iterator[Hatch]:
    opened = Hatch()
    yield opened
    opened.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture"
    path.write_bytes(PICTURES["image/png"])
    return path


def draw(hatch: Hatch, picture: Path) -> bytes:
    with picture.open("rb") as original:
        drawn = hatch.draw(original, "image/png", SECONDS)
    assert drawn.code == 0 and drawn.body.startswith(b"RIFF")
    return drawn.body


def darkrooms(parent: int) -> list[int]:
    """Those of a process, without the children in which they draw."""
    found = processes.children(parent)
    return [pid for pid in found if "worker.darkroom" in processes.command_line(pid)]


def test_one_darkroom_draws_one_picture_after_the_other(hatch: Hatch, picture: Path) -> None:
    before = darkrooms(os.getpid())
    draw(hatch, picture)
    (one,) = set(darkrooms(os.getpid())) - set(before)
    draw(hatch, picture)
    assert one in darkrooms(os.getpid())
    assert not processes.children(one)
    hatch.close()
    assert darkrooms(os.getpid()) == before


def test_a_darkroom_that_was_ended_is_opened_again(hatch: Hatch, picture: Path) -> None:
    before = darkrooms(os.getpid())
    first = draw(hatch, picture)
    (one,) = set(darkrooms(os.getpid())) - set(before)
    os.kill(one, signal.SIGKILL)
    wait_for("its end", lambda: one not in darkrooms(os.getpid()))
    assert draw(hatch, picture) == first


def test_a_picture_that_waits_for_ever_takes_no_longer_than_it_may(hatch: Hatch) -> None:
    reading, writing = os.pipe()  # an original that never ends
    with (
        os.fdopen(reading, "rb") as original,
        os.fdopen(writing, "wb"),
        pytest.raises(TimeoutError),
    ):
        hatch.draw(original, "image/png", 1.0)


def test_a_darkroom_that_is_not_needed_lets_its_worker_know_before_it_goes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(0.01)
        assert darkroom.next_order(theirs) is None
        with pytest.raises(BrokenPipeError):
            ours.send(b"image/png")


LONELY = """
import os, sys
from worker.hatch import hatch
reading, writing = os.pipe()
hatch.draw(open(reading, "rb"), "image/png", 60.0)
"""


def test_nobody_goes_on_drawing_for_a_worker_that_was_killed() -> None:
    worker = subprocess.Popen([sys.executable, "-c", LONELY], cwd=ROOT, start_new_session=True)
    try:
        wait_for("a picture is drawn", lambda: len(processes.members(worker.pid)) == 3)
        worker.kill()
        worker.wait()
        wait_for("its darkroom has gone", lambda: not processes.members(worker.pid))
    finally:
        processes.end(worker.pid)
