"""Parsing of RATE_LIMIT and FORWARDED_ALLOW_IPS."""

import pytest

from jobs.config.proxies import TrustedProxies
from jobs.config.rate_limit import DEFAULT, RateLimit
from jobs.config.settings import load
from tests.harness.required_settings import CANARY, REQUIRED, start_error


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("", DEFAULT),
        ("10/second", RateLimit(10, 1)),
        ("600/minute", RateLimit(600, 60)),
        ("5/hour", RateLimit(5, 3600)),
        ("1/day", RateLimit(1, 86400)),
        ("off", None),
    ],
)
def test_a_rate_has_a_number_and_a_period(text: str, limit: RateLimit | None) -> None:
    assert load({**REQUIRED, "RATE_LIMIT": text}).rate_limit == limit


@pytest.mark.parametrize(
    "value",
    [
        *("canary", "600", "600/canary", "/minute", "0/minute", "-1/minute", "1.5/minute"),
        *("1000001/minute", "600/Minute", "600 / minute", "1/minute,2/minute", "app=1/minute"),
        *("=1/minute", "\u0661/minute"),
    ],
)
def test_a_rate_that_makes_no_sense_stops_the_start(value: str) -> None:
    text = start_error(RATE_LIMIT=value)
    assert text.startswith("RATE_LIMIT: ") and CANARY not in text


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
