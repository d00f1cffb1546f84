"""Parsing of RATE_LIMITS and FORWARDED_ALLOW_IPS."""

import pytest

from jobs.config.proxies import TrustedProxies
from jobs.config.rate_limits import DEFAULT, RateLimit, RateLimits
from jobs.config.settings import load
from tests.harness.required_settings import CANARY, REQUIRED, start_error

TWO_KEYS = {
    **REQUIRED,
    "API_KEYS": "app:the-first-key-of-two:submit,a=b:the-second-key-of-two:read",
}


def quotas(text: str) -> RateLimits:
    return load({**TWO_KEYS, "RATE_LIMITS": text}).rate_limits


@pytest.mark.parametrize(
    ("text", "of_app", "of_another"),
    [
        ("", DEFAULT, DEFAULT),
        ("10/second", RateLimit(10, 1), RateLimit(10, 1)),
        ("600/minute, app=5/hour", RateLimit(5, 3600), RateLimit(600, 60)),
        ("app=1/day", RateLimit(1, 86400), DEFAULT),
        ("a=b=1/day", DEFAULT, RateLimit(1, 86400)),
        ("off", None, None),
        ("off,app=7/minute", RateLimit(7, 60), None),
        ("app=off", None, DEFAULT),
    ],
)
def test_a_key_has_the_rate_that_names_it_or_the_usual_one(
    text: str, of_app: RateLimit | None, of_another: RateLimit | None
) -> None:
    assert quotas(text).for_key("app") == of_app
    assert quotas(text).for_key("a=b") == of_another


@pytest.mark.parametrize(
    "value",
    [
        *("canary", "600", "600/canary", "/minute", "0/minute", "-1/minute", "1.5/minute"),
        *("1000001/minute", "600/Minute", "600 / minute", "1/minute,2/minute", "app=canary"),
        *("app=", "app=600", "=1/minute", "canary=1/minute", "APP=1/minute", "\u0661/minute"),
    ],
)
def test_a_rate_that_makes_no_sense_stops_the_start(value: str) -> None:
    text = start_error(**{**TWO_KEYS, "RATE_LIMITS": value})
    assert text.startswith("RATE_LIMITS: ") and CANARY not in text


def test_when_the_keys_themselves_are_wrong_only_they_are_named() -> None:
    text = start_error(API_KEYS="canary", RATE_LIMITS="app=1/day")
    assert text.startswith("API_KEYS: ") and "RATE_LIMITS" not in text


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


def test_only_loopback_peers_are_proxies_by_default() -> None:
    usual = load(REQUIRED).forwarded_allow_ips
    assert usual.trust("127.0.0.1") and not usual.trust("10.0.0.1")


@pytest.mark.parametrize("value", ["canary", "10.0.0.1/8", "10.0.0", "*,canary", "1.2.3.4:80"])
def test_a_proxy_without_an_address_stops_the_start(value: str) -> None:
    text = start_error(FORWARDED_ALLOW_IPS=value)
    assert text.startswith("FORWARDED_ALLOW_IPS: ") and CANARY not in text
