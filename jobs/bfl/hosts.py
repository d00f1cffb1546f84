"""Allow-list of BFL's hosts, from docs and recorded traffic; API hosts may get BFL's key (I19)."""

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
_REMOVED_FROM_NOTIFY_URL = "NOTIFY_URL does not name its URL any more"


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
        if origin in self.sandboxes:
            return True
        return _is_api(origin) and self._is_in_region(origin.host)

    def _is_in_region(self, host: str) -> bool:
        return self.region is None or self.region == region_of(host)

    def hosts_of_tasks(
        self, origin: urls.Origin, learned: Iterable[urls.Origin]
    ) -> tuple[urls.Origin, ...]:
        """The hosts that may know a task which was submitted to `origin`, the likeliest first.

        That host, the global and the regional ones, those that were `learned`, then the recorded
        clusters. A task of a sandbox is known to the sandbox alone.
        """
        if origin in self.sandboxes:
            return self._sandboxes_of_tasks(origin, learned)
        hosts = [origin]
        hosts.extend(_https(api_host) for api_host in API_HOSTS.values())
        hosts.extend(learned)
        hosts.extend(_https_cluster(cluster) for cluster in RECORDED_CLUSTERS)
        return _unique(host for host in hosts if host.is_https and self.may_poll(host))

    def _sandboxes_of_tasks(
        self, origin: urls.Origin, learned: Iterable[urls.Origin]
    ) -> tuple[urls.Origin, ...]:
        """The origins of the sandbox: this one, the one that stands for the global host, more."""
        hosts = [origin, self.sandboxes[0]]
        hosts.extend(learned)
        hosts.extend(self.sandboxes)
        return _unique(host for host in hosts if host in self.sandboxes)

    def is_cluster(self, url: str) -> bool:
        """Whether a URL is one of a cluster, and not of a host that stands before several."""
        origin = urls.parse(url).origin
        if self.sandboxes and origin == self.sandboxes[0]:
            return False
        return not (origin.is_https and origin.host in API_HOSTS.values())

    def host_of_delivery(self, url: str) -> urls.Origin | None:
        """The API host of the cluster that delivers a URL; None if its name does not tell."""
        try:
            origin = urls.parse(url).origin
        except UrlRefused:
            return None
        if origin in self.sandboxes:
            return origin
        cluster = _cluster_of_delivery(origin.host)
        if cluster is None or not origin.is_https:
            return None
        host = _https_cluster(cluster)
        if not self.may_poll(host):
            return None
        return host

    def validate_delivery_url(self, url: str) -> urls.ParsedUrl:
        """Parse a delivery URL as browsers do: no key goes there.

        Raises UnknownHost if an operator may allow it, else UrlRefused.
        """
        address = urls.parse(urls.escape(url))
        if address.origin in self.sandboxes:
            return address
        is_https = address.origin.is_https
        host = address.origin.host
        if is_https and self._is_in_delivery_hosts(host):
            return address
        if not is_https or not urls.is_public_name(host):
            raise UrlRefused("the delivery URL is not an https one of a public host")
        if not _BFL_DELIVERY.fullmatch(host):
            raise UnknownHost(host, "is not known to be BFL's")
        if not self._is_in_region(host):
            raise UnknownHost(host, f"is not in the region {self.region}")
        return address

    def _is_in_delivery_hosts(self, host: str) -> bool:
        return any(urls.matches_host_pattern(pattern, host) for pattern in self.delivery_hosts)

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
            scope = urls.AddressScope.PRIVATE
            if address.origin.scheme == "https":
                scope = urls.AddressScope.PUBLIC_OR_PRIVATE
            return urls.NotificationEndpoint(address, scope)
        if ANY_HOST not in self.notify_hosts:
            raise UrlRefused("the URL does not lead to a host that NOTIFY_HOSTS names")
        return self.client_webhook_endpoint(url)

    def operator_endpoint(self, digest: str) -> urls.NotificationEndpoint:
        """The endpoint of a URL of NOTIFY_URL. Raises UrlRefused if it was removed."""
        url = self.notify_urls.get(digest)
        if url is None:
            raise UrlRefused(_REMOVED_FROM_NOTIFY_URL)
        # Without NOTIFY_SECRET only messages to chats are sent.
        if self.notify_hosts is None and not is_chat_webhook(str(url)):
            raise UrlRefused(_REMOVED_FROM_NOTIFY_URL)
        return urls.NotificationEndpoint(url, urls.AddressScope.PUBLIC_OR_PRIVATE)


def region_of(host: str) -> str | None:
    """Return the region of a BFL host; None for a global one."""
    regions = set(_REGION.findall(host))
    if len(regions) != 1:
        return None
    return str(regions.pop())


def _is_api(origin: urls.Origin) -> bool:
    return origin.is_https and _BFL_API.fullmatch(origin.host) is not None


def _cluster_of_delivery(host: str) -> str | None:
    """The name of the cluster in the name of a delivery host."""
    match = _DELIVERY_CLUSTER.fullmatch(host)
    if match is None:
        match = _AZURE_CLUSTER.fullmatch(host)
    if match is None:
        return None
    return match[1]


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
    url = text
    host = API_HOSTS.get(text.lower())
    if host:
        url = f"https://{host}"
    try:
        origin = urls.parse_origin(url)
    except ValueError:
        raise ValueError(_NO_API) from None
    if origin not in sandboxes and not _is_api(origin):
        raise ValueError(_NO_API)
    return origin
