"""Entries in RQ's format, built by RQ's own classes; nobody else knows them.

An entry is a hint that work is waiting: it carries a job id and nothing else, and may be lost,
doubled or late without harm. `store` writes it together with the record that wants the work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from redis import Redis
from rq import Queue
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

QUEUE_NAME = "fluxkeep"
TASK = "worker.tasks.attend"
# RQ's own clocks only have to outlive ours: the lease and the job's deadline decide.
TASK_TIMEOUT_SECONDS = 2 * 3600
FAILURE_TTL_SECONDS = 60
ENTRY_TTL_SECONDS = 6 * 3600
# A task and its argument as RQ reads them; it packs them itself, but takes them as they are, too.
_DATA = b'["' + TASK.encode() + b'", null, ["%b"], {}]'


@dataclass(frozen=True, slots=True)
class Entry:
    """What RQ keeps of a task: its key, its queue's key, the set of queues, the hash."""

    id: str
    key: str
    fields: Mapping[str, Any]

    @property
    def flat(self) -> list[Any]:
        """Names and values in turn, as HSET takes them."""
        return [part for pair in self.fields.items() for part in pair]


class Hints:
    """Makes entries for one RQ queue."""

    def __init__(self, redis: Redis) -> None:
        self.queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
        self.queue_key: str = self.queue.key
        self.queues_key: str = Queue.redis_queues_keys
        self._alike = self._pattern().fields
        self.workers_key: str = WORKERS_BY_QUEUE_KEY % QUEUE_NAME

    def entry(self, job_id: str) -> Entry:
        """An entry that tells a worker to attend to work, this job's or something more urgent."""
        entry_id, at = str(uuid4()), _moment()
        own = {
            "created_at": at,
            "data": _DATA % job_id.encode(),
            "description": f"{TASK}('{job_id}')",
            "enqueued_at": at,
        }
        return Entry(entry_id, RqJob.key_for(entry_id), {**self._alike, **own})

    def key(self, entry_id: str) -> str:
        """Where RQ keeps an entry."""
        return RqJob.key_for(entry_id)

    def _pattern(self) -> Entry:
        """What RQ itself writes for a task, all of which but four fields is always the same."""
        task = RqJob.create(
            TASK,
            args=("",),
            connection=self.queue.connection,
            serializer=JSONSerializer,
            origin=QUEUE_NAME,
            timeout=TASK_TIMEOUT_SECONDS,
            result_ttl=0,
            failure_ttl=FAILURE_TTL_SECONDS,
            status=JobStatus.QUEUED,
        )
        task.enqueued_at = task.created_at
        return Entry(task.id, task.key, task.to_dict())


def _moment() -> str:
    return f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
