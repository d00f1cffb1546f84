"""The programs and commands of docs/ work as they stand there."""

import base64
import json
import re
import secrets
from pathlib import Path

import pytest
import requests

from tests.harness import (
    CommandLine,
    Process,
    Stack,
    free_port,
    third_party_clients,
    wait_for,
)
from tests.harness.documented_programs import NAMES, environment, interpreter, run
from tests.harness.documents import PAGES, page, under
from tests.harness.notifications import notified, wait_for_event
from tests.sandbox.formats import JPEGS

# The first test may have to install BFL's SDK and the AI SDK.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

API, CLIENTS = page("docs/api.md"), page("docs/clients.md")
COMMAND = re.compile(r"flask --app receiver [^`'#\n]+")
VIDEO = "Make a video, and finish a draft later"
NOTIFY_SECRET = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
SETTINGS = {"NOTIFY_SECRET": NOTIFY_SECRET}


def test_an_image_is_edited(stack: Stack, tmp_path: Path) -> None:
    before = len(stack.sandbox.tasks())
    (tmp_path / "lighthouse.jpeg").write_bytes(JPEGS[0] + b" an image of a megabyte" * 40_000)
    (program,) = under(CLIENTS, "Edit an image", "sh")
    run(stack, tmp_path, "sh", program)
    wait_for("BFL has it", lambda: len(stack.sandbox.tasks()) > before)
    (task,) = stack.sandbox.tasks()[before:]
    assert task.input["input_image"].startswith("/9j/")
    stack.client.wait_for(task.id)


def test_a_job_is_made_again(stack: Stack, tmp_path: Path) -> None:
    job_id = stack.client.submit(prompt="a lighthouse", seed=42)["id"]
    stack.client.wait_for(job_id)
    (program,) = under(CLIENTS, "Make it again", "sh")
    again = json.loads(run(stack, tmp_path, "sh", program, JOB_ID=job_id))
    job = stack.client.wait_for(again["id"])
    assert again["repeats"] == job_id
    assert stack.sandbox.task(job["task_id"]).input == {"prompt": "a lighthouse", "seed": 43}


def test_a_draft_is_finished_later(stack: Stack, tmp_path: Path) -> None:
    draft, finish = under(CLIENTS, VIDEO, "sh")
    job_id = run(stack, tmp_path, "sh", f'{draft}\necho "$JOB_ID"').strip()
    job = stack.client.wait_for(job_id, timeout=60)
    assert [file["role"] for file in job["media"]] == ["sample", "draft_cache"]
    before = len(stack.sandbox.tasks())
    run(stack, tmp_path, "sh", finish, JOB_ID=job_id)
    wait_for("BFL has it", lambda: len(stack.sandbox.tasks()) > before)
    assert stack.sandbox.tasks()[-1].input["mode"] == "draft_enhance"


def test_a_failure_is_rehearsed(stack: Stack, tmp_path: Path) -> None:
    (program,) = under(CLIENTS, "Rehearse failures", "sh")
    job = stack.client.wait_for(json.loads(run(stack, tmp_path, "sh", program))["id"])
    assert (job["status"], job["moderation"]["reasons"]) == ("moderated", ["Violence"])


def test_every_change_is_streamed(stack: Stack, tmp_path: Path) -> None:
    (program,) = under(API, "Watch", "sh")
    command = ["bash", "-eu", "-c", program]
    watching = Process("watch", command, environment(stack), tmp_path / "events", tmp_path)
    try:
        wait_for("it listens", lambda: ":" in watching.output())
        task = stack.generate()
        wait_for("the event", lambda: task.id in watching.output())
    finally:
        watching.kill_all()


def test_a_secret_for_notifications_is_made(stack: Stack, tmp_path: Path) -> None:
    (program,) = under(API, "Notifications", "sh")
    shell = CommandLine(stack.installation)
    secret = run(stack, tmp_path, "sh", program).strip()
    assert secret.startswith("whsec_")
    assert shell.run("jobs", "list", NOTIFY_SECRET=secret).code == 0


@pytest.mark.parametrize("language", ["python", "js"])
def test_a_receiver_takes_what_is_signed_and_nothing_else(
    stack: Stack, tmp_path: Path, language: str
) -> None:
    program, port = under(API, "Notifications", language)[0], str(free_port())
    serve = "\napp.run(port=int(os.environ['PORT']))\n" if language == "python" else ""
    (tmp_path / NAMES[language]).write_text(program + serve)
    (tmp_path / "node_modules").symlink_to(third_party_clients.NODE_MODULES)
    command, url = (
        [*interpreter(language), NAMES[language]],
        f"http://127.0.0.1:{port}/notifications",
    )
    variables = environment(stack) | {"NOTIFY_SECRET": NOTIFY_SECRET, "PORT": port}
    receiver = Process("receiver", command, variables, tmp_path / "receiver.log", tmp_path)

    def refuses() -> bool:
        unsigned = {"type": "job.stored", "data": {"id": "x"}}
        try:
            answer = requests.post(url, json=unsigned, timeout=30)
        except requests.ConnectionError:
            return False
        assert answer.status_code == 400
        return True

    try:
        wait_for("it listens", refuses, 30)
        wait_for_event(stack, notified(stack, url), "notification.delivered")
    finally:
        receiver.kill_all()


def test_every_command_and_option_exists(stack: Stack) -> None:
    shell = CommandLine(stack.installation)
    # Each `flask --app receiver …` of any page, in a block or within a sentence.
    lines = (line.strip("` ") for path in PAGES for line in COMMAND.findall(path.read_text()))
    for command in set(lines):
        words = command.split()[3:]
        # Two words where the first is a group of commands.
        result = shell.run(*words[: 2 if words[0] in ("jobs", "keys") else 1], "--help")
        assert result.code == 0, command
        options = {word for word in words if word.startswith("--")}
        assert not {option for option in options if option not in result.out}, command
