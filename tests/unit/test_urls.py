"""URLs that only look as if they led to BFL, in every spelling, and none of them is followed."""

import pytest

from jobs.bfl.hosts import HostPolicy, api_origin
from jobs.domain.errors import UrlRefused
from jobs.net.urls import Origin

BFL = HostPolicy()
SANDBOX = HostPolicy(
    sandboxes=(Origin("http", "127.0.0.1", 9009),), delivery_hosts=("cdn.example.com",)
)
PATH = "/results/8e/3470338ce49379/ab/sample.jpeg"
POLL = "/v1/get_result?id=abc"
GOOD = "delivery.bfl.ai"
EVIL = "evil.example.com"

HOSTILE_HOSTS = [
    # Other names, and names that look alike.
    *("example.com", "bfl.ai", "www.bfl.ai", "delivery.bfl.ai.example.com"),
    *("delivery-bfl.ai", "deliverybfl.ai", "delivery.bfl.aii", "delivery.bfl.com"),
    *("delivery.xbfl.ai", "delivery.eu2-bfl.ai", "delivery..bfl.ai", "delivery.-eu.bfl.ai"),
    *("delivery.eu-.bfl.ai", "delivery_eu.bfl.ai", "xdelivery.bfl.ai", "x.delivery.bfl.ai"),
    *("apix.bfl.ai", "api.bfl.ml", "gateway.eu.bfl.ml", f"delivery.{'a' * 64}.bfl.ai"),
    f"delivery.{'a' * 300}.bfl.ai",
    # Anybody can register these.
    *("bfldelivery.blob.core.windows.net", "bfldeliveryx.blob.core.windows.net"),
    *("bfldeliveryscx.blob.core.windows.net", "bfldeliveryscus1.blob.core.windows.net"),
    "bfldeliveryprodeu.blob.core.windows.net",
    "bfldeliveryprodasia1.blob.core.windows.net",
    "bfldeliveryprodeu31337.blob.core.windows.net",
    *("bfldeliveryprodeu1.blob.core.windows.net", "bfldeliveryprodus4.blob.core.windows.net"),
    *("bfldeliveryprodeu4x.blob.core.windows.net", "xbfldeliverysc.blob.core.windows.net"),
    "bfldeliverysc.blob.core.windows.net.example.com",
    *("bfldeliverysc.blobxcore.windows.net", "a.bfldeliverysc.blob.core.windows.net"),
    # Spellings of a good name.
    *("Delivery.bfl.ai", "DELIVERY.BFL.AI", "delivery.bfl.ai.", ".delivery.bfl.ai"),
    *("delivery%2Ebfl.ai", "%64elivery.bfl.ai", "delivery.bfl.ai%00"),
    *("delivery.bfl.ai%2F.example.com", "delivery\u3002bfl.ai", "\uff44elivery.bfl.ai"),
    *("d\u0435livery.bfl.ai", "delivery.bfl.ai\u200b", "delivery\u00ad.bfl.ai"),
    "delivery.b\ufb02.ai",
    # Addresses in every form.
    *("127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.000.000.001"),
    *("127.0.0.257", "2130706433", "017700000001", "0", "169.254.169.254", "168.63.129.16"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1%25eth0]", "localhost"),
    *("127.0.0.1.nip.io", ""),
]


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_another_host_is_refused(host: str) -> None:
    for ask, path in (
        (BFL.validate_delivery_url, PATH),
        (BFL.validate_polling_url, POLL),
        (SANDBOX.validate_delivery_url, PATH),
    ):
        with pytest.raises(UrlRefused):
            ask(f"https://{host}{path}")
    with pytest.raises(ValueError, match=r"must be|plain form"):
        api_origin(f"https://{host}")


@pytest.mark.parametrize(
    "url",
    [
        # Whoever stands before an @ is not the host.
        *(f"https://{GOOD}@{EVIL}/a", f"https://{EVIL}@{GOOD}/a"),
        *(f"https://user:password@{GOOD}/a", f"https://{GOOD}:443@{EVIL}/a"),
        *(f"https://{GOOD}%40{EVIL}/a", f"https://@{GOOD}/a"),
        # Ports.
        *(f"https://{GOOD}:80/a", f"https://{GOOD}:8443/a", f"https://{GOOD}:/a"),
        *(f"https://{GOOD}:-443/a", f"https://{GOOD}:+443/a", f"https://{GOOD}: 443/a"),
        *(f"https://{GOOD}:443443/a", f"https://{GOOD}:65979/a"),
        f"https://{GOOD}:\uff14\uff14\uff13/a",
        # Schemes.
        *(f"http://{GOOD}/a", f"HTTPS://{GOOD}/a", f"ftp://{GOOD}/a", f"file://{GOOD}/a"),
        *(f"//{GOOD}/a", f"{GOOD}/a", f"https:{GOOD}/a", f"https:/{GOOD}/a"),
        *(f"https:///{GOOD}/a", f"https:////{GOOD}/a", f"https:\\\\{GOOD}/a"),
        *(f"https://{GOOD}\\@{EVIL}/a", f"https://{EVIL}\\@{GOOD}/a"),
        *(f"https://{EVIL}\\.{GOOD}/a", f"https://{EVIL}#@{GOOD}/a"),
        *(f"https://{EVIL}?@{GOOD}/a", f"https://{EVIL}/@{GOOD}/a"),
        f"https://{EVIL};@{GOOD}/a",
        # White space and what some parsers cut out.
        *(f" https://{GOOD}/a", f"https://{GOOD}/a ", f"https://{GOOD}/a\n"),
        *(f"https://{GOOD}/a\r\nX-Key: b", f"https://{GOOD}\t/a"),
        *(f"https://{GOOD}\n.{EVIL}/a", f"ht\ntps://{GOOD}/a", f"https://{GOOD}/a b"),
        *(f"https://{GOOD}/a\0", f"\ufeffhttps://{GOOD}/a"),
        # Paths that are not what they seem, and parts that are not sent.
        *(f"https://{GOOD}/a/../b", f"https://{GOOD}/..", f"https://{GOOD}/./a"),
        *(f"https://{GOOD}/%2e%2e/a", f"https://{GOOD}/%2E./a", f"https://{GOOD}/a/.%2e?b"),
        *(f"https://{GOOD}/a#b", f"https://{GOOD}/a#", f"https://{GOOD}/é"),
        *(f'https://{GOOD}/"', f"https://{GOOD}/<a>", f"https://{GOOD}/[a]"),
        *(f"https://{GOOD}/a?b=\\", f"https://{GOOD}/{'a' * 5000}"),
        *(f"https://{GOOD}/?{'a' * 5000}", "", "https://", "https://[", "https://[::1"),
        *("javascript:alert(1)", "data:image/png;base64,AAAA"),
    ],
)
def test_a_url_that_is_not_plain_is_refused(url: str) -> None:
    for host_policy in (BFL, SANDBOX):
        with pytest.raises(UrlRefused):
            host_policy.validate_delivery_url(url)
        with pytest.raises(UrlRefused):
            host_policy.validate_polling_url(url)


def test_the_key_goes_to_no_other_path_of_an_api_host() -> None:
    for path in ("", "v1/get_result/", "v1/get_result/x", "v2/get_result", "v1/get_Result"):
        for slash in ("/", "//"):
            with pytest.raises(UrlRefused):
                BFL.validate_polling_url(f"https://api.bfl.ai{slash}{path}?id=abc")
    with pytest.raises(UrlRefused):
        BFL.validate_polling_url("https://api.bfl.ai/v1//get_result?id=abc")


def test_a_refusal_repeats_at_most_the_host() -> None:
    for url in ("https://example.com/canary?sig=canary", "https://canary", "https://a:canary@b.c"):
        with pytest.raises(UrlRefused) as caught:
            BFL.validate_delivery_url(url)
        assert "canary" not in str(caught.value)
