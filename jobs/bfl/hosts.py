"""Allow-list of BFL's hosts, from docs and recorded traffic; API hosts may get the key (I19)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from jobs.domain.chat_messages import is_chat_webhook
from jobs.domain.errors import UnknownHost, UrlRefused
from jobs.net import urls
from jobs.net.ip import is_internal_host

ANY_HOST = "*"
GLOBAL_HOST = "api.bfl.ai"
API_HOSTS = {  # by the name of their region
    "global": GLOBAL_HOST,
    "eu": "api.eu.bfl.ai",
    "us": "api.us.bfl.ai",
    "eu1": "api.eu1.bfl.ai",
    "us1": "api.us1.bfl.ai",
}
# Excludes `api.bfl.ml`, which is dead: a later owner of the domain must not get the key.
_BFL_API = re.compile(r"(api|gateway)(\.[a-z0-9-]{1,63})*\.bfl\.ai")
# Anybody can register an account at Azure: only recorded ones belong to BFL.
AZURE_ACCOUNTS = ("bfldeliverysc", "bfldeliveryscus", "bfldeliveryprod", "bfldeliveryprodeu4")
_BFL_DELIVERY = re.compile(
    r"delivery[a-z0-9-]*(\.[a-z0-9-]{1,63})*\.bfl\.(ai|ml)"
    rf"|({'|'.join(AZURE_ACCOUNTS)})\.blob\.core\.windows\.net"
)
# As in `api.eu2.`, `delivery-eu1.`, `bfldeliveryprodeu4.`
_REGION = re.compile(r"(?:[.-]|prod)(eu|us)[0-9]*(?=[.-])")
_NO_API = f"must be {', '.join(API_HOSTS)}, or the https URL of a BFL API host"
_POLL_PATH = "/v1/get_result"


class HostPolicy(NamedTuple):
    """Hosts that this installation connects to: BFL's, the operator's, and a sandbox."""

    sandbox: urls.Origin | None = None
    delivery_hosts: tuple[str, ...] = ()
    region: str | None = None  # "eu" or "us": jobs stay in that region
    notify_hosts: tuple[str, ...] | None = None  # None without NOTIFY_SECRET
    notify_urls: Mapping[str, urls.ParsedUrl] = MappingProxyType({})  # by digest

    def validate_polling_url(self, url: str) -> urls.ParsedUrl:
        """Parse a polling URL. Raises UrlRefused unless it is one of BFL's."""
        address = urls.parse(url)
        in_region = self.region in (None, region_of(address.origin.host))
        is_known = (_is_api(address.origin) and in_region) or address.origin == self.sandbox
        if not is_known or address.path != _POLL_PATH:
            raise UrlRefused("the polling URL is not one of BFL's")
        return address

    def validate_delivery_url(self, url: str) -> urls.ParsedUrl:
        """Parse a delivery URL. Raises UnknownHost if an operator may allow it, else UrlRefused."""
        address = urls.parse(url)
        is_https, host = address.origin.is_https, address.origin.host
        is_named = any(urls.matches_host_pattern(pattern, host) for pattern in self.delivery_hosts)
        if address.origin == self.sandbox or (is_https and is_named):
            return address
        if not is_https or not urls.is_public_name(host):
            raise UrlRefused("the delivery URL is not an https one of a public host")
        if not _BFL_DELIVERY.fullmatch(host):
            raise UnknownHost(host, "is not known to be BFL's")
        if self.region not in (None, region_of(host)):
            raise UnknownHost(host, f"is not in the region {self.region}")
        return address

    def client_webhook_endpoint(self, url: str) -> urls.NotificationEndpoint:
        """Parse a client's webhook: public https, or loopback in a sandbox. Raises UrlRefused."""
        address = urls.parse(url)
        inside = self.sandbox is not None and address.origin.is_loopback
        if address.origin.scheme == "http" and inside:
            return urls.NotificationEndpoint(address, urls.AddressScope.LOOPBACK)
        if address.origin.scheme != "https":
            raise UrlRefused("the URL is not an https one")
        if is_internal_host(address.origin.host):
            raise UrlRefused("the URL's host is not a public one")
        return urls.NotificationEndpoint(address, urls.AddressScope.PUBLIC)

    def notify_url_endpoint(self, url: str) -> urls.NotificationEndpoint:
        """Parse a job's `notify_url`; a host in NOTIFY_HOSTS may be private. Raises UrlRefused."""
        if self.notify_hosts is None:
            raise UrlRefused("nobody can be notified: this Fluxkeep has no NOTIFY_SECRET")
        address = urls.parse(url)
        if address.origin.host in self.notify_hosts:
            https = address.origin.scheme == "https"
            return urls.NotificationEndpoint(
                address, urls.AddressScope.PUBLIC_OR_PRIVATE if https else urls.AddressScope.PRIVATE
            )
        if ANY_HOST not in self.notify_hosts:
            raise UrlRefused("the URL does not lead to a host that NOTIFY_HOSTS names")
        return self.client_webhook_endpoint(url)

    def operator_endpoint(self, digest: str) -> urls.NotificationEndpoint:
        """The endpoint of a URL of NOTIFY_URL. Raises UrlRefused if it was removed."""
        url = self.notify_urls.get(digest)
        if url is None or (self.notify_hosts is None and not is_chat_webhook(str(url))):
            raise UrlRefused("NOTIFY_URL does not name its URL any more")
        return urls.NotificationEndpoint(url, urls.AddressScope.PUBLIC_OR_PRIVATE)


def region_of(host: str) -> str | None:
    """Return the region of a BFL host; None for a global one."""
    found = set(_REGION.findall(host))
    return found.pop() if len(found) == 1 else None


def _is_api(origin: urls.Origin) -> bool:
    return origin.is_https and _BFL_API.fullmatch(origin.host) is not None


def api_origin(text: str, sandbox: urls.Origin | None = None) -> urls.Origin:
    """Parse a region's name, or the URL of a BFL API host or of the sandbox. Raises ValueError."""
    host = API_HOSTS.get(text.lower())
    try:
        origin = urls.parse_origin(f"https://{host}" if host else text)
    except ValueError:
        raise ValueError(_NO_API) from None
    if origin != sandbox and not _is_api(origin):
        raise ValueError(_NO_API)
    return origin
