"""`make run`: a sample is stored, what is killed comes back, one stop ends all."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from deploy import processes
from deploy.dev_keys import missing_secrets
from deploy.local_redis import free_port
from deploy.plan import SandboxPlan
from deploy.procfile import ROOT, environment
from deploy.sample import App
from tests.harness import Client, Process
from tests.harness.patience import wait_for

pytestmark = pytest.mark.slow

SETTINGS = ("REDIS_URL", "BFL_API_KEY", "BFL_SANDBOX_URL", "MEDIA_URL", "PUBLIC_URL", "API_KEYS")
PARTS = {"worker": r"worker $", "sweep": r"worker\.sweep", "redis": r"-server (127|redis\.conf)"}


class Run:
    """A `make run` in a directory of its own."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.url = f"http://127.0.0.1:{port}"
        own = {**environment(dict.fromkeys(SETTINGS, "")), "PORT": str(port)}
        command = [sys.executable, "-m", "deploy.run"]
        self.process = Process("run", command, own, directory / "run.log", directory)

    def said(self, pattern: str, timeout: float = 60.0) -> re.Match[str]:
        """The first match in what it says, waited for."""
        return wait_for(pattern, lambda: re.search(pattern, self.process.output()), timeout)

    def app(self) -> App:
        made = missing_secrets({}, self.directory / "var/dev.env")
        return App(self.url, made["API_KEYS"].split(":")[1], made["WEBHOOK_SECRET"])

    def client(self) -> Client:
        return Client(self.url, self.app().key)

    def pid(self, part: str) -> int | None:
        """Which of its children is the worker, the sweep or Redis."""
        lines = {pid: processes.command_line(pid) for pid in self.process.children()}
        return next((pid for pid, line in lines.items() if re.search(PARTS[part], line)), None)

    def comes_back(self, part: str, old: int | None) -> bool:
        return self.pid(part) not in (None, old)

    def offspring(self) -> set[int]:
        """Every process in the sessions of its children."""
        children = self.process.children()
        return {pid for child in children for pid in processes.members(child)}

    def clear_away(self) -> None:
        for child in self.process.children():
            processes.end(child)
        self.process.kill_all()


@pytest.fixture
def a_copy(tmp_path: Path) -> Path:
    """What a clone would hold, without data and keys."""
    made_here = shutil.ignore_patterns(".*", "var", "__pycache__", "node_modules")
    return Path(shutil.copytree(ROOT, tmp_path / "fluxkeep", ignore=made_here))


@pytest.fixture
def a_run(a_copy: Path) -> Iterator[Run]:
    """A `make run` that has shown its sample."""
    run = Run(a_copy, free_port())
    try:
        run.said(r"Sample: stored, http")
        yield run
    finally:
        run.clear_away()


def test_a_run_shows_a_stored_job_and_its_media(a_run: Run) -> None:
    client = a_run.client()
    (job,) = client.jobs()
    assert job["status"] == "stored"
    assert job["source"] == "callback"
    assert len(client.media(job)) == job["media"][0]["bytes"]
    assert a_run.said(r"Sample: stored, (\S+)")[1].startswith(f"{a_run.url}/media/")
    # Without a key of BFL's the sandbox takes what we submit as well.
    order = {"model": "flux-2-pro", "input": {"prompt": "a lighthouse"}}
    job = client.request("POST", "/api/jobs", json=order).json()
    assert client.wait_for(job["id"], timeout=30)["status"] == "stored"


@pytest.mark.parametrize("parts", [["sweep", "worker"], ["redis"]])
def test_what_is_killed_comes_back_and_works(a_run: Run, parts: list[str]) -> None:
    killed = {part: a_run.pid(part) for part in parts}
    for pid in killed.values():
        assert pid is not None
        processes.send(pid, signal.SIGKILL)
    for part, old in killed.items():
        wait_for(part, partial(a_run.comes_back, part, old))
    client = a_run.client()
    client.wait_for(client.jobs()[0]["id"], "stored")
    task_id = a_run.app().generate(a_run.said(r"sandbox +(http\S+)")[1])
    client.wait_for(task_id, "stored", timeout=30)
    assert len(client.jobs()) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_everything_without_an_error(a_run: Run, number: signal.Signals) -> None:
    before = a_run.offspring()
    assert len(before) >= 6
    a_run.process.send(number)
    assert a_run.process.wait(35) == 0
    assert not _living(before)
    said = a_run.process.output()
    assert "Traceback" not in said
    assert "ERROR" not in said
    assert said.index("Stopping ...") > said.index("Sample: stored")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a child in time")
def test_nothing_outlives_a_killed_run(a_run: Run) -> None:
    before = a_run.offspring()
    a_run.process.kill()
    wait_for("everything has ended", lambda: not _living(before), 30)


def test_a_second_run_on_the_same_data_says_what_is_in_the_way(a_run: Run) -> None:
    second = Run(a_run.directory, free_port())
    assert second.process.wait() == 1
    assert "cannot start: another `make run` is using var/" in second.process.output()


def test_a_busy_port_is_said_in_one_sentence(a_copy: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        run = Run(a_copy, port)
        assert run.process.wait() == 1
    assert run.process.output() == (
        f"Fluxkeep cannot start: port {port} cannot be used; name another: make run PORT=8001\n"
    )


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "var/dev.env"
    made = missing_secrets({}, path)
    assert missing_secrets({"API_KEYS": "me:mine:read"}, path) == {
        name: value for name, value in made.items() if name != "API_KEYS"
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_sandbox_takes_a_secret_that_begins_with_a_dash() -> None:
    sandbox = SandboxPlan(free_port(), "http://127.0.0.1:9/webhooks/bfl", "-dash")
    command = [sys.executable, *sandbox.command[1:]]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        wait_for("the sandbox", lambda: _answers(sandbox.url) or process.poll() is not None)
        alive = process.poll() is None
        process.kill()
    assert alive


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/v1/credits", timeout=2).status_code > 0
    except requests.RequestException:
        return False


def _living(pids: set[int]) -> set[int]:
    return {pid for pid in pids if processes.command_line(pid)}
