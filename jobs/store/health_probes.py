"""Health probes: heartbeats of processes, problems of components, and the state of Redis itself."""

from typing import Any

from jobs.domain.errors import StoreUnavailable
from jobs.store import rq_queue
from jobs.store.metrics import Totals
from jobs.store.redis import keys
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock

PROBLEM_SECONDS = 60
JOBS_MEASURED_MIN = 1000


class HealthProbes:
    """Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock

    def worker_keys(self) -> list[str]:
        """RQ's keys of the registered workers whose heartbeat has not expired, sorted."""
        worker_keys = sorted(self._redis.smembers(rq_queue.WORKERS_KEY))
        return [key.decode() for key in worker_keys if self._redis.exists(key)]

    def report_problem(self, part: str, reason: str) -> None:
        """Store why a component failed, for readiness; it expires after a minute."""
        self._redis.write_essential(
            ("SET", keys.PROBLEM_PREFIX + part, reason, "EX", PROBLEM_SECONDS)
        )

    def problem(self, part: str) -> str | None:
        """Why a component failed within the last minute; None if it did not."""
        reason: bytes | None = self._redis.get(keys.PROBLEM_PREFIX + part)
        if not reason:
            return None
        return reason.decode()

    def record_heartbeat(self, process: str) -> None:
        """Store the time as the last heartbeat of a kind of process."""
        self._redis.write_essential(("HSET", keys.HEARTBEATS, process, self._clock.now()))

    def heartbeat_ages(self) -> dict[str, float]:
        """Seconds since the last heartbeat, by kind of process."""
        beats = self._redis.hgetall(keys.HEARTBEATS)
        now = self._clock.synchronize(self._redis.time())
        return {name.decode(): now - float(at) for name, at in beats.items()}

    def ping(self) -> None:
        """Raises StoreUnavailable while Redis does not answer."""
        self._redis.ping()

    def write_test_key(self) -> None:
        """Raises StoreUnavailable also while Redis answers and is full, or takes no writes."""
        self._redis.set(keys.BARRIER, "")

    def info(self) -> dict[str, Any]:
        """Answer to INFO; empty where a provider forbids it."""
        try:
            return dict(self._redis.info())
        except StoreUnavailable:
            return {}

    def bytes_per_job(self, totals: Totals) -> float | None:
        """Memory of Redis for each job there; None for few jobs: other data would count more."""
        if totals.jobs_in_redis < JOBS_MEASURED_MIN:
            return None
        return float(self.info().get("used_memory_dataset", 0) / totals.jobs_in_redis)

    def memory_used_ratio(self) -> float:
        """Share of maxmemory in use; 0 without a limit, or where a provider forbids INFO."""
        info = self.info()
        # Buffers of the append-only file and of replicas do not count against the limit.
        bytes_used = info.get("used_memory", 0) - info.get("mem_not_counted_for_evict", 0)
        bytes_allowed = info.get("maxmemory")
        if not bytes_allowed:
            return 0.0
        return float(bytes_used / bytes_allowed)
