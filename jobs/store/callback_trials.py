"""Callbacks of `doctor --try-bfl` as they arrived: names of headers and fields, no values."""

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from jobs.net import strict_json
from jobs.store.redis.client import StoreClient
from jobs.store.redis.keys import CALLBACK_TRIAL_PREFIX

OBSERVED_MAX = 20  # callbacks of one trial
RETENTION_SECONDS = 3600
_JOB_PREFIX = "try-bfl-"


def trial_job_id(name: str) -> str:
    """The id of the job of a trial. A callback that names it is observed."""
    return f"{_JOB_PREFIX}{name}"


def is_trial(job_id: str | None) -> TypeGuard[str]:
    return job_id is not None and job_id.startswith(_JOB_PREFIX)


class CallbackTrials:
    """Observed callbacks by the job of their trial. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    def record(self, job_id: str, observed: Mapping[str, Any]) -> None:
        key = CALLBACK_TRIAL_PREFIX + job_id
        self._redis.write_essential(
            ("RPUSH", key, json.dumps(observed)),
            ("LTRIM", key, 0, OBSERVED_MAX - 1),
            ("EXPIRE", key, RETENTION_SECONDS),
        )

    def observed(self, job_id: str) -> list[dict[str, Any]]:
        """The callbacks of a trial so far, oldest first."""
        callbacks = self._redis.lrange(CALLBACK_TRIAL_PREFIX + job_id, 0, -1)
        return [strict_json.load_object(callback) for callback in callbacks]
