"""`flask --app receiver`: help, `submit`, `jobs`, `credits` and `keys`."""

import json
import re
import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation, Stack, free_port, stopped_stack, wait_for
from tests.harness.command_line import FOX, CommandLine, CommandResult, quick
from tests.harness.images import png
from tests.harness.visitor import csrf_token

GROUPS = ("submit", "jobs", "archive", "credits", "doctor", "repair")
COMMANDS = (*GROUPS, "jobs list", "jobs show", "jobs replay", "archive export", "archive import")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything runs, and the worker knows where BFL is to call."""
    with stopped_stack(tmp_path_factory.mktemp("commands")) as stack:
        stack.installation.settings["PUBLIC_URL"] = stack.installation.url
        stack.installation.start()
        yield stack
        stack.settled()


def bytes_at_bfl(stack: Stack, job: dict[str, Any]) -> list[bytes]:
    return [stack.sandbox.file(job["task_id"], n) for n in range(len(job["media"]))]


def test_the_help_lists_what_fluxkeep_can_do_and_nothing_else(shell: CommandLine) -> None:
    result = shell.run("--help")
    listed = re.findall(r"^  (\w+)  ", result.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == ["archive", "credits", "doctor", "jobs", "keys", "login", "repair", "submit"]
    assert result.out.partition("\n\n")[2].lstrip().startswith("Fluxkeep ")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example(shell: CommandLine, command: str) -> None:
    result = shell.run(*command.split(), "--help", SECRET_KEY=None, REDIS_URL="planted-canary")
    assert result.code == 0 and "Example" in result.out
    assert f"flask --app receiver {command}" in result.out


@pytest.mark.parametrize("command", [FOX, ("jobs", "list"), ("credits",)], ids=" ".join)
def test_wrong_settings_are_one_sentence(shell: CommandLine, command: tuple[str]) -> None:
    result = shell.run(*command, SECRET_KEY=None)
    assert result.code == 1 and result.out == ""
    assert "Error: SECRET_KEY: is missing. See: flask --app receiver doctor" in result.words


def test_a_submission_prints_the_id_of_its_job(stack: Stack, shell: CommandLine) -> None:
    job_id = shell.submitted("--metadata", "user=42", "--metadata", "note=a=b")
    job = stack.client.wait_for(job_id, "stored")
    assert job["metadata"] == {"user": "42", "note": "a=b"}
    assert [stack.client.media(job)] == bytes_at_bfl(stack, job)


def test_values_that_are_json_are_sent_as_json(stack: Stack, shell: CommandLine) -> None:
    options = ("width=256", "seed=42", "name=NaN", 'tag="7"', "say=hello = world")
    result = shell.run(*FOX, *(part for one in options for part in ("--input", one)), *quick())
    job = stack.client.wait_for(result.out.strip(), "stored")
    given = {"width": 256, "seed": 42, "name": "NaN", "tag": "7", "say": "hello = world"}
    assert stack.sandbox.task(job["task_id"]).input == {"prompt": "a fox", **given}


def test_a_file_is_sent_as_its_base64(stack: Stack, shell: CommandLine, tmp_path: Path) -> None:
    image = png(8, 8)
    (tmp_path / "fox.png").write_bytes(image)
    result = shell.run(*FOX, "--input", f"input_image=@{tmp_path}/fox.png", *quick(), "--wait")
    assert result.code == 0, result
    job = stack.client.job(result.out.split()[0])
    assert stack.sandbox.task(job["task_id"]).input["input_image"] == b64encode(image).decode()
    missing = shell.run(*FOX, "--input", f"input_image=@{tmp_path}/no.png")
    assert missing.code == 2 and "no.png: No such file" in missing.words


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
        (["--model", "../x", "--prompt", "a fox"], 1, "model: Give a path of"),
        (["--model", "flux-2-pro", "--input", "width"], 2, "'width' is not name=value"),
        (["--model", "flux-2-pro", "--input", "=1"], 2, "is not name=value"),
        (
            ["--model", "m", "--prompt", "a", "--metadata", f"a={'b' * 9000}"],
            1,
            "metadata: Give at most",
        ),
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
    assert result.err == "Error: Redis: ConnectionError.\n"


def test_a_job_is_shown_by_either_id_as_by_the_api(stack: Stack, shell: CommandLine) -> None:
    job = stack.client.wait_for(shell.submitted("--metadata", "note=\x1b[31mred"), "stored")
    for job_id in (job["id"], job["task_id"]):
        result = shell.run("jobs", "show", job_id)
        shown = json.loads(result.out)
        assert {**shown, "media": None} == {**job, "media": None}
        assert stack.client.get(shown["media"][0]["url"]).content == stack.client.media(job)
        assert "\x1b" not in result.out and "sig=" not in result.out


def test_a_unique_beginning_of_an_id_is_enough(stack: Stack, shell: CommandLine) -> None:
    job = stack.client.wait_for(shell.submitted(), "stored")
    for job_id in (job["id"], job["task_id"]):
        assert json.loads(shell.run("jobs", "show", job_id[:12]).out)["id"] == job["id"]
    for name in ("alike-1", "alike-2"):
        stack.client.put_job(name).raise_for_status()
    several = shell.run("jobs", "delete", "alike")
    assert several.code == 1 and "2 jobs have an id that begins with alike" in several.err
    assert shell.run("jobs", "delete", "alike-1").out == "alike-1  deleted\n"
    assert shell.run("jobs", "delete", "alike").out == "alike-2  deleted\n"


@pytest.mark.parametrize("command", ["show", "replay"])
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
    empty = shell.run("jobs", "list", "--status", "lost").out
    assert empty.split() == ["id", "status", "model", "created", "prompt"]
    assert shell.run("jobs", "list", "--status", "done").code == 2


def test_jobs_are_listed_by_the_filters_of_the_api(stack: Stack, shell: CommandLine) -> None:
    job_id = shell.submitted("--metadata", "user=only", "--input", "prompt_upsampling=true")
    stack.client.wait_for(job_id, "stored")
    listed = shell.run("jobs", "list", "--metadata", "user=only", "--model", "flux-2-pro")
    _, line = listed.out.splitlines()
    assert line.startswith(job_id) and line.endswith("  a fox")
    assert len(shell.run("jobs", "list", "--since", "2999-01-01").out.splitlines()) == 1
    wrong = shell.run("jobs", "list", "--until", "tomorrow")
    assert wrong.code == 1 and "until: Give a time" in wrong.err


def test_a_login_link_works_once(stack: Stack, shell: CommandLine) -> None:
    link = shell.run("login", "--name", "submiter").out.strip()
    browser = stack.installation.client("")
    form = {"csrf_token": csrf_token(browser.get(link).text)}
    assert browser.request("POST", link, data=form).status_code == 303
    assert stack.installation.client("").get(link).status_code == 403
    assert shell.run("login", "--name", "nobody").code == 2


def test_a_replay_brings_back_what_can_be_brought_back(stack: Stack, shell: CommandLine) -> None:
    good = stack.stored(stack.generate())["id"]
    job_id = shell.submitted(submit_status=422, submit_times=1)
    assert stack.client.wait_for(job_id)["status"] == "failed"
    result = shell.run("jobs", "replay", good, job_id)
    assert result.code == 1
    assert result.out == f"{job_id}  queued\n"
    assert result.err.startswith(f"{good}  Only a job that failed")
    assert stack.client.wait_for(job_id, "stored")["media"]
    assert shell.run("jobs", "replay").code == 2


def test_credits_are_shown(stack: Stack, shell: CommandLine) -> None:
    before, stack.sandbox.settings.credits = stack.sandbox.settings.credits, 1234.5
    try:
        assert shell.run("credits") == CommandResult(0, "1,234.50 credits ($12.35)\n", "")
    finally:
        stack.sandbox.settings.credits = before


def test_a_refused_key_is_reported(stack: Stack, shell: CommandLine) -> None:
    stack.sandbox.settings.keys = {"another"}
    try:
        result = shell.run("credits")
    finally:
        stack.sandbox.settings.keys = set()
    assert result == CommandResult(1, "", "Error: BFL refuses the key in BFL_API_KEY.\n")


def test_a_missing_key_and_an_unreachable_bfl_are_errors(shell: CommandLine) -> None:
    missing = shell.run("credits", BFL_API_KEY=None, BFL_SANDBOX_URL=None)
    assert missing.code == 1 and "BFL_API_KEY is not set" in missing.err
    nobody = shell.run("credits", BFL_SANDBOX_URL=f"http://127.0.0.1:{free_port()}")
    assert nobody.code == 1 and "No answer from http://127.0.0.1:" in nobody.err


def test_ctrl_c_leaves_the_job_alone_and_prints_how_to_show_it(
    stack: Stack, shell: CommandLine, tmp_path: Path
) -> None:
    """The command waits for a job that BFL does not accept yet."""
    command = (*FOX, *quick(submit_status=429, submit_times=1, retry_after=3), "--wait")
    waiting = shell.start(*command, log=tmp_path / "command.log")

    def printed(pattern: str) -> re.Match[str]:
        return wait_for(pattern, lambda: re.search(pattern, waiting.output()), 30)

    printed(r"queued: BFL says that too many tasks are active")
    waiting.send(signal.SIGINT)
    assert waiting.wait() == 130
    job_id = printed(r"flask --app receiver jobs show (\S+)")[1]
    assert "Traceback" not in waiting.output() and "Aborted" not in waiting.output()
    stack.client.wait_for(job_id, "stored", timeout=60)


def test_a_new_key_is_shown_once(stopped_installation: Installation) -> None:
    shell = CommandLine(stopped_installation)
    result = shell.run("keys", "new", "--name", "app", "--scope", "read", "--own")
    key, entry = (line.split()[1] for line in result.out.splitlines())
    assert result.code == 0 and len(key) >= 43 and key not in entry
    stopped_installation.settings["API_KEYS"] = entry
    stopped_installation.start("web")
    assert entry.endswith(":read:own")
    assert stopped_installation.client(key).get("/api/jobs").status_code == 200
    assert stopped_installation.client(entry.split(":")[1]).get("/api/jobs").status_code == 401
    assert key not in stopped_installation.logs()


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "a b", "ä"])
def test_a_name_may_not_break_the_list(stopped_installation: Installation, name: str) -> None:
    result = CommandLine(stopped_installation).run("keys", "new", "--name", name, "--scope", "read")
    assert result.code == 2 and not result.out
