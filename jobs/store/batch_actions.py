"""Batches: deletions, replays and repeated notifications of many jobs, worked off by the sweep.

A batch is under way for as long as it has a position. A page is committed by compare-and-set on the
position (I4), and a job counts with the very write that changes it (I35), so that any step may be
repeated, also by a second sweep.
"""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from jobs.domain.errors import QueueFull
from jobs.store.listing import Position
from jobs.store.redis import keys, scripts
from jobs.store.redis.client import StoreClient
from jobs.store.redis.scripts import Command
from jobs.store.search_conditions import Search

UNDER_WAY_MAX = 20
KEPT_MAX = 100
KEPT_SECONDS = 7 * 86400  # after the last page
FAILED_LISTED_MAX = 100


class Action(StrEnum):
    """Action on each job of a batch."""

    DELETE = "delete"
    REPLAY = "replay"
    NOTIFY = "notify"

    @classmethod
    def _missing_(cls, value: object) -> "Action | None":
        """Batches of before 0.2 call a replay a rescue."""
        return cls.REPLAY if value == "rescue" else None


class FailedJob(NamedTuple):
    """A job that the batch could not act on, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch and how far it is. Its search is kept while it is under way: it may name a person."""

    id: str
    action: Action
    key: str | None  # name of the API key that began it
    created_at: float
    total: int
    search: Search | None = None
    ended_since: float | None = None  # of NOTIFY: jobs that ended then or later
    position: Position | None = None  # of the last job that was looked at
    done: int = 0
    failed: int = 0
    failed_jobs: tuple[FailedJob, ...] = ()  # the first FAILED_LISTED_MAX
    waits_for: str | None = None
    ended_at: float | None = None
    is_stopped: bool = False

    @property
    def jobs_left(self) -> int:
        """Jobs still to come, at most: some of the counted jobs may be deleted meanwhile."""
        if self.ended_at:
            return 0
        return max(self.total - self.done - self.failed, 0)


_ADAPTER = TypeAdapter(Batch)


def count_done(batch_id: str) -> list[Command]:
    """The commands that count a job, for the script that changes it."""
    return [("HINCRBY", keys.BATCH_PREFIX + batch_id, "done", 1)]


class Batches:
    """The batches in Redis, each a hash of JSON values. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis
        self._update_script = redis.register_script(scripts.read("update_batch"))

    def add(
        self,
        action: Action,
        search: Search,
        total: int,
        key: str | None,
        at: float,
        ended_since: float | None = None,
    ) -> Batch:
        """Begin a batch of the jobs of a search. Raises QueueFull; a few more may begin at once."""
        latest = self.latest()
        ended_ids = [batch.id for batch in latest if batch.ended_at]
        if len(latest) - len(ended_ids) >= UNDER_WAY_MAX:
            raise QueueFull(f"{UNDER_WAY_MAX} batches are under way")
        values: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "action": action,
            "key": key,
            "created_at": at,
            "total": total,
            "search": search,
            "position": None,
            "ended_since": ended_since,
        }
        batch = Batch(**values)
        commands: list[Command] = [
            _set(batch.id, **values),
            ("EXPIRE", keys.BATCH_PREFIX + batch.id, KEPT_SECONDS),
            ("ZADD", keys.BATCHES, at, batch.id),
            ("SADD", keys.BATCHES_UNDER_WAY, batch.id),
        ]
        ids_to_drop = ended_ids[KEPT_MAX - UNDER_WAY_MAX :]
        commands += [("DEL", keys.BATCH_PREFIX + batch_id) for batch_id in ids_to_drop]
        commands.append(("ZREMRANGEBYRANK", keys.BATCHES, 0, -KEPT_MAX - 1))
        self._redis.write_essential(*commands)
        return batch

    def get(self, batch_id: str) -> Batch | None:
        for batch in self._load([batch_id]):
            return batch
        return None

    def latest(self) -> list[Batch]:
        """The batches that are kept, the latest first."""
        batch_ids = self._redis.zrange(keys.BATCHES, 0, KEPT_MAX - 1, desc=True)
        return self._load(batch_id.decode() for batch_id in batch_ids)

    def under_way(self) -> list[Batch]:
        """The batches that the sweep works off."""
        batch_ids = self._redis.smembers(keys.BATCHES_UNDER_WAY)
        return self._load(batch_id.decode() for batch_id in batch_ids)

    def is_under_way(self, batch_id: str) -> bool:
        return bool(self._redis.hexists(keys.BATCH_PREFIX + batch_id, "position"))

    def _load(self, ids: Iterable[str]) -> list[Batch]:
        """The batches with these ids, without those that only a later release understands."""
        with self._redis.round_trip() as pipe:
            for batch_id in ids:
                pipe.hgetall(keys.BATCH_PREFIX + batch_id)
            hashes = pipe.execute()
        batches: list[Batch] = []
        for fields in hashes:
            json_members = [b'"%b": %b' % (name, value) for name, value in fields.items()]
            json_object = b"{%b}" % b", ".join(json_members)
            with suppress(ValidationError):
                batches.append(_ADAPTER.validate_json(json_object))
        return batches

    def advance(
        self, batch: Batch, position: Position | None, failed: Sequence[FailedJob], at: float
    ) -> None:
        """Commit a page, unless another sweep has done so; without a position it was the last."""
        batch_key = keys.BATCH_PREFIX + batch.id
        failed_jobs = list(batch.failed_jobs)
        failed_jobs += failed
        commands: list[Command] = [
            ("HINCRBY", batch_key, "failed", len(failed)),
            _set(batch.id, failed_jobs=failed_jobs[:FAILED_LISTED_MAX], position=position),
            ("HDEL", batch_key, "waits_for"),
        ]
        if position is None:
            commands += _end(batch.id, at)
        self._update(batch.id, to_json(batch.position), commands)

    def wait(self, batch: Batch, reason: str) -> None:
        """Note why a batch does not go on."""
        self._update(batch.id, to_json(batch.position), [_set(batch.id, waits_for=reason)])

    def stop(self, batch_id: str, at: float) -> None:
        """End a batch that is under way; a job that it has begun with is its last."""
        commands = [_set(batch_id, is_stopped=True)]
        commands += _end(batch_id, at)
        self._update(batch_id, "any", commands)

    def _update(self, batch_id: str, position: bytes | str, commands: Sequence[Command]) -> None:
        """Run commands if a batch is under way and has this position ("any": whichever it has)."""
        batch_key = keys.BATCH_PREFIX + batch_id
        all_commands = list(commands)
        all_commands.append(("EXPIRE", batch_key, KEPT_SECONDS))
        arguments: list[Any] = [position]
        arguments += scripts.flat(all_commands)
        self._update_script(keys=[batch_key], args=arguments)


def _set(batch_id: str, **values: Any) -> Command:
    """The command that sets fields of a batch, each as JSON."""
    words: list[Any] = ["HSET", keys.BATCH_PREFIX + batch_id]
    for name, value in values.items():
        words += [name, to_json(value)]
    return tuple(words)


def _end(batch_id: str, at: float) -> list[Command]:
    return [
        _set(batch_id, ended_at=at),
        ("HDEL", keys.BATCH_PREFIX + batch_id, "position", "search", "waits_for"),
        ("SREM", keys.BATCHES_UNDER_WAY, batch_id),
    ]
