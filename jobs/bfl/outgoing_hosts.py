"""Outgoing hosts: the list that a firewall has to allow, and whether each kind can be reached."""

from typing import NamedTuple

from jobs.bfl.hosts import AZURE_ACCOUNTS, HostPolicy, regions
from jobs.errors import TransferFailed, UrlRefused
from jobs.net import http_client
from jobs.net.urls import ANY_LABEL, Origin, ParsedUrl

REACH_SECONDS = 5.0
_HTTPS_PORT = 443


class Destination(NamedTuple):
    """Hosts of one kind, as a firewall would name them, and one of them to try."""

    kind: str
    patterns: tuple[str, ...]
    sample: ParsedUrl


def destinations(trust: HostPolicy, origin: Origin) -> tuple[Destination, ...]:
    """All hosts that Fluxkeep connects to on BFL's behalf, by kind."""
    if origin == trust.sandbox:
        return (Destination("sandbox", (str(origin),), ParsedUrl(origin, "/")),)
    azure = [f"{account}.blob.core.windows.net" for account in AZURE_ACCOUNTS]
    wanted = [host for host in azure if trust.region is None or regions(host) == {trust.region}]
    region = trust.region or "*"
    delivery = (f"delivery-{region}*.bfl.ai", f"delivery.{region}*.bfl.ai")
    found = [
        _destination("submissions", (origin.host,), origin.host),
        _destination("polls", (f"api.{region}*.bfl.ai",), f"api.{trust.region or 'us'}.bfl.ai"),
        _destination("delivery", delivery, f"delivery-{trust.region or 'eu'}1.bfl.ai"),
        *(_destination("delivery (Azure)", tuple(wanted), host) for host in wanted[:1]),
        *(_destination("DELIVERY_HOSTS", (host,), host) for host in trust.delivery_hosts),
    ]
    return tuple(found)


def _destination(kind: str, patterns: tuple[str, ...], sample: str) -> Destination:
    return Destination(kind, patterns, ParsedUrl(Origin("https", sample, _HTTPS_PORT), "/"))


def has_concrete_sample(destination: Destination) -> bool:
    """Whether its sample is a host, not a pattern of an operator's."""
    return ANY_LABEL not in destination.sample.origin.host


def unreachable_reason(trust: HostPolicy, destination: Destination) -> str | None:
    """None when the sample gives any HTTP answer, whatever its status. No key is sent."""
    try:
        with (
            http_client.create_session(trust.sandbox) as session,
            http_client.send_request(session, destination.sample, seconds=REACH_SECONDS),
        ):
            return None
    except (TransferFailed, UrlRefused) as error:
        return str(error)
