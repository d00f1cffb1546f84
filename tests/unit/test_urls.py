"""URLs that only look as if they led to BFL, in every spelling, and none of them is followed."""

import pytest

from jobs.bfl.hosts import HostPolicy, api_origin
from jobs.domain.errors import UnknownHost, UrlRefused
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
    # Nearly spellings of a good name.
    *("delivery.bfl.ai.", ".delivery.bfl.ai", "delivery%2Ebfl.ai", "%64elivery.bfl.ai"),
    *("delivery.bfl.ai%00", "delivery.bfl.ai%2F.example.com", "d\u0435livery.bfl.ai"),
    *("delivery.bfl.ai\u202e", "delivery.\ud800.bfl.ai"),
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


# A browser asks the good host for these, and so does a download; the key stays here.
SPELLINGS_OF_A_GOOD_HOST = [
    *("Delivery.bfl.ai", "DELIVERY.BFL.AI", "delivery\u3002bfl.ai", "\uff44elivery.bfl.ai"),
    *("delivery.bfl.ai\u200b", "delivery\u00ad.bfl.ai", "delivery.b\ufb02.ai"),
    *("delivery.bfl.ai:", "delivery.bfl.ai:443"),
]


@pytest.mark.parametrize("host", SPELLINGS_OF_A_GOOD_HOST)
def test_a_spelling_of_a_good_host_is_that_host_for_downloads_alone(host: str) -> None:
    url = f"https://{host}{PATH}"
    assert str(BFL.validate_delivery_url(url)) == f"https://{GOOD}{PATH}"
    api = host.replace("delivery", "api").replace("elivery", "api").replace("Delivery", "Api")
    if ":443" not in host:
        with pytest.raises(UrlRefused):
            BFL.validate_polling_url(f"https://{api}{POLL}")


HOSTILE_URLS = [
    # Whoever stands before an @ is not the host.
    *(f"https://{GOOD}@{EVIL}/a", f"https://{EVIL}@{GOOD}/a"),
    *(f"https://user:password@{GOOD}/a", f"https://{GOOD}:443@{EVIL}/a"),
    *(f"https://{GOOD}%40{EVIL}/a", f"https://@{GOOD}/a", f"https://{GOOD}\uff20{EVIL}/a"),
    # Ports.
    *(f"https://{GOOD}:80/a", f"https://{GOOD}:8443/a", f"https://{GOOD}::443/a"),
    *(f"https://{GOOD}:-443/a", f"https://{GOOD}:+443/a", f"https://{GOOD}: 443/a"),
    *(f"https://{GOOD}:443443/a", f"https://{GOOD}:65979/a"),
    f"https://{GOOD}:\uff14\uff14\uff13/a",
    # Schemes.
    *(f"http://{GOOD}/a", f"HTTP://{GOOD}/a", f"ftp://{GOOD}/a", f"file://{GOOD}/a"),
    *(f"//{GOOD}/a", f"{GOOD}/a", f"https:{GOOD}/a", f"https:/{GOOD}/a"),
    *(f"https:///{GOOD}/a", f"https:////{GOOD}/a", f"https:\\\\{GOOD}/a"),
    *(f"https://{GOOD}\\@{EVIL}/a", f"https://{EVIL}\\@{GOOD}/a"),
    *(f"https://{EVIL}\\.{GOOD}/a", f"https://{EVIL}#@{GOOD}/a"),
    *(f"https://{EVIL}?@{GOOD}/a", f"https://{EVIL}/@{GOOD}/a"),
    *(f"https://{EVIL};@{GOOD}/a", f"https://{EVIL}\u2044{GOOD}/a", f"https://{EVIL} .{GOOD}/a"),
    # Control characters and backslashes, which some parsers cut out or turn round.
    *(f"https://{GOOD}/a\n", f"https://{GOOD}/a\x7f", f"https://{GOOD}/a\x85"),
    *(f"https://{GOOD}/a\r\nX-Key: b", f"https://{GOOD}\t/a", f"https://{GOOD}/a#\n"),
    *(f"https://{GOOD}\n.{EVIL}/a", f"ht\ntps://{GOOD}/a", f"https://{GOOD}/a\\b"),
    *(f"https://{GOOD}/a\0", f"\ufeffhttps://{GOOD}/a", f"https://{GOOD}/a?b=\\"),
    *(f"https://{GOOD}/\ud800", f"https://{GOOD}/{'a' * 5000}", f"https://{GOOD}/{'é' * 2000}"),
    *(f"https://{GOOD}/?{'a' * 5000}", "", "https://", "https://[", "https://[::1"),
    *("javascript:alert(1)", "data:image/png;base64,AAAA"),
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_url_that_may_lead_elsewhere_is_refused(url: str) -> None:
    for host_policy in (BFL, SANDBOX):
        with pytest.raises(UrlRefused):
            host_policy.validate_delivery_url(url)
        with pytest.raises(UrlRefused):
            host_policy.validate_polling_url(url)


# What a browser asks for, and what is sent.
ESCAPED = {
    f" https://{GOOD}/a ": "/a",
    f"HTTPS://{GOOD}/a": "/a",
    f"https://{GOOD}/a b": "/a%20b",
    f"https://{GOOD}/a%20b": "/a%20b",
    f"https://{GOOD}/a|b^c": "/a%7Cb%5Ec",
    f"https://{GOOD}/a%7Cb%5ec": "/a%7Cb%5ec",
    f"https://{GOOD}/é\u00a0\U0001f600": "/%C3%A9%C2%A0%F0%9F%98%80",
    f"https://{GOOD}/%FC": "/%FC",
    f'https://{GOOD}/"<a>`{{b}}[c]': "/%22%3Ca%3E%60%7Bb%7D%5Bc%5D",
    f"https://{GOOD}/100%": "/100%",
    f"https://{GOOD}/a#b": "/a",
    f"https://{GOOD}/a#": "/a",
    f"https://{GOOD}/a?sig=b%2Fc+d#e?f#g h": "/a?sig=b%2Fc+d",
    f"https://{GOOD}/a?sig=b/c+d%2b==&n=ü x|y": "/a?sig=b/c+d%2b==&n=%C3%BC%20x%7Cy",
    f"https://{GOOD}/a?b='c'(d)!*;:@,$~?e": "/a?b='c'(d)!*;:@,$~?e",
    f"https://{GOOD}?sig=a": "/?sig=a",
    f"https://{GOOD}/a/../b/./c": "/b/c",
    f"https://{GOOD}/..": "/",
    f"https://{GOOD}/a/%2e%2E/.%2e/b/%2E?c=../d": "/b/?c=../d",
    f"https://{GOOD}/a//b/": "/a//b/",
}


@pytest.mark.parametrize(("url", "target"), ESCAPED.items())
def test_a_url_is_escaped_as_browsers_do_and_its_signature_stays(url: str, target: str) -> None:
    address = BFL.validate_delivery_url(url)
    assert (str(address.origin), address.target) == (f"https://{GOOD}", target)
    assert BFL.validate_delivery_url(str(address)) == address


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("BÜCHER.Example.com", "xn--bcher-kva.example.com"),
        ("faß.example.com", "xn--fa-hia.example.com"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        ("霧.example.com", "xn--6q5a.example.com"),
    ],
)
def test_an_international_host_is_named_as_the_setting_wants_it(host: str, name: str) -> None:
    with pytest.raises(UnknownHost) as caught:
        BFL.validate_delivery_url(f"https://{host}/ü.png")
    assert caught.value.host == name
    allowing = HostPolicy(delivery_hosts=(name,))
    assert str(allowing.validate_delivery_url(f"https://{host}/ü.png")) == (
        f"https://{name}/%C3%BC.png"
    )


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
