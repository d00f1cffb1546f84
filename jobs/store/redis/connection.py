"""Redis client: a bounded connection pool to the primary, over TCP, TLS, a socket or Sentinel."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel

from jobs.config.redis_url import RedisUrl, Sentinels
from jobs.config.settings import Settings
from jobs.domain.errors import InvalidSettings
from jobs.store.redis.keys import BARRIER
from jobs.store.redis.outages import outage

CONNECTIONS_MAX = 10  # of one process: small hosted plans allow 20 to 40 in all
CONNECT_SECONDS = 5.0
SENTINEL_SECONDS = 0.5  # for one of them; the next one is asked after that
HEALTH_CHECK_SECONDS = 15
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
# A server that is not the primary (any more) answers so and leaves the connection open. A script's
# or a transaction's error has the code in the middle.
_NOT_PRIMARY = re.compile(r"\b(READONLY|MASTERDOWN|NOREPLICAS|UNBLOCKED|LOADING)\b")
_DEMOTED = frozenset({"READONLY", "MASTERDOWN", "UNBLOCKED"})


class NotPrimary(RedisConnectionError):
    """The server cannot take writes now: connect anew and try again."""


@dataclass
class _Failovers:
    """Count of the failovers that the connections of one pool have noticed."""

    count: int = 0


class _PrimaryConnection:
    """Closes itself when the server is not the primary, and asks Sentinel at each connect.

    redis-py's own retries then make a new connection, whichever client is used. Its
    SentinelManagedConnection would reconnect to the old address in the middle of a retry.

    The other connections of its pool are closed with it when they are used next: a demoted server
    still answers reads, and for ever with old data if it cannot follow the new primary.
    """

    def __init__(
        self,
        *,
        failovers: _Failovers,
        find_primary: Callable[[], tuple[str, int]] | None = None,
        **options: Any,
    ) -> None:
        self._failovers = failovers
        self._failovers_before = failovers.count
        self._find_primary = find_primary
        self._is_greeting = False
        super().__init__(**options)

    def _connect(self) -> Any:
        self._failovers_before = self._failovers.count
        if self._find_primary:
            self.host, self.port = self._find_primary()
        return super()._connect()  # type: ignore[misc]

    def on_connect_check_health(self, *args: Any, **options: Any) -> None:
        """Authenticate and choose the database; what comes after may still be refused."""
        self._is_greeting = True
        try:
            super().on_connect_check_health(*args, **options)  # type: ignore[misc]
        finally:
            self._is_greeting = False

    def send_packed_command(self, *args: Any, **options: Any) -> None:
        """Raises NotPrimary on a connection from before a failover.

        Reconnecting here would lose a WATCH; redis-py's retries handle it.
        """
        if self._sock and self._failovers_before != self._failovers.count:  # type: ignore[attr-defined]
            self.disconnect()  # type: ignore[attr-defined]
            raise NotPrimary("a failover has happened")
        super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        """An answer to a command ends an outage, even one that refuses this command."""
        try:
            response = super().read_response(*args, **options)  # type: ignore[misc]
        except ResponseError as error:
            refusal = _NOT_PRIMARY.search(f"{error.status_code} {error}")
            if refusal is None:
                self._end_outage()
                raise
            self.disconnect()  # type: ignore[attr-defined]
            is_first_to_notice = self._failovers_before == self._failovers.count
            if refusal[0] in _DEMOTED and is_first_to_notice:
                self._failovers.count += 1
            raise NotPrimary(refusal[0]) from None
        self._end_outage()
        return response

    def _end_outage(self) -> None:
        if not self._is_greeting:
            outage.end()


def _with_primary(base: type[Any]) -> type[Any]:
    """A connection class of redis-py that refuses servers which are not the primary."""
    return type(f"_Primary{base.__name__}", (_PrimaryConnection, base), {})


_CLASSES = {
    Connection: _with_primary(Connection),
    SSLConnection: _with_primary(SSLConnection),
    UnixDomainSocketConnection: _with_primary(UnixDomainSocketConnection),
}


def connect(settings: Settings, retry: Retry, timeout_seconds: float) -> Redis:
    """A client whose commands wait half this long for a connection, and this long for the answer.

    Raises InvalidSettings for options of the URL that make no sense.
    """
    address = settings.redis
    try:
        options = _options(address, retry, timeout_seconds, verify=settings.redis_verify)
        pool = BlockingConnectionPool(**options)  # type: ignore[no-untyped-call]
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, RedisError):
        raise InvalidSettings("REDIS_URL: has an option that makes no sense") from None
    for name in _FILES:
        if options.get(name) and not Path(options[name]).is_file():
            raise InvalidSettings("REDIS_URL: names a file that cannot be found")
    return Redis.from_pool(pool)


def is_answering(settings: Settings, within_seconds: float) -> bool:
    """Whether Redis answers on a new connection."""
    with connect(settings, Retry(NoBackoff(), 0), within_seconds) as redis:
        try:
            return bool(redis.ping())
        except ResponseError:
            return True
        except RedisError:
            return False


def takes_writes(redis: Redis) -> bool | None:
    """Whether Redis takes a write that needs memory; None when it does not answer."""
    try:
        redis.set(BARRIER, "")
    except (NotPrimary, ResponseError):
        return False
    except RedisError:
        return None
    return True


def _options(
    address: RedisUrl, retry: Retry, timeout_seconds: float, *, verify: bool
) -> dict[str, Any]:
    """Options of the pool and of its connections; those of the URL come before our own."""
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS_MAX,
        # Shorter than the time of a command: while Redis hangs, a connection that times out must
        # not go to a request that has waited as long already.
        "timeout": timeout_seconds / 2,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": min(timeout_seconds, CONNECT_SECONDS),
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "retry": retry,
        # Each costs a round trip per connection: a name in CLIENT LIST, a service of Redis Cloud.
        "driver_info": None,
        "failovers": _Failovers(),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        **parse_url(address.plain),  # type: ignore[no-untyped-call]
    }
    options["connection_class"] = _CLASSES[options.get("connection_class", Connection)]
    if address.is_encrypted and not verify:
        options["ssl_cert_reqs"] = "none"
    if address.is_socket:
        del options["socket_keepalive"]
    if address.sentinels:
        options["find_primary"] = _primary_finder(
            address.sentinels, options, encrypted=address.is_encrypted
        )
    return options


def _primary_finder(
    sentinels: Sentinels, options: dict[str, Any], *, encrypted: bool
) -> Callable[[], tuple[str, int]]:
    sentinel_options: dict[str, Any] = {}
    for name, value in options.items():
        if name.startswith("ssl_"):
            sentinel_options[name] = value
    sentinel_options.update(sentinels.options)
    sentinel_options["ssl"] = encrypted
    sentinel_options["socket_timeout"] = SENTINEL_SECONDS
    sentinel_options["socket_connect_timeout"] = SENTINEL_SECONDS
    sentinel_options["retry"] = Retry(NoBackoff(), 0)
    # redis-py has no annotations here.
    sentinel: Any = Sentinel(sentinels.hosts, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    return partial(sentinel.discover_master, sentinels.service)
