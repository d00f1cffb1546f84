"""`/metrics` for Prometheus, read from Redis at each scrape: exact over any number of processes."""

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from jobs.counts import LIFE_LEFT, TIME_TO_STORED, Histogram
from jobs.pulse import Pulse, Tally
from jobs.slots import Slots
from jobs.states import News, Source
from receiver.wiring import services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def scrape() -> Response:
    registry = CollectorRegistry()
    registry.register(PulseCollector(services().pulse, services().slots))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class PulseCollector(Collector):
    """Turns the numbers in Redis into metric families."""

    def __init__(self, pulse: Pulse, slots: Slots) -> None:
        self._pulse = pulse
        self._slots = slots

    def describe(self) -> Iterator[Metric]:
        """Nothing ahead of the scrape: a registry would otherwise collect once to find out."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        tally = self._pulse.tally()
        yield _reports(tally)
        yield _refused(tally)
        yield _jobs(tally)
        yield GaugeMetricFamily("fluxkeep_due", "Jobs the sweep should have seen.", tally.due)
        yield GaugeMetricFamily("fluxkeep_waiting", "Jobs that wait for a worker.", tally.waiting)
        yield from _submitting(self._slots)
        yield _heartbeats(self._pulse)
        yield _histogram(tally, LIFE_LEFT, "Life left in a URL when its media were stored.")
        yield _histogram(tally, TIME_TO_STORED, "From BFL's word that media are ready to stored.")


def _reports(tally: Tally) -> Metric:
    """Duplicates and latecomers are counted as `old`."""
    family = CounterMetricFamily(
        "fluxkeep_reports", "What BFL said, by who heard it.", labels=("source", "news")
    )
    for source in Source:
        for news in (*News, "old"):
            family.add_metric((source, news), tally.counts.get(f"{source}_{news}", 0))
    return family


def _refused(tally: Tally) -> Metric:
    family = CounterMetricFamily(
        "fluxkeep_callbacks_refused", "Callbacks that were turned away.", labels=("why",)
    )
    family.add_metric(("unauthorized",), tally.counts.get("callback_refused", 0))
    family.add_metric(("unreadable",), tally.counts.get("callback_unreadable", 0))
    family.add_metric(("malformed",), tally.counts.get("callback_malformed", 0))
    return family


def _jobs(tally: Tally) -> Metric:
    family = GaugeMetricFamily("fluxkeep_jobs", "Jobs on record.", labels=("status",))
    for state, number in tally.jobs.items():
        family.add_metric((state,), number)
    return family


def _submitting(slots: Slots) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "fluxkeep_slots_used", "Tasks of ours that are active at BFL.", slots.active()
    )
    paused = GaugeMetricFamily(
        "fluxkeep_submitting_paused", "Why nothing is submitted.", labels=("model", "reason")
    )
    for pause in slots.pauses():
        paused.add_metric((pause.scope, pause.reason), 1)
    yield paused


def _heartbeats(pulse: Pulse) -> Metric:
    family = GaugeMetricFamily(
        "fluxkeep_heartbeat_age_seconds", "Since a process was last seen.", labels=("process",)
    )
    for process, age in pulse.seen().items():
        family.add_metric((process,), age)
    return family


def _histogram(tally: Tally, histogram: Histogram, text: str) -> Metric:
    family = HistogramMetricFamily(f"fluxkeep_{histogram.name}_seconds", text)
    family.add_metric((), histogram.buckets(tally.counts), histogram.sum(tally.counts))
    return family
