"""NOTIFY_URL, NOTIFY_SECRET and NOTIFY_HOSTS: what they may say."""

import base64

import pytest

from jobs.config.platform_defaults import derived_notify_secret
from jobs.config.settings import Settings, load
from jobs.config.values import EVENTS
from jobs.domain.status import Status
from jobs.services import build_host_policy
from jobs.signing import is_notification_secret
from tests.harness.required_settings import CANARY, REQUIRED, start_error

SLACK = "https://hooks.slack.com/services/T0/B0/x"


def secret(size: int = 32, prefix: str = "whsec_") -> str:
    return prefix + base64.b64encode(b"c" * size).decode()


@pytest.mark.parametrize(
    "value",
    [
        "canary",
        "whsec_canary!",
        secret(23),
        f"{secret()},whsec_canary",
        "whsk_" + secret(prefix=""),
    ],
)
def test_a_secret_that_some_verifier_could_not_read_stops_the_start(value: str) -> None:
    text = start_error(NOTIFY_SECRET=value, NOTIFY_URL="https://owner.example/")
    assert text.startswith("NOTIFY_SECRET: ") and "NOTIFY_URL" not in text
    assert CANARY not in text and f"{value}," not in f"{text},"


def test_without_a_secret_notifications_are_signed_by_one_of_secret_key() -> None:
    loaded = settings(NOTIFY_URL="https://owner.example/", NOTIFY_HOSTS="app.example")
    (notify_secret,) = loaded.notify_secret
    derived_secret = derived_notify_secret(REQUIRED["SECRET_KEY"])
    assert notify_secret.get_secret_value() == derived_secret
    assert is_notification_secret(derived_secret)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_URL", "canary"),
        ("NOTIFY_URL", "ftp://canary.example/"),
        ("NOTIFY_URL", "https://user:canary@owner.example/"),
        ("NOTIFY_URL", "https://owner.example/#canary"),
        ("NOTIFY_URL", "https://owner.example/canary#"),
        ("NOTIFY_URL", "https://owner.example/#lost+canary"),
        ("NOTIFY_URL", "https://owner.example/canary#lost#failed"),
        ("NOTIFY_URL", "https://owner.example/canary#queued"),
        ("NOTIFY_URL", "https://owner.example/,https://b.example/a,canary"),
        ("NOTIFY_URL", "https://b.example/canary#lost,https://b.example:443/canary#failed"),
        ("NOTIFY_URL", ",".join(f"https://b.example/canary{n}" for n in range(9))),
        ("NOTIFY_HOSTS", "https://canary.example"),
        ("NOTIFY_HOSTS", "*.canary.example"),
        ("NOTIFY_HOSTS", "good.example,CANARY.example"),
    ],
)
def test_a_wrong_value_names_its_variable_and_not_itself(name: str, value: str) -> None:
    text = start_error(NOTIFY_SECRET=secret(), **{name: value})
    assert text.startswith(f"{name}: ") and CANARY not in text.lower()


def settings(**values: str) -> Settings:
    return load({**REQUIRED, **values})


def test_each_url_names_its_events_and_hosts_are_names_addresses_or_any() -> None:
    urls = "https://a.example/hook?b=c#failed+lost, https://b.example ,"
    first, second = settings(NOTIFY_SECRET=secret(), NOTIFY_URL=urls).notify_url
    assert str(first.parsed) == "https://a.example/hook?b=c"
    assert first.events == {"failed", "lost"}
    assert (str(second.parsed), second.events) == ("https://b.example/", EVENTS)
    assert len({first.digest, second.digest}) == 2 and "example" not in repr((first, second))
    hosts = ("app", "app.example", "10.0.0.1", "[::1]", "*")
    given = settings(NOTIFY_SECRET=secret(), NOTIFY_HOSTS=",".join(hosts))
    assert build_host_policy(given).notify_hosts == hosts
    assert build_host_policy(settings(NOTIFY_SECRET=secret())).notify_hosts == ("*",)
    (slack,) = settings(NOTIFY_URL=f"{SLACK}#lost").notify_url  # which needs no secret
    assert slack.events == {Status.LOST}
