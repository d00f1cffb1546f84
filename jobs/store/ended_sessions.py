"""Sessions that were logged out, remembered until their cookies expire by themselves."""

from redis import Redis

from jobs.store.clock import unavailable
from jobs.store.keys import ENDED_SESSION_PREFIX


class EndedSessions:
    """A set of session ids; each is dropped after the seconds given with it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def add(self, session_id: str, seconds: int) -> None:
        """Raises StoreUnavailable."""
        with unavailable():
            self._redis.set(ENDED_SESSION_PREFIX + session_id, 1, ex=seconds)

    def __contains__(self, session_id: str) -> bool:
        """Raises StoreUnavailable."""
        with unavailable():
            return bool(self._redis.exists(ENDED_SESSION_PREFIX + session_id))
