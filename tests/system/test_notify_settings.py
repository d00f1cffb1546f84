"""NOTIFY_URL, NOTIFY_SECRET and NOTIFY_HOSTS: what they may say, and what callers are told."""

import base64

import pytest

from jobs.config.settings import Settings, load
from jobs.services import build_host_policy
from tests.harness import Client, Installation
from tests.harness.required_settings import CANARY, REQUIRED, start_error


def secret(size: int = 32, prefix: str = "whsec_") -> str:
    return prefix + base64.b64encode(b"c" * size).decode()


# The operator's side.


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


def test_what_could_not_be_signed_stops_the_start() -> None:
    assert start_error(NOTIFY_URL="https://owner.example/").startswith(
        "NOTIFY_URL: needs NOTIFY_SEC"
    )
    assert start_error(NOTIFY_HOSTS="app.example").startswith("NOTIFY_HOSTS: needs NOTIFY_SECRET")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_URL", "canary"),
        ("NOTIFY_URL", "ftp://canary.example/"),
        ("NOTIFY_URL", "https://user:canary@owner.example/"),
        ("NOTIFY_URL", "https://owner.example/#canary"),
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


def test_hosts_may_be_names_addresses_and_any() -> None:
    hosts = ("app", "app.example", "10.0.0.1", "[::1]", "*")
    given = settings(NOTIFY_SECRET=secret(), NOTIFY_HOSTS=",".join(hosts))
    assert build_host_policy(given).notify_hosts == hosts
    assert build_host_policy(settings(NOTIFY_SECRET=secret())).notify_hosts == ("*",)
    assert build_host_policy(settings()).notify_hosts is None


# The callers' side.


def complaints(client: Client, url: str) -> list[dict[str, str]]:
    """Error of both ways to give a `notify_url`; fails if they differ."""
    order = {"model": "flux-2-pro", "input": {"prompt": "p"}, "notify_url": url}
    answers = [
        client.request("POST", "/api/jobs", json=order),
        client.put_job("abc", notify_url=url),
    ]
    assert {answer.status_code for answer in answers} == {422}
    first, second = (answer.json()["errors"] for answer in answers)
    assert first == second
    found: list[dict[str, str]] = first
    return found


def test_a_url_that_cannot_be_notified_is_refused_at_once(
    stopped_installation: Installation,
) -> None:
    own = stopped_installation
    own.settings["BFL_SANDBOX_URL"] = None  # with it plain http to this machine is allowed
    own.start("web")
    own.start("web", NOTIFY_SECRET=secret(), NOTIFY_HOSTS="app.example")
    own.start("web", NOTIFY_SECRET=secret())
    without, named, anybody = (own.client("submit", url) for url in own.urls)
    (error,) = complaints(without, "https://app.example/")
    assert error["field"] == "notify_url" and "NOTIFY_SECRET" in error["message"]
    (error,) = complaints(named, "https://other.example/")
    assert error["field"] == "notify_url" and "NOTIFY_HOSTS" in error["message"]
    assert named.put_job("abc", notify_url="https://app.example/").status_code == 201
    for url in ("http://app.example/", "http://127.0.0.1/", "http://169.254.169.254/"):
        assert [error["field"] for error in complaints(anybody, url)] == ["notify_url"]
