"""Regions of BFL: with one, no URL outside it is followed."""

import json
from collections.abc import Callable

import pytest

from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.hosts import HostPolicy, region_of
from jobs.config.settings import load
from jobs.domain.errors import UrlRefused
from jobs.net.urls import Origin, ParsedUrl, parse_origin
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


NAMED = ["api", "api.eu", "api.us", "api.eu1", "api.us1"]
RECORDED = ["api.eu2", "api.eu4", "api.us2", "api.us3", "api.us4", "api.us7", "api.isr"]
IN_EU = ["api.eu", "api.eu1", "api.eu2", "api.eu4"]
IN_US = ["api.us", "api.us1", "api.us2", "api.us3", "api.us4", "api.us7"]


def asked_hosts(policy: HostPolicy, origin: str, *learned: str) -> list[str]:
    found = policy.hosts_of_tasks(parse_origin(origin), map(parse_origin, learned))
    return [host.host.removesuffix(".bfl.ai") for host in found]


@pytest.mark.parametrize(
    ("host", "region", "found"),
    [
        ("api", None, [*NAMED, *RECORDED]),
        ("api.us1", None, ["api.us1", "api", "api.eu", "api.us", "api.eu1", *RECORDED]),
        ("gateway", None, ["gateway", *NAMED, *RECORDED]),
        ("api.eu", "eu", IN_EU),
        ("api.us1", "us", ["api.us1", *(host for host in IN_US if host != "api.us1")]),
        ("api.us7", "us", ["api.us7", *(host for host in IN_US if host != "api.us7")]),
    ],
)
def test_a_task_is_asked_for_where_it_was_submitted_and_then_elsewhere_in_the_region(
    host: str, region: str | None, found: list[str]
) -> None:
    assert asked_hosts(HostPolicy(region=region), f"https://{host}.bfl.ai") == found


def test_learned_hosts_are_asked_after_the_regional_ones_and_inside_the_region_alone() -> None:
    learned = ("https://api.us9.bfl.ai", "https://api.eu8.bfl.ai", "https://api.us7.bfl.ai")
    rest = [host for host in RECORDED if host != "api.us7"]
    assert asked_hosts(GLOBAL, "https://api.bfl.ai", *learned) == [
        *(*NAMED, "api.us9", "api.eu8", "api.us7"),
        *rest,
    ]
    assert asked_hosts(EU, "https://api.eu.bfl.ai", *learned) == [
        *("api.eu", "api.eu1", "api.eu8", "api.eu2", "api.eu4")
    ]


def test_a_task_of_a_sandbox_is_asked_for_in_the_sandbox_alone() -> None:
    one, two, three = (Origin("http", "127.0.0.1", port) for port in (1, 2, 3))
    policy = HostPolicy(sandboxes=(one, two, three))
    real = parse_origin("https://api.us9.bfl.ai")
    assert policy.hosts_of_tasks(one, [real, three]) == (one, three, two)
    assert one not in policy.hosts_of_tasks(real, [one])


@pytest.mark.parametrize(
    ("delivery", "host"),
    [
        ("delivery.us7.bfl.ai", "api.us7.bfl.ai"),
        ("delivery-eu1.bfl.ai", "api.eu1.bfl.ai"),
        ("delivery.isr.bfl.ai", "api.isr.bfl.ai"),
        ("delivery.eu.west.1.bfl.ai", "api.eu.west.1.bfl.ai"),
        ("delivery.eu2.bfl.ml", "api.eu2.bfl.ai"),
        (f"bfldeliveryprodeu4.{AZURE}", "api.eu4.bfl.ai"),
        ("delivery.bfl.ai", None),
        (f"bfldeliverysc.{AZURE}", None),
        ("delivery.us7.bfl.ai.example.com", None),
        ("cdn.example.com", None),
    ],
)
def test_a_delivery_host_tells_the_api_host_of_its_cluster(delivery: str, host: str | None) -> None:
    found = GLOBAL.host_of_delivery(sample(delivery))
    assert (found.host if found else None) == host
    in_eu = EU.host_of_delivery(sample(delivery))
    assert in_eu is None or region_of(in_eu.host) == "eu"
    assert GLOBAL.host_of_delivery(sample(delivery).replace("https:", "http:")) is None
