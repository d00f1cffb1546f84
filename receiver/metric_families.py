"""Metric families from counters in Redis; deploy/prometheus and deploy/grafana use their names."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from jobs.errors import StoreUnavailable
from jobs.services import Services
from jobs.status import TERMINAL, ReportKind, Source
from jobs.store.counters import (
    LIFE_LEFT,
    NO_SOURCE,
    NOTIFICATION_OUTCOMES,
    OLD_REPORT,
    REFUSED_CALLBACKS,
    REFUSED_REQUESTS,
    TIME_TO_STORED,
    Counter,
    Histogram,
    ended_counter,
    report_counter,
)
from jobs.store.listing import waiting_since
from jobs.store.metrics import Metrics, Totals
from jobs.store.submission_queue import SubmissionQueue

REFUSALS = dict(zip(("unauthorized", "unreadable", "malformed"), REFUSED_CALLBACKS, strict=True))


class Families(Collector):
    """Collector of all families; only `fluxkeep_redis_up` while Redis does not answer."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterator[Metric]:
        """Empty: a registry would otherwise collect once when the collector is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        try:
            found = list(self._from_redis())
        except StoreUnavailable:
            found = []
        yield _gauge("redis_up", "Whether Redis answers this web process.", bool(found))
        yield from found

    def _from_redis(self) -> Iterator[Metric]:
        metrics, submission_queue = self._services.metrics, self._services.submission_queue
        totals = metrics.totals()
        yield from _callbacks(totals.counts)
        yield _requests(totals.counts)
        yield from _jobs(totals)
        yield from _work(totals)
        yield from _urgency(self._services)
        yield from _submitting(submission_queue)
        yield from _notifications(totals)
        yield from _costs(self._services)
        yield from _processes(metrics)
        yield _histogram(totals, LIFE_LEFT, "Remaining life of a URL when its media were stored.")
        yield _histogram(
            totals,
            TIME_TO_STORED,
            "Time from ready to stored.",
        )


def _callbacks(counts: Mapping[str, int]) -> Iterator[Metric]:
    """Duplicate and late reports have the kind `old`; such callbacks the outcome `duplicate`."""
    reports = _counter("reports", "Reports of BFL by source and kind.", "source", "kind")
    for source in Source:
        for kind in (*ReportKind, None):
            reports.add_metric(
                (source, kind or OLD_REPORT), counts.get(report_counter(source, kind), 0)
            )
    refused = _counter("callbacks_refused", "Refused callbacks by reason.", "why")
    for why, name in REFUSALS.items():
        refused.add_metric((why,), counts.get(name, 0))
    outcomes = _counter("callbacks", "Callbacks by outcome.", "outcome")
    accepted = sum(counts.get(report_counter(Source.CALLBACK, kind), 0) for kind in ReportKind)
    outcomes.add_metric(("accepted",), accepted)
    outcomes.add_metric(("duplicate",), counts.get(report_counter(Source.CALLBACK, None), 0))
    outcomes.add_metric(("refused",), sum(counts.get(name, 0) for name in REFUSED_CALLBACKS))
    polls = _counter("polls", "Polls of tasks whose callback did not come.")
    polls.add_metric((), counts.get(Counter.POLLS, 0))
    yield from (outcomes, refused, reports, polls)


def _requests(counts: Mapping[str, int]) -> Metric:
    refused = _counter(
        "requests_refused", "Requests refused because of their key or its rate limit.", "why"
    )
    for counter in REFUSED_REQUESTS:
        refused.add_metric((counter.label,), counts.get(counter, 0))
    return refused


def _jobs(totals: Totals) -> Iterator[Metric]:
    on_record = GaugeMetricFamily("fluxkeep_jobs", "Jobs on record.", labels=("status",))
    for state, number in totals.jobs.items():
        on_record.add_metric((state,), number)
    ended = _counter(
        "jobs_ended", "Ended jobs by status and source of the final report.", "status", "source"
    )
    for state in sorted(TERMINAL):
        for source in (*Source, None):
            number = totals.counts.get(ended_counter(state, source), 0)
            ended.add_metric((state, source or NO_SOURCE), number)
    yield from (on_record, ended)


def _work(totals: Totals) -> Iterator[Metric]:
    yield _gauge("due_jobs", "Jobs that are due for a check.", totals.due)
    yield _gauge("overdue_jobs", "Jobs that have been due for 30 s or longer.", totals.overdue)
    yield _gauge("waiting_jobs", "Jobs that wait for a worker.", totals.waiting)
    yield _gauge("queue_entries", "RQ jobs in the queue.", totals.rq_jobs)


def _urgency(services: Services) -> Iterator[Metric]:
    """Age of the oldest waiting rescue, and the remaining life of the most urgent URL.

    The latter has no sample while no rescue waits.
    """
    ready = services.listing.expiring()
    urgent = next((job for job in ready if job.check.work_deadline is not None), None)
    now = services.store.now()
    yield _gauge(
        "oldest_waiting_rescue_seconds",
        "Age of the oldest rescue that no worker has begun.",
        max(now - (waiting_since(ready) or now), 0.0),
    )
    yield _gauge(
        "urgent_rescue_life_left_seconds",
        "Remaining life of the URL that expires first among the waiting rescues.",
        (urgent.delivery.expire_at or now) - now if urgent else None,
    )


def _submitting(submission_queue: SubmissionQueue) -> Iterator[Metric]:
    slots = submission_queue.slot_usage()
    yield _gauge("slots", "Tasks that may be active at BFL at once (MAX_ACTIVE).", slots.most)
    yield _gauge("slots_used", "Submitted tasks that are active at BFL.", slots.used)
    paused = GaugeMetricFamily(
        "fluxkeep_submitting_paused",
        "1 for each model (* is all of them) whose submissions are paused, with the reason.",
        labels=("model", "reason"),
    )
    for circuit in submission_queue.open_circuits():
        paused.add_metric((circuit.scope, circuit.reason), 1)
    yield paused


def _notifications(totals: Totals) -> Iterator[Metric]:
    yield _gauge("notifications_pending", "Notifications to be delivered.", totals.notifications)
    tried = _counter("notifications", "Attempts to deliver a notification by outcome.", "outcome")
    for counter in NOTIFICATION_OUTCOMES:
        tried.add_metric((counter.label,), totals.counts.get(counter, 0))
    yield tried


def _costs(services: Services) -> Iterator[Metric]:
    spent = GaugeMetricFamily(
        "fluxkeep_credits_today",
        "Credits of the jobs created today (UTC), as quoted or settled.",
        labels=("model", "key"),
    )
    for cost in services.costs.days(1)[0].costs:
        spent.add_metric((cost.model or "", cost.key or ""), cost.credits)
    yield spent
    unkept, _ = services.costs.unkept(0)
    yield _gauge("paid_and_not_kept_jobs", "Billed jobs on record without stored media.", unkept)


def _processes(metrics: Metrics) -> Iterator[Metric]:
    beats = GaugeMetricFamily(
        "fluxkeep_heartbeat_age_seconds",
        "Seconds since the last heartbeat of a process.",
        labels=("process",),
    )
    for process, age in metrics.heartbeat_ages().items():
        beats.add_metric((process,), age)
    yield beats
    yield _gauge("workers", "Worker processes that are alive.", len(metrics.worker_keys()))
    refuses = metrics.problem("storage") is not None
    yield _gauge("storage_refuses", "1 if the storage refused a write this minute.", refuses)


def _gauge(name: str, text: str, value: float | None) -> Metric:
    return GaugeMetricFamily(f"fluxkeep_{name}", text, value)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"fluxkeep_{name}", text, labels=labels)


def _histogram(totals: Totals, histogram: Histogram, text: str) -> Metric:
    family = HistogramMetricFamily(f"fluxkeep_{histogram.name}_seconds", text)
    family.add_metric((), histogram.buckets(totals.counts), histogram.sum(totals.counts))
    return family
