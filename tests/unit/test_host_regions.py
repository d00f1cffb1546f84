"""Regions of BFL: with one, no URL outside it is followed."""

import json
from collections.abc import Callable

import pytest

from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.hosts import HostPolicy, region_of
from jobs.bfl.parsing import polling_urls
from jobs.config.settings import load
from jobs.domain.errors import UrlRefused
from jobs.net.urls import ParsedUrl
from tests.harness.required_settings import SECRETS

ORIGINS = {
    "global": ("https://api.bfl.ai", None),
    "eu": ("https://api.eu.bfl.ai", "eu"),
    "US": ("https://api.us.bfl.ai", "us"),
    "https://api.eu1.bfl.ai": ("https://api.eu1.bfl.ai", "eu"),
    "https://api.us1.bfl.ai/v1": ("https://api.us1.bfl.ai", "us"),
}
EU_API = ("api.eu", "api.eu1", "api.eu2", "api.eu44", "gateway.eu")
OTHER_API = ("api", "api.eu.us", "api.us.eu", "api.us", "api.us1", "api.us7", "gateway", "api.eus",
             "api.eu1x", "api.neu")  # fmt: skip
AZURE = "blob.core.windows.net"
EU_DELIVERY = ("delivery-eu1.bfl.ai", "delivery.eu2.bfl.ai", "delivery.eu.bfl.ai",
               "delivery.cdn-eu3.bfl.ai", f"bfldeliveryprodeu4.{AZURE}")  # fmt: skip
OTHER_DELIVERY = (
    "delivery.bfl.ai", "delivery-us1.bfl.ai", "delivery.us4.bfl.ai", "delivery.eu-us.bfl.ai",
    "delivery-eu-us.bfl.ai", "delivery.eu.us4.bfl.ai", "delivery.us-eu1.bfl.ai",
    "delivery.eus1.bfl.ai", "delivery.eu1a.bfl.ai", "delivery.weu.bfl.ai", f"bfldeliverysc.{AZURE}",
    f"bfldeliveryscus.{AZURE}", f"bfldeliveryprod.{AZURE}",
)  # fmt: skip
LOOK_ALIKES = ("api.eu.bfl.ai.attacker.example", "api-eu.bfl.ai", "eu.api.bfl.ai",
               "api.eu.bfl.aieu", "api.eu.bflai.eu", "delivery-eu1.bfl.ai.eu")  # fmt: skip
EU = HostPolicy(region="eu")
GLOBAL = HostPolicy()


def poll(host: str) -> str:
    return f"https://{host}/v1/get_result?id=a"


def sample(host: str) -> str:
    return f"https://{host}/results/a/sample.jpeg?se=2099-01-01T00%3A00%3A00Z&sig=a"


@pytest.mark.parametrize("given", ORIGINS)
def test_each_name_of_an_api_host_says_its_region(given: str) -> None:
    settings = load({**SECRETS, "BFL_API_URL": given})
    assert (str(settings.bfl_origin), settings.region) == ORIGINS[given]


POLLING = (EU.validate_polling_url, GLOBAL.validate_polling_url)
DELIVERY = (EU.validate_delivery_url, GLOBAL.validate_delivery_url)
URLS = [(*POLLING, poll(f"{host}.bfl.ai"), host in EU_API) for host in EU_API + OTHER_API]
URLS += [(*DELIVERY, sample(host), host in EU_DELIVERY) for host in EU_DELIVERY + OTHER_DELIVERY]
Validate = Callable[[str], ParsedUrl]


@pytest.mark.parametrize(("in_europe", "anywhere", "url", "is_inside"), URLS)
def test_a_url_is_followed_inside_its_region_only(
    in_europe: Validate, anywhere: Validate, url: str, *, is_inside: bool
) -> None:
    parsed = anywhere(url)
    if is_inside:
        assert in_europe(url) == parsed
    else:
        with pytest.raises(UrlRefused):
            in_europe(url)


@pytest.mark.parametrize("host_policy", [EU, GLOBAL], ids=["eu", "global"])
@pytest.mark.parametrize("host", LOOK_ALIKES)
def test_a_look_alike_is_refused_anywhere(host_policy: HostPolicy, host: str) -> None:
    with pytest.raises(UrlRefused):
        host_policy.validate_polling_url(poll(host))
    with pytest.raises(UrlRefused):
        host_policy.validate_delivery_url(sample(host))


def test_what_the_operator_added_may_be_anywhere_and_a_host_of_two_regions_is_of_none() -> None:
    host_policy = HostPolicy(delivery_hosts=("cdn.us.example",), region="eu")
    assert host_policy.validate_delivery_url(sample("cdn.us.example"))
    assert region_of("delivery.eu.us4.bfl.ai") is None


@pytest.mark.parametrize(("host", "kept"), [("api.eu2", True), ("api.us1", False), ("api", False)])
def test_a_polling_url_that_leads_out_of_the_region_is_not_kept(host: str, kept: bool) -> None:
    answer = {"id": "a", "polling_url": poll(f"{host}.bfl.ai"), "cost": 1.0}
    found = bfl_submissions.parse_accepted(json.dumps(answer).encode(), EU)
    assert (found.polling_url is not None) is kept
    assert (found.task_id, found.cost) == ("a", 1.0)


def hosts(*urls: str) -> list[str]:
    return [url.removeprefix("https://").partition(".bfl.ai")[0] for url in urls]


@pytest.mark.parametrize(
    ("origin", "region", "found"),
    [
        ("https://api.bfl.ai", None, ["api", "api.eu", "api.us", "api.eu1", "api.us1"]),
        ("https://api.us1.bfl.ai", None, ["api.us1", "api", "api.eu", "api.us", "api.eu1"]),
        ("https://api.eu.bfl.ai", "eu", ["api.eu", "api.eu1"]),
        ("https://api.us1.bfl.ai", "us", ["api.us1", "api.us"]),
        ("https://api.us7.bfl.ai", "us", ["api.us7", "api.us", "api.us1"]),
        (
            "https://gateway.bfl.ai",
            None,
            ["gateway", "api", "api.eu", "api.us", "api.eu1", "api.us1"],
        ),
    ],
)
def test_its_own_host_is_first(origin: str, region: str | None, found: list[str]) -> None:
    assert hosts(*polling_urls(origin, "a", region)) == found
    sandbox = "http://127.0.0.1:9"  # which has no regions
    assert polling_urls(sandbox, "a") == (f"{sandbox}/v1/get_result?id=a",)
