"""README and the restore drill of docs/operate.md, typed in a shell beside `make run`."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.procfile import ROOT
from tests.harness.documents import README, page, under
from tests.harness.make_run import Run, copy, running

pytestmark = pytest.mark.slow

TYPED = ("Register it as the webhook", "Use it from an app")
SEPARATOR = "=== next block ==="
SHELL_SECONDS = 120
JOB_JSON, CALLBACK_JSON = under(README, TYPED[0], "json")


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    directory = copy(tmp_path_factory.mktemp("readme"))
    (directory / ".venv").symlink_to(sys.prefix)
    with running(directory) as run:
        run.printed(r"Sample: stored, http")
        yield run


def typed(run: Run, *scripts: str) -> list[str]:
    """Output of each script; all run in one shell without settings."""
    script = f"\necho; echo '{SEPARATOR}'\n".join(scripts)
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=run.directory,
        env={"PATH": run.path, "HOME": str(run.directory)},
        capture_output=True,
        text=True,
        timeout=SHELL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout.split(SEPARATOR)


def as_json(printed: str) -> Any:
    return json.loads(printed.strip().splitlines()[-1])


def test_every_example_of_the_readme_ends_with_a_stored_image(a_run: Run) -> None:
    scripts = [script for heading in TYPED for script in under(README, heading, "sh")]
    printed = typed(a_run, *scripts)
    _, task, announced, job, callback, submitted, bfl, command_line = printed
    assert as_json(callback) == json.loads(CALLBACK_JSON)
    shown = as_json(job)
    assert shown["status"] == "stored" and shown["id"] == as_json(task)["id"]
    assert shown.keys() == json.loads(JOB_JSON).keys()
    for listed in ("media", "timeline"):
        assert shown[listed][0].keys() == json.loads(JOB_JSON)[listed][0].keys()
    assert as_json(announced)["metadata"] == {"user": "42"}
    for answer in (submitted, bfl):
        found = a_run.client().wait_for(as_json(answer)["id"], timeout=30)
        assert found["status"] == "stored"
    assert "/media/" in command_line and shown["id"] in command_line
    assert "0 failed, 0 with a warning" in command_line


def test_a_shell_gets_what_the_programs_need(a_run: Run) -> None:
    (setting,) = under(page("docs/clients.md"), "Before you start", "sh")
    (printed,) = typed(a_run, f"{setting}\nenv")
    names = {line.partition("=")[0] for line in printed.splitlines()}
    assert {"FLUXKEEP_URL", "FLUXKEEP_KEY", "BFL_URL", "BFL_API_KEY", "WEBHOOK_SECRET"} <= names


@pytest.mark.parametrize("heading", ["Run it", "Test it", "Use the real BFL"])
def test_every_make_command_of_the_readme_exists(heading: str) -> None:
    for line in "".join(under(README, heading, "sh")).splitlines():
        command = line.partition("#")[0].replace("make ", "make --dry-run ")
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done


BACK_UP, LOSE, RESTORE = under(page("docs/operate.md"), "Restore drill", "sh")


def media(run: Run) -> dict[str, bytes]:
    client = run.client()
    return {job["id"]: client.media(job) for job in client.jobs()}


def test_the_drill_restores_every_stored_job_with_its_bytes(tmp_path: Path) -> None:
    directory = copy(tmp_path)
    (directory / ".venv").symlink_to(sys.prefix)
    with running(directory) as run:
        run.printed(r"Sample: stored, http")
        run.client().wait_for(run.client().submit(prompt="a fox")["id"])
        before = media(run)
        typed(run, BACK_UP)
        run.process.send(signal.SIGINT)
        assert run.process.wait(35) == 0
        typed(run, LOSE)
    with running(directory) as run:
        run.printed(r"Sample: stored, http")
        (printed,) = typed(run, RESTORE)
        assert printed.splitlines()[-3:] == [
            "3 found, 3 repaired",
            "all is well",
            "every stored job is back",
        ]
        assert before.items() <= media(run).items()
