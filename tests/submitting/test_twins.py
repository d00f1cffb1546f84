"""A job that BFL has more than once, or has although it was given up: no task is forgotten."""

import pytest

from jobs import intake, submission
from jobs.errors import UnknownJob
from jobs.job import Job
from jobs.report import Failure, Moderation, Report, Taken
from jobs.states import Doubt, News, Source, State
from receiver import rescues
from tests.submitting.bench import Bench
from worker.claim import Claim
from worker.sweep import look_after


class Twins:
    """Task A was made and denied with a 500; then the job was submitted again."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.wired = bench, bench.wired
        self.patience = bench.wired.settings.patience
        bench.post("job")
        claim = bench.admit()
        claim.commit(
            lambda job, now: submission.doubted(job, now, Doubt.ANSWERED, "500", self.patience)
        )
        self.due()
        self.claim: Claim = bench.admit()

    @property
    def job(self) -> Job:
        return self.bench.job("job")

    def taken(self, task_id: str) -> None:
        def take(job: Job | None, now: float) -> Job | None:
            answer = Taken(task_id=task_id, polling_url="https://api.bfl.ai/v1/get_result?id=b")
            return job and submission.taken(job, now, answer, self.patience, calls=True)

        self.wired.store.change("job", take)

    def called(self, task_id: str, news: News) -> Job:
        report = Report(
            task_id=task_id,
            news=news,
            source=Source.CALLBACK,
            urls=("https://delivery.bfl.ai/a",) if news is News.READY else (),
            failure=Failure("bfl_error", task_id) if news is News.FAILED else None,
            moderation=Moderation("content") if news is News.MODERATED else None,
        )
        return intake.accept(self.wired.store, report, self.patience, "job")

    def due(self) -> None:
        self.wired.store.change(
            "job", lambda job, now: job and job.described(now, {"look_at": 1.0})
        )
        look_after(self.wired, "job")


@pytest.fixture
def twins(bench: Bench) -> Twins:
    return Twins(bench)


@pytest.mark.parametrize("bad", [News.FAILED, News.MODERATED])
def test_the_failure_of_one_task_is_not_the_end_while_the_other_may_do(
    twins: Twins, bad: News
) -> None:
    twins.taken("b")
    assert twins.called("b", bad).state is State.SUBMITTED
    ready = twins.called("a", News.READY)
    assert (ready.state, ready.task_id, ready.failure) == (State.READY, "a", None)
    assert ready.moderation is None and ready.polling_url is None, "it is asked about as a"
    for task_id in "ab":
        found = twins.wired.store.load(task_id)
        assert found and found.id == "job"


@pytest.mark.parametrize(
    ("bad", "end"), [(News.FAILED, State.FAILED), (News.MODERATED, State.MODERATED)]
)
def test_a_failure_stands_when_nothing_is_heard_of_the_other_task(
    twins: Twins, bad: News, end: State
) -> None:
    twins.taken("b")
    job = twins.called("b", bad)
    assert job.look_at and job.look_at <= twins.wired.store.now() + twins.patience.callback_grace
    assert twins.called("b", bad) == job, "said twice it is still one"
    twins.due()
    assert twins.job.state is end


def test_when_all_tasks_fail_the_job_does(twins: Twins) -> None:
    twins.taken("b")
    twins.called("b", News.FAILED)
    ended = twins.called("a", News.FAILED)
    assert ended.state is State.FAILED and ended.failure == Failure("bfl_error", "a")


def test_a_failure_of_the_first_task_does_not_end_the_second_on_its_way(twins: Twins) -> None:
    assert twins.called("a", News.FAILED).state is State.QUEUED
    twins.taken("b")
    assert twins.job.state is State.SUBMITTED and twins.job.task_id == "b"
    assert twins.called("b", News.READY).state is State.READY


def test_when_one_task_fails_bfl_is_asked_about_the_other_that_was_heard_of(twins: Twins) -> None:
    twins.taken("b")
    twins.called("a", News.PROGRESS)
    job = twins.called("b", News.FAILED)
    assert (job.state, job.task_id) == (State.SUBMITTED, "a")
    twins.due()
    assert twins.job.wanted is not None, "a worker asks"
    assert twins.called("a", News.FAILED).state is State.FAILED


def test_the_answer_that_comes_after_the_callback_of_the_other_task_is_kept_too(
    twins: Twins,
) -> None:
    twins.called("a", News.PROGRESS)
    twins.taken("b")
    found = twins.wired.store.load("b")
    assert found and found.task_id == "a"
    assert twins.called("a", News.FAILED).task_id == "b"


def test_a_job_that_is_forgotten_leaves_none_of_its_names(twins: Twins) -> None:
    twins.taken("b")
    twins.called("a", News.PROGRESS)
    twins.wired.store.forget(twins.job)
    assert twins.wired.store.load("a") is None and twins.wired.store.load("b") is None


@pytest.mark.parametrize("job_id", ["job", None])
@pytest.mark.parametrize("task_id", ["a", "b"])
def test_no_callback_brings_a_job_back_that_was_forgotten(
    twins: Twins, task_id: str, job_id: str | None
) -> None:
    twins.taken("b")
    twins.called("a", News.READY)
    twins.wired.store.forget(twins.job)
    report = Report(task_id=task_id, news=News.PROGRESS, source=Source.CALLBACK)
    with pytest.raises(UnknownJob):
        intake.accept(twins.wired.store, report, twins.patience, job_id)
    assert twins.wired.store.load("job") is None and twins.wired.store.load(task_id) is None


@pytest.mark.parametrize("doubt", [Doubt.SILENT, Doubt.ANSWERED])
@pytest.mark.parametrize("news", [News.PROGRESS, News.READY, News.FAILED])
def test_a_late_callback_of_a_job_that_was_given_up_says_whom_to_ask(
    bench: Bench, doubt: Doubt, news: News
) -> None:
    twins = Twins(bench)
    code = "submission_unconfirmed" if doubt is Doubt.SILENT else "bfl_unavailable"
    twins.claim.commit(
        lambda job, now: job.ended(now, State.LOST, failure=Failure(code, "no word"))
    )
    late = twins.called("late", news)
    assert (late.state, late.task_id) == (State.LOST, "late")
    assert late.timeline[-1].what == "BFL has it after all"
    assert twins.called("late", News.READY) == late, "an end is an end"
    again = rescues.ask_for(bench.wired, "late")
    assert again.state is State.SUBMITTED and not again.waits, "BFL is asked, not paid"
