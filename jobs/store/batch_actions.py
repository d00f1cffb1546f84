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
    """A job that that the batch could not act on, and why."""

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
    failed_jobs: tuple[FailedJob, ...] = ()  # the first of them
    waits_for: str | None = None
    ended_at: float | None = None
    is_stopped: bool = False

    @property
    def left(self) -> int:
        """Jobs still to come; of those that were counted some may be gone by now."""
        return 0 if self.ended_at else max(self.total - self.done - self.failed, 0)


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
        if sum(batch.ended_at is None for batch in latest) >= UNDER_WAY_MAX:
            raise QueueFull(f"{UNDER_WAY_MAX} batches are under way")
        values: dict[str, Any] = {"id": str(uuid.uuid4()), "action": action, "key": key}
        values |= {"created_at": at, "total": total, "search": search, "position": None}
        values["ended_since"] = ended_since
        batch = Batch(**values)
        old = [one.id for one in latest if one.ended_at][KEPT_MAX - UNDER_WAY_MAX :]
        self._redis.write_essential(
            _set(batch.id, **values),
            ("EXPIRE", keys.BATCH_PREFIX + batch.id, KEPT_SECONDS),
            ("ZADD", keys.BATCHES, at, batch.id),
            ("SADD", keys.BATCHES_UNDER_WAY, batch.id),
            *(("DEL", keys.BATCH_PREFIX + one) for one in old),
            ("ZREMRANGEBYRANK", keys.BATCHES, 0, -KEPT_MAX - 1),
        )
        return batch

    def get(self, batch_id: str) -> Batch | None:
        return next(iter(self._load([batch_id])), None)

    def latest(self) -> list[Batch]:
        """The batches that are kept, the latest first."""
        found = self._redis.zrange(keys.BATCHES, 0, KEPT_MAX - 1, desc=True)
        return self._load(one.decode() for one in found)

    def under_way(self) -> list[Batch]:
        """The batches that the sweep works off."""
        found = self._redis.smembers(keys.BATCHES_UNDER_WAY)
        return self._load(one.decode() for one in found)

    def is_under_way(self, batch_id: str) -> bool:
        return bool(self._redis.hexists(keys.BATCH_PREFIX + batch_id, "position"))

    def _load(self, ids: Iterable[str]) -> list[Batch]:
        """Without those of a later release that this one does not understand."""
        with self._redis.round_trip() as pipe:
            for batch_id in ids:
                pipe.hgetall(keys.BATCH_PREFIX + batch_id)
            found, batches = pipe.execute(), []
        for fields in found:
            values = b", ".join(b'"%b": %b' % pair for pair in fields.items())
            with suppress(ValidationError):
                batches.append(_ADAPTER.validate_json(b"{%b}" % values))
        return batches

    def advance(
        self, batch: Batch, position: Position | None, failed: Sequence[FailedJob], at: float
    ) -> None:
        """Commit a page, unless another sweep has done so; without a position it was the last."""
        name, listed = keys.BATCH_PREFIX + batch.id, (*batch.failed_jobs, *failed)
        self._update(
            batch.id,
            to_json(batch.position),
            ("HINCRBY", name, "failed", len(failed)),
            _set(batch.id, failed_jobs=listed[:FAILED_LISTED_MAX], position=position),
            ("HDEL", name, "waits_for"),
            *(() if position else _end(batch.id, at)),
        )

    def wait(self, batch: Batch, reason: str) -> None:
        """Note why a batch does not go on."""
        self._update(batch.id, to_json(batch.position), _set(batch.id, waits_for=reason))

    def stop(self, batch_id: str, at: float) -> None:
        """End a batch that is under way; a job that it has begun with is its last."""
        self._update(batch_id, "any", _set(batch_id, is_stopped=True), *_end(batch_id, at))

    def _update(self, batch_id: str, position: bytes | str, *commands: Command) -> None:
        name = keys.BATCH_PREFIX + batch_id
        every: list[Command] = [*commands, ("EXPIRE", name, KEPT_SECONDS)]
        self._update_script(keys=[name], args=[position, *scripts.flat(every)])


def _set(batch_id: str, **values: Any) -> Command:
    fields = ((name, to_json(value)) for name, value in values.items())
    return ("HSET", keys.BATCH_PREFIX + batch_id, *(part for pair in fields for part in pair))


def _end(batch_id: str, at: float) -> list[Command]:
    return [
        _set(batch_id, ended_at=at),
        ("HDEL", keys.BATCH_PREFIX + batch_id, "position", "search", "waits_for"),
        ("SREM", keys.BATCHES_UNDER_WAY, batch_id),
    ]
