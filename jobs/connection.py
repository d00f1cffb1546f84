"""The connection to Redis: to one server, over TLS or not, or to whichever Sentinel says it is."""

from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from jobs.errors import InvalidSettings
from jobs.redis_url import RedisUrl, Sentinels
from jobs.settings import Settings

CONNECT_SECONDS = 5.0
SENTINEL_SECONDS = 0.5  # for one of them; the next one is asked after that
HEALTH_CHECK_SECONDS = 15
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class Follower(SentinelManagedConnection):
    """Asks Sentinel each time it connects.

    redis-py's own does so the first time only: in the middle of a command that is tried again it
    goes back to the server that died, for as long as there are tries.
    """

    connection_pool: Any

    def _connect(self) -> Any:
        self.host, self.port = self.connection_pool.get_master_address()
        return super()._connect()  # type: ignore[no-untyped-call]


class SecureFollower(Follower, SentinelManagedSSLConnection):
    """The same over TLS."""


def connect(settings: Settings, retry: Retry, timeout: float) -> Redis:
    """Raises InvalidSettings for options of the URL that make no sense."""
    where = settings.redis
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, CONNECT_SECONDS),
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "retry": retry,
        # Two round trips and a file to read for a name in CLIENT LIST, one for a service of
        # Redis Cloud: each horse of a worker connects anew.
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if where.encrypted and not settings.redis_verify:
        options["ssl_cert_reqs"] = "none"
    try:
        redis = _opened(where, options)
        redis.connection_pool.make_connection()
    except (ValueError, TypeError, RedisError):
        raise InvalidSettings("REDIS_URL: has an option that makes no sense") from None
    if not all(map(_is_there, _named_files(redis))):
        raise InvalidSettings("REDIS_URL: names a file that cannot be found")
    return redis


def _opened(where: RedisUrl, options: dict[str, Any]) -> Redis:
    direct = Redis.from_url(where.plain, **options)
    if where.sentinels is None:
        return direct
    known = direct.connection_pool.connection_kwargs
    direct.close()
    return _found(where.sentinels, known, encrypted=where.encrypted)


def _found(sentinels: Sentinels, known: dict[str, Any], *, encrypted: bool) -> Redis:
    """The same, but each connection asks first which server is the primary now."""
    secure = {name: value for name, value in known.items() if name.startswith("ssl_")}
    own = {
        **secure,
        **sentinels.options,
        "ssl": encrypted,
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    # redis-py has no annotations here.
    sentinel: Any = Sentinel(sentinels.hosts, sentinel_kwargs=own)  # type: ignore[no-untyped-call]
    kind = SecureFollower if encrypted else Follower
    primary: Redis = sentinel.master_for(sentinels.service, connection_class=kind, **known)
    return primary


def _named_files(redis: Redis) -> list[str]:
    known = redis.connection_pool.connection_kwargs
    return [known[name] for name in _FILES if known.get(name)]


def _is_there(path: str) -> bool:
    return Path(path).is_file()
