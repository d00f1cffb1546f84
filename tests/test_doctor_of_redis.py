"""The doctor looks at Redis: does it answer, and does it keep what it is given?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deploy.local_redis import free_port
from jobs.settings import load
from receiver.doctor import Grade, redis, wire
from tests.harness.command_line import CommandLine
from tests.harness.examined import NEEDED, failed, known, parts
from tests.harness.scene import Scene, running_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("doctor")) as running:
        yield running


@pytest.fixture
def shell(scene: Scene) -> CommandLine:
    return CommandLine(scene.installation)


def test_without_redis_the_rest_is_still_looked_at(shell: CommandLine) -> None:
    port = free_port()
    said = shell.run("doctor", REDIS_URL=f"redis://:planted-canary@127.0.0.1:{port}/0")
    assert failed(said) == ["Redis"]
    assert parts(said, "warning") == ["worker", "sweep"]
    assert parts(said, "ok") == ["settings", "storage", "BFL", "callbacks"]
    assert "planted-canary" not in said.words


def test_a_wrong_password_is_called_one(scene: Scene, shell: CommandLine) -> None:
    said = shell.run(
        "doctor", REDIS_URL=f"redis://:canary@127.0.0.1:{scene.installation.redis.port}"
    )
    assert failed(said) == ["Redis"]
    assert "right user and password" in said.words and "canary" not in said.words


@contextmanager
def configured(scene: Scene, **options: Any) -> Iterator[None]:
    """Redis has these options for a while."""
    names = {name: name.replace("_", "-") for name in options}
    with scene.installation.redis.client() as client:
        before = {names[name]: client.config_get(names[name])[names[name]] for name in options}
        try:
            for name, value in options.items():
                client.config_set(names[name], value)
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)


def test_a_redis_that_forgets_jobs_is_named(scene: Scene, shell: CommandLine) -> None:
    with configured(scene, maxmemory=2**30, maxmemory_policy="allkeys-lru", appendonly="no"):
        said = shell.run("doctor")
    assert failed(said) == ["Redis memory"]
    assert parts(said, "warning") == ["Redis on disk"]


def test_a_redis_that_is_full_is_named(scene: Scene, shell: CommandLine) -> None:
    with configured(scene, maxmemory=1):
        said = shell.run("doctor")
    assert "Redis" in failed(said) and "more memory" in said.words


def test_a_replica_is_named(scene: Scene, shell: CommandLine) -> None:
    with scene.installation.redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        try:
            said = shell.run("doctor")
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
    assert "Redis" in failed(said) and "replica" in said.words


def test_a_provider_that_tells_nothing_leaves_questions_and_no_failure(
    scene: Scene, shell: CommandLine
) -> None:
    server = scene.installation.redis
    commands = ["+@all", "-info", "-config"]
    with server.client() as client:
        client.acl_setuser(
            "hosted", enabled=True, passwords=["+planted-canary"], keys=["*"], commands=commands
        )
    said = shell.run("doctor", REDIS_URL=f"redis://hosted:planted-canary@127.0.0.1:{server.port}/0")
    assert failed(said) == []
    assert parts(said, "warning") == ["Redis on disk", "Redis memory"]
    assert said.words.count("cannot be known") == 2 and "planted-canary" not in said.words


@pytest.mark.parametrize(
    ("fields", "grade"),
    [
        ({}, Grade.OK),
        ({"redis_version": "7.2.4"}, Grade.OK),
        ({"server_name": "valkey", "redis_version": "7.2.4", "valkey_version": "9.1"}, Grade.OK),
        ({"redis_mode": "cluster"}, Grade.FAILED),
    ],
)
def test_any_redis_but_a_cluster_will_do(fields: dict[str, Any], grade: Grade) -> None:
    assert known(redis.inside(fields))["Redis"] is grade


def test_a_redis_is_called_by_its_own_name() -> None:
    fields = {"server_name": "valkey", "redis_version": "7.2.4", "valkey_version": "9.1"}
    assert "Valkey 9.1 " in next(redis.inside(fields)).said


def test_a_redis_that_cannot_write_its_file_has_failed() -> None:
    fields = {"aof_enabled": 1, "aof_last_write_status": "err"}
    assert known(redis.inside(fields))["Redis on disk"] is Grade.FAILED


def test_an_eviction_policy_without_a_limit_is_only_a_warning() -> None:
    fields = {"maxmemory_policy": "allkeys-lru", "maxmemory": 0}
    assert known(redis.inside(fields))["Redis memory"] is Grade.WARNING


@pytest.mark.parametrize(
    ("url", "warnings"),
    [
        ("redis://127.0.0.1", []),
        ("unix:///run/redis.sock", []),
        ("redis://:secret@10.1.2.3", []),
        ("redis://10.1.2.3", ["no password"]),
        ("redis://:secret@8.8.8.8", ["without TLS"]),
        ("redis://8.8.8.8", ["no password", "without TLS"]),
        ("rediss://:secret@8.8.8.8", []),
    ],
)
def test_the_way_to_a_redis_elsewhere_is_looked_at(url: str, warnings: list[str]) -> None:
    found = [one for one in wire.look(load(NEEDED | {"REDIS_URL": url})) if one.grade != Grade.OK]
    assert len(found) == len(warnings)
    assert all(what in one.said for one, what in zip(found, warnings, strict=True))
