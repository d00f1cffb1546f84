"""Names that expire: ended sessions, used login links, models that take no webhook."""

from redis import Redis

from jobs.store.clock import unavailable


class ExpiringNames:
    """A set of names, each for a time of its own. Raises StoreUnavailable."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    def add(self, name: str, seconds: int) -> bool:
        """Add a name for so many seconds; False if the set has it already."""
        with unavailable():
            return bool(self._redis.set(self._prefix + name, "", nx=True, ex=seconds))

    def __contains__(self, name: str) -> bool:
        with unavailable():
            return bool(self._redis.exists(self._prefix + name))
