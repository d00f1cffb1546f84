"""HTTP client with SSRF protection and a total deadline for each request.

Each host name is resolved once; the connection goes to an address that was checked, while TLS
still verifies the name. No proxy, netrc, cookie or content encoding is used. Only
`get_following_redirects` follows redirects, and each of them must be allowed.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Protocol, cast
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from jobs.domain.errors import ConnectionFailed, TransferFailed, UrlRefused
from jobs.net import urls, watchdog
from jobs.net.ip import is_private, is_public
from jobs.net.urls import AddressScope, Origin, ParsedUrl
from jobs.net.watchdog import Exchange

CONNECT_SECONDS = 5.0
ADDRESSES_TRIED_MAX = 4  # a name may have many, and each may be silent
READ_TIMEOUT_SECONDS = 15.0
_TIMEOUTS = (CONNECT_SECONDS, READ_TIMEOUT_SECONDS)
DEADLINE_MIN_SECONDS = 0.1
REDIRECTS_MAX = 3
# Clients differ over all other values: control characters, text beyond latin-1, outer spaces.
HEADER_VALUE = r"([\x21-\x7e\xa1-\xff]([\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa1-\xff])?)?"
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

_target: ContextVar[str] = ContextVar("target")


class BodyStream(Iterable[bytes], Sized, Protocol):
    """A body of known length, which is made while it is sent."""


Body = bytes | BodyStream


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _is_public_or_private(address: str) -> bool:
    return is_public(address) or is_private(address)


_ADDRESS_CHECKS: dict[AddressScope, Callable[[str], bool]] = {
    AddressScope.PUBLIC: is_public,
    AddressScope.LOOPBACK: _is_loopback,
    AddressScope.PRIVATE: is_private,
    AddressScope.PUBLIC_OR_PRIVATE: _is_public_or_private,
}


class _Connection(HTTPConnection):
    scope = AddressScope.PUBLIC

    def _new_conn(self) -> socket.socket:
        """Connect to an address of the host; all its addresses must be in the scope."""
        addresses = self._resolve()
        self._require_scope(addresses)
        error = OSError("the name has no address")
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            try:
                connection = socket.create_connection(address, CONNECT_SECONDS)
            except OSError as failure:
                error = failure
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        raise error

    def _resolve(self) -> list[tuple[str, int]]:
        """The addresses and ports of the host, by one look-up."""
        host = self._dns_host.strip("[]")
        try:
            entries = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise OSError("the host name is malformed") from None
        addresses: list[tuple[str, int]] = []
        for _family, _type, _protocol, _name, socket_address in entries:
            addresses.append((str(socket_address[0]), int(socket_address[1])))
        return addresses

    def _require_scope(self, addresses: Iterable[tuple[str, int]]) -> None:
        is_allowed = _ADDRESS_CHECKS[self.scope]
        if all(is_allowed(address) for address, _port in addresses):
            return
        kind = "public"
        if self.scope is AddressScope.PRIVATE:
            kind = "private"
        raise UrlRefused(f"the host resolves to an address that is not {kind}")

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
        # urllib3 would normalize percent-encodings; a signature covers the bytes as given.
        del url
        super().putrequest(method, _target.get(), *args, **options)

    def send(self, data: Any) -> None:
        """Record that bytes left: a request that was never sent is safe to repeat."""
        if self.sock is None:
            self.connect()
        exchange = watchdog.current.get()
        if exchange:
            exchange.add(self.sock)
            exchange.is_sent = True
        super().send(data)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


@cache
def _pools(scope: AddressScope) -> dict[str, type[HTTPConnectionPool]]:
    """Pools by scheme, none of whose connections leads out of scope."""
    plain = type("_Plain", (_Connection,), {"scope": scope})
    tls = type("_Tls", (_TlsConnection,), {"scope": scope})
    return {
        "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
    }


class _Adapter(HTTPAdapter):
    def __init__(self, scope: AddressScope) -> None:
        self._scope = scope
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._scope)

    def request_url(self, *_: Any) -> str:
        """Nothing to parse and normalize: the connection sends the target as it was given."""
        return "/"


def create_session(
    *origins: Origin, scope: AddressScope = AddressScope.LOOPBACK
) -> requests.Session:
    """Create a session for public https, and for origins, such as a sandbox's, in their scope."""
    session = requests.Session()
    session.adapters.clear()
    session.mount("https://", _Adapter(AddressScope.PUBLIC))
    for origin in origins:
        session.mount(f"{origin}/", _Adapter(scope))
    session.headers.clear()
    session.headers.update({"User-Agent": "Fluxkeep", "Accept-Encoding": "identity"})
    return session


@contextmanager
def send_request(
    session: requests.Session,
    url: ParsedUrl,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    body: Body | None = None,
) -> Iterator[requests.Response]:
    """GET a URL, or POST a body to it; yield the streaming response.

    Everything must end within `seconds`. Raises ConnectionFailed if no request was sent,
    TransferFailed for any other network error, UrlRefused for an address out of scope.
    """
    # Prepared here: a session would add cookies, redirects and half a millisecond.
    request = requests.PreparedRequest()
    request.method = "GET"
    request.url = str(url)
    sent_headers: dict[str, Any] = dict(session.headers)
    if headers:
        sent_headers.update(headers)
    request.headers = CaseInsensitiveDict(sent_headers)
    if body is not None:
        request.method = "POST"
        request.body = cast(bytes, body)  # its type lacks what can be iterated
        request.headers["Content-Length"] = str(len(body))
    _target.set(url.target)
    problem = ""
    with Exchange(seconds) as exchange:
        try:
            adapter = session.get_adapter(str(url))
            with adapter.send(request, stream=True, timeout=_TIMEOUTS) as response:
                yield response
        except (requests.RequestException, HTTPError, OSError) as error:
            # The error's text can hold the URL, so that only its type is named.
            problem = f"the connection failed: {type(error).__name__}"
        finally:
            # A body that was cut off can look complete: report the deadline instead.
            if exchange.problem:
                problem = exchange.problem
            if problem and exchange.is_sent:
                raise TransferFailed(problem) from None
            if problem:
                raise ConnectionFailed(problem) from None


def _no_headers(_url: ParsedUrl) -> Mapping[str, str]:
    return {}


@contextmanager
def get_following_redirects(
    session: requests.Session,
    url: ParsedUrl,
    *,
    seconds: float,
    allow: Callable[[str], ParsedUrl],
    headers: Callable[[ParsedUrl], Mapping[str, str]] = _no_headers,
) -> Iterator[requests.Response]:
    """GET a URL through at most REDIRECTS_MAX redirects; yield the streaming response.

    `allow` validates the URL of each redirect, `headers` builds the headers for each URL.
    Raises TransferFailed for a redirect that is refused, otherwise as `send_request`.
    """
    deadline = time.monotonic() + seconds
    for _ in range(REDIRECTS_MAX + 1):
        remaining = max(deadline - time.monotonic(), DEADLINE_MIN_SECONDS)
        with send_request(session, url, seconds=remaining, headers=headers(url)) as response:
            if response.status_code not in _REDIRECT_STATUSES:
                yield response
                return
            url = _next_hop(url, response.headers.get("Location", ""), allow)
    raise TransferFailed(f"there are more than {REDIRECTS_MAX} redirects")


def retry_after(response: requests.Response) -> float | None:
    """The seconds of both forms of `Retry-After` (RFC 9110); None if it is missing or malformed."""
    header = response.headers.get("Retry-After", "")
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _absolute(base: ParsedUrl, location: str) -> str:
    """The URL of a redirect. Raises UrlRefused, ValueError."""
    if location.lower().startswith(("https://", "http://")):
        return location  # byte for byte as it came
    if urls.has_ambiguous_characters(location):  # urljoin would drop some of them
        raise UrlRefused("it is not in plain form")
    return urljoin(str(base), location)


def _text_of_header(value: str) -> str:
    """A header's text: servers send UTF-8, which http.client reads as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _next_hop(url: ParsedUrl, location: str, allow: Callable[[str], ParsedUrl]) -> ParsedUrl:
    """The URL to which a redirect leads. Raises TransferFailed if it is not followed."""
    try:
        absolute = _absolute(url, _text_of_header(location).strip(" "))
        next_url = allow(urls.escape(absolute))
    except UrlRefused as error:
        raise TransferFailed(f"a redirect is not followed: {error}") from None
    except ValueError:
        raise TransferFailed("a redirect is not followed: it is not a URL") from None
    if url.origin.scheme == "https" and next_url.origin.scheme == "http":
        raise TransferFailed("a redirect is not followed: it leads from https to http")
    return next_url
