"""Refused callbacks: counted, and the latest stored for the job that they name."""

from collections.abc import Sequence

from jobs.domain.timeline import EventCode, TimelineEvent
from jobs.store.metrics import Counter
from jobs.store.redis import scripts
from jobs.store.redis.keys import COUNTERS, RECORD_PREFIX, REFUSED_CALLBACKS_PREFIX
from jobs.store.redis.script_pipeline import ScriptPipeline

CALLBACKS_MAX = 10
RETENTION_SECONDS = 7 * 86400


class RefusedCallbacks:
    """Stored apart from the records, which an unauthenticated body must not change."""

    def __init__(self, pipeline: ScriptPipeline) -> None:
        self._pipeline = pipeline
        register = pipeline.client.register_script
        self._record_script = register(scripts.read("record_refused_callback"))
        self._latest_script = register(scripts.read("read_refused_callbacks"))

    def record(self, job_id: str | None, reason: str) -> None:
        """Count a refused callback, and store the reason if its job is known."""
        keys = [RECORD_PREFIX + (job_id or ""), REFUSED_CALLBACKS_PREFIX + (job_id or ""), COUNTERS]
        arguments = [reason, CALLBACKS_MAX, RETENTION_SECONDS, Counter.CALLBACK_REFUSED]
        self._pipeline.run(self._record_script, keys, arguments)

    def latest(self, job_ids: Sequence[str]) -> list[tuple[TimelineEvent, ...]]:
        """The latest refused callbacks of each of these jobs, oldest first."""
        keys = [REFUSED_CALLBACKS_PREFIX + job_id for job_id in job_ids]
        found = self._pipeline.run(self._latest_script, keys, [])
        return [tuple(_event(item) for item in reversed(items)) for items in found]


def _event(item: bytes) -> TimelineEvent:
    at, _, reason = item.decode().partition(" ")
    return TimelineEvent(float(at), EventCode.CALLBACK_REFUSED, {"reason": reason})
