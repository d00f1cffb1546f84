"""`doctor` finds what is wrong, says what to do and shows no secret."""

from pathlib import Path

import requests

from receiver.checks.bfl import LOW_CREDITS
from receiver.checks.processes import HEARTBEAT_MAX_SECONDS
from tests.harness import Installation
from tests.harness.command_line import CommandLine
from tests.harness.doctor_output import ALL, REMOTE, failed, names
from tests.harness.hook import Hook
from tests.harness.parts import Parts
from tests.harness.patience import wait_for
from tests.harness.ports import free_port
from tests.harness.stack import Stack
from tests.system.dashboard.visitor import Visitor

LOW = "20 credits ($0.20) left"


def test_an_installation_that_works_is_well(shell: CommandLine) -> None:
    result = shell.run("doctor")
    assert names(result, "ok") == ALL
    assert failed(result) == names(result, "warning") == []


def test_it_changes_no_job_and_leaves_no_file(stack: Stack, shell: CommandLine) -> None:
    stack.stored(stack.generate())
    before = stack.client.jobs()[0]
    shell.run("doctor")
    (after,) = stack.client.jobs()
    assert (after["timeline"], after["updated_at"]) == (before["timeline"], before["updated_at"])
    assert stack.staged() == []


# The settings.


def test_every_wrong_variable_has_a_line_of_its_own(shell: CommandLine) -> None:
    result = shell.run(
        "doctor",
        SECRET_KEY=None,
        PORT="planted-canary",
        BFL_API_URL="http://planted-canary.example",
        REDIS_URL="planted-canary",
    )
    assert sorted(failed(result)) == ["BFL_API_URL", "PORT", "REDIS_URL", "SECRET_KEY"]
    assert "planted-canary" not in result.words


def test_a_long_name_is_separate_from_its_message(shell: CommandLine) -> None:
    assert (
        "BFL_SANDBOX_URL must be" in shell.run("doctor", BFL_SANDBOX_URL="http://a.example").words
    )


def test_a_file_that_cannot_be_read_is_named_by_its_variable(shell: CommandLine) -> None:
    assert failed(shell.run("doctor", SECRET_KEY_FILE="/nowhere")) == ["SECRET_KEY_FILE"]


def test_an_odd_option_for_redis_does_not_stop_the_other_checks(
    stack: Stack, shell: CommandLine
) -> None:
    result = shell.run("doctor", REDIS_URL=f"{stack.installation.redis.url}?planted=canary")
    assert failed(result) == ["REDIS_URL"]
    assert names(result, "ok") == ["settings", "storage", *REMOTE]


# Storage and BFL.


def test_a_storage_that_cannot_be_used_does_not_stop_the_other_checks(
    shell: CommandLine, tmp_path: Path
) -> None:
    # A file where a directory should be stops root too, as permissions would not.
    (tmp_path / "file").touch()
    result = shell.run("doctor", MEDIA_URL=(tmp_path / "file/media").as_uri())
    assert failed(result) == ["storage"]
    assert names(result, "ok") == [name for name in ALL if name != "storage"]
    assert "Not a directory" in result.words


def test_a_key_that_bfl_refuses_is_named(stack: Stack, shell: CommandLine) -> None:
    stack.box.settings.keys = {"another"}
    try:
        result = shell.run("doctor")
    finally:
        stack.box.settings.keys = set()
    assert failed(result) == ["bfl"]
    assert "BFL refuses the key in BFL_API_KEY" in result.words


def test_an_account_without_credits_is_named(stack: Stack, shell: CommandLine) -> None:
    before, stack.box.settings.credits = stack.box.settings.credits, 0.0
    try:
        assert failed(shell.run("doctor")) == ["bfl"]
    finally:
        stack.box.settings.credits = before


def test_low_credits_are_a_warning_in_every_list(stack: Stack, shell: CommandLine) -> None:
    before, stack.box.settings.credits = stack.box.settings.credits, 20.0
    web = stack.installation
    try:
        restart_web(web)
        wait_for("the warning", lambda: LOW in Visitor(web.url, "read").text("/health"), 30)
        ready = requests.get(f"{web.url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["checks"]["credits"]) == (200, "ok")
        result = shell.run("doctor")
    finally:
        stack.box.settings.credits = before
        restart_web(web)
    assert (failed(result), names(result, "warning")) == ([], ["credits"])
    assert LOW in result.words


def test_the_warning_follows_the_credits_of_a_day(stack: Stack, shell: CommandLine) -> None:
    before = stack.box.settings.credits
    for n in range(6):
        body = {"model": "flux-2-max", "input": {"prompt": f"costly {n}"}}
        job = stack.client.request("POST", "/api/jobs", json=body).json()
        stack.client.wait_for(job["id"])
    spent = sum(day["credits"] for day in stack.client.get("/api/costs").json()["days"])
    assert spent * 2 > LOW_CREDITS
    for days, warned in ((2.0, ["credits"]), (4.0, [])):
        stack.box.settings.credits = spent * days
        result = shell.run("doctor")
        assert names(result, "warning") == warned
        assert ("enough for 2.0 days" in result.words) == bool(warned)
    stack.box.settings.credits = before


def restart_web(installation: Installation) -> None:
    installation.kill("web")
    installation.start("web")
    installation.wait_until_ready()


def test_a_bfl_that_cannot_be_reached_is_named(shell: CommandLine) -> None:
    result = shell.run("doctor", BFL_SANDBOX_URL=f"http://127.0.0.1:{free_port()}")
    assert failed(result) == ["bfl"]


def test_without_a_key_and_an_address_there_are_only_warnings(shell: CommandLine) -> None:
    result = shell.run("doctor", BFL_SANDBOX_URL=None, BFL_API_KEY=None)
    assert failed(result) == []
    assert names(result, "warning") == REMOTE


# PUBLIC_URL.


def test_the_trial_callbacks_are_counted_as_what_they_are(stack: Stack, shell: CommandLine) -> None:
    def counted(why: str) -> float:
        text = requests.get(f"{stack.installation.url}/metrics", timeout=30).text
        name = f'fluxkeep_callbacks_refused_total{{why="{why}"}} '
        return float(text.partition(name)[2].partition("\n")[0])

    before = counted("malformed"), counted("unauthorized")
    shell.run("doctor")
    assert (counted("malformed"), counted("unauthorized")) == (before[0] + 1, before[1] + 1)


def test_another_secret_in_the_web_process_is_found_out(shell: CommandLine) -> None:
    result = shell.run("doctor", WEBHOOK_SECRET="planted-canary-of-the-doctor")
    assert failed(result) == ["public_url"]
    assert "the same WEBHOOK_SECRET" in result.words and "planted-canary" not in result.words


def test_another_server_at_public_url_is_found(stack: Stack, shell: CommandLine) -> None:
    result = shell.run("doctor", PUBLIC_URL=stack.box.url)
    assert failed(result) == ["public_url"]
    assert "answers 404" in result.words


def test_a_receiver_that_does_not_verify_is_found_out(shell: CommandLine) -> None:
    careless = Hook(*[400] * 9)  # it refuses every body in the same way, whoever signed it
    result = shell.run("doctor", PUBLIC_URL=careless.url.partition("/hook")[0])
    careless.close()
    assert failed(result) == ["public_url"]
    assert "wrongly signed callback is not refused" in result.words


def test_a_public_url_of_a_private_address_is_named(shell: CommandLine) -> None:
    result = shell.run("doctor", PUBLIC_URL="https://localhost")
    assert failed(result) == ["public_url"]
    assert "not on the internet" in result.words


def test_an_address_without_a_server_is_named(shell: CommandLine) -> None:
    result = shell.run("doctor", PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    assert failed(result) == ["public_url"]
    assert "cannot be reached" in result.words


# Worker and sweep.


def test_a_process_without_a_recent_heartbeat_is_named(stack: Stack, shell: CommandLine) -> None:
    installation, process = stack.installation, "worker"
    limit = HEARTBEAT_MAX_SECONDS[process]
    installation.kill(process)
    with installation.redis.client() as client:
        over = Parts.over(client)
        over.metrics.record_heartbeat(process, over.store.now() - limit - 5)
        result = shell.run("doctor")
        installation.start(process)
        wait_for("it is seen again", lambda: over.metrics.heartbeat_ages()[process] < limit, 30)
    assert failed(result) == [process]
    assert "was last seen" in result.words


def test_where_nothing_was_ever_started_all_of_it_is_named(
    stopped_installation: Installation,
) -> None:
    result = CommandLine(stopped_installation).run("doctor")
    assert failed(result) == ["worker", "sweep", "public_url"]
    assert result.words.count("was never seen") == 2
