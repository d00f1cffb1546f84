"""Where all news ends: what is believed of a job that nobody knows."""

from collections.abc import Iterator

import pytest

from jobs import intake
from jobs.errors import UnknownJob
from jobs.patience import Patience
from jobs.report import Report
from jobs.states import News, Source
from jobs.store import Store
from tests.harness import RedisServer
from tests.harness.parts import Parts

PATIENCE = Patience(60.0, 3600.0)


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[Store]:
    with redis_server.client() as client:
        yield Parts.over(client).store


def test_a_callback_proves_that_there_is_a_task(store: Store) -> None:
    report = Report(task_id="job", news=News.PROGRESS, source=Source.CALLBACK)
    assert intake.accept(store, report, PATIENCE) == store.load("job")


@pytest.mark.parametrize("source", [Source.POLL, Source.REPLAY])
def test_an_answer_about_a_forgotten_job_does_not_bring_it_back(
    store: Store, source: Source
) -> None:
    report = Report(task_id="job", news=News.PROGRESS, source=source)
    with pytest.raises(UnknownJob):
        intake.accept(store, report, PATIENCE)
    assert store.load("job") is None
