"""Models whose input takes no webhook, as their refusals have shown."""

from typing import Any

from redis import Redis

from jobs.store.clock import unavailable
from jobs.store.keys import STRICT_MODEL_PREFIX

REMEMBERED_SECONDS = 86400


class StrictModels:
    """Kept in Redis for a day each, so that a change at BFL is noticed. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes

    def remember(self, model: str) -> None:
        """BFL refused the webhook fields of this model."""
        with unavailable():
            self._redis.set(STRICT_MODEL_PREFIX + model, "", ex=REMEMBERED_SECONDS)

    def __contains__(self, model: str) -> bool:
        with unavailable():
            return bool(self._redis.exists(STRICT_MODEL_PREFIX + model))
