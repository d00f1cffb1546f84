"""Metrics from counters in Redis; deploy/prometheus and deploy/grafana use their names."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from prometheus_client import core, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from jobs.archive.archive import Archive
from jobs.config.api_keys import ApiKey
from jobs.domain.errors import ArchiveUnavailable, StoreUnavailable
from jobs.domain.job import Job
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
    """The API keys whose figures an answer has: none by default, one key by its name, or all."""

    name: str | None = None
    all: bool = False

    @classmethod
    def for_caller(cls, api_key: ApiKey | None) -> Self:
        """Only keys of scope `admin` see figures by key; with `own` only figures of their name."""
        if api_key is None or not api_key.has_scope("admin"):
            return cls()
        return cls(api_key.name, all=not api_key.sees_own_jobs_only)

    def may_show(self, key_name: str) -> bool:
        return self.all or key_name == self.name


NO_KEY_FIGURES = KeyFigures()


class MetricsText:
    """All metrics in the text format of Prometheus; simultaneous requests share one reading."""

    def __init__(self, services: Services, account: Account) -> None:
        self._services = services
        self._account = account
        self._shared = SharedValue(partial(self._text, NO_KEY_FIGURES))

    def get(self, figures: KeyFigures = NO_KEY_FIGURES) -> bytes:
        """The page; strangers, of whom there may be many, share a reading of Redis."""
        if figures == NO_KEY_FIGURES:
            return self._shared.get()
        return self._text(figures)

    def _text(self, figures: KeyFigures) -> bytes:
        return generate_latest(_MetricFamilies(self._services, self._account, figures))


@dataclass(frozen=True, slots=True)
class _MetricFamilies(Collector):
    services: Services
    account: Account
    figures: KeyFigures

    def collect(self) -> Iterator[Metric]:
        """Only `fluxkeep_redis_up` while Redis does not answer."""
        families: list[Metric] = []
        has_redis_answered = True
        try:
            families += _families_from_redis(self.services, self.figures)
            families.append(_credits_left(self.account, self.figures))
        except StoreUnavailable:
            has_redis_answered = False
        yield _gauge("redis_up", "Whether Redis answers this web process.", has_redis_answered)
        if has_redis_answered:
            yield from families


def _families_from_redis(services: Services, figures: KeyFigures) -> Iterator[Metric]:
    totals = services.metrics.totals()
    yield from _callbacks(totals.counts)
    yield from _jobs(services, totals)
    slots = services.submission_queue.slot_usage()
    circuits = services.submission_queue.open_circuits()
    yield _gauge("slots", "Tasks that may be active at BFL at once (MAX_ACTIVE).", slots.most)
    yield _gauge("slots_used", "Submitted tasks that are active at BFL.", slots.used)
    text = "1 for each model (* is all of them) whose submissions are paused, with the reason."
    paused: Samples = {_labels_of_pause(circuit, figures): 1 for circuit in circuits}
    yield _gauges("submitting_paused", text, ("model", "reason"), paused)
    yield from _costs(services, figures)
    yield from _processes(services, totals)
    if services.archive:
        yield from _archive(services, services.archive, totals)
    yield _histogram(
        totals, metrics.LIFE_LEFT, "Remaining life of a URL when its media were stored."
    )
    yield _histogram(totals, metrics.TIME_TO_STORED, "Time from ready to stored.")


def _labels_of_pause(circuit: Circuit, figures: KeyFigures) -> tuple[str, str]:
    """The model and the reason. The pause of an API key's own BFL account names the key, too."""
    model, _, key_name = circuit.scope.partition("@")
    if key_name and not figures.may_show(key_name):
        return model, HIDDEN_REASON
    return circuit.scope, circuit.reason


def _callbacks(counts: Mapping[str, int]) -> Iterator[Metric]:
    """Duplicate and late reports have the kind `old`; such callbacks the outcome `duplicate`."""
    reports = _reports_by_source_and_kind(counts)
    refused = _values_by_label(counts, REFUSALS)
    new_callbacks = sum(reports[Source.CALLBACK, kind] for kind in ReportKind)
    outcomes: Samples = {
        ("accepted",): new_callbacks,
        ("duplicate",): reports[Source.CALLBACK, metrics.OLD_REPORT],
        ("refused",): sum(refused.values()),
    }
    yield _counters("callbacks", "Callbacks by outcome.", ("outcome",), outcomes)
    yield _counters("callbacks_refused", "Refused callbacks by reason.", ("why",), refused)
    schemes: dict[tuple[str, ...], float] = {}
    for scheme in Scheme:
        labels = (scheme.value,)
        schemes[labels] = counts.get(metrics.scheme_counter(scheme), 0)
    text = "Authentic callbacks by the scheme that BFL used."
    yield _counters("callbacks_authentic", text, ("scheme",), schemes)
    yield _counters("reports", "Reports of BFL by source and kind.", ("source", "kind"), reports)
    text = "Prices of jobs that BFL had not quoted, or settled, by what told them."
    yield _counters("prices", text, ("by",), _values_by_label(counts, PRICES))
    polls: Samples = {(): counts.get(metrics.Counter.POLLS, 0)}
    yield _counters("polls", "Polls of tasks whose callback did not come.", (), polls)
    text = "Attempts to deliver a notification by outcome."
    yield _counters("notifications", text, ("outcome",), _values_by_label(counts, NOTIFICATIONS))


def _reports_by_source_and_kind(counts: Mapping[str, int]) -> Samples:
    reports: dict[tuple[str, ...], float] = {}
    for source in Source:
        for kind in ReportKind:
            counter = metrics.report_counter(source, kind)
            reports[source, kind] = counts.get(counter, 0)
        old_counter = metrics.report_counter(source, None)
        reports[source, metrics.OLD_REPORT] = counts.get(old_counter, 0)
    return reports


def _values_by_label(counts: Mapping[str, int], counters: Mapping[str, metrics.Counter]) -> Samples:
    """The values of counters by their label."""
    return {(label,): counts.get(counter, 0) for label, counter in counters.items()}


def _jobs(services: Services, totals: metrics.Totals) -> Iterator[Metric]:
    on_record: Samples = {(status,): number for status, number in totals.jobs.items()}
    yield _gauges("jobs", "Jobs on record, in Redis or in the database.", ("status",), on_record)
    ended = _ended_by_status_and_source(totals.counts)
    text = "Ended jobs by status and source of the final report."
    yield _counters("jobs_ended", text, ("status", "source"), ended)
    yield _gauge("due_jobs", "Jobs that are due for a check.", totals.due)
    yield _gauge("overdue_jobs", "Jobs that have been due for 30 s or longer.", totals.overdue)
    yield _gauge("waiting_jobs", "Jobs that wait for a worker.", totals.waiting)
    yield _gauge("queue_entries", "RQ jobs in the queue.", totals.rq_jobs)
    yield _gauge("notifications_pending", "Notifications to be delivered.", totals.notifications)
    expiring_jobs = services.listing.expiring()
    now = services.store.now()
    text = "Age of the oldest rescue that no worker has begun."
    yield _gauge("oldest_waiting_rescue_seconds", text, longest_wait(expiring_jobs, now))
    text = "Remaining life of the URL that expires first among the waiting rescues."
    seconds_left = _life_left_of_first_rescue(expiring_jobs, now)
    yield _gauge("urgent_rescue_life_left_seconds", text, seconds_left)


def _ended_by_status_and_source(counts: Mapping[str, int]) -> Samples:
    ended: dict[tuple[str, ...], float] = {}
    for status in sorted(TERMINAL):
        for source in Source:
            counter = metrics.ended_counter(status, source)
            ended[status, source] = counts.get(counter, 0)
        counter_without_source = metrics.ended_counter(status, None)
        ended[status, metrics.NO_SOURCE] = counts.get(counter_without_source, 0)
    return ended


def _life_left_of_first_rescue(expiring_jobs: Iterable[Job], now: float) -> float | None:
    """Seconds until the first URL of a waiting rescue expires; None, no sample, without a rescue.

    The jobs are sorted by the expiry of their URLs.
    """
    for job in expiring_jobs:
        if job.lease.work_deadline is not None:
            return (job.delivery.expire_at or now) - now
    return None


def _costs(services: Services, figures: KeyFigures) -> Iterator[Metric]:
    today = services.costs.days(1)[0]
    spent: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for cost in today["costs"]:
        if not cost["credits"]:
            continue
        key_name = cost["key"] or ""
        if not figures.may_show(key_name):
            key_name = ""
        spent[cost["model"] or "", key_name] += cost["credits"]
    unkept = services.costs.unkept(0)
    text = (
        "Credits of the jobs created today (UTC), as quoted or settled. Under an empty key are "
        "those of all keys that who asks may not see."
    )
    yield _gauges("credits_today", text, ("model", "key"), spent)
    text = "Credits that the jobs of an API key may still cost, by budget. For keys of scope admin."
    yield _gauges("budget_left", text, ("key", "budget"), _budgets_left(services, figures))
    text = "Billed jobs on record without stored media."
    yield _gauge("paid_and_not_kept_jobs", text, unkept.number)


def _budgets_left(services: Services, figures: KeyFigures) -> Samples:
    credits_left: dict[tuple[str, ...], float] = {}
    for key_name in services.budgets.by_key:
        if not figures.may_show(key_name):
            continue
        for balance in services.budgets.balances(key_name):
            credits_left[key_name, str(balance.budget)] = balance.credits_left
    return credits_left


def _credits_left(account: Account, figures: KeyFigures) -> Metric:
    """Credits left at BFL. Strangers see those of BFL_API_KEY: it is no API key of ours."""
    credits_left: dict[tuple[str, ...], float] = {}
    for key_name, balance in account.balances().items():
        is_shown = key_name is None or figures.may_show(key_name)
        if is_shown and balance.credits is not None:
            labels = (key_name or "",)
            credits_left[labels] = balance.credits
    text = "Credits left at BFL, by the API key with a BFL key of its own; empty is BFL_API_KEY."
    return _gauges("credits_left", text, ("key",), credits_left)


def _processes(services: Services, totals: metrics.Totals) -> Iterator[Metric]:
    ages = services.health_probes.heartbeat_ages()
    ages_by_process: Samples = {(process,): age for process, age in ages.items()}
    text = "Seconds since the last heartbeat of a process."
    yield _gauges("heartbeat_age_seconds", text, ("process",), ages_by_process)
    workers = services.health_probes.worker_keys()
    yield _gauge("workers", "Worker processes that are alive.", len(workers))
    ratio = services.health_probes.memory_used_ratio()
    text = "Share of Redis's maxmemory that is in use; 0 without a limit."
    yield _gauge("redis_memory_used_ratio", text, ratio)
    text = "Memory of Redis for each job there; no sample under 1,000 jobs."
    yield _gauge("redis_bytes_per_job", text, services.health_probes.bytes_per_job(totals))
    refuses = services.health_probes.problem("storage") is not None
    yield _gauge("storage_refuses", "1 if the storage refused a write this minute.", refuses)


def _archive(services: Services, archive: Archive, totals: metrics.Totals) -> Iterator[Metric]:
    """Metrics of the database, without a count of its rows: that reads a whole index."""
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
    return _add_samples(core.GaugeMetricFamily(f"fluxkeep_{name}", text, labels=labels), samples)


def _counters(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    return _add_samples(core.CounterMetricFamily(f"fluxkeep_{name}", text, labels=labels), samples)


def _add_samples(
    family: core.GaugeMetricFamily | core.CounterMetricFamily, samples: Samples
) -> Metric:
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _histogram(totals: metrics.Totals, histogram: metrics.Histogram, text: str) -> Metric:
    family = core.HistogramMetricFamily(f"fluxkeep_{histogram.name}_seconds", text)
    family.add_metric((), histogram.buckets(totals.counts), histogram.sum(totals.counts))
    return family
