"""Who may be submitted next, and why nobody may."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis import Redis

from jobs import places, scripts
from jobs.clock import Clock, unavailable
from jobs.keys import ACTIVE, ERRING, LINE, LINES, PAUSES, RECORDS, SENDING
from jobs.limits import Limits

EVERYTHING = "*"  # the scope of a pause that holds for every model
PROBE_SECONDS = 60.0
ERRING_SECONDS = 600  # errors further apart than this are no row of errors


class Next(NamedTuple):
    """The job that is next in line for its model, and the pauses that its outcome may end."""

    job_id: str
    model: str
    probes: tuple[str, ...]


class Pause(NamedTuple):
    """Why and since when a model (or everything) is not submitted, in unix seconds."""

    scope: str
    reason: str
    since: float
    until: float
    tries: int


class Queue(NamedTuple):
    """A model's slots, and how many jobs wait for one."""

    model: str
    used: int
    most: int
    waiting: int


class Crowd(NamedTuple):
    """All slots, and those of the models that have a limit of their own or that somebody wants."""

    used: int
    most: int
    models: list[Queue]

    @property
    def waiting(self) -> int:
        return sum(queue.waiting for queue in self.models)


class Slots:
    """The lines and slots of all workers together. Raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Clock, limits: Limits, workers_key: str = "") -> None:
        self._redis: Any = redis  # its answers are typed for every setting; here they are bytes
        self._clock = clock
        self._limits = limits
        self._workers_key = workers_key
        self._script = redis.register_script(scripts.NEXT)
        self._leave_script = redis.register_script(scripts.LEAVE)
        self._tidy_script = redis.register_script(scripts.TIDY)

    def next(self, *, only_look: bool = False) -> Next | None:
        """The longest waiting of those who may go now, or None."""
        models = [part for pair in self._limits.models.items() for part in pair]
        mode = "look" if only_look else "go"
        with unavailable():
            clock, job_id, *more = self._script(
                keys=[LINES, ACTIVE, PAUSES, SENDING, self._workers_key],
                args=[self._limits.total, LINE, mode, PROBE_SECONDS, *models],
            )
        self._clock.synchronize(clock)
        if not job_id:
            return None
        model, probes = more
        return Next(job_id.decode(), model.decode(), tuple(scope.decode() for scope in probes))

    def leave(self, found: Next, version: int = 0) -> None:
        """Out of the line, as its record of this version wants it (0: there is none).

        One that nobody can send must not stop those behind it.
        """
        with unavailable():
            self._leave_script(
                keys=[RECORDS + found.job_id, LINE + found.model], args=[found.job_id, version]
            )

    def remove(self, found: Next) -> None:
        """Out of the line, although its record cannot be read."""
        with unavailable():
            self._redis.zrem(LINE + found.model, found.job_id)

    def pause(self, scope: str, reason: str, seconds: float) -> None:
        """Nothing of this model (or nothing at all) is submitted for so long; then one probe."""
        now = self._clock.now()
        known = {pause.scope: pause for pause in self.pauses()}.get(scope)
        since, tries = (known.since, known.tries + 1) if known else (now, 1)
        self._put(Pause(scope, reason, since, now + seconds, tries))

    def _put(self, pause: Pause) -> None:
        value = f"{pause.until:.3f} {json.dumps([pause.since, pause.tries, pause.reason])}"
        with unavailable():
            self._redis.hset(PAUSES, pause.scope, value)

    def resume(self, scopes: Sequence[str]) -> None:
        """A probe had another outcome than what they were for."""
        if scopes:
            with unavailable():
                self._redis.hdel(PAUSES, *scopes)

    def release(self, scopes: Sequence[str]) -> None:
        """What should have been a probe was never sent: the next one may be it."""
        for pause in self.pauses() if scopes else ():
            if pause.scope in scopes:
                self._put(pause._replace(until=self._clock.now()))

    def tidy(self) -> None:
        """Drop the pauses that are over and that nobody waits to probe."""
        with unavailable():
            self._tidy_script(keys=[LINES, PAUSES], args=[LINE])

    def erred(self, model: str, job_id: str) -> int:
        """How many different jobs of a model BFL has answered with 500 since one went well."""
        key, now = ERRING + model, self._clock.now()
        with unavailable(), self._redis.pipeline() as pipe:
            pipe.zadd(key, {job_id: now})
            pipe.zremrangebyscore(key, "-inf", now - ERRING_SECONDS)
            pipe.expire(key, ERRING_SECONDS)
            pipe.zcard(key)
            return int(pipe.execute()[-1])

    def went_well(self, model: str) -> None:
        """BFL took a job of this model: the row of errors has ended."""
        with unavailable():
            self._redis.delete(ERRING + model)

    def pauses(self) -> list[Pause]:
        """What is paused at present."""
        with unavailable():
            found = self._redis.hgetall(PAUSES)
        return [_pause(scope.decode(), value.decode()) for scope, value in found.items()]

    def anybody_waits(self) -> bool:
        """Whether there is a job in any line."""
        with unavailable():
            return bool(self._redis.exists(LINES))

    def active(self) -> int:
        """How many slots are in use."""
        with unavailable():
            return int(self._redis.zcard(ACTIVE))

    def crowd(self) -> Crowd:
        """How many have a slot and how many wait for one."""
        with unavailable():
            lines = sorted(line.decode() for line in self._redis.smembers(LINES))
            named = sorted({*self._limits.models, *(line.removeprefix(LINE) for line in lines)})
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.zcard(ACTIVE)
                for model in named:
                    pipe.zcard(places.active(model))
                    pipe.zcard(LINE + model)
                total, *found = pipe.execute()
        pairs = zip(named, found[::2], found[1::2], strict=True)
        models = [Queue(name, used, self._limits.of(name), wait) for name, used, wait in pairs]
        return Crowd(total, self._limits.total, models)


def _pause(scope: str, value: str) -> Pause:
    until, _, rest = value.partition(" ")
    since, tries, reason = json.loads(rest)
    return Pause(scope, reason, since, float(until), tries)
