"""Reports about one job, and jobs about which BFL has called."""

from dataclasses import replace

from jobs import ingest
from jobs.domain.bfl_report import Failure, Moderation, Report, Role
from jobs.domain.job import Job
from jobs.domain.polling_policy import Timeouts
from jobs.domain.status import ReportKind, Source
from jobs.store.job_store import JobStore

NOW = 1_700_000_000.0
TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)
URL = "https://delivery.eu2.bfl.ai/results/ab/sample.jpeg?sig=a"
FRESH_URL = URL.replace("sig=a", "sig=b")


def report_of(
    kind: ReportKind,
    source: Source = Source.CALLBACK,
    url: str = URL,
    dies_at: float | None = NOW + 600,
) -> Report:
    """A report as `jobs.bfl.parsing` makes it: only `ready` has URLs."""
    ready = kind is ReportKind.READY
    return Report(
        task_id="job",
        kind=kind,
        source=source,
        status_text=kind.title(),
        urls=(url,) if ready else (),
        roles=(Role.SAMPLE,) if ready else (),
        stated_expiry=dies_at if ready else None,
        result={"seed": 1} if ready else {},
        error=Failure("bfl_error", "no") if kind is ReportKind.FAILED else None,
        moderation=Moderation("content", ("Violence",)) if kind is ReportKind.MODERATED else None,
    )


def call_back(
    store: JobStore,
    *task_ids: str,
    kind: ReportKind = ReportKind.READY,
    url: str = URL,
    life: float = 600.0,
) -> None:
    """Apply a callback about each task; a URL lives so many seconds from now."""
    for task_id in task_ids:
        report = report_of(kind, url=url, dies_at=store.now() + life)
        ingest.apply_report(store, replace(report, task_id=task_id), TIMEOUTS)


def load(store: JobStore, job_id: str = "job") -> Job:
    """The job on record."""
    job = store.load(job_id)
    assert job is not None
    return job
