"""Names that expire: ended sessions, used login links, models that take no webhook."""

from functools import partial

from redis import Redis

from jobs.store.clock import unavailable
from jobs.store.keys import ENDED_SESSION_PREFIX, STRICT_MODEL_PREFIX, USED_LOGIN_PREFIX


class ExpiringNames:
    """A set of names, each for a time of its own. Raises StoreUnavailable."""

    def __init__(self, prefix: str, redis: Redis) -> None:
        self._prefix = prefix
        self._redis = redis

    def add(self, name: str, seconds: int) -> bool:
        """Add a name for so many seconds; False if the set has it already."""
        with unavailable():
            return bool(self._redis.set(self._prefix + name, "", nx=True, ex=seconds))

    def __contains__(self, name: str) -> bool:
        with unavailable():
            return bool(self._redis.exists(self._prefix + name))


EndedSessions = partial(ExpiringNames, ENDED_SESSION_PREFIX)
StrictModels = partial(ExpiringNames, STRICT_MODEL_PREFIX)
UsedLogins = partial(ExpiringNames, USED_LOGIN_PREFIX)
