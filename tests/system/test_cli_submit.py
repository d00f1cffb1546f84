"""`flask --app receiver`: help, and `submit`."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.command_line import FOX, CommandLine, quick, submitting_stack
from tests.harness.ports import free_port
from tests.harness.stack import Stack

COMMANDS = (
    "submit",
    "jobs",
    "jobs list",
    "jobs show",
    "jobs rescue",
    "credits",
    "doctor",
    "repair",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with submitting_stack(tmp_path_factory.mktemp("commands")) as running:
        yield running
        running.settled()


def bytes_at_bfl(stack: Stack, job: dict[str, Any]) -> list[bytes]:
    return [stack.box.picture(job["task_id"], n) for n in range(len(job["media"]))]


# Help.


def test_the_help_lists_what_fluxkeep_can_do_and_nothing_else(shell: CommandLine) -> None:
    result = shell.run("--help")
    listed = re.findall(r"^  (\w+)  ", result.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == ["credits", "doctor", "jobs", "keys", "repair", "submit"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example_even_when_the_settings_are_wrong(
    shell: CommandLine, command: str
) -> None:
    result = shell.run(*command.split(), "--help", SECRET_KEY=None, REDIS_URL="planted-canary")
    assert result.code == 0 and "Example" in result.out
    assert f"flask --app receiver {command}" in result.out


@pytest.mark.parametrize("command", [FOX, ("jobs", "list"), ("credits",)], ids=" ".join)
def test_wrong_settings_are_one_sentence(shell: CommandLine, command: tuple[str]) -> None:
    result = shell.run(*command, SECRET_KEY=None)
    assert result.code == 1 and result.out == ""
    assert "Error: SECRET_KEY: is missing. See: flask --app receiver doctor" in result.words


def test_the_application_itself_is_not_built_from_wrong_settings(shell: CommandLine) -> None:
    result = shell.run("routes", SECRET_KEY=None)
    assert result.code == 3 and "Fluxkeep cannot start: SECRET_KEY: is missing" in result.err


def test_flasks_own_variables_change_nothing(shell: CommandLine) -> None:
    result = shell.run("jobs", "list", FLASK_DEBUG="1", FLASK_APP="nobody", FLASK_RUN_PORT="1")
    assert result.code == 0


def test_a_dotenv_file_is_read_and_the_environment_is_stronger(
    stack: Stack, shell: CommandLine
) -> None:
    path = stack.installation.directory / ".env"
    path.write_text("SECRET_KEY=from-the-file-which-is-long\nBFL_SANDBOX_URL=nonsense\n")
    try:
        assert shell.run("credits", SECRET_KEY=None, ENV_FILE=None).code == 0
    finally:
        path.unlink()


# Submitting.


def test_a_submission_prints_the_id_of_a_job_that_is_stored(
    stack: Stack, shell: CommandLine
) -> None:
    job_id = shell.submitted("--metadata", "user=42", "--metadata", "note=a=b")
    job = stack.client.wait_for(job_id, "stored")
    assert job["metadata"] == {"user": "42", "note": "a=b"}
    assert [stack.client.media(job)] == bytes_at_bfl(stack, job)


def test_values_that_are_json_are_sent_as_json(stack: Stack, shell: CommandLine) -> None:
    options = ("width=256", "seed=42", "name=NaN", 'tag="7"', "say=hello = world")
    result = shell.run(*FOX, *(part for one in options for part in ("--input", one)), *quick())
    job = stack.client.wait_for(result.out.strip(), "stored")
    given = {"width": 256, "seed": 42, "name": "NaN", "tag": "7", "say": "hello = world"}
    assert stack.box.task(job["task_id"]).input == {"prompt": "a fox", **given}


def test_waiting_ends_with_links_to_every_byte(stack: Stack, shell: CommandLine) -> None:
    result = shell.run(*FOX, *quick(samples=2), "--wait")
    assert result.code == 0, result
    job_id, *links = result.out.splitlines()
    job = stack.client.job(job_id)
    originals = bytes_at_bfl(stack, job)
    assert [stack.client.get(link).content for link in links] == originals


def test_progress_is_printed_line_by_line(shell: CommandLine) -> None:
    result = shell.run(*FOX, *quick(seconds=1.5), "--wait")
    assert "\r" not in result.err and "\x1b" not in result.err
    assert re.search(r"s  submitted", result.err)
    assert re.search(r"s  stored 100%", result.err)
    assert len(result.err.splitlines()) < 10


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"outcome": "error", "error_text": "The \x1b[31mfox ran away"}, "failed: .*fox ran away"),
        ({"outcome": "content_moderated"}, r"moderated: BFL refuses its content \(Violence\)"),
        ({"submit_status": 422}, r"failed: .*multiple of 16 \(invalid_input\)"),
    ],
)
def test_a_job_that_ends_badly_is_an_error_with_its_reason(
    shell: CommandLine, switches: dict[str, Any], reason: str
) -> None:
    result = shell.run(*FOX, *quick(**switches), "--wait")
    assert result.code == 1
    assert re.search(f"Error: {reason}", result.words)
    assert "\x1b" not in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--model", "flux-2-pro"], 2, "Give the input"),
        (["--prompt", "a fox"], 2, "Missing option '--model'"),
        (["--model", "../x", "--prompt", "a fox"], 1, "model: a path of"),
        (["--model", "flux-2-pro", "--input", "width"], 2, "'width' is not name=value"),
        (["--model", "flux-2-pro", "--input", "=1"], 2, "is not name=value"),
        (["--model", "m", "--prompt", "a", "--metadata", f"a={'b' * 9000}"], 1, "metadata: may"),
    ],
)
def test_a_mistake_is_explained_and_makes_no_job(
    stack: Stack, shell: CommandLine, arguments: list[str], code: int, complaint: str
) -> None:
    before = len(stack.client.jobs(limit=200))
    result = shell.run("submit", *arguments, stdin="{")
    assert (result.code, result.out) == (code, "") and complaint in result.words
    assert len(stack.client.jobs(limit=200)) == before


def test_without_redis_nothing_is_promised(shell: CommandLine) -> None:
    result = shell.run(*FOX, REDIS_URL=f"redis://:canary@127.0.0.1:{free_port()}/0")
    assert (result.code, result.out) == (1, "")
    assert result.err == "Error: Redis: ConnectionError\n"
