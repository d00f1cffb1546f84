"""`jobs list`, `jobs show`, `jobs rescue` and `credits`."""

import json
from collections.abc import Iterator

import pytest

from tests.harness.command_line import CommandLine, CommandResult, submitting_stack
from tests.harness.ports import free_port
from tests.harness.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with submitting_stack(tmp_path_factory.mktemp("commands")) as running:
        yield running
        running.settled()


def test_a_job_is_shown_by_either_of_its_ids_as_the_api_shows_it(
    stack: Stack, shell: CommandLine
) -> None:
    job = stack.client.wait_for(shell.submitted("--metadata", "note=\x1b[31mred"), "stored")
    for job_id in (job["id"], job["task_id"]):
        result = shell.run("jobs", "show", job_id)
        shown = json.loads(result.out)
        assert {**shown, "media": None} == {**job, "media": None}
        assert stack.client.get(shown["media"][0]["url"]).content == stack.client.media(job)
        assert "\x1b" not in result.out and "sig=" not in result.out


@pytest.mark.parametrize("command", ["show", "rescue"])
@pytest.mark.parametrize("job_id", ["nobody", "../odd id", "x" * 200])
def test_an_unknown_job_is_an_error(shell: CommandLine, command: str, job_id: str) -> None:
    result = shell.run("jobs", command, job_id)
    assert (result.code, result.out) == (1, "") and "No job has this id." in result.err


def test_jobs_are_listed_newest_first(stack: Stack, shell: CommandLine) -> None:
    tasks = [stack.generate(outcome=outcome) for outcome in ("ready", "error", "ready")]
    for task in tasks:
        stack.client.wait_for(task.id)
    newest = [job["id"] for job in stack.client.jobs(limit=2)]
    lines = shell.run("jobs", "list", "--limit", "2")
    assert [line.split()[0] for line in lines.out.splitlines()] == ["id", *newest]
    assert "There are more" in lines.err
    failed = json.loads(shell.run("jobs", "list", "--status", "failed", "--json").out)
    assert failed and {job["status"] for job in failed} == {"failed"}
    assert shell.run("jobs", "list", "--status", "lost").out.split() == [
        "id",
        "status",
        "model",
        "created",
    ]


@pytest.mark.parametrize("options", [["--status", "done"], ["--limit", "0"], ["--limit", "201"]])
def test_a_list_that_cannot_be_is_a_mistake(shell: CommandLine, options: list[str]) -> None:
    assert shell.run("jobs", "list", *options).code == 2


def test_a_rescue_brings_back_what_can_be_brought_back(stack: Stack, shell: CommandLine) -> None:
    good = stack.stored(stack.generate())["id"]
    job_id = shell.submitted(submit_status=422, submit_times=1)
    assert stack.client.wait_for(job_id)["status"] == "failed"
    result = shell.run("jobs", "rescue", good, job_id)
    assert result.code == 1
    assert result.out == f"{job_id}  queued\n"
    assert result.err.startswith(f"{good}  only a job that failed")
    assert stack.client.wait_for(job_id, "stored")["media"]
    assert shell.run("jobs", "rescue").code == 2


# Credits.


def test_credits_are_shown(stack: Stack, shell: CommandLine) -> None:
    before, stack.box.settings.credits = stack.box.settings.credits, 1234.5
    try:
        assert shell.run("credits") == CommandResult(0, "1,234.50 credits ($12.35)\n", "")
    finally:
        stack.box.settings.credits = before


def test_a_refused_key_is_reported(stack: Stack, shell: CommandLine) -> None:
    stack.box.settings.keys = {"another"}
    try:
        result = shell.run("credits")
    finally:
        stack.box.settings.keys = set()
    assert result == CommandResult(1, "", "Error: BFL refuses the key in BFL_API_KEY\n")


def test_a_missing_key_and_an_unreachable_bfl_are_errors(shell: CommandLine) -> None:
    missing = shell.run("credits", BFL_API_KEY=None, BFL_SANDBOX_URL=None)
    assert missing.code == 1 and "BFL_API_KEY is not set" in missing.err
    nobody = shell.run("credits", BFL_SANDBOX_URL=f"http://127.0.0.1:{free_port()}")
    assert nobody.code == 1 and "no answer from http://127.0.0.1:" in nobody.err
