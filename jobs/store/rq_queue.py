"""Entries in RQ's format, as RQ's own classes build them; nobody else knows them.

An entry is a hint that work is waiting: it carries a job id and nothing else, and may be lost,
doubled or late without harm. `store` writes it together with the record that wants the work, in
a script of Redis that knows all of an entry but its id, its job and its time.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from secrets import token_hex

from redis import Redis
from rq import Queue
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

QUEUE_NAME = "fluxkeep"
TASK = "worker.tasks.process_waiting_jobs"
# A task drains the queue for as long as work comes in; leases and deadlines bound each job.
TASK_TIMEOUT_SECONDS = 365 * 86400
FAILURE_TTL_SECONDS = 60
RQ_JOB_TTL_SECONDS = 6 * 3600
# Lua: write the RQ job of one entry, given its id, the id of its job and the time; drop the next
# one, whichever it is, because the work that it stands for was claimed.
_LUA = """
local function hint(id, job, at)
  local key = {prefix} .. id
  redis.call('HSET', key, 'data', {before} .. job .. {after}, 'description',
    {task} .. "('" .. job .. "')", 'created_at', at, 'enqueued_at', at, {alike})
  redis.call('EXPIRE', key, {ttl})
  if redis.call('RPUSH', {queue}, id) == 1 then redis.call('SADD', {queues}, {queue}) end
end
local function drop_rq_job()
  local id = redis.call('LPOP', {queue})
  if id then redis.call('DEL', {prefix} .. id) end
end
"""
_OWN = ("data", "description", "created_at", "enqueued_at")


class RqQueue:
    """Knows one RQ queue and how it is written to."""

    def __init__(self, redis: Redis) -> None:
        self.queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
        self.queue_key: str = self.queue.key
        self.workers_key: str = WORKERS_BY_QUEUE_KEY % QUEUE_NAME
        self.lua = self._written_as_lua()

    def entry(self, job_id: str) -> tuple[str, str, str]:
        """What `hint` takes: it tells a worker to attend to work, this job's or more urgent."""
        return token_hex(16), job_id, _moment()

    def _written_as_lua(self) -> str:
        # A task and its argument as RQ reads them. It packs its own, but takes these as they are.
        before, after = json.dumps([TASK, None, ["\0"], {}]).split("\\u0000")
        return _LUA.format(
            prefix=_quoted(RqJob.key_for("")),
            before=_quoted(before),
            after=_quoted(after),
            task=_quoted(TASK),
            alike=", ".join(map(_quoted, self._alike())),
            ttl=RQ_JOB_TTL_SECONDS,
            queue=_quoted(self.queue_key),
            queues=_quoted(Queue.redis_queues_keys),
        )

    def _alike(self) -> Iterator[str]:
        """Names and values of all that RQ writes and that is the same for every task.

        What it leaves empty is left out: it reads both alike.
        """
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
            if name not in _OWN and value != "":
                yield from (name, value if isinstance(value, str) else str(value))


def _quoted(text: str) -> str:
    """A Lua string; none of these holds more than plain ASCII."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _moment() -> str:
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """Most entries are made in the same second as another."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
