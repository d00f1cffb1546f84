"""Submission queues of the models, concurrency slots at BFL, and circuit breakers."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from jobs.bfl.model_names import VIDEO, VIDEO_TOOLS
from jobs.config.quotas import ConcurrencyLimits
from jobs.domain.budgets import NO_BUDGETS, NamedBudgets
from jobs.store import scopes
from jobs.store.costs import budget_key
from jobs.store.redis import keys, scripts
from jobs.store.redis.client import StoreClient
from jobs.store.redis.clock import Clock
from jobs.store.rq_queue import WORKERS_KEY

ALL_MODELS = "*"  # scope of a circuit that is open for all models
HALF_OPEN_SECONDS = 60.0


class ConfiguredKeys(NamedTuple):
    """Names of the API keys in the settings, and of those with a BFL key of their own."""

    accounts: frozenset[str]
    api_keys: frozenset[str]


class HeldJobs(NamedTuple):
    """Numbers of the jobs that wait for a key that was removed, by the name of the API key."""

    by_account: dict[str, int]
    by_api_key: dict[str, int]


class NextSubmission(NamedTuple):
    """The next job, its queue, and the scopes of the circuits that it probes."""

    job_id: str
    queue: str
    half_open: tuple[str, ...]


class Circuit(NamedTuple):
    """An open circuit: why and since when a model (or all) is not submitted, in unix seconds."""

    scope: str
    reason: str
    since: float
    until: float
    attempts: int


class ModelQueue(NamedTuple):
    """A model's slots, and the length of its queue."""

    model: str
    used: int
    most: int
    waiting: int


class SlotUsage(NamedTuple):
    """Slots in total, and of each model that has a limit of its own or a queue."""

    used: int
    most: int
    models: list[ModelQueue]

    @property
    def waiting(self) -> int:
        return sum(queue.waiting for queue in self.models)


class SubmissionQueue:
    """Submission queues and slots, shared by all workers. Raises StoreUnavailable."""

    def __init__(
        self,
        redis: StoreClient,
        clock: Clock,
        limits: ConcurrencyLimits,
        threads: int,
        budgets: NamedBudgets = NO_BUDGETS,
        configured: ConfiguredKeys | None = None,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._limits = limits
        self._threads = threads  # of each worker
        self._budgets = budgets
        self._configured = configured
        self._next_script = redis.register_script(scripts.read("next_submission"))
        self._close_idle_script = redis.register_script(scripts.read("close_idle_circuits"))

    def next(self, *, peek: bool = False) -> NextSubmission | None:
        """The oldest job that may be submitted now; `peek` starts no probe."""
        queue_keys = [keys.QUEUES, keys.ACTIVE, keys.CIRCUITS, keys.IN_FLIGHT, WORKERS_KEY]
        arguments: list[Any] = [self._limits.total, keys.QUEUE_PREFIX, "peek" if peek else "claim"]
        arguments += [HALF_OPEN_SECONDS, self._threads, keys.PRICES_PREFIX]
        arguments += [VIDEO_TOOLS, VIDEO]
        names = self._configured_names()
        arguments += [len(names), *names]
        arguments += [len(self._limits.models)]
        arguments += [part for pair in self._limits.models.items() for part in pair]
        now = self._clock.now()
        for name, budgets in self._budgets.items():
            for one in budgets:
                arguments += [name, budget_key(one.period, now, name), one.units]
        clock, job_id, *more = self._next_script(keys=queue_keys, args=arguments)
        self._clock.synchronize(clock)
        if not job_id:
            return None
        queue, half_open = more
        scopes = tuple(scope.decode() for scope in half_open)
        return NextSubmission(job_id.decode(), queue.decode(), scopes)

    def _configured_names(self) -> list[str]:
        """As the script compares them; none where every name counts as configured."""
        if self._configured is None:
            return []
        accounts = [f"account @{name}" for name in sorted(self._configured.accounts)]
        api_keys = [f"key {name}" for name in sorted(self._configured.api_keys)]
        return [*accounts, *api_keys]

    def held(self) -> HeldJobs:
        """Count the jobs that wait for a key that is not in the settings any more."""
        by_account = Counter[str]()
        by_api_key = Counter[str]()
        if self._configured is None:
            return HeldJobs(by_account, by_api_key)
        queues = [queue.decode() for queue in self._redis.smembers(keys.QUEUES)]
        with self._redis.round_trip() as pipe:
            for queue in queues:
                pipe.zcard(queue)
            lengths = pipe.execute()
        for queue, length in zip(queues, lengths, strict=True):
            account = _scope(queue).partition("@")[2]
            api_key = queue.split("\t")[2] if "\t" in queue else ""
            if account and account not in self._configured.accounts:
                by_account[account] += length
            elif api_key and api_key not in self._configured.api_keys:
                by_api_key[api_key] += length
        return HeldJobs(by_account, by_api_key)

    def open_circuit(self, scope: str, reason: str, seconds: float) -> None:
        """Open the circuit of a model, or of all; after `seconds` one job probes it."""
        now = self._clock.now()
        known = next((one for one in self.open_circuits() if one.scope == scope), None)
        since, attempts = (known.since, known.attempts + 1) if known else (now, 1)
        self._put(Circuit(scope, reason, since, now + seconds, attempts))

    def _put(self, circuit: Circuit) -> None:
        rest = json.dumps([circuit.since, circuit.attempts, circuit.reason])
        self._redis.write_essential(
            ("HSET", keys.CIRCUITS, circuit.scope, f"{circuit.until:.3f} {rest}")
        )

    def close_circuits(self, scopes: Sequence[str]) -> None:
        """Close circuits: their probe did not fail for the reason that had opened them."""
        if scopes:
            self._redis.hdel(keys.CIRCUITS, *scopes)

    def release_half_open(self, scopes: Sequence[str]) -> None:
        """Let another job probe these circuits: the one that should have was never sent."""
        for circuit in self.open_circuits() if scopes else ():
            if circuit.scope in scopes:
                self._put(circuit._replace(until=self._clock.now()))

    def close_idle_circuits(self) -> None:
        """Close circuits whose time is over and that no job waits to probe."""
        self._close_idle_script(keys=[keys.QUEUES, keys.CIRCUITS], args=[keys.QUEUE_PREFIX])

    def open_circuits(self) -> list[Circuit]:
        found = self._redis.hgetall(keys.CIRCUITS)
        circuits = []
        for scope, value in found.items():
            until, _, rest = value.decode().partition(" ")
            since, attempts, reason = json.loads(rest)
            circuits.append(Circuit(scope.decode(), reason, since, float(until), attempts))
        return circuits

    def slots_used(self, scope: str) -> int:
        """Slots that are taken of a model's scope, by itself and by those that share them."""
        return int(self._redis.zcard(scopes.slots_key(scopes.slot_scope(scope))))

    def slot_usage(self) -> SlotUsage:
        """Slots in use and lengths of the queues."""
        queues = [queue.decode() for queue in self._redis.smembers(keys.QUEUES)]
        named = sorted({*map(_scope, queues), *self._limits.models})
        accounts = [scopes.slots_key(scopes.at_account("", one)) for one in self._limits.accounts]
        with self._redis.round_trip() as pipe:
            slots = [scopes.slots_key(scopes.slot_scope(name)) for name in named]
            for key in (*accounts, *slots, *queues):
                pipe.zcard(key)
            found = pipe.execute()
        total = sum(found[: len(accounts)])
        used = dict(zip(named, found[len(accounts) :], strict=False))
        waiting = Counter[str]()
        for queue, length in zip(queues, found[len(accounts) + len(named) :], strict=True):
            waiting[_scope(queue)] += length
        models = [
            ModelQueue(
                name, used[name], self._limits.for_model(name.partition("@")[0]), waiting[name]
            )
            for name in named
        ]
        return SlotUsage(total, self._limits.total * len(accounts), models)


def _scope(queue: str) -> str:
    return queue.removeprefix(keys.QUEUE_PREFIX).partition("\t")[0]
