"""`make run` ends as a whole: by a signal, or because one process ended."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.harness import free_port, processes, wait_for
from tests.harness.make_run import Run, copy, running

pytestmark = pytest.mark.slow


@pytest.fixture
def a_run_to_end(tmp_path: Path) -> Iterator[Run]:
    """A `make run` of this test's own, so that it may be ended."""
    with running(copy(tmp_path)) as run:
        run.printed(r"Sample: stored, http")
        yield run


def test_a_process_that_cannot_start_says_why_at_the_end(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    with (directory / "Procfile").open("a") as procfile:
        procfile.write("extra: sh -c 'echo the disk is on fire; exit 3'\n")
    with running(directory) as run:
        assert run.process.wait(60) == 1
        last_line = run.process.output().splitlines()[-1]
    assert last_line == (
        "Fluxkeep has stopped: extra ended with exit code 3; its last line: the disk is on fire"
    )


def test_a_signal_at_any_moment_leaves_no_process(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    moments: list[Callable[[Run], object]] = [
        lambda run: (run.directory / "var/run.lock").exists(),
        lambda run: run.offspring(),
        lambda run: len(run.offspring()) >= 3,
        lambda run: len(run.offspring()) >= 6,
        lambda run: "web started" in run.process.output(),
    ]
    for number, moment in enumerate(moments):
        with running(directory) as run:
            wait_for(f"moment {number}", partial(moment, run), 60)
            seen = set(run.offspring())
            os.killpg(run.process.pid, signal.SIGINT)
            seen |= set(run.offspring())
            run.process.wait(35)
            assert not _living(seen)
            assert not _in(directory), (number, run.process.output()[-2000:])


def _in(directory: Path) -> list[str]:
    """Command lines of the processes that work in this directory or below."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").resolve().is_relative_to(directory):
                found.append((path / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_one_signal_stops_all_the_next_run_has_its_jobs_keys_and_redis_and_ends_without_redis(
    tmp_path: Path,
) -> None:
    directory = copy(tmp_path)
    with running(directory) as run:
        run.printed(r"Sample: stored, http")
        made, (job,), before = _without_port(run), run.client().jobs(), run.offspring()
        assert len(before) >= 6
        os.killpg(run.process.pid, signal.SIGHUP)  # as a terminal does it
        assert run.process.wait(35) == 0
        assert not _living(before)
        output = run.process.output()
        assert not [word for word in ("Traceback", "ERROR", "has stopped") if word in output]
        assert run.command("jobs", "list").returncode != 0  # Redis has stopped, too
    with running(directory) as run:
        run.printed("Ctrl-C stops")
        assert [one["id"] for one in run.client().jobs()] == [job["id"]]
        assert _without_port(run) == made
        run.client().wait_for(run.client().submit(prompt="a fox")["id"])
        assert len(run.client().jobs()) == 2, "no second sample"
        before = run.offspring()
        processes.send(run.pid("redis"), signal.SIGKILL)
        assert run.process.wait(120) == 1
        assert not _living(before)
        reason, *_ = run.process.output().partition("Fluxkeep stops: redis ended with signal 9")[1:]
        assert reason
        afterwards = run.process.output().partition(reason)[2]
        assert " stopped (rc=" in afterwards, "the reason is said before others are stopped"
        assert "(rc=-9)" not in afterwards, "nothing has to be killed"
        last_line = run.process.output().splitlines()[-1]
        assert last_line.startswith("Fluxkeep has stopped: redis ended with signal 9")


def _without_port(run: Run) -> dict[str, str]:
    """The generated settings without the port, which each run of these tests chooses anew."""
    port = run.made()["PORT"]
    url = f"http://127.0.0.1:{port}"
    return {name: value.replace(url, "") for name, value in run.made().items() if name != "PORT"}


def test_after_a_run_was_killed_the_next_one_says_what_to_stop(a_run_to_end: Run) -> None:
    run = a_run_to_end
    left = run.offspring()
    run.process.kill()
    try:
        second = Run(run.directory, free_port())
        assert second.process.wait() == 1
        said = re.fullmatch(
            r"Fluxkeep cannot start: a `make run` that was killed left processes in this folder; "
            r"stop them: kill ([\d ]+)\n",
            second.process.output(),
        )
        assert said, second.process.output()
        for pid in said[1].split():
            processes.send(int(pid), signal.SIGTERM)
        wait_for("all have ended", lambda: not _in(run.directory), 60)
    finally:
        for pid in left:
            processes.send(pid, signal.SIGKILL)


def _living(pids: set[int] | list[int]) -> set[int]:
    return {pid for pid in pids if processes.command_line(pid)}
