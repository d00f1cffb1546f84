"""Redirects of delivery and polling hosts: three hops through the allow-list, and no further."""

from collections.abc import Iterator

import pytest

from jobs.config.settings import load
from jobs.domain.status import Status
from receiver.checks.context import Context
from receiver.checks.processes import check_rescues
from receiver.checks.result import Grade
from tests.harness.doctor_output import NEEDED
from tests.harness.local_worker import LocalWorker
from tests.harness.past_jobs import details
from tests.harness.trap import Trap


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A place that nobody may connect to."""
    with Trap() as trap:
        yield trap


@pytest.mark.parametrize("hops", [1, 3])
def test_media_after_redirects_are_stored(worker: LocalWorker, hops: int) -> None:
    task = worker.ready(redirect_hops=hops)
    worker.work()
    job = worker.job(task)
    assert job.status is Status.STORED
    assert b"".join(worker.storage.read(job.media[0].key)) == worker.sandbox.file(task.id)
    fetched = [
        seen for seen in worker.sandbox.requests if seen.path.startswith(("/results", "/hop"))
    ]
    assert len(fetched) == hops + 1 and not [seen for seen in fetched if seen.has_key]
    task = worker.ready(redirect_hops=4)
    worker.work()
    assert worker.job(task).status is Status.READY
    assert "there are more than 3 redirects" in str(worker.job(task).timeline)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/a.jpeg",
        "https://127.0.0.1:{port}/a.jpeg",
        "//127.0.0.1:{port}/a.jpeg",
        "http://localhost:{port}/",
        "https://evil.test:{port}/",
        "ftp://127.0.0.1:{port}/",
        "http://[",
        "\\\\127.0.0.1:{port}\\",
        "",
    ],
)
def test_a_hop_that_is_refused_is_a_failed_try_and_a_line_on_the_timeline(
    worker: LocalWorker, trap: Trap, location: str
) -> None:
    task = worker.ready(redirect=location.format(port=trap.port))
    worker.work()
    job = worker.job(task)
    assert job.status is Status.READY
    assert "redirect" in str(details(job, "rescue.retried"))
    assert trap.visits == []


def test_an_unknown_delivery_host_is_named_with_the_setting_to_paste(worker: LocalWorker) -> None:
    services = worker.services
    settings = load({**NEEDED, "DELIVERY_HOSTS": "media.example.com"})
    worker.ready(sample_url="https://cdn.example.com/a.jpeg?sig=CANARY")
    (result,) = check_rescues(Context(settings, services))
    assert result.grade is Grade.FAILED and "cdn.example.com" in result.why
    assert "set DELIVERY_HOSTS=media.example.com,cdn.example.com and" in result.remedy
    assert "CANARY" not in str(result)


def test_a_polling_answer_after_redirects_is_read(worker: LocalWorker) -> None:
    task = worker.ready(poll_redirect_hops=3)
    assert worker.job(task).delivery.urls
    polls = [seen for seen in worker.sandbox.requests if seen.path == "/v1/get_result"]
    assert len(polls) == 4 and all(seen.has_key for seen in polls)


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:{port}/v1/get_result?id=a", "http://127.0.0.1:{port}/", "/v1/credits"],
)
def test_the_key_goes_to_no_other_host(worker: LocalWorker, trap: Trap, target: str) -> None:
    task = worker.finished(poll_redirect=target.format(port=trap.port))
    worker.unclear(task)
    worker.work()
    job = worker.job(task)
    assert job.status is Status.SUBMITTED and "redirect" in str(details(job, "poll.retried"))
    assert trap.visits == []
    assert not [seen for seen in worker.sandbox.requests if seen.path == "/v1/credits"]


def test_a_job_on_an_unknown_delivery_host_expires_with_that_reason(worker: LocalWorker) -> None:
    dead = "https://cdn.example.com/a.jpeg?se=2020-01-01T00%3A00%3A00Z&sig=a"
    task = worker.ready(sample_url=dead)
    worker.work()
    job = worker.job(task)
    assert job.status is Status.EXPIRED
    assert job.error is not None and "cdn.example.com" in job.error.message
