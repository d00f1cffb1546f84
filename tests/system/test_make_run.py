"""`make run`: a sample is stored, and what the welcome says is true."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy.dev_settings import DevSettings
from deploy.local_redis import first_free_port
from deploy.welcome import message
from jobs.config.settings import load
from tests.harness import RedisServer, free_port, processes
from tests.harness.make_run import Run, copy, running
from tests.harness.required_settings import REQUIRED
from tests.harness.visitor import csrf_token
from tests.sandbox import Sandbox

pytestmark = pytest.mark.slow

BUSY = (
    "Fluxkeep cannot start: port {port} cannot be used; name another, or leave PORT out: "
    "then the next free one is taken\n"
)


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A `make run` that has shown its sample, for tests that only look at it."""
    with running(copy(tmp_path_factory.mktemp("run"))) as run:
        run.printed(r"Sample: stored, http")
        yield run


def test_the_login_link_logs_in_once(a_run: Run) -> None:
    link = a_run.printed(r"dashboard +(\S+)")[1]
    with requests.Session() as browser:
        question = browser.get(link, timeout=10)
        form = {"csrf_token": csrf_token(question.text)}
        page = browser.post(link, data=form, timeout=10)
        assert page.status_code == 200 and page.url == f"{a_run.url}/"
    assert requests.get(link, timeout=10).status_code == 403


def test_only_this_machine_can_connect(a_run: Run) -> None:
    port = int(a_run.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):  # another address of this machine
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_no_command_line_holds_a_secret(a_run: Run) -> None:
    made = a_run.made()
    redis_password = made["REDIS_URL"].split(":")[2].partition("@")[0]
    named = [made[name] for name in ("WEBHOOK_SECRET", "SECRET_KEY", "NOTIFY_SECRET")]
    lines = [processes.command_line(pid) for pid in [a_run.process.pid, *a_run.offspring()]]
    assert any("valkey-server" in line for line in lines)
    assert any("tests.sandbox" in line for line in lines)
    for secret in [redis_password, *named, *a_run.keys().values()]:
        assert not [line for line in lines if secret in line]


def test_only_this_user_can_read_the_files_of_a_run(a_run: Run) -> None:
    written = [path for path in (a_run.directory / "var").rglob("*") if path.is_file()]
    assert {"run.env", "redis.conf"} < {path.name for path in written}
    for path in written:
        parents = [path, *path.relative_to(a_run.directory).parents]
        private = [not stat.S_IMODE((a_run.directory / p).stat().st_mode) & 0o077 for p in parents]
        assert any(private), path


def test_a_second_run_on_the_same_data_names_the_first(a_run: Run) -> None:
    second = Run(a_run.directory, free_port())
    assert second.process.wait() == 1
    assert second.process.output() == (
        "Fluxkeep cannot start: another `make run` works in this folder (process "
        f"{a_run.process.pid}, {a_run.url}); press Ctrl-C there, or: kill {a_run.process.pid}\n"
    )


def test_ended_jobs_are_kept_beside_the_other_data_of_a_run(a_run: Run) -> None:
    assert a_run.made()["DATABASE_URL"] == f"sqlite:///{a_run.directory}/var/archive.db"


@pytest.fixture(scope="module")
def a_run_with_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A `make run` with a database, a host, keys and a secret of one's own, and without a port."""
    directory, usual = copy(tmp_path_factory.mktemp("given")), first_free_port("127.0.0.1")
    given = {
        "DATABASE_URL": f"sqlite:///{directory}/own.db",
        "LISTEN_HOST": "0.0.0.0",  # noqa: S104 - that is what is tested
        "API_KEYS": "me:a-key-of-ones-own-canary:admin",
        "WEBHOOK_SECRET": "-a-secret-with-a-dash-canary",
        "PORT": "",
    }
    with socket.create_server(("127.0.0.1", usual)), running(directory, **given) as run:
        run.url = run.printed(r"Fluxkeep is running at (\S+)")[1]
        assert int(run.url.rpartition(":")[2]) > usual
        yield run


def test_without_a_port_the_next_free_one_is_taken(a_run_with_settings: Run) -> None:
    assert requests.get(f"{a_run_with_settings.url}/healthz", timeout=10).ok
    assert a_run_with_settings.made()["FLUXKEEP_URL"] == a_run_with_settings.url
    assert a_run_with_settings.command("jobs", "list").returncode == 0


def test_a_run_makes_no_database_where_one_is_given(a_run_with_settings: Run) -> None:
    a_run_with_settings.printed("Ctrl-C stops")
    assert "DATABASE_URL" not in a_run_with_settings.made()
    assert not (a_run_with_settings.directory / "var/archive.db").exists()


def test_it_listens_elsewhere_when_asked(a_run_with_settings: Run) -> None:
    port = int(a_run_with_settings.url.rpartition(":")[2])
    socket.create_connection(("127.0.0.2", port), timeout=5).close()


def test_given_keys_are_not_shown_and_a_secret_may_begin_with_a_dash(
    a_run_with_settings: Run,
) -> None:
    a_run_with_settings.printed(r"Sample: stored, http")  # the sandbox took the secret
    assert "canary" not in a_run_with_settings.process.output()
    # Kept for a later run without.
    assert a_run_with_settings.keys().keys() == {"admin", "submit"}


def test_a_busy_port_is_named_first_and_a_moved_folder_installs_anew(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    python = tmp_path / "python3"  # pip, which nothing here needs, takes half a minute to install
    python.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] && set -- "$@" --without-pip\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = made(directory, "run", f"PORT={port}", f"PYTHON={python}")
    assert done.stdout == "" and done.stderr.startswith(BUSY.format(port=port))
    assert not (directory / ".venv/.run").exists()
    assert "-m venv" not in made(directory, "--dry-run", "run").stdout
    moved = directory.rename(tmp_path / "elsewhere")
    assert "-m venv" in made(moved, "--dry-run", "run").stdout


def made(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A `make` that fails, or that only says what it would do."""
    given = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    return subprocess.run(
        ["/usr/bin/env", "make", *arguments],
        cwd=directory,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_with_a_key_the_welcome_says_whether_bfl_accepts_it_and_a_redis_has_no_database_beside_it(
    tmp_path: Path, sandbox: Sandbox, redis_server: RedisServer
) -> None:
    directory = copy(tmp_path)
    given = {"BFL_SANDBOX_URL": sandbox.url, "BFL_API_KEY": "one-key"}
    given["REDIS_URL"] = redis_server.url
    for keys, said in (({"one-key"}, "accepted, [0-9]"), ({"another"}, "BFL refuses the key")):
        sandbox.settings.keys = keys
        with running(directory, **given) as run:
            run.printed(f"BFL key: {said}")
            assert not [line for line in run.process.output().splitlines() if "Sample" in line]
            assert "DATABASE_URL" not in run.made()
            assert not (run.directory / "var/archive.db").exists()


def test_the_welcome_says_which_bfl_it_is_and_how_results_come(tmp_path: Path) -> None:
    given = {**REQUIRED, "BFL_API_KEY": "a-key", "MEDIA_URL": f"file://{tmp_path}"}
    polled = message(DevSettings(load(given), None, None, has_generated_keys=False))
    assert "https://api.bfl.ai: pictures and videos cost credits" in polled
    assert "are polled from BFL, because PUBLIC_URL is not set" in polled
    given["PUBLIC_URL"] = "https://keep.example"
    called = message(DevSettings(load(given), None, None, has_generated_keys=False))
    assert "are sent by BFL to https://keep.example/webhooks/bfl" in called


def test_a_file_of_settings_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    (directory / ".env").write_bytes("LOG_FORMAT=text # für alle".encode("latin-1"))
    run = Run(directory, free_port())
    assert run.process.wait() == 1
    assert run.process.output() == "Fluxkeep cannot start: .env: is not UTF-8\n"
