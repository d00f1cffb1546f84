"""Allow-list of BFL's hosts, from docs and recorded traffic; API hosts may get the key (I19)."""

import re
from collections.abc import Iterable, Mapping
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
# Clusters that were recorded in answers of BFL between 2025-06 and 2026-09. A task lives on one of
# them, and the others may not know it. More are learned (`jobs/task_hosts.py`).
RECORDED_CLUSTERS = ("eu2", "eu4", "us1", "us2", "us3", "us4", "us7", "isr")
# Excludes `api.bfl.ml`, which is dead: a later owner of the domain must not get the key.
_BFL_API = re.compile(r"(api|gateway)(\.[a-z0-9-]{1,63})*\.bfl\.ai")
# Anybody can register an account at Azure: only recorded ones belong to BFL.
AZURE_ACCOUNTS = ("bfldeliverysc", "bfldeliveryscus", "bfldeliveryprod", "bfldeliveryprodeu4")
_BFL_DELIVERY = re.compile(
    r"delivery[a-z0-9-]*(\.[a-z0-9-]{1,63})*\.bfl\.(ai|ml)"
    rf"|({'|'.join(AZURE_ACCOUNTS)})\.blob\.core\.windows\.net"
)
# The cluster in `delivery.us7.bfl.ai`, `delivery-eu1.bfl.ai` and `delivery.eu.west.1.bfl.ai`.
_DELIVERY_CLUSTER = re.compile(r"delivery[.-]([a-z0-9-]+(?:\.[a-z0-9-]+)*)\.bfl\.(?:ai|ml)")
_AZURE_CLUSTER = re.compile(r"bfldeliveryprod([a-z]{2}\d+)\.blob\.core\.windows\.net")
# As in `api.eu2.`, `delivery-eu1.`, `bfldeliveryprodeu4.`
_REGION = re.compile(r"(?:[.-]|prod)(eu|us)[0-9]*(?=[.-])")
_NO_API = f"must be {', '.join(API_HOSTS)}, or the https URL of a BFL API host"
_POLL_PATH = "/v1/get_result"


class HostPolicy(NamedTuple):
    """Hosts that this installation connects to: BFL's, the operator's, and those of a sandbox.

    The first of `sandboxes` stands for BFL's global host, the others for its clusters.
    """

    sandboxes: tuple[urls.Origin, ...] = ()
    delivery_hosts: tuple[str, ...] = ()
    region: str | None = None  # "eu" or "us": jobs stay in that region
    notify_hosts: tuple[str, ...] | None = None  # None without NOTIFY_SECRET
    notify_urls: Mapping[str, urls.ParsedUrl] = MappingProxyType({})  # by digest

    def validate_polling_url(self, url: str) -> urls.ParsedUrl:
        """Parse a polling URL. Raises UrlRefused unless it is one of BFL's."""
        address = urls.parse(url)
        if not self.may_poll(address.origin) or address.path != _POLL_PATH:
            raise UrlRefused("the polling URL is not one of BFL's")
        return address

    def may_poll(self, origin: urls.Origin) -> bool:
        """Whether an origin is one of BFL's API hosts in the region, or the sandbox's."""
        in_region = self.region in (None, region_of(origin.host))
        return (_is_api(origin) and in_region) or origin in self.sandboxes

    def hosts_of_tasks(
        self, origin: urls.Origin, learned: Iterable[urls.Origin]
    ) -> tuple[urls.Origin, ...]:
        """The hosts that may know a task which was submitted to `origin`, the likeliest first.

        That host, the global and the regional ones, those that were `learned`, then the recorded
        clusters. A task of a sandbox is known to the sandbox alone.
        """
        if origin in self.sandboxes:
            in_order = [origin, self.sandboxes[0], *learned, *self.sandboxes]
            return _unique(host for host in in_order if host in self.sandboxes)
        regional = map(_https, API_HOSTS.values())
        recorded = map(_https_cluster, RECORDED_CLUSTERS)
        in_order = [origin, *regional, *learned, *recorded]
        return _unique(host for host in in_order if host.is_https and self.may_poll(host))

    def is_cluster(self, url: str) -> bool:
        """Whether a URL is one of a cluster, and not of a host that stands before several."""
        origin = urls.parse(url).origin
        hosts_before_clusters = (*map(_https, API_HOSTS.values()), *self.sandboxes[:1])
        return origin not in hosts_before_clusters

    def host_of_delivery(self, url: str) -> urls.Origin | None:
        """The API host of the cluster that delivers a URL; None if its name does not tell."""
        try:
            origin = urls.parse(url).origin
        except UrlRefused:
            return None
        if origin in self.sandboxes:
            return origin
        cluster = _DELIVERY_CLUSTER.fullmatch(origin.host) or _AZURE_CLUSTER.fullmatch(origin.host)
        if cluster is None or not origin.is_https:
            return None
        host = _https_cluster(cluster[1])
        return host if self.may_poll(host) else None

    def validate_delivery_url(self, url: str) -> urls.ParsedUrl:
        """Parse a delivery URL as browsers do: no key goes there.

        Raises UnknownHost if an operator may allow it, else UrlRefused.
        """
        address = urls.parse(urls.escape(url))
        is_https, host = address.origin.is_https, address.origin.host
        is_named = any(urls.matches_host_pattern(pattern, host) for pattern in self.delivery_hosts)
        if address.origin in self.sandboxes or (is_https and is_named):
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
        if address.origin.scheme == "http" and self.sandboxes and address.origin.is_loopback:
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


def _https(host: str) -> urls.Origin:
    return urls.Origin("https", host, urls.HTTPS_PORT)


def _https_cluster(name: str) -> urls.Origin:
    return _https(f"api.{name}.bfl.ai")


def _unique(hosts: Iterable[urls.Origin]) -> tuple[urls.Origin, ...]:
    return tuple(dict.fromkeys(hosts))


def polling_url(origin: urls.Origin, task_id: str) -> str:
    """The URL at which a host tells what became of a task."""
    return f"{origin}{_POLL_PATH}?id={task_id}"


def api_origin(text: str, sandboxes: tuple[urls.Origin, ...] = ()) -> urls.Origin:
    """Parse a region's name, or the URL of a BFL API host or of the sandbox. Raises ValueError."""
    host = API_HOSTS.get(text.lower())
    try:
        origin = urls.parse_origin(f"https://{host}" if host else text)
    except ValueError:
        raise ValueError(_NO_API) from None
    if origin not in sandboxes and not _is_api(origin):
        raise ValueError(_NO_API)
    return origin
