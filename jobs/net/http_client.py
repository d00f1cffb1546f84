"""HTTP client against SSRF: requests go to vetted addresses only and end at a deadline.

Each name is resolved once and connected to by the address that was vetted, while TLS still checks
the name. No proxy, netrc, cookie or content encoding is used; redirects are followed by
`get_following_redirects` alone, through an allow-list.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from jobs.errors import ConnectionFailed, TransferFailed, UrlRefused
from jobs.net import watchdog
from jobs.net.ip import is_private, is_public
from jobs.net.urls import AddressScope, NotificationEndpoint, Origin, ParsedUrl
from jobs.net.watchdog import Watchdog, Wire

CONNECT_SECONDS = 5.0
ADDRESSES_TRIED_MAX = 4  # a name may have any number, and each may be silent
SILENCE_SECONDS = 15.0  # a connection that says nothing for so long is dead
LEAST_SECONDS = 0.1
REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_target: ContextVar[str] = ContextVar("target", default="")


_WITHIN: dict[AddressScope, Callable[[str], bool]] = {
    AddressScope.PUBLIC: is_public,
    AddressScope.LOOPBACK: lambda text: ipaddress.ip_address(text).is_loopback,
    AddressScope.PRIVATE: is_private,
    AddressScope.PUBLIC_OR_PRIVATE: lambda text: is_public(text) or is_private(text),
}


def _vetted(host: str, port: int, reach: AddressScope) -> list[tuple[Any, ...]]:
    """The socket addresses of a host. Raises RefusedUrl if a single one of them is bad."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no name can look like this") from None
    for *_, where in found:
        good = _WITHIN[reach](str(where[0]))
        if not good:
            kind = "near" if reach is AddressScope.PRIVATE else "public"
            raise UrlRefused(f"the host's name leads to an address that is not {kind}")
    return [where for *_, where in found][:ADDRESSES_TRIED_MAX]


class _Vetted(HTTPConnection):
    reach = AddressScope.PUBLIC

    def _new_conn(self) -> socket.socket:
        host = self._dns_host.strip("[]")
        error: OSError = OSError("the name has no address")
        for where in _vetted(host, self.port, self.reach):
            try:
                return socket.create_connection(where[:2], CONNECT_SECONDS)
            except OSError as failure:
                error = failure
        raise error

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
        # urllib3 would write percent-encodings its own way; a signature is over the bytes as given.
        super().putrequest(method, _target.get() or url, *args, **options)

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: Any) -> None:
        """A request that never left can be sent again; from here on that is not certain."""
        if self.sock is None:
            self.connect()
        wire = watchdog.current.get()
        wire.add(self.sock)
        wire.sent = True
        super().send(data)


class _VettedTls(_Vetted, HTTPSConnection):
    pass


@cache
def _pools(reach: AddressScope) -> dict[str, type[HTTPConnectionPool]]:
    """Pools by scheme, none of whose connections leads out of reach."""
    plain = type("_Plain", (_Vetted,), {"reach": reach})
    tls = type("_Tls", (_VettedTls,), {"reach": reach})
    return {
        "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
    }


class _Adapter(HTTPAdapter):
    def __init__(self, reach: AddressScope) -> None:
        self._reach = reach
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._reach)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """There is none: requests would read the whole body only to look where it leads."""


def create_endpoint_session(recipient: NotificationEndpoint) -> requests.Session:
    """A session that can reach public https, and one origin as far as it was trusted."""
    session = create_session(None)
    session.mount(f"{recipient.address.origin}/", _Adapter(recipient.reach))
    return session


def create_session(sandbox: Origin | None) -> requests.Session:
    """A session that can reach https, and plain http only on the sandbox's own origin."""
    session = _Session()
    session.trust_env = False
    session.adapters.clear()
    session.mount("https://", _Adapter(AddressScope.PUBLIC))
    if sandbox:
        session.mount(f"{sandbox}/", _Adapter(AddressScope.LOOPBACK))
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.headers.clear()
    session.headers.update({"User-Agent": "Fluxkeep", "Accept-Encoding": "identity"})
    return session


@contextmanager
def send_request(
    session: requests.Session,
    address: ParsedUrl,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[requests.Response]:
    """GET an address, or POST a body to it, and hand over the streaming answer.

    All of it must end within `seconds`. Raises NotSent when no request has left, TransferFailed
    for whatever else goes wrong on the wire, RefusedUrl for a bad address.
    """
    wire = Wire()
    dog = Watchdog(wire, seconds)
    _target.set(address.target)
    watchdog.current.set(wire)
    try:
        with dog, session.send(_request(session, address, headers, body), **_OPTIONS) as response:
            yield response
    except (requests.RequestException, HTTPError, OSError) as error:
        # The error's text can hold the URL; its type is all that may be told.
        kind = TransferFailed if wire.sent else ConnectionFailed
        raise kind(f"the connection failed: {type(error).__name__}") from None
    finally:
        # A cut body can look like a short file or a whole one; the cut is what happened.
        if dog.reason:
            raise (TransferFailed if wire.sent else ConnectionFailed)(dog.reason) from None


@contextmanager
def get_following_redirects(
    session: requests.Session,
    address: ParsedUrl,
    *,
    seconds: float,
    allow: Callable[[str], ParsedUrl],
    headers: Callable[[ParsedUrl], Mapping[str, str]] = lambda _address: {},
) -> Iterator[requests.Response]:
    """GET an address through at most REDIRECTS_MAX redirects and hand over the streaming answer.

    `allow` vets each hop as it would vet a first URL, and `headers` are made for each address.
    Raises TransferFailed for a hop that is refused, otherwise as `send_request` does.
    """
    until = time.monotonic() + seconds
    for _ in range(REDIRECTS_MAX + 1):
        left = max(until - time.monotonic(), LEAST_SECONDS)
        with send_request(session, address, seconds=left, headers=headers(address)) as response:
            if response.status_code not in _REDIRECTS:
                yield response
                return
            address = _next_hop(address, response.headers.get("Location", ""), allow)
    raise TransferFailed(f"there are more than {REDIRECTS_MAX} redirects")


def _next_hop(address: ParsedUrl, location: str, allow: Callable[[str], ParsedUrl]) -> ParsedUrl:
    try:
        # Taken byte for byte when it is whole; whatever comes out of a join is vetted as well.
        whole = location.startswith(("https://", "http://"))
        url = location if whole else urljoin(str(address), location)
        found = allow(url.partition("#")[0])
    except (UrlRefused, ValueError) as error:
        why = str(error) if isinstance(error, UrlRefused) else "it is no URL"
        raise TransferFailed(f"a redirect is not followed: {why}") from None
    if (address.origin.scheme, found.origin.scheme) == ("https", "http"):
        raise TransferFailed("a redirect is not followed: it leads from https to http")
    return found


_OPTIONS: dict[str, Any] = {
    "stream": True,
    "allow_redirects": False,
    "timeout": (CONNECT_SECONDS, SILENCE_SECONDS),
}


def _request(
    session: requests.Session,
    address: ParsedUrl,
    headers: Mapping[str, str] | None,
    body: bytes | None,
) -> requests.PreparedRequest:
    method = "GET" if body is None else "POST"
    asked = requests.Request(method, str(address), headers=headers, data=body)
    return session.prepare_request(asked)
