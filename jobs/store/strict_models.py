"""Models whose input does not accept a webhook, learned from BFL's refusals."""

from typing import Any

from redis import Redis

from jobs.store.clock import unavailable
from jobs.store.keys import STRICT_MODEL_PREFIX

REMEMBERED_SECONDS = 86400


class StrictModels:
    """Model names that expire after a day: BFL may change. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types leave open whether replies are bytes

    def remember(self, model: str) -> None:
        """BFL refused the webhook fields of this model."""
        with unavailable():
            self._redis.set(STRICT_MODEL_PREFIX + model, "", ex=REMEMBERED_SECONDS)

    def __contains__(self, model: str) -> bool:
        with unavailable():
            return bool(self._redis.exists(STRICT_MODEL_PREFIX + model))
