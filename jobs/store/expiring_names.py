"""Names that Redis keeps for a limited time: ended sessions, strict models, used login links."""

from typing import ClassVar

from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient


class ExpiringNames:
    """Names of one kind, each with its own expiry. Raises StoreUnavailable."""

    prefix: ClassVar[str]

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    def add(self, name: str, seconds: int) -> bool:
        """Keep a name for some seconds; False if it is kept already."""
        return bool(self._redis.set(self.prefix + name, "", nx=True, ex=seconds))

    def __contains__(self, name: str) -> bool:
        return bool(self._redis.exists(self.prefix + name))


class EndedSessions(ExpiringNames):
    """Ids of dashboard sessions that were ended."""

    prefix = keys.ENDED_SESSION_PREFIX


class StrictModels(ExpiringNames):
    """Models whose input takes no webhook."""

    prefix = keys.STRICT_MODEL_PREFIX


class UsedLogins(ExpiringNames):
    """Ids of login links that were used."""

    prefix = keys.USED_LOGIN_PREFIX
