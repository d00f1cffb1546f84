"""Outgoing hosts are listed for a firewall, and one of each kind is tried."""

import socket

import pytest

from jobs.bfl.hosts import HostPolicy
from jobs.config.settings import load
from jobs.net.urls import AddressScope, Origin
from receiver.checks.context import Context
from receiver.checks.outgoing import check, destinations, unreachable_reason
from receiver.checks.result import Grade
from tests.harness.doctor_output import NEEDED
from tests.sandbox import Sandbox

GLOBAL = Origin("https", "api.bfl.ai", 443)
EU = Origin("https", "api.eu.bfl.ai", 443)


@pytest.mark.parametrize(
    ("host_policy", "origin"), [(HostPolicy(), GLOBAL), (HostPolicy(region="eu"), EU)]
)
def test_each_sample_is_a_host_that_would_be_used(host_policy: HostPolicy, origin: Origin) -> None:
    found = list(destinations(host_policy, origin))
    assert [one.kind for one in found][:3] == ["submissions", "polls", "delivery"]
    for one in found:
        host = one.sample
        if one.kind.startswith("delivery"):
            assert host_policy.validate_delivery_url(f"https://{host}/a").origin.host == host
        else:
            assert (
                host_policy.validate_polling_url(f"https://{host}/v1/get_result?id=a").origin.host
                == host
            )


@pytest.mark.parametrize(
    ("region", "polls", "delivery"),
    [
        (None, "api.*.bfl.ai", ("delivery*.bfl.ai", "delivery.*.bfl.ai")),
        ("eu", "api.eu*.bfl.ai", ("delivery-eu*.bfl.ai", "delivery.eu*.bfl.ai")),
    ],
)
def test_patterns_are_those_of_a_firewall(
    region: str | None, polls: str, delivery: tuple[str, ...]
) -> None:
    found = {one.kind: one.patterns for one in destinations(HostPolicy(region=region), GLOBAL)}
    assert (found["polls"], found["delivery"]) == ((polls,), delivery)
    host_policy = HostPolicy(delivery_hosts=("cdn.example.com", "*.cdn.example.com"))
    own = [one for one in destinations(host_policy, GLOBAL) if one.kind == "DELIVERY_HOSTS"]
    assert [one.patterns for one in own] == [("cdn.example.com",), ("*.cdn.example.com",)]


def test_a_host_that_answers_anything_is_reached_without_a_key(sandbox: Sandbox) -> None:
    settings = load(NEEDED | {"BFL_SANDBOX_URL": sandbox.url, "BFL_API_KEY": "planted-canary"})
    (result,) = check(Context(settings))
    assert result.grade is Grade.OK and "reached" in result.why
    assert not [seen for seen in sandbox.requests if seen.has_key]


def test_without_a_key_every_host_is_named_and_none_is_tried() -> None:
    (result,) = check(Context(load(NEEDED | {"DELIVERY_HOSTS": "*.cdn.example.com"})))
    assert result.grade is Grade.WARNING and "not tried" in result.why
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert unreachable_reason(Origin("http", "127.0.0.1", port), AddressScope.LOOPBACK)
    for host in ("api.bfl.ai", "delivery.*.bfl.ai", "bfldeliverysc.blob", "*.cdn.example.com"):
        assert host in result.remedy
