"""Settings that need not be set: what platforms tell, what SECRET_KEY gives, and units."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs.config.platform_defaults import derived_notify_secret, derived_webhook_secret
from jobs.config.settings import Settings, load
from receiver.cli.keys import keys
from tests.harness.required_settings import CANARY, REQUIRED, start_error

PLATFORMS = {
    "Heroku": {"DYNO": "web.1", "HEROKU_APP_DEFAULT_DOMAIN_NAME": "keep-0123.herokuapp.com"},
    "Render": {"RENDER": "true", "RENDER_EXTERNAL_URL": "https://keep.onrender.com"},
    "Railway": {
        "RAILWAY_ENVIRONMENT_ID": "3f1c",
        "RAILWAY_PUBLIC_DOMAIN": "keep-production.up.railway.app",
    },
    "Fly": {"FLY_APP_NAME": "keep"},
}
ADDRESSES = {
    "Heroku": "https://keep-0123.herokuapp.com",
    "Render": "https://keep.onrender.com",
    "Railway": "https://keep-production.up.railway.app",
    "Fly": "https://keep.fly.dev",
}
API_KEYS = {"API_KEYS": REQUIRED["API_KEYS"]}
FIRST_KEY = "first-signing-key-of-tests"
SECOND_KEY = "second-signing-key-of-tests"


def settings(**values: str) -> Settings:
    return load({**REQUIRED, **values})


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_tells_its_address_and_that_only_its_router_comes_in(platform: str) -> None:
    loaded = settings(**PLATFORMS[platform])
    assert loaded.public_url == ADDRESSES[platform]
    assert loaded.forwarded_allow_ips.any


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_set_wins_over_what_a_platform_tells(platform: str) -> None:
    own = {"PUBLIC_URL": "https://keep.example", "FORWARDED_ALLOW_IPS": "10.0.0.0/8"}
    loaded = settings(**PLATFORMS[platform], **own)
    assert loaded.public_url == "https://keep.example"
    assert not loaded.forwarded_allow_ips.any


def test_without_a_platform_nothing_is_trusted_but_this_machine() -> None:
    loaded = settings()
    assert loaded.public_url == ""
    assert not loaded.forwarded_allow_ips.any


def test_a_wrong_address_of_a_platform_names_the_setting_that_replaces_it() -> None:
    assert start_error(RENDER_EXTERNAL_URL="canary").startswith("PUBLIC_URL: ")


def test_secrets_of_callbacks_and_notifications_follow_each_secret_key() -> None:
    keys = f"{FIRST_KEY},{SECOND_KEY}"
    loaded = load({"SECRET_KEY": keys, **API_KEYS})
    webhook_secrets = [secret.get_secret_value() for secret in loaded.webhook_secret]
    notify_secrets = [secret.get_secret_value() for secret in loaded.notify_secret]
    assert webhook_secrets == [derived_webhook_secret(key) for key in (FIRST_KEY, SECOND_KEY)]
    assert notify_secrets == [derived_notify_secret(key) for key in (FIRST_KEY, SECOND_KEY)]
    every_secret = {FIRST_KEY, SECOND_KEY, *webhook_secrets, *notify_secrets}
    assert len(every_secret) == 6


def test_without_a_secret_key_both_are_missing() -> None:
    error = start_error(SECRET_KEY=None, WEBHOOK_SECRET=None)
    assert "SECRET_KEY: is missing" in error
    assert "WEBHOOK_SECRET: is missing" in error


def test_a_command_shows_derived_secrets_and_none_that_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("SECRET_KEY", FIRST_KEY),
        ("WEBHOOK_SECRET", CANARY * 3),
        *API_KEYS.items(),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NOTIFY_SECRET", raising=False)
    shown = CliRunner().invoke(keys, ["derived"])
    assert shown.exit_code == 0, shown.output
    assert f"NOTIFY_SECRET  {derived_notify_secret(FIRST_KEY)}" in shown.output
    assert "WEBHOOK_SECRET  is set" in shown.output
    assert CANARY not in shown.output


def test_a_secret_that_is_set_is_not_derived() -> None:
    (secret,) = settings().webhook_secret
    assert secret.get_secret_value() == REQUIRED["WEBHOOK_SECRET"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("1.5 h", 5400), ("7D", 604800)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(written: str, seconds: float) -> None:
    assert settings(LINK_TTL=written, LINK_TTL_MAX="2w").link_ttl == seconds


@pytest.mark.parametrize(
    ("written", "days"), [("7", 7), ("7d", 7), ("48h", 2), ("4w", 28), ("forever", None)]
)
def test_a_retention_has_a_unit_or_is_in_days(written: str, days: float | None) -> None:
    assert settings(RETAIN_MEDIA_DAYS=written).retain_media_days == days


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [("1000", 1000), ("300MB", 300 * 10**6), ("288 MiB", 288 * 2**20), ("1.5gb", 1_500_000_000)],
)
def test_a_size_has_a_unit_or_is_in_bytes(written: str, size_bytes: int) -> None:
    assert settings(MAX_MEDIA_BYTES=written).max_media_bytes == size_bytes


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("LINK_TTL", "a while"),
        ("LINK_TTL", "1 fortnight"),
        ("LINK_TTL", "0s"),
        ("LINK_TTL", "-1h"),
        ("LINK_TTL", "1h30m"),
        ("LINK_TTL", "٣h"),
        ("LINK_TTL", "999999999999999999w"),
        ("RETAIN_MEDIA_DAYS", "0h"),
        ("RETAIN_MEDIA_DAYS", "7GB"),
        ("MAX_MEDIA_BYTES", "300m"),
        ("MAX_MEDIA_BYTES", "0MB"),
        ("MAX_MEDIA_BYTES", "0.5b"),
        ("KEEP_ALIVE", "2h"),
    ],
)
def test_what_is_no_quantity_stops_the_start(name: str, written: str) -> None:
    assert start_error(**{name: written}).startswith(f"{name}: ")


def test_whole_seconds_and_the_days_of_a_job_in_redis_have_units_too() -> None:
    loaded = settings(KEEP_ALIVE="2m", HOT_DAYS="36h")
    assert loaded.keep_alive == 120
    assert loaded.hot_days == 1.5
