"""The settled price replaces the quote of a submission, whichever comes first."""

import pytest

from jobs import submission, views
from jobs.job import Job
from jobs.report import Report, SubmissionReceipt
from jobs.status import ReportKind, Source
from jobs.timeouts import Timeouts
from jobs.transitions import transition

NOW, TIMEOUTS = 1_795_255_200.0, Timeouts(callback_grace=60.0, give_up_after=3600.0)


def price(quote: float | None, settled: float | None, *, callback_first: bool) -> float | None:
    """`cost` of the API once both were told."""
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
    return views.base_view(job, [])["cost"]


@pytest.mark.parametrize("callback_first", [False, True])
@pytest.mark.parametrize(
    ("quote", "settled", "shown"),
    [
        (3.0, 3.0, 3.0),
        (3.0, 4.5, 4.5),
        (3.0, None, 3.0),
        (None, 50.0, 50.0),
        (None, None, None),
        (3.0, 0.0, 0.0),
        (0.0, 3.0, 3.0),
    ],
)
def test_the_settled_price_counts(
    quote: float | None, settled: float | None, shown: float | None, *, callback_first: bool
) -> None:
    assert price(quote, settled, callback_first=callback_first) == shown
