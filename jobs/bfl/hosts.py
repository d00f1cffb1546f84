"""BFL's hosts: which URLs may be followed, and which may be sent the API key.

The patterns come from BFL's docs (`delivery.*.bfl.ai`, names change) and recorded traffic.
"""

import re
from typing import NamedTuple

from jobs.errors import UnknownHost, UrlRefused
from jobs.net.ip import is_internal_host
from jobs.net.urls import (
    AddressScope,
    NotificationEndpoint,
    Origin,
    ParsedUrl,
    is_public_name,
    matches_host_pattern,
    parse,
    parse_origin,
)

ANY_HOST = "*"
# `api.bfl.ml` is dead, and the key must not go to whoever has that domain one day.
_BFL_API = re.compile(r"(api|gateway)(\.[a-z0-9-]{1,63})*\.bfl\.ai")
# Anybody can register a name on Azure's domain: only those that were recorded are BFL's.
AZURE_ACCOUNTS = ("bfldeliverysc", "bfldeliveryscus", "bfldeliveryprod", "bfldeliveryprodeu4")
_BFL_DELIVERY = re.compile(
    r"delivery[a-z0-9-]*(\.[a-z0-9-]{1,63})*\.bfl\.(ai|ml)"
    rf"|({'|'.join(AZURE_ACCOUNTS)})\.blob\.core\.windows\.net"
)
# Where a host stands: `api.eu2.`, `delivery-eu1.`, `bfldeliveryprodeu4.`
_REGION = re.compile(r"(?:[.-]|prod)(eu|us)[0-9]*(?=[.-])")
_NO_API = "must be global, eu, us, eu1, us1, or the https URL of a BFL API host"
_POLL_PATH = "/v1/get_result"


class HostPolicy(NamedTuple):
    """Whom this installation talks to: BFL's hosts, the operator's own additions, the sandbox."""

    sandbox: Origin | None = None
    delivery_hosts: tuple[str, ...] = ()
    region: str | None = None  # "eu" or "us": nothing of a job leaves it
    notify_hosts: tuple[str, ...] | None = None  # None: nothing could be signed
    notify_url: ParsedUrl | None = None

    def validate_polling_url(self, url: str) -> ParsedUrl:
        """The address of a polling URL. Raises RefusedUrl unless it is one of BFL's."""
        address = parse(url)
        if not self._is_near(address, _BFL_API) or address.path != _POLL_PATH:
            raise UrlRefused("the polling URL is not one of BFL's")
        return address

    def validate_delivery_url(self, url: str) -> ParsedUrl:
        """The address of a delivery URL.

        Raises UnknownHost when its host is not allowed, RefusedUrl when it can never be one.
        """
        address = parse(url)
        if self._is_sandbox(address) or self._is_named_by_operator(address.origin):
            return address
        if address.origin[::2] != ("https", 443) or not is_public_name(address.origin.host):
            raise UrlRefused("the delivery URL is not an https one of a public host")
        if not _BFL_DELIVERY.fullmatch(address.origin.host):
            raise UnknownHost(address.origin.host, "is not known to be BFL's")
        if not self._is_in_region(address.origin.host):
            raise UnknownHost(address.origin.host, f"is not in the region {self.region}")
        return address

    def _is_named_by_operator(self, origin: Origin) -> bool:
        https = origin[::2] == ("https", 443)
        return https and any(
            matches_host_pattern(host, origin.host) for host in self.delivery_hosts
        )

    def client_webhook_endpoint(self, url: str) -> NotificationEndpoint:
        """Where somebody else's webhook is. Raises RefusedUrl unless it is https and may be public.

        Beside a sandbox, which is only there to develop with, plain http on loopback is fine.
        """
        address = parse(url)
        inside = self.sandbox is not None and address.origin.is_loopback
        if address.origin.scheme == "http" and inside:
            return NotificationEndpoint(address, AddressScope.LOOPBACK)
        if address.origin.scheme != "https":
            raise UrlRefused("the URL is not an https one")
        if is_internal_host(address.origin.host):
            raise UrlRefused("the URL's host is not a public one")
        return NotificationEndpoint(address, AddressScope.PUBLIC)

    def notify_url_endpoint(self, url: str) -> NotificationEndpoint:
        """Where a job's `notify_url` is. Raises RefusedUrl unless NOTIFY_HOSTS allows it.

        A host that the operator named may be a private one; plain http to it stays private.
        """
        if self.notify_hosts is None:
            raise UrlRefused("nobody can be notified: this Fluxkeep has no NOTIFY_SECRET")
        address = parse(url)
        if address.origin.host in self.notify_hosts:
            https = address.origin.scheme == "https"
            return NotificationEndpoint(
                address, AddressScope.PUBLIC_OR_PRIVATE if https else AddressScope.PRIVATE
            )
        if ANY_HOST not in self.notify_hosts:
            raise UrlRefused("the URL does not lead to a host that NOTIFY_HOSTS names")
        return self.client_webhook_endpoint(url)

    def operator_endpoint(self) -> NotificationEndpoint:
        """Where the operator wants to be told. Raises RefusedUrl when that is nowhere."""
        if self.notify_url is None or self.notify_hosts is None:
            raise UrlRefused("there is no NOTIFY_URL any more")
        return NotificationEndpoint(self.notify_url, AddressScope.PUBLIC_OR_PRIVATE)

    def _is_near(self, address: ParsedUrl, hosts: re.Pattern[str]) -> bool:
        near = self._is_in_region(address.origin.host)
        return self._is_sandbox(address) or (near and _secure(address, hosts))

    def _is_in_region(self, host: str) -> bool:
        return self.region is None or regions(host) == {self.region}

    def _is_sandbox(self, address: ParsedUrl) -> bool:
        return self.sandbox is not None and address.origin == self.sandbox


def regions(host: str) -> set[str]:
    """Which regions the name of a BFL host speaks of: none for the global ones."""
    return set(_REGION.findall(host))


def region_of(host: str) -> str | None:
    """The one region that everything of a job stays in when it is submitted to this host."""
    found = regions(host)
    return found.pop() if len(found) == 1 else None


def _secure(address: ParsedUrl, hosts: re.Pattern[str]) -> bool:
    scheme, host, port = address.origin
    return (scheme, port) == ("https", 443) and hosts.fullmatch(host) is not None


def api_origin(url: str, sandbox: Origin | None) -> Origin:
    """The origin of a BFL API host. Raises ValueError unless it is one of BFL's or the sandbox."""
    try:
        origin = parse_origin(url)
    except ValueError:
        raise ValueError(_NO_API) from None
    if origin != sandbox and not _secure(ParsedUrl(origin, "/"), _BFL_API):
        raise ValueError(_NO_API)
    return origin
