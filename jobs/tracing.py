"""One trace from callback (or submission) to stored, over all processes that had a part in it.

Nothing of this is loaded or done unless OpenTelemetry's variables ask for it. A job's record
carries its trace as a W3C `traceparent`, so that whoever works on it next goes on with it.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jobs import optional
from jobs.settings import Settings

FLUSH_MILLISECONDS = 3000
JOB = "fluxkeep.job"


@dataclass(frozen=True, slots=True)
class Tracing:
    """The parts of the SDK that are used here."""

    provider: Any
    tracer: Any
    trace: Any
    propagator: Any

    def context(self, parent: str | None) -> Any:
        """The context of a traceparent; an empty one where there is none, or no valid one."""
        return self.propagator.extract({"traceparent": parent} if parent else {}, Nothing)

    def parent(self, span: Any) -> str:
        carrier: dict[str, str] = {}
        self.propagator.inject(carrier, self.trace.set_span_in_context(span, Nothing))
        return carrier["traceparent"]


Nothing: Any = {}
_on: Tracing | None = None


def set_up(settings: Settings, process: str) -> None:
    """Raises InvalidSettings when its packages are missing."""
    global _on, Nothing  # noqa: PLW0603 - one for the process
    if not settings.traced:
        return
    by = settings.traces_variable
    sdk = optional.load("opentelemetry.sdk.trace", by)
    export = optional.load("opentelemetry.sdk.trace.export", by)
    resources = optional.load("opentelemetry.sdk.resources", by)
    otlp = optional.load("opentelemetry.exporter.otlp.proto.http.trace_exporter", by)
    w3c = optional.load("opentelemetry.trace.propagation.tracecontext", by)
    Nothing = optional.load("opentelemetry.context", by).Context()
    named = {"service.name": settings.otel_service_name, "fluxkeep.process": process}
    provider = sdk.TracerProvider(resource=resources.Resource.create(named))
    exporter = otlp.OTLPSpanExporter(endpoint=settings.traces_endpoint)
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    _on = Tracing(
        provider,
        provider.get_tracer("fluxkeep"),
        optional.load("opentelemetry.trace", by),
        w3c.TraceContextTextMapPropagator(),
    )


class Beginning:
    """A span that begins a trace, unless its job turns out to have one already."""

    def __init__(self, name: str, parent: str | None = None) -> None:
        self._name = name
        self._began = time.time_ns()
        self._span: Any = _on and _on.tracer.start_span(name, context=_on.context(parent))

    @property
    def traceparent(self) -> str | None:
        """What goes into the record; None while nobody wants traces."""
        return _on.parent(self._span) if _on and self._span else None

    def end(self, job_id: str, trace: str | None) -> None:
        """The job and the trace on its record. One that was never ended is never sent."""
        if _on is None or self._span is None:
            return
        span = self._span
        if trace and trace != self.traceparent:
            span = _on.tracer.start_span(
                self._name, context=_on.context(trace), start_time=self._began
            )
        span.set_attribute(JOB, job_id)
        span.end()


@contextmanager
def span(name: str, trace: str | None, job_id: str) -> Iterator[None]:
    """Work on a job. An exception is not noted: its text could hold what was sent."""
    if _on is None:
        yield
        return
    with _on.tracer.start_as_current_span(
        name,
        context=_on.context(trace),
        attributes={JOB: job_id},
        record_exception=False,
        set_status_on_exception=False,
    ):
        yield


def ids() -> Mapping[str, str]:
    """The span at work, for a line in the log."""
    if _on is None:
        return {}
    at = _on.trace.get_current_span().get_span_context()
    return {"trace": f"{at.trace_id:032x}", "span": f"{at.span_id:016x}"} if at.is_valid else {}


def flush() -> None:
    """Before a process ends that nobody waits for."""
    if _on:
        _on.provider.force_flush(FLUSH_MILLISECONDS)
