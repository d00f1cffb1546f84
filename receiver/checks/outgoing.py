"""Check of outgoing connections: the hosts that a firewall must allow, one tried of each kind."""

from collections.abc import Iterator
from typing import NamedTuple

from jobs.bfl.hosts import AZURE_ACCOUNTS, HostPolicy, region_of
from jobs.domain.errors import TransferFailed, UrlRefused
from jobs.net import http_client
from jobs.net.urls import ANY_LABEL, HTTPS_PORT, AddressScope, Origin, ParsedUrl
from jobs.services import build_host_policy
from receiver.checks.context import Context
from receiver.checks.result import Result, ok, warning

NAME = "outgoing"
REACH_SECONDS = 5.0


class Destination(NamedTuple):
    """Hosts of one kind as patterns, and a host to try; a pattern in its place is not tried."""

    kind: str
    patterns: tuple[str, ...]
    sample: str


def check(context: Context) -> Iterator[Result]:
    """Connect to one host of each kind; any HTTP answer counts."""
    policy = build_host_policy(context.settings)
    yield from _try_notify_urls(policy)
    origin = context.settings.bfl_origin
    if origin in policy.sandboxes:
        for sandbox in policy.sandboxes:
            yield _try("sandbox", (str(sandbox),), sandbox, AddressScope.LOOPBACK)
        return
    bfl_destinations = list(destinations(policy, origin))
    if not context.settings.has_bfl_key and not policy.sandboxes:
        patterns: list[str] = []
        for destination in bfl_destinations:
            patterns.extend(destination.patterns)
        remedy = f"Allow port 443 to {', '.join(patterns)}."
        yield warning(NAME, "not tried without BFL_API_KEY", remedy)
        return
    for destination in bfl_destinations:
        sample = Origin("https", destination.sample, HTTPS_PORT)
        yield _try(destination.kind, destination.patterns, sample)


def _try_notify_urls(policy: HostPolicy) -> Iterator[Result]:
    """Name the hosts of NOTIFY_URL by place and digest: a URL may be a secret."""
    for number, (digest, url) in enumerate(policy.notify_urls.items(), 1):
        kind = f"NOTIFY_URL, number {number} ({digest})"
        reason = unreachable_reason(url.origin, AddressScope.PUBLIC_OR_PRIVATE)
        if reason is None:
            yield ok(NAME, f"{kind}: reached")
        else:
            yield warning(NAME, f"{kind}: {reason}", "Allow the sweep to connect to its host.")


def destinations(policy: HostPolicy, origin: Origin) -> Iterator[Destination]:
    """List the BFL hosts that Fluxkeep connects to, by kind."""
    region = policy.region or ""
    yield Destination("submissions", (origin.host,), origin.host)
    yield Destination("polls", (f"api.{region}*.bfl.ai",), f"api.{region or 'us'}.bfl.ai")
    dashed_pattern = "delivery*.bfl.ai"
    if region:
        dashed_pattern = f"delivery-{region}*.bfl.ai"
    delivery_patterns = (dashed_pattern, f"delivery.{region}*.bfl.ai")
    yield Destination("delivery", delivery_patterns, f"delivery-{region or 'eu'}1.bfl.ai")
    azure_hosts = [f"{account}.blob.core.windows.net" for account in AZURE_ACCOUNTS]
    if region:
        azure_hosts = [host for host in azure_hosts if region_of(host) == region]
    if azure_hosts:
        yield Destination("delivery (Azure)", tuple(azure_hosts), azure_hosts[0])
    for host in policy.delivery_hosts:
        yield Destination("DELIVERY_HOSTS", (host,), host)


def _try(
    kind: str, patterns: tuple[str, ...], sample: Origin, scope: AddressScope = AddressScope.PUBLIC
) -> Result:
    hosts = " and ".join(patterns)
    if ANY_LABEL in sample.host:
        return ok(NAME, f"{kind}, {hosts}: not tried, it is a pattern")
    reason = unreachable_reason(sample, scope)
    if reason is not None:
        return warning(NAME, f"{kind}, {sample.host}: {reason}", f"Allow port 443 to {hosts}.")
    return ok(NAME, f"{kind}, {hosts}: reached")


def unreachable_reason(origin: Origin, scope: AddressScope) -> str | None:
    """Connect to a host without a key; None for any HTTP response, else the error."""
    try:
        with (
            http_client.create_session(origin, scope=scope) as session,
            http_client.send_request(session, ParsedUrl(origin, "/"), seconds=REACH_SECONDS),
        ):
            return None
    except (TransferFailed, UrlRefused) as error:
        return str(error)
