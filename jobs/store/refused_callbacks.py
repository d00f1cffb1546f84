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
        if job_id is None:
            job_id = ""  # no job has this id, so that the callback is counted and not stored
        keys = [RECORD_PREFIX + job_id, REFUSED_CALLBACKS_PREFIX + job_id, COUNTERS]
        arguments = [reason, CALLBACKS_MAX, RETENTION_SECONDS, Counter.CALLBACK_REFUSED]
        self._pipeline.run(self._record_script, keys, arguments)

    def latest(self, job_ids: Sequence[str]) -> list[tuple[TimelineEvent, ...]]:
        """The latest refused callbacks of each job, the oldest first."""
        keys = [REFUSED_CALLBACKS_PREFIX + job_id for job_id in job_ids]
        answers = self._pipeline.run(self._latest_script, keys, [])
        return [_events(entries) for entries in answers]


def _events(entries: Sequence[bytes]) -> tuple[TimelineEvent, ...]:
    """The events of a job's refused callbacks, oldest first; Redis has the latest first."""
    events: list[TimelineEvent] = []
    for entry in reversed(entries):
        at, _, reason = entry.decode().partition(" ")
        events.append(TimelineEvent(float(at), EventCode.CALLBACK_REFUSED, {"reason": reason}))
    return tuple(events)
