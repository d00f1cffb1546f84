"""The settled price replaces the quote of a submission; both are shown when they differ."""

from typing import Any

import pytest

from jobs import submission, views
from jobs.job import Job
from jobs.report import Report, SubmissionReceipt
from jobs.status import ReportKind, Source
from jobs.timeouts import Timeouts
from jobs.transitions import transition

NOW, TIMEOUTS = 1_795_255_200.0, Timeouts(callback_grace=60.0, give_up_after=3600.0)


def prices(quote: float | None, settled: float | None, *, callback_first: bool) -> Any:
    """`cost` and `quoted_cost` of the API once both were told."""
    job = submission.admit(submission.create("a", "m", NOW), NOW, "https://api.bfl.ai")
    report = Report(
        task_id="t",
        kind=ReportKind.READY,
        source=Source.CALLBACK,
        cost=settled,
        urls=("https://delivery.bfl.ai/a",),
    )

    def confirm(job: Job) -> Job:
        answer = SubmissionReceipt(task_id="t", cost=quote)
        return submission.confirm(job, NOW, answer, TIMEOUTS, has_webhook=True)

    def apply_report(job: Job) -> Job:
        return transition(job, report, NOW, TIMEOUTS)

    for step in (apply_report, confirm) if callback_first else (confirm, apply_report):
        job = step(job)
    shown: Any = views.base_view(job, [])
    return shown["cost"], shown.get("quoted_cost")


@pytest.mark.parametrize("callback_first", [False, True])
@pytest.mark.parametrize(
    ("quote", "settled", "shown"),
    [
        (3.0, 3.0, (3.0, None)),
        (3.0, 4.5, (4.5, 3.0)),
        (3.0, None, (3.0, None)),
        (None, 50.0, (50.0, None)),
        (None, None, (None, None)),
        (7.000000000000001, 7.0, (7.0, None)),
        (3.0, 0.0, (0.0, 3.0)),
        (0.0, 3.0, (3.0, 0.0)),
    ],
)
def test_both_prices_are_shown_when_they_differ(
    quote: float | None, settled: float | None, shown: Any, *, callback_first: bool
) -> None:
    assert prices(quote, settled, callback_first=callback_first) == shown
