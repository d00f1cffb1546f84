"""The RQ queue: RQ jobs as RQ's own classes build them, written and removed by Lua scripts.

An RQ job announces that work is pending. It carries a job id and nothing else (I19), and may be
lost, duplicated or late without harm (I18). `commit.lua` writes it together with the record that
needs the work, in one step.
"""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from redis import Redis
from rq import Queue
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from jobs.store import scripts

QUEUE_NAME = "fluxkeep"
TASK = "worker.tasks.process_waiting_jobs"
# A task drains the queue for as long as work comes in; leases and deadlines bound each job.
TASK_TIMEOUT_SECONDS = 365 * 86400
FAILURE_TTL_SECONDS = 60
RQ_JOB_TTL_SECONDS = 6 * 3600
_VARIABLE_FIELDS = ("data", "description", "created_at", "enqueued_at")


class RqQueue:
    """Name, keys and format of one RQ queue."""

    def __init__(self, redis: Redis) -> None:
        self.queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
        self.queue_key: str = self.queue.key
        self.workers_key: str = WORKERS_BY_QUEUE_KEY % QUEUE_NAME
        self.lua = self._lua()

    def arguments(self) -> tuple[str, str]:
        """Arguments of the Lua function `add_rq_job`: a new RQ job id, and the time."""
        now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="microseconds")
        return os.urandom(16).hex(), now.replace("+00:00", "Z")

    def _lua(self) -> str:
        """`lua/shared/rq.lua` with the names and values that the installed RQ uses."""
        # RQ compresses the call that it writes, and reads it uncompressed as well.
        before, after = json.dumps([TASK, None, ["\0"], {}]).split("\\u0000")
        values = {
            "RQ_JOB_PREFIX": RqJob.key_for(""),
            "DATA_BEFORE_JOB_ID": before,
            "DATA_AFTER_JOB_ID": after,
            "TASK": TASK,
            "TTL_SECONDS": str(RQ_JOB_TTL_SECONDS),
            "QUEUE": self.queue_key,
            "QUEUES": Queue.redis_queues_keys,
        }
        lua = scripts.read("shared/rq")
        for name, value in values.items():
            lua = lua.replace(f"@{name}@", _escape(value))
        return lua.replace("@CONSTANT_FIELDS@", "', '".join(map(_escape, self._constant_fields())))

    def _constant_fields(self) -> Iterator[str]:
        """Names and values that RQ writes alike for every task; what it leaves empty is omitted."""
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
        for name, value in task.to_dict().items():
            if name not in _VARIABLE_FIELDS and value != "":
                yield from (name, value if isinstance(value, str) else str(value))


def _escape(text: str) -> str:
    """Escape plain ASCII for a quoted Lua string."""
    return text.replace("\\", "\\\\").replace("'", "\\'")
