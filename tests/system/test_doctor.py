"""`doctor` finds what is wrong, says what to do and shows no secret."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import pytest
import requests

from receiver.checks.bfl import LOW_CREDITS
from tests.harness import CommandLine, Installation, Stack, free_port, wait_for
from tests.harness.doctor_output import ALL, REDIS, REMOTE, failed, names
from tests.harness.visitor import Visitor
from tests.harness.webhook_receiver import Hook

LOW = "20 credits ($0.20) left"
CANARY = "planted-canary"
NOBODY = f"http://127.0.0.1:{free_port()}"
# What is set wrong, the checks that fail for it, and what is said.
WRONG_SETTINGS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "several": (
        {
            "SECRET_KEY": None,
            "PORT": CANARY,
            "BFL_API_URL": f"http://{CANARY}",
            "REDIS_URL": CANARY,
        },
        ["BFL_API_URL", "PORT", "REDIS_URL", "SECRET_KEY"],
        "",
    ),
    "a long name": (
        {"BFL_SANDBOX_URL": "http://a.example"},
        ["BFL_SANDBOX_URL"],
        "BFL_SANDBOX_URL must be",
    ),
    "no file": ({"SECRET_KEY_FILE": "/nowhere"}, ["SECRET_KEY_FILE"], ""),
    "no storage": ({"MEDIA_URL": "file:///dev/null/media"}, ["storage"], "Not a directory"),
    "no BFL": ({"BFL_SANDBOX_URL": NOBODY}, ["bfl"], ""),
    "another secret than the web process": (
        {"WEBHOOK_SECRET": f"{CANARY}-of-the-doctor"},
        ["public_url"],
        "the same WEBHOOK_SECRET",
    ),
    "a private address": (
        {"PUBLIC_URL": "https://localhost"},
        ["public_url"],
        "not on the internet",
    ),
    "nobody there": ({"PUBLIC_URL": NOBODY}, ["public_url"], "cannot be reached"),
}


@contextmanager
def bfl_with(stack: Stack, **values: Any) -> Iterator[None]:
    """BFL has these settings inside the block."""
    before = {name: getattr(stack.sandbox.settings, name) for name in values}
    vars(stack.sandbox.settings).update(values)
    try:
        yield
    finally:
        vars(stack.sandbox.settings).update(before)


def test_a_working_installation_is_left_as_it_is(stack: Stack, shell: CommandLine) -> None:
    stack.stored(stack.generate())
    before = [(job["timeline"], job["updated_at"]) for job in stack.client.jobs()]
    result = shell.run("doctor")
    assert names(result, "ok") == ALL
    assert failed(result) == names(result, "warning") == []
    assert [(job["timeline"], job["updated_at"]) for job in stack.client.jobs()] == before
    assert stack.staged() == []


@pytest.mark.parametrize(("wrong", "checks", "words"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_what_is_set_wrong_is_named(
    shell: CommandLine, wrong: dict[str, Any], checks: list[str], words: str
) -> None:
    result = shell.run("doctor", **wrong)
    assert sorted(failed(result)) == checks and words in result.words
    assert CANARY not in result.words


def test_what_was_never_started_is_named(stopped_installation: Installation) -> None:
    result = CommandLine(stopped_installation).run("doctor")
    assert failed(result) == ["worker", "sweep", "public_url"]
    assert result.words.count("was never seen") == 2


def test_a_key_that_bfl_refuses_is_named(stack: Stack, shell: CommandLine) -> None:
    with bfl_with(stack, keys={"another"}):
        result = shell.run("doctor")
    assert failed(result) == ["bfl"]
    assert "BFL refuses the key in BFL_API_KEY" in result.words


def test_an_account_without_credits_is_named(stack: Stack, shell: CommandLine) -> None:
    with bfl_with(stack, credits=0.0):
        assert failed(shell.run("doctor")) == ["bfl"]


def test_low_credits_are_a_warning_in_every_list(stack: Stack, shell: CommandLine) -> None:
    web = stack.installation
    with bfl_with(stack, credits=20.0):
        restart_web(web)
        wait_for("the warning", lambda: LOW in Visitor(web.url, "read").text("/health"), 30)
        ready = requests.get(f"{web.url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["checks"]["credits"]) == (200, "ok")
        result = shell.run("doctor")
    restart_web(web)
    assert (failed(result), names(result, "warning")) == ([], ["credits"])
    assert LOW in result.words


def restart_web(installation: Installation) -> None:
    installation.kill("web")
    installation.start("web")


def test_the_warning_follows_the_credits_of_a_day(stack: Stack, shell: CommandLine) -> None:
    for n in range(6):
        stack.client.wait_for(stack.client.submit("flux-2-max", prompt=f"costly {n}")["id"])
    spent = sum(day["credits"] for day in stack.client.get("/api/costs").json()["days"])
    assert spent * 2 > LOW_CREDITS
    for days, warned in ((2.0, ["credits"]), (4.0, [])):
        with bfl_with(stack, credits=spent * days):
            result = shell.run("doctor")
        assert names(result, "warning") == warned
        assert ("enough for 2.0 days" in result.words) == bool(warned)


def test_the_trial_callbacks_are_counted_as_what_they_are(stack: Stack, shell: CommandLine) -> None:
    def counted(why: str) -> float:
        text = requests.get(f"{stack.installation.url}/metrics", timeout=30).text
        name = f'fluxkeep_callbacks_refused_total{{why="{why}"}} '
        return float(text.partition(name)[2].partition("\n")[0])

    before = counted("malformed"), counted("unauthorized")
    shell.run("doctor")
    assert (counted("malformed"), counted("unauthorized")) == (before[0] + 1, before[1] + 1)
    assert "callback refused: wrong signature, a test by doctor" in stack.installation.logs("web")


def test_another_server_at_public_url_is_found(stack: Stack, shell: CommandLine) -> None:
    result = shell.run("doctor", PUBLIC_URL=stack.sandbox.url)
    assert failed(result) == ["public_url"]
    assert "answers 404" in result.words


def test_a_receiver_that_does_not_verify_is_found_out(shell: CommandLine) -> None:
    careless = Hook(*[400] * 9)  # it refuses every body in the same way, whoever signed it
    result = shell.run("doctor", PUBLIC_URL=careless.url.partition("/hook")[0])
    careless.close()
    assert failed(result) == ["public_url"]
    assert "wrongly signed callback is not refused" in result.words


def test_without_redis_the_rest_is_still_checked(shell: CommandLine) -> None:
    result = shell.run("doctor", REDIS_URL=f"redis://:{CANARY}@127.0.0.1:{free_port()}/0")
    assert failed(result) == ["redis"]
    unknown = [name for name in ALL if name not in (*REDIS, "settings", "storage", *REMOTE)]
    assert names(result, "warning") == unknown
    assert names(result, "ok") == ["settings", "storage", *REMOTE]
    assert CANARY not in result.words


def test_an_odd_option_of_redis_stops_no_other_check(stack: Stack, shell: CommandLine) -> None:
    result = shell.run("doctor", REDIS_URL=f"{stack.installation.redis.url}?planted=canary")
    assert failed(result) == ["REDIS_URL"]
    assert names(result, "ok") == ["settings", "storage", *REMOTE]


def test_a_wrong_password_is_named(stack: Stack, shell: CommandLine) -> None:
    port = stack.installation.redis.port
    result = shell.run("doctor", REDIS_URL=f"redis://:canary@127.0.0.1:{port}")
    assert failed(result) == ["redis"]
    assert "right user and password" in result.words and "canary" not in result.words


def test_a_redis_that_evicts_jobs_fails_also_a_release(stack: Stack, shell: CommandLine) -> None:
    evicting = {"maxmemory": 2**30, "maxmemory-policy": "allkeys-lru", "appendonly": "no"}
    with stack.installation.redis.client() as redis:
        before = {name: redis.config_get(name)[name] for name in evicting}
        try:
            redis.config_set(*chain(*evicting.items()))
            result, release = shell.run("doctor"), shell.run("doctor", "--release")
        finally:
            redis.config_set(*chain(*before.items()))
    assert failed(result) == failed(release) == ["redis_eviction"]
    assert names(result, "warning") == ["redis_disk"]


def test_a_replica_is_named(stack: Stack, shell: CommandLine) -> None:
    with stack.installation.redis.client() as client:
        client.replicaof("127.0.0.1", str(free_port()))
        try:
            result = shell.run("doctor")
        finally:
            client.replicaof("NO", "ONE")
    assert "redis" in failed(result) and "replica" in result.words


def test_a_provider_may_forbid_info(stack: Stack, shell: CommandLine) -> None:
    server, allowed = stack.installation.redis, ["+@all", "-info", "-config"]
    with server.client() as client:
        client.acl_setuser(
            "hosted", enabled=True, passwords=[f"+{CANARY}"], keys=["*"], commands=allowed
        )
    result = shell.run("doctor", REDIS_URL=f"redis://hosted:{CANARY}@127.0.0.1:{server.port}/0")
    assert failed(result) == []
    assert names(result, "warning") == ["redis_disk", "redis_eviction"]
    assert result.words.count("cannot be known") == 2 and CANARY not in result.words
