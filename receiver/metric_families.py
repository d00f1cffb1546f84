"""The families of metrics, made of numbers in Redis; deploy/prometheus relies on their names."""

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
from jobs.store import counters
from jobs.store.counters import LIFE_LEFT, TIME_TO_STORED, Histogram, Told, Turned
from jobs.store.expiring_urls import JOBS_READ_MAX, waiting_since
from jobs.store.metrics import Metrics, Totals
from jobs.store.submission_queue import SubmissionQueue

REFUSALS = {
    "unauthorized": "callback_refused",
    "unreadable": "callback_unreadable",
    "malformed": "callback_malformed",
}


class Families(Collector):
    """Everything that `/metrics` tells; while Redis is away, only that it is."""

    def __init__(self, wired: Services) -> None:
        self._wired = wired

    def describe(self) -> Iterator[Metric]:
        """Nothing ahead of the scrape: a registry would otherwise collect once to find out."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        try:
            found = list(self._from_redis())
        except StoreUnavailable:
            found = []
        yield _gauge("redis_up", "Whether Redis answers this web process.", bool(found))
        yield from found

    def _from_redis(self) -> Iterator[Metric]:
        metrics, submission_queue = self._wired.metrics, self._wired.submission_queue
        totals = metrics.totals()
        yield from _callbacks(totals.counts)
        yield _requests(totals.counts)
        yield from _jobs(totals)
        yield from _work(totals)
        yield from _urgency(self._wired)
        yield from _submitting(submission_queue, self._wired.settings.max_active.total)
        yield from _notifications(totals)
        yield from _processes(metrics)
        yield _histogram(totals, LIFE_LEFT, "Life left in a URL when its media were stored.")
        yield _histogram(totals, TIME_TO_STORED, "From BFL's word that media are ready to stored.")


def _callbacks(raised: Mapping[str, int]) -> Iterator[Metric]:
    """Duplicates and latecomers are `old` among the reports, and `duplicate` as callbacks."""
    reports = _counter("reports", "What BFL said, by who heard it.", "source", "news")
    for source in Source:
        for news in (*ReportKind, "old"):
            reports.add_metric((source, news), raised.get(f"{source}_{news}", 0))
    refused = _counter("callbacks_refused", "Callbacks that were turned away.", "why")
    for why, name in REFUSALS.items():
        refused.add_metric((why,), raised.get(name, 0))
    outcomes = _counter("callbacks", "Callbacks by what became of them.", "outcome")
    accepted = sum(raised.get(f"{Source.CALLBACK}_{news}", 0) for news in ReportKind)
    outcomes.add_metric(("accepted",), accepted)
    outcomes.add_metric(("duplicate",), raised.get(f"{Source.CALLBACK}_old", 0))
    outcomes.add_metric(("refused",), sum(raised.get(name, 0) for name in REFUSALS.values()))
    polls = _counter("polls", "Requests to BFL about a task whose callback did not come.")
    polls.add_metric((), raised.get(counters.POLLS, 0))
    yield from (outcomes, refused, reports, polls)


def _requests(raised: Mapping[str, int]) -> Metric:
    refused = _counter("requests_refused", "Requests turned away for their key.", "why")
    for turned in Turned:
        refused.add_metric((turned.removeprefix("key_"),), raised.get(turned, 0))
    return refused


def _jobs(totals: Totals) -> Iterator[Metric]:
    on_record = GaugeMetricFamily("fluxkeep_jobs", "Jobs on record.", labels=("status",))
    for state, number in totals.jobs.items():
        on_record.add_metric((state,), number)
    ended = _counter("jobs_ended", "Jobs that ended, by who brought the news.", "status", "source")
    for state in sorted(TERMINAL):
        for source in (*Source, None):
            number = totals.counts.get(counters.of_end(state, source), 0)
            ended.add_metric((state, source or counters.NOBODY), number)
    yield from (on_record, ended)


def _work(totals: Totals) -> Iterator[Metric]:
    yield _gauge("due_jobs", "Jobs whose time to be looked at has come.", totals.due)
    yield _gauge("overdue_jobs", "Jobs whose time came 30 s ago or longer.", totals.overdue)
    yield _gauge("waiting_jobs", "Jobs that wait for a worker.", totals.waiting)
    yield _gauge("queue_entries", "Entries in the RQ queue.", totals.rq_jobs)


def _urgency(wired: Services) -> Iterator[Metric]:
    """The life left has no sample while no rescue waits: it would have to be endless."""
    ready = wired.expiring_urls.most_urgent(JOBS_READ_MAX)
    urgent = next((job for job in ready if job.check.work_deadline is not None), None)
    now = wired.store.now()
    yield _gauge(
        "oldest_waiting_rescue_seconds",
        "How long the oldest rescue that no worker has begun has waited.",
        max(now - (waiting_since(ready) or now), 0.0),
    )
    yield _gauge(
        "urgent_rescue_life_left_seconds",
        "How long the URL still lives of the waiting rescue whose URL dies first.",
        (urgent.delivery.expire_at or now) - now if urgent else None,
    )


def _submitting(submission_queue: SubmissionQueue, most: int) -> Iterator[Metric]:
    yield _gauge("slots", "Tasks that may be active at BFL at once (MAX_ACTIVE).", most)
    yield _gauge("slots_used", "Tasks of ours that are active at BFL.", submission_queue.active())
    paused = GaugeMetricFamily(
        "fluxkeep_submitting_paused",
        "1 for each model (* is all of them) of which nothing is submitted, and why.",
        labels=("model", "reason"),
    )
    for pause in submission_queue.open_circuits():
        paused.add_metric((pause.scope, pause.reason), 1)
    yield paused


def _notifications(totals: Totals) -> Iterator[Metric]:
    yield _gauge(
        "notifications_pending", "Ends that somebody must still hear of.", totals.notifications
    )
    tried = _counter("notifications", "Calls that told of an end, by their outcome.", "outcome")
    for told in Told:
        tried.add_metric((told,), totals.counts.get(counters.of_notice(told), 0))
    yield tried


def _processes(metrics: Metrics) -> Iterator[Metric]:
    beats = GaugeMetricFamily(
        "fluxkeep_heartbeat_age_seconds", "Since a process was last seen.", labels=("process",)
    )
    for process, age in metrics.heartbeat_ages().items():
        beats.add_metric((process,), age)
    yield beats
    yield _gauge("workers", "Worker processes that are alive.", metrics.workers())
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
