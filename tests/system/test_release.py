"""`release` and `honcho start`: a whole Procfile starts, or stops with a variable's name."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.procfile import ROOT, environment
from tests.harness import Client, Installation, Process, RedisServer, processes
from tests.harness.command_line import CommandLine
from tests.harness.doctor_output import BEFORE_START, failed, names
from tests.harness.installation import DEFAULTS, KEYS, WEBHOOK_SECRET
from tests.harness.patience import wait_for
from tests.harness.ports import free_port
from tests.sandbox import Sandbox

# The variables that README calls required, and where things are.
DOCUMENTED = {name: DEFAULTS[name] for name in ("WEBHOOK_SECRET", "SECRET_KEY", "API_KEYS")}


@pytest.fixture
def shell(stopped_installation: Installation) -> CommandLine:
    """Nothing runs but Redis: so it is when a release is checked."""
    return CommandLine(stopped_installation)


def test_a_release_needs_nothing_that_it_starts(shell: CommandLine) -> None:
    result = shell.run("doctor", "--release", BFL_API_KEY=None, BFL_SANDBOX_URL=None)
    assert failed(result) == []
    assert names(result, "ok") == BEFORE_START


@contextmanager
def honcho(directory: Path, **settings: str) -> Iterator[Process]:
    """In a directory of its own, where nobody's `.env` is, with these settings and no others."""
    made_here = shutil.ignore_patterns(".*", "var", "tests")
    clone = shutil.copytree(ROOT, directory / "clone", ignore=made_here)
    path = environment({})["PATH"]
    own = {"PATH": path, "PYTHONUNBUFFERED": "1", **settings}
    command = [sys.executable, "-m", "honcho", "start"]
    process = Process("honcho", command, own, directory / "honcho.log", clone)
    try:
        yield process
    finally:
        # Each of its commands has a session of its own.
        for pid in processes.descendants(process.pid):
            processes.send(pid, signal.SIGKILL)
        process.kill_all()


@pytest.mark.slow
def test_honcho_start_runs_all_of_it_with_the_documented_variables_alone(
    tmp_path: Path, redis_server: RedisServer, sandbox: Sandbox
) -> None:
    port = free_port()
    media = {"MEDIA_URL": (tmp_path / "media").as_uri(), "PUBLIC_URL": "https://keep.example"}
    own = {**DOCUMENTED, **media, "PORT": str(port), "REDIS_URL": redis_server.url}
    with honcho(tmp_path, **own, BFL_SANDBOX_URL=sandbox.url) as running:
        client = Client(f"http://127.0.0.1:{port}", KEYS["admin"], WEBHOOK_SECRET)
        wait_for("it is ready", lambda: _is_ready(client), 60)
        task = sandbox.submit(
            "flux-2-pro", webhook_url=f"{client.url}/webhooks/bfl", webhook_secret=WEBHOOK_SECRET
        )
        assert client.wait_for(task.id, "stored")["media"]
        wait_for("the release waits", lambda: "Waiting for a stop signal" in running.output())
        assert running.alive
        running.terminate()
        running.wait(35)
        assert "Traceback" not in running.output()


@pytest.mark.slow
def test_honcho_start_stops_with_the_names_of_what_is_missing_or_nonsense(tmp_path: Path) -> None:
    with honcho(tmp_path, LINK_TTL="a while") as stopped:
        assert stopped.wait(60) != 0
        for name in DOCUMENTED:
            assert f"{name}: is missing" in stopped.output()
        assert "LINK_TTL: " in stopped.output() and "a while" not in stopped.output()


def _is_ready(client: Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except OSError:
        return False
