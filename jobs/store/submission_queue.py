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
    """Names of the API keys in the settings; `accounts` are those with their own BFL key."""

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
        arguments: list[Any] = [
            self._limits.total,
            keys.QUEUE_PREFIX,
            "peek" if peek else "claim",
            HALF_OPEN_SECONDS,
            self._threads,
            keys.PRICES_PREFIX,
            VIDEO_TOOLS,
            VIDEO,
        ]
        configured_names = self._configured_names()
        arguments.append(len(configured_names))
        arguments += configured_names
        arguments.append(len(self._limits.models))
        for model_limit in self._limits.models.items():
            arguments += model_limit
        arguments += self._budget_arguments()
        redis_time, job_id, *queue_and_scopes = self._next_script(keys=queue_keys, args=arguments)
        self._clock.synchronize(redis_time)
        if not job_id:
            return None
        queue, half_open = queue_and_scopes
        half_open_scopes = tuple(scope.decode() for scope in half_open)
        return NextSubmission(job_id.decode(), queue.decode(), half_open_scopes)

    def _budget_arguments(self) -> list[Any]:
        """For each budget the API key, the hash of what its period has spent, and the limit."""
        now = self._clock.now()
        arguments: list[Any] = []
        for name, budgets in self._budgets.items():
            for budget in budgets:
                arguments += [name, budget_key(budget.period, now, name), budget.units]
        return arguments

    def _configured_names(self) -> list[str]:
        """The configured names as the script compares them; none where every name counts."""
        if self._configured is None:
            return []
        names = [f"account @{name}" for name in sorted(self._configured.accounts)]
        names += [f"key {name}" for name in sorted(self._configured.api_keys)]
        return names

    def held(self) -> HeldJobs:
        """Count the jobs that wait for a key that is not in the settings any more."""
        by_account = Counter[str]()
        by_api_key = Counter[str]()
        if self._configured is None:
            return HeldJobs(by_account, by_api_key)
        queues = self._queues()
        for queue, length in zip(queues, self._sizes(queues), strict=True):
            _model, _, account = scopes.scope_of_queue(queue).partition("@")
            api_key = _api_key_of_queue(queue)
            if account and account not in self._configured.accounts:
                by_account[account] += length
            elif api_key and api_key not in self._configured.api_keys:
                by_api_key[api_key] += length
        return HeldJobs(by_account, by_api_key)

    def open_circuit(self, scope: str, reason: str, seconds: float) -> None:
        """Open the circuit of a model, or of all; after `seconds` one job probes it."""
        now = self._clock.now()
        since = now
        attempts = 1
        for circuit in self.open_circuits():
            if circuit.scope == scope:
                since = circuit.since
                attempts = circuit.attempts + 1
        self._put(Circuit(scope, reason, since, now + seconds, attempts))

    def _put(self, circuit: Circuit) -> None:
        details = json.dumps([circuit.since, circuit.attempts, circuit.reason])
        self._redis.write_essential(
            ("HSET", keys.CIRCUITS, circuit.scope, f"{circuit.until:.3f} {details}")
        )

    def close_circuits(self, circuit_scopes: Sequence[str]) -> None:
        """Close circuits: their probe did not fail for the reason that had opened them."""
        if circuit_scopes:
            self._redis.hdel(keys.CIRCUITS, *circuit_scopes)

    def release_half_open(self, circuit_scopes: Sequence[str]) -> None:
        """Let another job probe these circuits: the job that was to probe them was never sent."""
        if not circuit_scopes:
            return
        for circuit in self.open_circuits():
            if circuit.scope in circuit_scopes:
                self._put(circuit._replace(until=self._clock.now()))

    def close_idle_circuits(self) -> None:
        """Close circuits whose time is over and that no job waits to probe."""
        self._close_idle_script(keys=[keys.QUEUES, keys.CIRCUITS], args=[keys.QUEUE_PREFIX])

    def open_circuits(self) -> list[Circuit]:
        """The circuits that are open, and those that wait for a probe."""
        circuits: list[Circuit] = []
        for scope, value in self._redis.hgetall(keys.CIRCUITS).items():
            until, _, details = value.decode().partition(" ")
            since, attempts, reason = json.loads(details)
            circuits.append(Circuit(scope.decode(), reason, since, float(until), attempts))
        return circuits

    def slots_used(self, scope: str) -> int:
        """Slots that are taken of a model's scope, by itself and by those that share them."""
        return int(self._redis.zcard(scopes.slots_key(scopes.slot_scope(scope))))

    def slot_usage(self) -> SlotUsage:
        """Slots in use and lengths of the queues."""
        queues = self._queues()
        names = set(self._limits.models)
        for queue in queues:
            names.add(scopes.scope_of_queue(queue))
        sorted_names = sorted(names)
        account_slots = [_slots_of_account(account) for account in self._limits.accounts]
        model_slots = [scopes.slots_key(scopes.slot_scope(name)) for name in sorted_names]
        sizes = self._sizes(account_slots + model_slots + queues)
        first_model = len(account_slots)
        first_queue = first_model + len(model_slots)
        used_in_all = sum(sizes[:first_model])
        used_by_name = dict(zip(sorted_names, sizes[first_model:first_queue], strict=True))
        waiting = Counter[str]()
        for queue, length in zip(queues, sizes[first_queue:], strict=True):
            waiting[scopes.scope_of_queue(queue)] += length
        models: list[ModelQueue] = []
        for name, used in used_by_name.items():
            model, _, _account = name.partition("@")
            models.append(ModelQueue(name, used, self._limits.for_model(model), waiting[name]))
        most = self._limits.total * len(account_slots)
        return SlotUsage(used_in_all, most, models)

    def _queues(self) -> list[str]:
        """The submission queues that are not empty."""
        return [queue.decode() for queue in self._redis.smembers(keys.QUEUES)]

    def _sizes(self, sorted_sets: Sequence[str]) -> list[int]:
        """The number of members of each sorted set."""
        with self._redis.round_trip() as pipe:
            for sorted_set in sorted_sets:
                pipe.zcard(sorted_set)
            sizes: list[int] = pipe.execute()
        return sizes


def _slots_of_account(account: str | None) -> str:
    return scopes.slots_key(scopes.at_account("", account))


def _api_key_of_queue(queue: str) -> str:
    """The API key whose jobs alone wait in a queue; empty where jobs of any key do."""
    parts = queue.split("\t")  # scope, price, API key
    if len(parts) == 1:
        return ""
    return parts[2]
