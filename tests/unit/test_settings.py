"""The settings: complete or loud, naming the variable and never its value."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.config.settings import Settings, load
from jobs.errors import FluxkeepError, InvalidSettings
from jobs.net.urls import Origin
from jobs.services import build_storage, for_background, for_web
from jobs.timeouts import Timeouts
from tests.harness.required_settings import CANARY, REQUIRED, start_error

# What must be there.


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, "", " ", ",", " , ,"])
def test_nothing_secret_has_a_default(name: str, value: str | None) -> None:
    text = start_error(**{name: value})
    assert text.startswith(f"{name}: ")
    assert CANARY not in text


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        load({"PORT": "x"})
    for name in (*REQUIRED, "PORT"):
        assert f"{name}: " in str(caught.value)


def test_the_rest_has_sensible_defaults() -> None:
    settings = load(REQUIRED)
    assert settings.timeouts == Timeouts(None, 3600, 86_400)
    assert settings.bfl_origin == Origin("https", "api.bfl.ai", 443)
    assert settings.storage_url.startswith("file:///")
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.bfl_api_key is None and settings.delivery_hosts == ()


@pytest.mark.parametrize(
    ("value", "days"),
    [("7", 7.0), ("0.5", 0.5), ("forever", None), ("FOREVER", None), ("", None), (" ", None)],
)
def test_media_and_records_have_clocks_of_their_own(value: str, days: float | None) -> None:
    usual = load(REQUIRED).retention
    assert (usual.media_days, usual.jobs_days) == (None, 30.0)
    media = load(REQUIRED | {"RETAIN_MEDIA_DAYS": value}).retention
    jobs = load(REQUIRED | {"RETAIN_JOBS_DAYS": value}).retention
    assert (media.media_days, media.jobs_days) == (days, 30.0)
    assert (jobs.media_days, jobs.jobs_days) == (None, days)


# What makes no sense.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEYS", "canary"),
        ("API_KEYS", "app:canary"),
        ("API_KEYS", "app:canary:root"),
        ("API_KEYS", ":canary:read"),
        ("API_KEYS", "app::read"),
        ("API_KEYS", "app:good:read,app:canary:"),
        ("REDIS_URL", "canary:6379"),
        ("REDIS_URL", "http://canary:6379"),
        ("REDIS_URL", "redis://:canary@localhost:canary/0"),
        ("REDIS_URL", "redis://:canary@localhost:99999/0"),
        ("REDIS_URL", "redis://:canary@localhost/notanumber"),
        ("API_KEYS", "app:canary:read,other:canary:admin"),
        ("BFL_API_KEY", "canary\nx-other: a"),
        ("BFL_API_KEY", "canary\u20ac"),
        ("BFL_API_KEY", " canary"),
        ("WEBHOOK_SECRET", "good,canary\x00"),
        ("WEBHOOK_SECRET", "canary\u20ac"),
        ("MAX_ACTIVE", "24,flux-2-pro=3,7"),
        ("WEB_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "canary"),
        ("REDIS_VERIFY", "canary"),
        ("PUBLIC_URL", "https://:::canary"),
        ("MEDIA_URL", "file:///canary%00x"),
        ("PUBLIC_URL", "canary.example.com"),
        ("PUBLIC_URL", "https://user:canary@example.com"),
        ("PUBLIC_URL", "https://example.com/?canary"),
        ("PUBLIC_URL", "https://example.com/#canary"),
        ("PORT", "canary"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("BFL_API_URL", "canary"),
        ("BFL_API_URL", "http://api.bfl.ai"),
        ("BFL_API_URL", "https://canary.example.com"),
        ("BFL_API_URL", "https://api.bfl.ai/v1/canary"),
        ("BFL_SANDBOX_URL", "canary"),
        ("BFL_SANDBOX_URL", "https://127.0.0.1:9"),
        ("BFL_SANDBOX_URL", "http://canary.example.com:9"),
        ("BFL_SANDBOX_URL", "http://10.0.0.1:9"),
        ("BFL_SANDBOX_URL", "http://127.0.0.1:99999"),
        ("MEDIA_URL", "canary"),
        ("MEDIA_URL", "http://canary"),
        ("MEDIA_URL", "file://canary"),
        ("CALLBACK_GRACE", "canary"),
        ("CALLBACK_GRACE", "0"),
        ("CALLBACK_GRACE", "-1"),
        ("CALLBACK_GRACE", "nan"),
        ("CALLBACK_GRACE", "inf"),
        ("GIVE_UP_AFTER", "1e300"),
        ("GIVE_UP_AFTER", "1h"),
        ("MAX_MEDIA_BYTES", "0"),
        ("MAX_MEDIA_BYTES", "1.5"),
        ("MAX_MEDIA_BYTES", "canary"),
        ("LINK_TTL", "0"),
        ("LINK_TTL", "canary"),
        ("DELIVERY_HOSTS", "https://canary.example.com"),
        ("DELIVERY_HOSTS", "canary.example.com:443"),
        ("DELIVERY_HOSTS", "*.com"),
        ("DELIVERY_HOSTS", "canary.*"),
        ("DELIVERY_HOSTS", "cdn-*.canary.com"),
        ("DELIVERY_HOSTS", "*"),
        ("DELIVERY_HOSTS", "localhost"),
        ("DELIVERY_HOSTS", "good.example.com,CANARY.example.com"),
        ("DELIVERY_HOSTS", "canary.example.com."),
        ("RETAIN_MEDIA_DAYS", "canary"),
        ("RETAIN_MEDIA_DAYS", "-1"),
        ("RETAIN_JOBS_DAYS", "0"),
        ("RETAIN_JOBS_DAYS", "nan"),
        ("RETAIN_JOBS_DAYS", "30d"),
        ("LOG_LEVEL", "canary"),
    ],
)
def test_a_wrong_value_names_its_variable_and_not_itself(name: str, value: str) -> None:
    text = start_error(**{name: value})
    assert text.startswith(f"{name}: ")
    assert CANARY not in text.lower()
    others = set(Settings.model_fields) - {name.lower()}
    assert not [other for other in others if f"{other.upper()}: " in text]


def test_a_name_that_is_no_region_is_answered_with_those_there_are() -> None:
    assert "global, eu, us" in start_error(BFL_API_URL="asia")


def test_errors_of_the_wiring_have_the_same_form() -> None:
    half = {"AWS_ACCESS_KEY_ID": "x"}
    for values in ({"MEDIA_URL": "s3://canary/x", **half}, {"MEDIA_URL": "az://canary"}):
        for wire in (for_web, for_background):
            with pytest.raises(FluxkeepError, match=r"^MEDIA_URL: ") as caught:
                wire(load({**REQUIRED, **values}))
            assert CANARY not in str(caught.value)


# Lists.


def test_a_directory_that_cannot_be_made_is_answered_with_what_to_do() -> None:
    settings = load(REQUIRED | {"MEDIA_URL": "file:///dev/null/media"})
    with pytest.raises(
        InvalidSettings, match=r"^MEDIA_URL: .*\. Name a directory that exists or can be created"
    ):
        build_storage(settings)


def test_secrets_and_keys_are_lists() -> None:
    secrets = {
        "SECRET_KEY": f"{'n' * 16}, {'o' * 16},",
        "API_KEYS": f"a:{'k' * 16}:read, b:x:{'y' * 16}:admin",
    }
    settings = load({**REQUIRED, **secrets})
    assert [key.get_secret_value() for key in settings.secret_key] == ["n" * 16, "o" * 16]
    keys = [(key.name, key.key.get_secret_value(), key.scope) for key in settings.api_keys]
    assert keys == [("a", "k" * 16, "read"), ("b", f"x:{'y' * 16}", "admin")]


def test_delivery_hosts_are_a_list() -> None:
    settings = load({**REQUIRED, "DELIVERY_HOSTS": "cdn.example.com, media-1.example.com"})
    assert settings.delivery_hosts == ("cdn.example.com", "media-1.example.com")


# BFL's hosts by their names.


def test_the_sandbox_stands_in_for_bfl_unless_another_host_is_named() -> None:
    sandbox = {"BFL_SANDBOX_URL": "http://127.0.0.1:9009"}
    assert load({**REQUIRED, **sandbox}).bfl_origin == Origin("http", "127.0.0.1", 9009)
    named = load({**REQUIRED, **sandbox, "BFL_API_URL": "eu"})
    assert named.bfl_origin.host == "api.eu.bfl.ai"


# Files.


def test_each_name_may_be_a_file_instead(tmp_path: Path) -> None:
    for name in (*REQUIRED, "REDIS_URL", "PORT"):
        value = {**REQUIRED, "REDIS_URL": "redis://elsewhere/1", "PORT": "9"}[name]
        path = tmp_path / name
        path.write_text(f"{value}\n")
        environment = {k: v for k, v in REQUIRED.items() if k != name} | {f"{name}_FILE": str(path)}
        got = getattr(load(environment), name.lower())
        assert got == getattr(load({**REQUIRED, name: value}), name.lower())


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_names_its_variable(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "canary"
    if content is not None:
        path.write_bytes(content)
    text = start_error(SECRET_KEY=None, SECRET_KEY_FILE=str(path))
    assert text.startswith("SECRET_KEY_FILE: ")
    assert CANARY not in text


def test_an_empty_file_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("\n")
    assert start_error(SECRET_KEY=None, SECRET_KEY_FILE=str(path)).startswith("SECRET_KEY: ")


@pytest.fixture
def a_development_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a process is started, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENV_FILE")
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    lines = [f"{name}={value}" for name, value in REQUIRED.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "PORT=1111", "LINK_TTL="]))
    return tmp_path


@pytest.mark.usefixtures("a_development_directory")
def test_a_dot_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load().port, load().link_ttl) == (1111, 86400)
    monkeypatch.setenv("PORT", "2222")
    assert load().port == 2222


def test_a_name_of_the_environment_is_not_overruled_by_a_file_of_dot_env(
    a_development_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = a_development_directory / "port"
    secret.write_text("3333")
    with (a_development_directory / ".env").open("a") as file:
        file.write(f"\nPORT_FILE={secret}\n")
    monkeypatch.setenv("PORT", "2222")
    assert load().port == 2222


# Once read.


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load(REQUIRED).port = 1


def test_settings_do_not_show_their_secrets() -> None:
    settings = load(
        {**REQUIRED, "REDIS_URL": "redis://:canary@localhost", "BFL_API_KEY": "bfl-canary"}
    )
    assert CANARY not in repr(settings) + str(settings) + str(settings.model_dump())
    assert CANARY not in settings.model_dump_json()
