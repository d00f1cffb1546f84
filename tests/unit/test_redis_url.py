"""REDIS_URL: TLS, Sentinel and the names of Valkey."""

import pytest

from jobs.config.settings import load
from jobs.domain.errors import InvalidSettings
from jobs.services import redis_for_web
from receiver.checks.redis import check_access
from receiver.checks.result import Grade
from tests.harness.doctor_output import NEEDED


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("valkey://:p@a:1/2", "redis://:p@a:1/2"),
        ("valkeys://:p@a:1?db=2", "rediss://:p@a:1?db=2"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis+sentinel://:p@a,b:5/keep", "redis://:p@/?"),
        (
            "valkeys+sentinel://u:p@a/keep/3?ssl_cert_reqs=none",
            "rediss://u:p@/3?ssl_cert_reqs=none",
        ),
    ],
)
def test_every_way_becomes_options_of_redis_py(url: str, plain: str) -> None:
    assert load(NEEDED | {"REDIS_URL": url}).redis.plain == plain
    watched = "redis+sentinel://:p@a,[::1]:5/keep/1?sentinel_password=q"
    sentinels = load(NEEDED | {"REDIS_URL": watched}).redis.sentinels
    assert sentinels == ((("a", 26379), ("::1", 5)), "keep", {"password": "q"})


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://canary:1",
        "redis+sentinel:///keep",
        "redis+sentinel://canary:1,/keep",
        "redis+sentinel://canary:x/keep",
        "redis+sentinel://canary:1/keep/canary",
        "redis+cluster://canary:1",
        "unix+sentinel://canary:1/keep",
        "rediss://canary:1/0?ssl_cert_reqs=canary",
        "rediss://canary:1/0?ssl_ca_certs=/canary",
        "redis+sentinel://canary:1/keep?canary=1",
    ],
)
def test_nonsense_stops_with_the_name_of_the_variable(url: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        redis_for_web(load(NEEDED | {"REDIS_URL": url}))
    assert str(caught.value).startswith("REDIS_URL: ")
    assert "canary" not in str(caught.value)


def test_the_doctor_warns_of_unverified_connections() -> None:
    url = "rediss://:long-password@redis.example.invalid:1"
    unchecked = load(NEEDED | {"REDIS_URL": url, "REDIS_VERIFY": "no"})
    (found,) = check_access(unchecked)
    assert found.grade is Grade.WARNING and "REDIS_VERIFY" in found.why
