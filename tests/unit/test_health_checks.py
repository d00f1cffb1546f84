"""Checks that need nothing but settings or the answer to INFO."""

from typing import Any

import pytest

from jobs.config.settings import load
from receiver.checks import public_url, redis, settings
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness.doctor_output import NEEDED, grades


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, []),
        ({"REDIS_URL": ""}, ["REDIS_URL"]),
        ({"MEDIA_URL": ""}, ["MEDIA_URL"]),
        ({"BFL_API_KEY": "key"}, ["PUBLIC_URL"]),
        ({"API_KEYS": "c:app-key-of-tests:submit", "BFL_API_KEY_C": "key"}, ["PUBLIC_URL"]),
        ({"BFL_API_KEY": "key", "PUBLIC_URL": "http://keep.example"}, ["PUBLIC_URL"]),
        ({"BFL_API_KEY": "key", "PUBLIC_URL": "https://LOCALHOST:8000"}, ["PUBLIC_URL"]),
        ({"BFL_API_KEY": "key", "PUBLIC_URL": "https://Keep.example/flux"}, []),
        ({"BFL_API_KEY": "key", "BFL_SANDBOX_URL": "http://127.0.0.1:9"}, []),
    ],
)
def test_a_valid_but_unwise_setting_is_a_warning(values: dict[str, str], warned: list[str]) -> None:
    expected = {"settings": Grade.OK, **dict.fromkeys(warned, Grade.WARNING)}
    assert grades(settings.check(Context(load(NEEDED | values)))) == expected


@pytest.mark.parametrize(
    "values",
    [{"BFL_API_KEY": "key"}, {"PUBLIC_URL": "http://10.1.2.3"}],
    ids=["no address", "plain http"],
)
def test_a_public_url_that_cannot_be_tried_is_a_warning(values: dict[str, str]) -> None:
    assert grades(public_url.check(Context(load(NEEDED | values)))) == {"public_url": Grade.WARNING}


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
    assert grades(redis.check_info(fields))["redis"] is grade


def test_a_valkey_is_named_as_one() -> None:
    fields = {"server_name": "valkey", "redis_version": "7.2.4", "valkey_version": "9.1"}
    assert "Valkey 9.1 " in next(redis.check_info(fields)).why


def test_a_redis_that_cannot_write_its_file_has_failed() -> None:
    fields = {"aof_enabled": 1, "aof_last_write_status": "err"}
    assert grades(redis.check_info(fields))["redis_disk"] is Grade.FAILED


def test_an_eviction_policy_without_a_limit_is_only_a_warning() -> None:
    fields = {"maxmemory_policy": "allkeys-lru", "maxmemory": 0}
    assert grades(redis.check_info(fields))["redis_eviction"] is Grade.WARNING


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
def test_access_to_a_remote_redis_is_checked(url: str, warnings: list[str]) -> None:
    found = [
        one
        for one in redis.check_access(load(NEEDED | {"REDIS_URL": url}))
        if one.grade != Grade.OK
    ]
    assert len(found) == len(warnings)
    assert all(what in one.why for one, what in zip(found, warnings, strict=True))
