"""The settings: complete or loud, naming the variable and never its value."""

import pytest
from pydantic import ValidationError

from jobs.config.quotas import DEFAULT_RATE, RateLimit
from jobs.config.settings import SECRET_MIN_CHARS, Settings, load
from jobs.config.values import TrustedProxies
from jobs.domain.errors import FluxkeepError, InvalidSettings
from jobs.domain.polling_policy import Timeouts
from jobs.net.urls import Origin, parse
from jobs.services import build_storage, for_background, for_web
from tests.harness.required_settings import CANARY, REQUIRED, start_error

LONG = "x" * SECRET_MIN_CHARS
SHORT = LONG[1:]
TOO_SHORT = [
    *((name, value) for name in ("WEBHOOK_SECRET", "SECRET_KEY") for value in (SHORT, "x")),
    ("WEBHOOK_SECRET", f"{LONG},{SHORT}"),  # a retired secret still opens the door
    ("SECRET_KEY", f"{SHORT},{LONG}"),
    ("API_KEYS", f"app:{SHORT}:read"),
    ("API_KEYS", f"app:{LONG}:read,me:{SHORT}:admin"),
]
WRONG = {
    "API_KEYS": [
        *("canary", "app:canary", "app:canary:root", ":canary:read", "app::read"),
        *("app:good:read,app:canary:", "app:canary:read,other:canary:admin"),
    ],
    "REDIS_URL": [
        *("canary:6379", "http://canary:6379", "redis://:canary@localhost:canary/0"),
        *("redis://:canary@localhost:99999/0", "redis://:canary@localhost/notanumber"),
    ],
    "BFL_API_KEY": ["canary\nx-other: a", "canary\u20ac", "can\tcanary"],
    "WEBHOOK_SECRET": ["good,canary\x00", "canary\u20ac"],
    "MAX_ACTIVE": ["24,flux-2-pro=3,7"],
    "WEB_CONCURRENCY": ["0"],
    "WORKER_CONCURRENCY": ["canary"],
    "REDIS_VERIFY": ["canary"],
    "PUBLIC_URL": [
        *("https://:::canary", "canary.example.com", "https://user:canary@example.com"),
        *("https://example.com/?canary", "https://example.com/#canary"),
    ],
    "MEDIA_URL": ["file:///canary%00x", "canary", "http://canary", "file://canary"],
    "PORT": ["canary", "-1", "65536", "80.5"],
    "BFL_API_URL": [
        *("canary", "http://api.bfl.ai", "https://canary.example.com"),
        "https://api.bfl.ai/v1/canary",
    ],
    "BFL_SANDBOX_URL": [
        *("canary", "https://127.0.0.1:9", "http://canary.example.com:9"),
        *("http://10.0.0.1:9", "http://127.0.0.1:99999"),
        "http://127.0.0.1:9,http://canary.example.com:9",
        "http://127.0.0.1:9,https://127.0.0.1:10",
    ],
    "CALLBACK_GRACE": ["canary", "0", "-1", "nan", "inf"],
    "GIVE_UP_AFTER": ["1e300", "1 hour"],
    "MAX_MEDIA_BYTES": ["0", "1.5", "canary"],
    "LINK_TTL": ["0", "canary"],
    "DELIVERY_HOSTS": [
        *("https://canary.example.com", "canary.example.com:443", "*.com", "canary.*"),
        *("cdn-*.canary.com", "*", "localhost", "good.example.com,CANARY.example.com"),
        "canary.example.com.",
    ],
    "RETAIN_MEDIA_DAYS": ["canary", "-1"],
    "RETAIN_JOBS_DAYS": ["0", "nan", "30 days"],
    "LOG_LEVEL": ["canary"],
    "LOG_FORMAT": ["canary"],
    "SENTRY_DSN": [
        *("canary.example", "https://canary.example/1", "https://canary@h/x"),
        *("https://canary@h/x1", "https://canary@h:port/1", "https://canary@h:65536/1"),
        "https://canary@h/1?a=b",
    ],
    "DURABILITY": ["canary"],
    "LISTEN_HOST": ["localhost", "127.1", "0.0.0.0:8000", "[::1]"],
    "FORWARDED_ALLOW_IPS": ["canary", "10.0.0.1/8", "10.0.0", "*,canary", "1.2.3.4:80"],
    "RATE_LIMIT": [
        *("canary", "600", "600/canary", "/minute", "0/minute", "-1/minute", "1.5/minute"),
        *("1000001/minute", "600/Minute", "600 / minute", "1/minute,2/minute"),
        *("app=1/minute", "=1/minute", "\u0661/minute"),
    ],
}


@pytest.mark.parametrize("name", ["SECRET_KEY", "API_KEYS"])
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
    assert settings.timeouts == Timeouts(None, 3600, 86_400, has_webhook=False)
    assert settings.bfl_origin == Origin("https", "api.bfl.ai", 443)
    assert settings.storage_url.startswith("file:///")
    assert settings.base_url == "http://127.0.0.1:8000"
    sandbox = REQUIRED | {"BFL_SANDBOX_URL": "http://127.0.0.1:9009"}
    assert load(sandbox).bfl_origin == Origin("http", "127.0.0.1", 9009)
    assert load(sandbox | {"BFL_API_URL": "eu"}).bfl_origin.host == "api.eu.bfl.ai"
    assert settings.bfl_api_key is None and settings.delivery_hosts == ()
    assert settings.forwarded_allow_ips.trust("127.0.0.1")
    assert not settings.forwarded_allow_ips.trust("10.0.0.1")
    assert load(REQUIRED | {"port": "9", "log_level": "canary"}).port == 8000, "not in lower case"
    for host in ("127.0.0.1", "0.0.0.0", "::1", "192.168.1.5"):  # noqa: S104
        assert load(REQUIRED | {"LISTEN_HOST": host}).listen_host == host


def test_the_host_of_a_public_url_is_read_in_lower_case() -> None:
    """Our parser of URLs knows no other, and a cookie is secure if the URL begins with `https:`."""
    settings = load(REQUIRED | {"PUBLIC_URL": "HTTPS://Keep.Example:8443/Media/"})
    assert settings.public_url == "https://keep.example:8443/Media"
    assert str(parse(settings.public_url)) == settings.public_url
    assert load(REQUIRED | {"PUBLIC_URL": ""}).public_url == ""


@pytest.mark.parametrize(
    ("value", "days"),
    [("7", 7.0), ("0.5", 0.5), ("forever", None), ("FOREVER", None), ("", None), (" ", None)],
)
def test_media_and_records_have_clocks_of_their_own(value: str, days: float | None) -> None:
    usual = load(REQUIRED)
    assert (usual.retain_media_days, usual.retain_jobs_days) == (None, 30.0)
    media = load(REQUIRED | {"RETAIN_MEDIA_DAYS": value})
    jobs = load(REQUIRED | {"RETAIN_JOBS_DAYS": value})
    assert (media.retain_media_days, media.retain_jobs_days) == (days, 30.0)
    assert (jobs.retain_media_days, jobs.retain_jobs_days) == (None, days)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_names_its_variable_and_not_itself(name: str, value: str) -> None:
    text = start_error(**{name: value})
    assert text.startswith(f"{name}: ")
    assert CANARY not in text.lower()
    others = set(Settings.model_fields) - {name.lower()}
    assert not [other for other in others if f"{other.upper()}: " in text]


def test_an_error_says_what_would_be_right() -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(REQUIRED | {"API_KEYS": "app:key:reader"})
    (problem,) = caught.value.problems
    assert problem.startswith("API_KEYS: each key is name:key:scope")
    assert "global, eu, us" in start_error(BFL_API_URL="asia"), "the regions there are"
    settings = load(REQUIRED | {"MEDIA_URL": "file:///dev/null/media"})
    what_to_do = r"^MEDIA_URL: .*\. Name a directory that exists or can be created"
    with pytest.raises(InvalidSettings, match=what_to_do):
        build_storage(settings)


@pytest.mark.parametrize(("name", "value"), TOO_SHORT)
def test_a_short_secret_stops_the_start_except_with_a_sandbox(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^{name}: must have at least 16 characters") as e:
        load(REQUIRED | {name: value})
    assert SHORT not in str(e.value)
    load(REQUIRED | {name: value, "BFL_SANDBOX_URL": "http://127.0.0.1:9100"})
    load({"WEBHOOK_SECRET": LONG, "SECRET_KEY": LONG, "API_KEYS": f"app:{LONG}:submit"})
    load(REQUIRED | {"API_KEYS": f"app:sha256${'0' * 64}:submit"})  # of unknown length


def test_errors_of_the_wiring_have_the_same_form() -> None:
    half = {"AWS_ACCESS_KEY_ID": "x"}
    for values in ({"MEDIA_URL": "s3://canary/x", **half}, {"MEDIA_URL": "az://canary"}):
        for wire in (for_web, for_background):
            with pytest.raises(FluxkeepError, match=r"^MEDIA_URL: ") as caught:
                wire(load({**REQUIRED, **values}))
            assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("", DEFAULT_RATE),
        ("10/second", RateLimit(10, 1)),
        ("600/minute", RateLimit(600, 60)),
        ("5/hour", RateLimit(5, 3600)),
        ("1/day", RateLimit(1, 86400)),
        ("off", None),
    ],
)
def test_a_rate_has_a_number_and_a_period(text: str, limit: RateLimit | None) -> None:
    assert load(REQUIRED | {"RATE_LIMIT": text}).rate_limit == limit


@pytest.mark.parametrize(
    ("text", "ours", "not_ours"),
    [
        ("127.0.0.1,::1", ("127.0.0.1", "::1"), ("10.0.0.1", "::2", "")),
        ("10.0.0.0/8, fd00::/8", ("10.1.2.3", "fd00::7"), ("11.0.0.1", "fe80::1")),
        ("*", ("192.0.2.1", "2001:db8::1", "a socket"), ()),
    ],
)
def test_our_proxies_are_known_by_their_addresses(
    text: str, ours: tuple[str, ...], not_ours: tuple[str, ...]
) -> None:
    proxies = TrustedProxies.parse(text)
    assert [peer for peer in (*ours, *not_ours) if proxies.trust(peer)] == list(ours)
    assert TrustedProxies.parse(proxies.setting) == proxies


def test_secrets_keys_and_delivery_hosts_are_lists() -> None:
    secrets = {
        "SECRET_KEY": f"{'n' * 16}, {'o' * 16},",
        "API_KEYS": f"a:{'k' * 16}:read, b:x:{'y' * 16}:admin",
        "DELIVERY_HOSTS": "cdn.example.com, media-1.example.com",
    }
    settings = load({**REQUIRED, **secrets})
    assert [key.get_secret_value() for key in settings.secret_key] == ["n" * 16, "o" * 16]
    keys = [(key.name, key.key.get_secret_value(), key.scope) for key in settings.api_keys]
    assert keys == [("a", "k" * 16, "read"), ("b", f"x:{'y' * 16}", "admin")]
    assert settings.delivery_hosts == ("cdn.example.com", "media-1.example.com")


def test_settings_do_not_change_or_show_their_secrets() -> None:
    with pytest.raises(ValidationError):
        load(REQUIRED).port = 1
    settings = load(
        {**REQUIRED, "REDIS_URL": "redis://:canary@localhost", "BFL_API_KEY": "bfl-canary"}
    )
    assert CANARY not in repr(settings) + str(settings) + str(settings.model_dump())
    assert CANARY not in settings.model_dump_json()
