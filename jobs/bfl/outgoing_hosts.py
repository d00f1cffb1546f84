"""Outgoing hosts: what a firewall must allow, and whether each kind is reachable."""

from typing import NamedTuple

from jobs.bfl.hosts import AZURE_ACCOUNTS, HostPolicy, regions
from jobs.errors import TransferFailed, UrlRefused
from jobs.net import http_client
from jobs.net.urls import ANY_LABEL, Origin, ParsedUrl

REACH_SECONDS = 5.0
_HTTPS_PORT = 443


class Destination(NamedTuple):
    """Hosts of one kind as patterns, and one URL to test."""

    kind: str
    patterns: tuple[str, ...]
    sample: ParsedUrl


def destinations(host_policy: HostPolicy, origin: Origin) -> tuple[Destination, ...]:
    """List the BFL hosts that Fluxkeep connects to, by kind."""
    if origin == host_policy.sandbox:
        return (Destination("sandbox", (str(origin),), ParsedUrl(origin, "/")),)
    azure = [f"{account}.blob.core.windows.net" for account in AZURE_ACCOUNTS]
    in_region = [
        host
        for host in azure
        if host_policy.region is None or regions(host) == {host_policy.region}
    ]
    region = host_policy.region or ""
    dashed = f"delivery-{region}*.bfl.ai" if region else "delivery*.bfl.ai"
    delivery = (dashed, f"delivery.{region}*.bfl.ai")
    found = [
        _destination("submissions", (origin.host,), origin.host),
        _destination(
            "polls", (f"api.{region}*.bfl.ai",), f"api.{host_policy.region or 'us'}.bfl.ai"
        ),
        _destination("delivery", delivery, f"delivery-{host_policy.region or 'eu'}1.bfl.ai"),
        *(_destination("delivery (Azure)", tuple(in_region), host) for host in in_region[:1]),
        *(_destination("DELIVERY_HOSTS", (host,), host) for host in host_policy.delivery_hosts),
    ]
    return tuple(found)


def _destination(kind: str, patterns: tuple[str, ...], sample: str) -> Destination:
    return Destination(kind, patterns, ParsedUrl(Origin("https", sample, _HTTPS_PORT), "/"))


def has_concrete_sample(destination: Destination) -> bool:
    """Whether the sample is a host and not a pattern of DELIVERY_HOSTS."""
    return ANY_LABEL not in destination.sample.origin.host


def unreachable_reason(host_policy: HostPolicy, destination: Destination) -> str | None:
    """Connect to the sample without a key; None for any HTTP response, else the error."""
    try:
        with (
            http_client.create_session(host_policy.sandbox) as session,
            http_client.send_request(session, destination.sample, seconds=REACH_SECONDS),
        ):
            return None
    except (TransferFailed, UrlRefused) as error:
        return str(error)
