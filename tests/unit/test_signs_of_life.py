"""A job is given up after the last sign of life, and at the latest a day after its submission."""

from typing import Any

import pytest

from jobs.bfl import parsing
from jobs.domain.bfl_report import Report
from jobs.domain.job import Job
from jobs.domain.polling_policy import Timeouts, callback_grace
from jobs.domain.status import Source, Status
from jobs.domain.transitions import transition

NOW = 1_700_000_000.0
TIMEOUTS = Timeouts(callback_grace=None, give_up_after=3600.0, give_up_at_most=86_400.0)
WORDS = ("Pending", "Reasoning", "Generating", "PENDING", "processing")


def report(status: str, source: Source = Source.CALLBACK, **more: Any) -> Report:
    return parsing.parse_report({"status": status, **more}, "task", source)


def job(model: str | None = None) -> Job:
    return Job.awaited("task", NOW, TIMEOUTS, model=model)


@pytest.mark.parametrize("source", [Source.CALLBACK, Source.POLL])
@pytest.mark.parametrize("word", WORDS)
def test_what_bfl_is_at_work_on_is_not_given_up(word: str, source: Source) -> None:
    later = NOW + 3000
    alive = transition(job(), report(word, source), later, TIMEOUTS)
    assert alive.deadline == later + TIMEOUTS.give_up_after
    assert alive.recheck(NOW + 3601).status is Status.SUBMITTED


@pytest.mark.parametrize(
    ("word", "source"),
    [
        ("Task not found", Source.CALLBACK),
        ("Task not found", Source.POLL),
        ("Reticulating", Source.POLL),
        ("", Source.POLL),
    ],
)
def test_other_words_are_no_sign_of_life(word: str, source: Source) -> None:
    after = transition(job(), report(word, source), NOW + 3000, TIMEOUTS)
    assert after.deadline == NOW + 3600
    lost = after.recheck(after.deadline)
    assert (lost.status, lost.error and lost.error.code) == (Status.LOST, "no_final_word")


def test_a_job_that_bfl_calls_pending_for_ever_is_lost_after_a_day_and_says_so() -> None:
    now, known = NOW, job()
    while not known.status.terminal:
        known = transition(known, report("Pending", Source.POLL), now, TIMEOUTS).recheck(now)
        now += 1800
        known = known if now < known.deadline else known.recheck(known.deadline)
    assert known.ended_at == NOW + TIMEOUTS.give_up_at_most
    assert known.error is not None and known.error.code == "still_pending"
    assert "pending" in known.error.message and "24 hours" in known.error.message


@pytest.mark.parametrize(
    "model", ["flux-2-klein-4b", "flux-2-pro", "flux-2-max", "flux-3-video", "unknown", None]
)
def test_the_grace_before_the_first_poll_follows_the_model(model: str | None) -> None:
    assert job(model).polling.next_check_at == NOW + callback_grace(model)


def test_the_grace_of_fast_models_is_seconds_and_of_video_minutes() -> None:
    assert callback_grace("flux-2-klein-9b-preview") <= 15
    assert 45 <= callback_grace("flux-2-pro") <= 90
    assert 90 <= callback_grace("flux-2-max") <= 300
    assert 900 <= callback_grace("flux-3-video") <= 3000


def test_callback_grace_overrides_the_model() -> None:
    timeouts = Timeouts(callback_grace=7.0, give_up_after=3600.0)
    assert Job.awaited("task", NOW, timeouts, model="flux-3-video").polling.next_check_at == NOW + 7
