"""`flask --app receiver`: jobs are submitted, looked at and rescued from a shell."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local_redis import free_port
from tests.harness import Client, Installation
from tests.harness.command_line import FLASK, CommandLine, Said
from tests.harness.patience import wait_for
from tests.harness.process import Process
from tests.harness.scene import Scene, running_scene
from tests.sandbox import Sandbox

COMMANDS = ("submit", "jobs", "jobs list", "jobs show", "jobs rescue", "credits", "doctor")
FOX = ("submit", "--model", "flux-2-pro", "--prompt", "a fox")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("commands")) as running:
        yield running
        running.settled()


@pytest.fixture
def shell(scene: Scene) -> CommandLine:
    return CommandLine(scene.installation)


def quick(**switches: Any) -> tuple[str, str]:
    """The option that tells the sandbox how the task goes."""
    return "--input", f"sandbox={json.dumps({'seconds': 0.02, **switches})}"


def bytes_at_bfl(scene: Scene, job: dict[str, Any]) -> list[bytes]:
    return [scene.box.picture(job["task_id"], n) for n in range(len(job["media"]))]


def submitted(shell: CommandLine, *options: str, **switches: Any) -> str:
    """The id of a new job."""
    said = shell.run(*FOX, *options, *quick(**switches))
    assert said.code == 0, said
    return said.out.strip()


# Help.


def test_the_help_lists_what_fluxkeep_can_do_and_nothing_else(shell: CommandLine) -> None:
    said = shell.run("--help")
    listed = re.findall(r"^  (\w+)  ", said.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == ["credits", "doctor", "jobs", "submit"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example_even_when_the_settings_are_wrong(
    shell: CommandLine, command: str
) -> None:
    said = shell.run(*command.split(), "--help", SECRET_KEY=None, REDIS_URL="planted-canary")
    assert said.code == 0 and "Example" in said.out
    assert f"flask --app receiver {command}" in said.out


@pytest.mark.parametrize("command", [FOX, ("jobs", "list"), ("credits",)], ids=" ".join)
def test_wrong_settings_are_said_in_a_sentence(shell: CommandLine, command: tuple[str]) -> None:
    said = shell.run(*command, SECRET_KEY=None)
    assert said.code == 1 and said.out == ""
    assert "Error: SECRET_KEY: is missing. See: flask --app receiver doctor" in said.words


def test_the_application_itself_is_not_built_from_wrong_settings(shell: CommandLine) -> None:
    said = shell.run("routes", SECRET_KEY=None)
    assert said.code == 1 and "Fluxkeep cannot start: SECRET_KEY: is missing" in said.err


def test_flasks_own_variables_are_in_nobodys_way(shell: CommandLine) -> None:
    said = shell.run("jobs", "list", FLASK_DEBUG="1", FLASK_APP="nobody", FLASK_RUN_PORT="1")
    assert said.code == 0


def test_a_dotenv_file_is_read_and_the_environment_is_stronger(
    scene: Scene, shell: CommandLine
) -> None:
    path = scene.installation.directory / ".env"
    path.write_text("SECRET_KEY=from-the-file-which-is-long\nBFL_SANDBOX_URL=nonsense\n")
    try:
        assert shell.run("credits", SECRET_KEY=None).code == 0
    finally:
        path.unlink()


# Submitting.


def test_a_submission_prints_the_id_of_a_job_that_is_stored(
    scene: Scene, shell: CommandLine
) -> None:
    job_id = submitted(shell, "--metadata", "user=42", "--metadata", "note=a=b")
    job = scene.client.wait_for(job_id, "stored")
    assert job["metadata"] == {"user": "42", "note": "a=b"}
    assert [scene.client.media(job)] == bytes_at_bfl(scene, job)


def test_values_that_are_json_are_sent_as_json(scene: Scene, shell: CommandLine) -> None:
    options = ("width=256", "seed=42", "name=NaN", 'tag="7"', "say=hello = world")
    said = shell.run(*FOX, *(part for one in options for part in ("--input", one)), *quick())
    job = scene.client.wait_for(said.out.strip(), "stored")
    given = {"width": 256, "seed": 42, "name": "NaN", "tag": "7", "say": "hello = world"}
    assert scene.box.task(job["task_id"]).input == {"prompt": "a fox", **given}


@pytest.mark.parametrize("source", ["stdin", "file"])
def test_the_input_can_be_json(
    scene: Scene, shell: CommandLine, tmp_path: Path, source: str
) -> None:
    text = json.dumps({"prompt": "ein Füchschen", "seed": 1, "sandbox": {"seconds": 0.02}})
    path = tmp_path / "input.json"
    path.write_text(text)
    name = "-" if source == "stdin" else str(path)
    said = shell.run(
        "submit", "--model", "flux-dev", "--json", name, "--input", "seed=2", stdin=text
    )
    job = scene.client.wait_for(said.out.strip(), "stored")
    assert scene.box.task(job["task_id"]).input == {"prompt": "ein Füchschen", "seed": 2}


def test_waiting_ends_with_links_and_files_that_hold_every_byte(
    scene: Scene, shell: CommandLine, tmp_path: Path
) -> None:
    said = shell.run(*FOX, *quick(samples=2), "--wait", "--output", str(tmp_path / "new/pictures"))
    assert said.code == 0, said
    job_id, *lines = said.out.splitlines()
    job = scene.client.job(job_id)
    originals = bytes_at_bfl(scene, job)
    assert [scene.client.get(link).content for link in lines[:2]] == originals
    assert [Path(path).read_bytes() for path in lines[2:]] == originals
    assert len(list((tmp_path / "new/pictures").iterdir())) == 2


def test_what_happens_is_said_line_by_line_where_nobody_watches(shell: CommandLine) -> None:
    said = shell.run(*FOX, *quick(seconds=1.5), "--wait")
    assert "\r" not in said.err and "\x1b" not in said.err
    assert re.search(r"s  submitted +.*BFL is at work", said.err)
    assert re.search(r"s  stored +100%  done", said.err)
    assert len(said.err.splitlines()) < 10


def test_a_terminal_gets_one_line_that_is_rewritten(shell: CommandLine) -> None:
    ours, theirs = pty.openpty()
    try:
        command = subprocess.Popen(
            [*FLASK, *FOX, *quick(), "--wait"],
            env=shell.environment(),
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        assert command.wait(60) == 0
        said = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert said.startswith("\r  0 s  ") and said.count("\n") == 1
    assert re.search(r"\r[^\r]*stored +100%  done\x1b\[K\r\n$", said)


def test_the_whole_job_can_be_had_as_json(scene: Scene, shell: CommandLine) -> None:
    said = shell.run(*FOX, *quick(), "--wait", "--json-output")
    job = json.loads(said.out)
    assert job["status"] == "stored"
    assert [scene.client.media(job)] == bytes_at_bfl(scene, job)
    assert json.loads(shell.run(*FOX, *quick(), "--json-output").out)["status"] == "queued"


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"outcome": "error", "error_text": "The \x1b[31mfox ran away"}, "failed: .*fox ran away"),
        ({"outcome": "content_moderated"}, r"moderated: BFL refuses its content \(Violence\)"),
        ({"submit_status": 422}, r"failed: .*multiple of 16 \(invalid_input\)"),
    ],
)
def test_a_job_that_ends_badly_is_an_error_with_its_reason(
    shell: CommandLine, tmp_path: Path, switches: dict[str, Any], reason: str
) -> None:
    said = shell.run(*FOX, *quick(**switches), "--output", str(tmp_path / "out"))
    assert said.code == 1
    assert re.search(f"Error: {reason}", said.words)
    assert "\x1b" not in said.err and list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--model", "flux-2-pro"], 2, "Say what to generate"),
        (["--prompt", "a fox"], 2, "Missing option '--model'"),
        (["--model", "../x", "--prompt", "a fox"], 1, "model: a path of"),
        (["--model", "flux-2-pro", "--input", "width"], 2, "'width' is not name=value"),
        (["--model", "flux-2-pro", "--input", "=1"], 2, "is not name=value"),
        (["--model", "flux-2-pro", "--json", "-"], 2, "--json: the body is not strict JSON"),
        (["--model", "flux-2-pro", "--json", "/nowhere"], 2, "No such file"),
        (["--model", "m", "--prompt", "a", "--metadata", f"a={'b' * 9000}"], 1, "metadata: may"),
        (["--model", "m", "--prompt", "a", "--output", __file__], 2, "is a file"),
        (["--model", "m", "--prompt", "a", "--output", f"{__file__}/x"], 2, "Not a directory"),
    ],
)
def test_a_mistake_is_explained_and_makes_no_job(
    scene: Scene, shell: CommandLine, arguments: list[str], code: int, complaint: str
) -> None:
    before = len(scene.client.jobs(limit=200))
    said = shell.run("submit", *arguments, stdin="{")
    assert (said.code, said.out) == (code, "") and complaint in said.words
    assert len(scene.client.jobs(limit=200)) == before


def test_without_redis_nothing_is_promised(shell: CommandLine) -> None:
    said = shell.run(*FOX, REDIS_URL=f"redis://:canary@127.0.0.1:{free_port()}/0")
    assert (said.code, said.out) == (1, "")
    assert said.err == "Error: Redis: ConnectionError\n"


# Waiting in adversity.


@pytest.fixture
def waiting(installation: Installation, sandbox: Sandbox) -> Iterator[Process]:
    """Somebody waits for a job that BFL will not take."""
    sandbox.settings.submit_fault = 402
    log = installation.directory / "command.log"
    process = CommandLine(installation).start(*FOX, *quick(), "--wait", log=log)
    yield process
    process.kill_all()


def said_by(process: Process, pattern: str) -> re.Match[str]:
    return wait_for(pattern, lambda: re.search(pattern, process.output()), 30)


def test_ctrl_c_leaves_the_job_alone_and_says_how_to_look_at_it(
    client: Client, sandbox: Sandbox, waiting: Process
) -> None:
    said_by(waiting, r"paused: BFL says that the credits are used up; tried again")
    waiting.send(signal.SIGINT)
    assert waiting.wait() == 130
    job_id = said_by(waiting, r"flask --app receiver jobs show (\S+)")[1]
    assert "Traceback" not in waiting.output() and "Aborted" not in waiting.output()
    sandbox.settings.submit_fault = None
    client.wait_for(job_id, "stored", timeout=60)


@pytest.mark.slow
def test_waiting_outlasts_a_redis_that_is_gone_for_a_while(
    installation: Installation, sandbox: Sandbox, waiting: Process
) -> None:
    said_by(waiting, r"queued .*paused")
    installation.redis.kill()
    said_by(waiting, r"Redis: \w+; trying again")
    sandbox.settings.submit_fault = None
    installation.redis.start()
    assert waiting.wait(90) == 0, waiting.output()
    said_by(waiting, r"/media/")


def test_without_a_worker_the_one_who_waits_is_told(stopped_installation: Installation) -> None:
    log = stopped_installation.directory / "command.log"
    process = CommandLine(stopped_installation).start(*FOX, "--wait", log=log)
    try:
        said_by(process, r"no worker process is running: start `python -m worker`")
    finally:
        process.kill_all()


# Looking at jobs.


def test_a_job_is_shown_by_either_of_its_ids_with_its_timeline(
    scene: Scene, shell: CommandLine
) -> None:
    job_id = submitted(shell, "--metadata", "note=\x1b[31mred")
    job = scene.client.wait_for(job_id, "stored")
    shown = shell.run("jobs", "show", job_id)
    assert (
        shell.run("jobs", "show", job["task_id"]).out.split("media")[0]
        == (shown.out.split("media")[0])
    )
    assert re.search(r"^status +stored$", shown.out, re.MULTILINE)
    moments = shown.out.partition("\ntimeline\n")[2].splitlines()
    assert [line.split("  ")[2] for line in moments] == [one["what"] for one in job["timeline"]]
    assert "\x1b" not in shown.out and "sig=" not in shown.out


def test_a_job_as_json_is_the_one_of_the_api(scene: Scene, shell: CommandLine) -> None:
    job = scene.stored(scene.generate())
    shown = json.loads(shell.run("jobs", "show", job["id"], "--json").out)
    assert {**shown, "media": None} == {**job, "media": None}
    assert scene.client.get(shown["media"][0]["url"]).content == scene.client.media(job)


@pytest.mark.parametrize("command", ["show", "rescue"])
@pytest.mark.parametrize("job_id", ["nobody", "../odd id", "x" * 200])
def test_an_unknown_job_is_an_error(shell: CommandLine, command: str, job_id: str) -> None:
    said = shell.run("jobs", command, job_id)
    assert (said.code, said.out) == (1, "") and "No job has this id." in said.err


def test_jobs_are_listed_newest_first(scene: Scene, shell: CommandLine) -> None:
    tasks = [scene.generate(outcome=outcome) for outcome in ("ready", "error", "ready")]
    for task in tasks:
        scene.client.wait_for(task.id)
    newest = [job["id"] for job in scene.client.jobs(limit=2)]
    lines = shell.run("jobs", "list", "--limit", "2")
    assert [line.split()[0] for line in lines.out.splitlines()] == ["id", *newest]
    assert "There are more" in lines.err
    failed = json.loads(shell.run("jobs", "list", "--status", "failed", "--json").out)
    assert failed and {job["status"] for job in failed} == {"failed"}
    assert shell.run("jobs", "list", "--status", "lost").out == "no jobs\n"


@pytest.mark.parametrize("options", [["--status", "done"], ["--limit", "0"], ["--limit", "201"]])
def test_a_list_that_cannot_be_is_a_mistake(shell: CommandLine, options: list[str]) -> None:
    assert shell.run("jobs", "list", *options).code == 2


def test_a_rescue_brings_back_what_can_be_brought_back(scene: Scene, shell: CommandLine) -> None:
    good, bad = scene.stored(scene.generate())["id"], scene.finished()
    scene.expect(bad)
    job_id = submitted(shell, submit_status=422, submit_times=1)
    assert scene.client.wait_for(job_id)["status"] == "failed"
    said = shell.run("jobs", "rescue", good, job_id)
    assert said.code == 1
    assert said.out == f"{job_id}  queued\n"
    assert said.err.startswith(f"{good}  only a job that failed")
    assert scene.client.wait_for(job_id, "stored")["media"]
    assert shell.run("jobs", "rescue").code == 2


# Credits.


def credits_said(shell: CommandLine, **settings: str | None) -> Said:
    return shell.run("credits", **settings)


def test_credits_are_shown(scene: Scene, shell: CommandLine) -> None:
    before, scene.box.settings.credits = scene.box.settings.credits, 1234.5
    try:
        assert credits_said(shell) == Said(0, "1,234.50 credits ($12.35)\n", "")
    finally:
        scene.box.settings.credits = before


def test_a_refused_key_is_said(scene: Scene, shell: CommandLine) -> None:
    scene.box.settings.keys = {"another"}
    try:
        said = credits_said(shell)
    finally:
        scene.box.settings.keys = set()
    assert said == Said(1, "", "Error: BFL refuses the key in BFL_API_KEY\n")


def test_a_missing_key_and_a_bfl_that_is_not_there_are_said(shell: CommandLine) -> None:
    missing = credits_said(shell, BFL_API_KEY=None, BFL_SANDBOX_URL=None)
    assert missing.code == 1 and "BFL_API_KEY is not set" in missing.err
    nobody = credits_said(shell, BFL_SANDBOX_URL=f"http://127.0.0.1:{free_port()}")
    assert nobody.code == 1 and "BFL" in nobody.err
