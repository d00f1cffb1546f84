"""`doctor` reports whether Redis answers and keeps what it was given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.harness.command_line import CommandLine
from tests.harness.doctor_output import REMOTE, failed, names
from tests.harness.ports import free_port
from tests.harness.stack import Stack


def test_without_redis_the_rest_is_still_checked(shell: CommandLine) -> None:
    port = free_port()
    result = shell.run("doctor", REDIS_URL=f"redis://:planted-canary@127.0.0.1:{port}/0")
    assert failed(result) == ["redis"]
    assert names(result, "warning") == [
        "durability",
        "worker",
        "sweep",
        "rescues",
        "submissions",
        "credits",
        "regions",
    ]
    assert names(result, "ok") == ["settings", "storage", *REMOTE]
    assert "planted-canary" not in result.words


def test_a_wrong_password_is_named(stack: Stack, shell: CommandLine) -> None:
    result = shell.run(
        "doctor", REDIS_URL=f"redis://:canary@127.0.0.1:{stack.installation.redis.port}"
    )
    assert failed(result) == ["redis"]
    assert "right user and password" in result.words and "canary" not in result.words


@contextmanager
def configured(stack: Stack, **options: Any) -> Iterator[None]:
    """Redis has these options inside the block."""
    names = {name: name.replace("_", "-") for name in options}
    with stack.installation.redis.client() as client:
        before = {names[name]: client.config_get(names[name])[names[name]] for name in options}
        try:
            for name, value in options.items():
                client.config_set(names[name], value)
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)


def test_a_redis_that_evicts_jobs_fails(stack: Stack, shell: CommandLine) -> None:
    with configured(stack, maxmemory=2**30, maxmemory_policy="allkeys-lru", appendonly="no"):
        result = shell.run("doctor")
    assert failed(result) == ["redis_memory"]
    assert names(result, "warning") == ["redis_disk"]


def test_a_redis_that_is_full_is_named(stack: Stack, shell: CommandLine) -> None:
    with configured(stack, maxmemory=1):
        result = shell.run("doctor")
    assert "redis" in failed(result) and "more memory" in result.words


def test_a_replica_is_named(stack: Stack, shell: CommandLine) -> None:
    with stack.installation.redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        try:
            result = shell.run("doctor")
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
    assert "redis" in failed(result) and "replica" in result.words


def test_a_provider_that_forbids_info_causes_warnings_only(
    stack: Stack, shell: CommandLine
) -> None:
    server = stack.installation.redis
    commands = ["+@all", "-info", "-config"]
    with server.client() as client:
        client.acl_setuser(
            "hosted", enabled=True, passwords=["+planted-canary"], keys=["*"], commands=commands
        )
    result = shell.run(
        "doctor", REDIS_URL=f"redis://hosted:planted-canary@127.0.0.1:{server.port}/0"
    )
    assert failed(result) == []
    assert names(result, "warning") == ["redis_disk", "redis_memory"]
    assert result.words.count("cannot be known") == 2 and "planted-canary" not in result.words
