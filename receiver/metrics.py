"""Metrics from counters in Redis; deploy/prometheus and deploy/grafana use their names."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from prometheus_client import core, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from jobs.archive.archive import Archive
from jobs.config.api_keys import ApiKey
from jobs.domain.errors import ArchiveUnavailable, StoreUnavailable
from jobs.domain.status import TERMINAL, ReportKind, Source
from jobs.services import Services
from jobs.signing import Scheme
from jobs.store import metrics
from jobs.store.listing import longest_wait
from jobs.store.submission_queue import Circuit
from receiver.bfl_account import Account
from receiver.checks.archive import late_seconds
from receiver.shared_value import SharedValue

REFUSALS = {
    "unauthorized": metrics.Counter.CALLBACK_REFUSED,
    "unreadable": metrics.Counter.CALLBACK_UNREADABLE,
    "malformed": metrics.Counter.CALLBACK_MALFORMED,
}
NOTIFICATIONS = {
    "delivered": metrics.Counter.NOTIFICATION_DELIVERED,
    "postponed": metrics.Counter.NOTIFICATION_POSTPONED,
    "given_up": metrics.Counter.NOTIFICATION_GIVEN_UP,
}

PRICES = {
    "callback": metrics.Counter.PRICE_BY_CALLBACK,
    "poll": metrics.Counter.PRICE_BY_POLL,
    "never": metrics.Counter.PRICE_NEVER,
}
HIDDEN_REASON = "shown to keys of scope admin"

Samples = Mapping[tuple[str, ...], float]  # values by the values of the labels


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The keys whose figures an answer has: none by default, those of one name, or all."""

    name: str | None = None
    all: bool = False

    @classmethod
    def of(cls, key: ApiKey | None) -> Self:
        """Only keys of scope `admin` see figures by key; with `own` those of their name."""
        if key is None or not key.has_scope("admin"):
            return cls()
        return cls(key.name, all=not key.own)

    def has(self, key_name: str) -> bool:
        return self.all or key_name == self.name


NOBODYS = KeyFigures()


class MetricsText:
    """All families in the text format of Prometheus; requests at the same time share one."""

    def __init__(self, services: Services, account: Account) -> None:
        self._services, self._account = services, account
        self._shared = SharedValue(partial(self._text, NOBODYS))

    def get(self, figures: KeyFigures = NOBODYS) -> bytes:
        """The page; strangers, of whom there may be many, share a reading of Redis."""
        return self._shared.get() if figures == NOBODYS else self._text(figures)

    def _text(self, figures: KeyFigures) -> bytes:
        return generate_latest(_Families(self._services, self._account, figures))


@dataclass(frozen=True, slots=True)
class _Families(Collector):
    services: Services
    account: Account
    figures: KeyFigures

    def collect(self) -> Iterator[Metric]:
        """Only `fluxkeep_redis_up` while Redis does not answer."""
        try:
            found = list(_from_redis(self.services, self.figures))
            found.append(_credits_left(self.account, self.figures))
        except StoreUnavailable:
            found = []
        yield _gauge("redis_up", "Whether Redis answers this web process.", bool(found))
        yield from found


def _from_redis(services: Services, figures: KeyFigures) -> Iterator[Metric]:
    totals = services.metrics.totals()
    yield from _callbacks(totals.counts)
    yield from _jobs(services, totals)
    slots = services.submission_queue.slot_usage()
    circuits = services.submission_queue.open_circuits()
    yield _gauge("slots", "Tasks that may be active at BFL at once (MAX_ACTIVE).", slots.most)
    yield _gauge("slots_used", "Submitted tasks that are active at BFL.", slots.used)
    text = "1 for each model (* is all of them) whose submissions are paused, with the reason."
    paused: Samples = {_pause(circuit, figures): 1 for circuit in circuits}
    yield _gauges("submitting_paused", text, ("model", "reason"), paused)
    yield from _costs(services, figures)
    yield from _processes(services, totals)
    if services.archive:
        yield from _archive(services, services.archive, totals)
    yield _histogram(
        totals, metrics.LIFE_LEFT, "Remaining life of a URL when its media were stored."
    )
    yield _histogram(totals, metrics.TIME_TO_STORED, "Time from ready to stored.")


def _pause(circuit: Circuit, figures: KeyFigures) -> tuple[str, str]:
    """Model and reason. Those of an account of its own name the API key."""
    model, _, key_name = circuit.scope.partition("@")
    if key_name and not figures.has(key_name):
        return model, HIDDEN_REASON
    return circuit.scope, circuit.reason


def _callbacks(counts: Mapping[str, int]) -> Iterator[Metric]:
    """Duplicate and late reports have the kind `old`; such callbacks the outcome `duplicate`."""
    reports: Samples = {
        (source, kind or metrics.OLD_REPORT): counts.get(metrics.report_counter(source, kind), 0)
        for source in Source
        for kind in (*ReportKind, None)
    }
    refused = _labelled(counts, REFUSALS)
    duplicates = reports[Source.CALLBACK, metrics.OLD_REPORT]
    callbacks = sum(number for (source, _), number in reports.items() if source == Source.CALLBACK)
    outcomes: Samples = {
        ("accepted",): callbacks - duplicates,
        ("duplicate",): duplicates,
        ("refused",): sum(refused.values()),
    }
    yield _counters("callbacks", "Callbacks by outcome.", ("outcome",), outcomes)
    yield _counters("callbacks_refused", "Refused callbacks by reason.", ("why",), refused)
    schemes: Samples = {
        (scheme,): counts.get(metrics.scheme_counter(scheme), 0) for scheme in Scheme
    }
    text = "Authentic callbacks by the scheme that BFL used."
    yield _counters("callbacks_authentic", text, ("scheme",), schemes)
    yield _counters("reports", "Reports of BFL by source and kind.", ("source", "kind"), reports)
    text = "Prices of jobs that BFL had not quoted, or settled, by what told them."
    yield _counters("prices", text, ("by",), _labelled(counts, PRICES))
    polls: Samples = {(): counts.get(metrics.Counter.POLLS, 0)}
    yield _counters("polls", "Polls of tasks whose callback did not come.", (), polls)
    text = "Attempts to deliver a notification by outcome."
    yield _counters("notifications", text, ("outcome",), _labelled(counts, NOTIFICATIONS))


def _labelled(counts: Mapping[str, int], counters: Mapping[str, metrics.Counter]) -> Samples:
    return {(label,): counts.get(counter, 0) for label, counter in counters.items()}


def _jobs(services: Services, totals: metrics.Totals) -> Iterator[Metric]:
    on_record: Samples = {(status,): number for status, number in totals.jobs.items()}
    ended: Samples = {
        (status, source or metrics.NO_SOURCE): totals.counts.get(
            metrics.ended_counter(status, source), 0
        )
        for status in sorted(TERMINAL)
        for source in (*Source, None)
    }
    yield _gauges("jobs", "Jobs on record, in Redis or in the database.", ("status",), on_record)
    text = "Ended jobs by status and source of the final report."
    yield _counters("jobs_ended", text, ("status", "source"), ended)
    yield _gauge("due_jobs", "Jobs that are due for a check.", totals.due)
    yield _gauge("overdue_jobs", "Jobs that have been due for 30 s or longer.", totals.overdue)
    yield _gauge("waiting_jobs", "Jobs that wait for a worker.", totals.waiting)
    yield _gauge("queue_entries", "RQ jobs in the queue.", totals.rq_jobs)
    yield _gauge("notifications_pending", "Notifications to be delivered.", totals.notifications)
    ready, now = services.listing.expiring(), services.store.now()
    text = "Age of the oldest rescue that no worker has begun."
    yield _gauge("oldest_waiting_rescue_seconds", text, longest_wait(ready, now))
    urgent = next((job for job in ready if job.lease.work_deadline is not None), None)
    left = (urgent.delivery.expire_at or now) - now if urgent else None  # no sample without one
    text = "Remaining life of the URL that expires first among the waiting rescues."
    yield _gauge("urgent_rescue_life_left_seconds", text, left)


def _costs(services: Services, figures: KeyFigures) -> Iterator[Metric]:
    spent: dict[tuple[str, ...], float] = defaultdict(float)
    for cost in services.costs.days(1)[0]["costs"]:
        if cost["credits"]:
            key_name = cost["key"] or ""
            shown_name = key_name if figures.has(key_name) else ""
            spent[cost["model"] or "", shown_name] += cost["credits"]
    unkept = services.costs.unkept(0).number
    text = (
        "Credits of the jobs created today (UTC), as quoted or settled. Under an empty key are "
        "those of all keys that who asks may not see."
    )
    yield _gauges("credits_today", text, ("model", "key"), spent)
    left: Samples = {
        (key, str(balance.budget)): balance.left
        for key in services.budgets.by_key
        if figures.has(key)
        for balance in services.budgets.balances(key)
    }
    text = "Credits that the jobs of an API key may still cost, by budget. For keys of scope admin."
    yield _gauges("budget_left", text, ("key", "budget"), left)
    yield _gauge("paid_and_not_kept_jobs", "Billed jobs on record without stored media.", unkept)


def _credits_left(account: Account, figures: KeyFigures) -> Metric:
    """Of BFL_API_KEY also for strangers: it is no figure of a key of ours."""
    known: Samples = {
        (key or "",): balance.credits
        for key, balance in account.balances().items()
        if balance.credits is not None and (key is None or figures.has(key))
    }
    text = "Credits left at BFL, by the API key with a BFL key of its own; empty is BFL_API_KEY."
    return _gauges("credits_left", text, ("key",), known)


def _processes(services: Services, totals: metrics.Totals) -> Iterator[Metric]:
    ages = services.metrics.heartbeat_ages()
    workers = len(services.metrics.worker_keys())
    refuses = services.metrics.problem("storage") is not None
    text = "Seconds since the last heartbeat of a process."
    beats: Samples = {(process,): age for process, age in ages.items()}
    yield _gauges("heartbeat_age_seconds", text, ("process",), beats)
    yield _gauge("workers", "Worker processes that are alive.", workers)
    ratio = services.metrics.memory_used_ratio()
    text = "Share of Redis's maxmemory that is in use; 0 without a limit."
    yield _gauge("redis_memory_used_ratio", text, ratio)
    text = "Memory of Redis for each job there; no sample under 1,000 jobs."
    yield _gauge("redis_bytes_per_job", text, services.metrics.bytes_per_job(totals))
    yield _gauge("storage_refuses", "1 if the storage refused a write this minute.", refuses)


def _archive(services: Services, archive: Archive, totals: metrics.Totals) -> Iterator[Metric]:
    """Rows are not counted: that reads an index of the whole table."""
    try:
        is_up = bool(archive.state())
    except ArchiveUnavailable:
        is_up = False
    evicted: Samples = {(): totals.counts.get(metrics.Counter.EVICTED, 0)}
    yield _gauge("database_up", "Whether the database answers this web process.", is_up)
    text = "How late the sweep is with the oldest job that is due for the database."
    yield _gauge("archive_late_seconds", text, late_seconds(services))
    yield _gauge("archived_jobs", "Jobs that only the database has.", totals.archived)
    yield _counters("evictions", "Jobs that left Redis for the database.", (), evicted)


def _gauge(name: str, text: str, value: float | None) -> Metric:
    return core.GaugeMetricFamily(f"fluxkeep_{name}", text, value)


def _gauges(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    return _with(core.GaugeMetricFamily(f"fluxkeep_{name}", text, labels=labels), samples)


def _counters(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    return _with(core.CounterMetricFamily(f"fluxkeep_{name}", text, labels=labels), samples)


def _with(family: core.GaugeMetricFamily | core.CounterMetricFamily, samples: Samples) -> Metric:
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _histogram(totals: metrics.Totals, histogram: metrics.Histogram, text: str) -> Metric:
    family = core.HistogramMetricFamily(f"fluxkeep_{histogram.name}_seconds", text)
    family.add_metric((), histogram.buckets(totals.counts), histogram.sum(totals.counts))
    return family
