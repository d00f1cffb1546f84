"""`python -m deploy.all`: everything in one place, over one directory."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dotenv import dotenv_values

from deploy.procfile import ROOT
from tests.harness import Client, Process, processes
from tests.harness.patience import wait_for
from tests.harness.ports import free_port
from tests.sandbox import Sandbox

STOP_SECONDS = 27.0
PARTS = {
    "redis": r"valkey-server",
    "web": r"gunicorn",
    "worker": r"worker\.with_sweep",
}


class AllInOne:
    """A `python -m deploy.all` over a directory, with a sandbox for BFL."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.data = directory / "data"
        self.port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(self.data),
            "PORT": str(self.port),
            "LISTEN_HOST": "127.0.0.1",
            "BFL_OPENAPI": "no",
            **settings,
        }
        log = directory / f"all-{self.port}.log"
        command = [sys.executable, "-m", "deploy.all"]
        self.process = Process("all", command, environment, log, ROOT)

    @property
    def variables(self) -> dict[str, str]:
        """What it keeps on its volume."""
        kept = dotenv_values(self.data / "fluxkeep.env")
        return {name: value for name, value in kept.items() if value}

    def client(self) -> Client:
        _, key, _ = self.variables["API_KEYS"].split(":")
        return Client(f"http://127.0.0.1:{self.port}", key)

    def wait_until_ready(self) -> Client:
        wait_for("it has made its keys", (self.data / "fluxkeep.env").exists, 30)
        client = self.client()

        def is_ready() -> bool:
            assert self.process.alive, self.process.output()[-3000:]
            try:
                return client.get("/readyz").status_code == 200
            except OSError:
                return False

        wait_for("it is ready", is_ready, 60)
        return client

    def process_id(self, part: str) -> int:
        """The process of a part that `all` itself started."""

        def find() -> int | None:
            for process_id in processes.children(self.process.pid):
                if re.search(PARTS[part], processes.command_line(process_id)):
                    return process_id
            return None

        return wait_for(f"{part} runs", find)


@contextmanager
def running(directory: Path, **settings: str) -> Iterator[AllInOne]:
    everything = AllInOne(directory, **settings)
    try:
        yield everything
    finally:
        # Each part has a session of its own.
        for process_id in processes.descendants(everything.process.pid):
            processes.send(process_id, signal.SIGKILL)
        everything.process.kill_all()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("all")


@pytest.fixture(scope="module")
def box(directory: Path) -> Iterator[AllInOne]:
    with (
        Sandbox() as sandbox,
        running(directory, BFL_SANDBOX_URL=sandbox.url, BFL_API_KEY="bfl_tests") as everything,
    ):
        everything.wait_until_ready()
        yield everything


def stored_job(client: Client) -> str:
    job = client.submit("flux-2-pro", prompt="a small house")
    stored = client.wait_for(job["id"], "stored")
    assert client.get(stored["media"][0]["url"]).status_code == 200
    return str(job["id"])


def submitted_job(client: Client, prompt: str) -> str:
    """A job whose task at BFL is on record: of one that is just being sent nobody would know it."""
    job_id = str(client.submit("flux-2-pro", prompt=prompt)["id"])
    wait_for("BFL has it", lambda: client.job(job_id)["task_id"])
    return job_id


def test_an_image_is_submitted_and_stored_with_nothing_but_a_directory(box: AllInOne) -> None:
    stored_job(box.client())
    # Callbacks from BFL are proven by a secret that follows the one of the volume.
    assert "WEBHOOK_SECRET" not in box.variables
    assert (box.data / "fluxkeep.env").stat().st_mode & 0o077 == 0


def test_the_first_start_shows_a_login_link_and_no_key(box: AllInOne) -> None:
    (link,) = re.findall(r"http://\S+/login/\S+", box.process.output())
    assert box.client().get(link).status_code == 200
    assert box.variables["SECRET_KEY"] not in box.process.output()
    assert box.variables["API_KEYS"].split(":")[1] not in box.process.output()


def test_redis_listens_on_no_port_and_keeps_its_data_on_the_volume(box: AllInOne) -> None:
    configuration = (box.data / "redis/redis.conf").read_text()
    assert "port 0\n" in configuration
    assert "appendonly yes\n" in configuration
    assert "maxmemory-policy noeviction\n" in configuration
    assert (box.data / "redis/appendonlydir").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_comes_back_and_loses_nothing(box: AllInOne, part: str) -> None:
    client = box.client()
    before = box.process_id(part)
    job_id = submitted_job(client, f"before the death of {part}")
    processes.send(before, signal.SIGKILL)
    wait_for(f"{part} is started again", lambda: box.process_id(part) != before, 30)
    box.wait_until_ready()
    assert client.wait_for(job_id, "stored")
    assert f"{part} ended with signal 9" in box.process.output()


def test_a_second_one_waits_for_the_volume(box: AllInOne, directory: Path) -> None:
    with running(directory) as second:
        time.sleep(3)
        assert second.process.alive
        assert not processes.children(second.process.pid)
    assert box.process.alive


@pytest.mark.slow
def test_it_stops_in_time_and_goes_on_after_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    own = {"BFL_SANDBOX_URL": sandbox.url, "BFL_API_KEY": "bfl_tests"}
    with running(tmp_path, **own) as first:
        job_id = stored_job(first.wait_until_ready())
        kept = first.variables
        first.process.terminate()
        assert first.process.wait(STOP_SECONDS) == 0
        assert "Traceback" not in first.process.output()
    with running(tmp_path, **own) as second:
        client = second.wait_until_ready()
        assert second.variables == kept
        job = client.job(job_id)
        assert client.get(job["media"][0]["url"]).status_code == 200
        assert "/login/" not in second.process.output()


@pytest.mark.slow
def test_a_death_of_all_processes_loses_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    own = {"BFL_SANDBOX_URL": sandbox.url, "BFL_API_KEY": "bfl_tests"}
    with running(tmp_path, **own) as first:
        job_id = submitted_job(first.wait_until_ready(), "a storm")
    with running(tmp_path, **own) as second:
        assert second.wait_until_ready().wait_for(job_id, "stored", timeout=120)


def test_a_wrong_setting_stops_the_start_with_its_name(tmp_path: Path) -> None:
    with running(tmp_path, LINK_TTL="a while") as stopped:
        assert stopped.process.wait(30) == 1
        assert "LINK_TTL: " in stopped.process.output()


@pytest.mark.slow
def test_what_does_not_start_five_times_ends_all_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "data/redis/appendonlydir").mkdir(parents=True)
    manifest = tmp_path / "data/redis/appendonlydir/appendonly.aof.manifest"
    manifest.write_text("nonsense\n")
    with running(tmp_path) as stopped:
        assert stopped.process.wait(60) == 1
        assert "redis ended 5 times within 10 s of its start" in stopped.process.output()
