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
    """Hosts of one kind as patterns, and one of them to try (or a pattern, which cannot be)."""

    kind: str
    patterns: tuple[str, ...]
    sample: str


def check(context: Context) -> Iterator[Result]:
    """Connect to one host of each kind; any HTTP answer counts."""
    policy, origin = build_host_policy(context.settings), context.settings.bfl_origin
    # Hosts of NOTIFY_URL are named by place and digest: a URL may be a secret.
    for n, (digest, url) in enumerate(policy.notify_urls.items(), 1):
        kind = f"NOTIFY_URL, number {n} ({digest})"
        if why := unreachable_reason(url.origin, AddressScope.PUBLIC_OR_PRIVATE):
            yield warning(NAME, f"{kind}: {why}", "Allow the sweep to connect to its host.")
        else:
            yield ok(NAME, f"{kind}: reached")
    if origin in policy.sandboxes:
        for sandbox in policy.sandboxes:
            yield _try("sandbox", (str(sandbox),), sandbox, AddressScope.LOOPBACK)
        return
    found = list(destinations(policy, origin))
    if not context.settings.has_bfl_key and not policy.sandboxes:
        hosts = ", ".join(host for one in found for host in one.patterns)
        yield warning(NAME, "not tried without BFL_API_KEY", f"Allow port 443 to {hosts}.")
        return
    for kind, patterns, sample in found:
        yield _try(kind, patterns, Origin("https", sample, HTTPS_PORT))


def destinations(policy: HostPolicy, origin: Origin) -> Iterator[Destination]:
    """List the BFL hosts that Fluxkeep connects to, by kind."""
    region = policy.region or ""
    yield Destination("submissions", (origin.host,), origin.host)
    yield Destination("polls", (f"api.{region}*.bfl.ai",), f"api.{region or 'us'}.bfl.ai")
    dashed = f"delivery-{region}*.bfl.ai" if region else "delivery*.bfl.ai"
    delivery = (dashed, f"delivery.{region}*.bfl.ai")
    yield Destination("delivery", delivery, f"delivery-{region or 'eu'}1.bfl.ai")
    azure = [f"{account}.blob.core.windows.net" for account in AZURE_ACCOUNTS]
    if inside := [host for host in azure if not region or region_of(host) == region]:
        yield Destination("delivery (Azure)", tuple(inside), inside[0])
    for host in policy.delivery_hosts:
        yield Destination("DELIVERY_HOSTS", (host,), host)


def _try(
    kind: str, patterns: tuple[str, ...], sample: Origin, scope: AddressScope = AddressScope.PUBLIC
) -> Result:
    hosts = " and ".join(patterns)
    if ANY_LABEL in sample.host:
        return ok(NAME, f"{kind}, {hosts}: not tried, it is a pattern")
    if why := unreachable_reason(sample, scope):
        return warning(NAME, f"{kind}, {sample.host}: {why}", f"Allow port 443 to {hosts}.")
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
