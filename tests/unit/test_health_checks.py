"""Checks that need nothing but settings or the answer to INFO."""

from typing import Any

import pytest

from jobs.config.settings import load
from receiver.checks import bfl, public_url, redis, settings
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness.doctor_output import NEEDED, grades


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, []),
        ({"REDIS_URL": ""}, ["REDIS_URL"]),
        ({"MEDIA_URL": ""}, ["MEDIA_URL"]),
        ({"BFL_API_KEY": "bfl_key"}, ["PUBLIC_URL"]),
        ({"API_KEYS": "c:app-key-of-tests:submit", "BFL_API_KEY_C": "bfl_key"}, ["PUBLIC_URL"]),
        ({"BFL_API_KEY": "bfl_key", "PUBLIC_URL": "http://keep.example"}, ["PUBLIC_URL"]),
        ({"BFL_API_KEY": "bfl_key", "PUBLIC_URL": "https://LOCALHOST:8000"}, ["PUBLIC_URL"]),
        ({"BFL_API_KEY": "bfl_key", "PUBLIC_URL": "https://Keep.example/flux"}, []),
        ({"BFL_API_KEY": "key", "PUBLIC_URL": "https://keep.example"}, ["BFL_API_KEY"]),
        ({"BFL_API_KEY": "key", "BFL_SANDBOX_URL": "http://127.0.0.1:9"}, []),
        ({"BFL_API_KEY": "bfl_key", "BFL_SANDBOX_URL": "http://127.0.0.1:9"}, []),
    ],
)
def test_a_valid_but_unwise_setting_is_a_warning(values: dict[str, str], warned: list[str]) -> None:
    expected = {"settings": Grade.OK, **dict.fromkeys(warned, Grade.WARNING)}
    assert grades(settings.check(Context(load(NEEDED | values)))) == expected


@pytest.mark.parametrize(
    "values",
    [{"BFL_API_KEY": "bfl_key"}, {"PUBLIC_URL": "http://10.1.2.3"}],
    ids=["no address", "plain http"],
)
def test_a_public_url_that_cannot_be_tried_is_a_warning(values: dict[str, str]) -> None:
    assert grades(public_url.check(Context(load(NEEDED | values)))) == {"public_url": Grade.WARNING}


VALKEY = {"server_name": "valkey", "redis_version": "7.2.4", "valkey_version": "9.1"}


@pytest.mark.parametrize(
    ("name", "fields", "grade"),
    [
        ("redis", {}, Grade.OK),
        ("redis", {"redis_version": "7.2.4"}, Grade.OK),
        ("redis", VALKEY, Grade.OK),
        ("redis", {"redis_mode": "cluster"}, Grade.FAILED),
        ("redis_disk", {"aof_enabled": 1, "aof_last_write_status": "err"}, Grade.FAILED),
        ("redis_eviction", {"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, Grade.WARNING),
    ],
)
def test_what_redis_says_of_itself_is_graded(name: str, fields: Any, grade: Grade) -> None:
    assert grades(redis.check_info(fields))[name] is grade
    assert ("Valkey 9.1 " in next(redis.check_info(fields)).why) is (fields is VALKEY)


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
    results = redis.check_access(load(NEEDED | {"REDIS_URL": url}))
    found = [one for one in results if one.grade != Grade.OK]
    assert all(what in one.why for one, what in zip(found, warnings, strict=True))


def test_somebody_without_a_key_is_told_where_to_get_one() -> None:
    context = Context(load(NEEDED))
    (result,) = bfl.check_account(context)
    assert "https://dashboard.bfl.ai/get-started" in result.remedy
