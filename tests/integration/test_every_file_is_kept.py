"""Every file of a result ends in storage, in BFL's order, whatever the shape of the result."""

from typing import Any

import pytest

from jobs.domain.bfl_report import Role
from jobs.domain.status import Status
from tests.harness.local_worker import LocalWorker
from tests.sandbox import Task

SHAPES: dict[str, dict[str, Any]] = {
    "a list of one": {"lists": True},
    "four videos": {"samples": 4, "format": "mp4"},
    "samples as objects": {"samples": 2, "elements": "objects"},
    "a file in an unknown place": {"samples": 2, "others": 2},
    "files in unknown places alone": {"samples": 0, "others": 2},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_file_is_stored_in_its_order(worker: LocalWorker, shape: str) -> None:
    task = worker.ready(**SHAPES[shape])
    worker.work()
    job = worker.job(task)
    assert job.status is Status.STORED
    stored = [b"".join(worker.storage.read(file.key)) for file in job.media]
    assert stored == [worker.sandbox.file(task.id, n) for n in range(task.media_count)]
    assert [file.role for file in job.media].count(Role.SAMPLE) == SHAPES[shape].get("samples", 1)


def test_a_foreign_url_in_an_unknown_place_does_not_cost_the_samples(worker: LocalWorker) -> None:
    foreign = "https://callers.example/mine.png?se=2020-01-01T00%3A00%3A00Z&sig=a"
    task = worker.ready(samples=2, others=1, extra_result={"input_image": foreign})
    worker.work()
    job = worker.job(task)
    assert (job.status, len(job.media)) == (Status.STORED, 3)
    assert "rescue.file_skipped" in [moment.event for moment in job.timeline]
    assert job.result["input_image"] is None


def _with_url(worker: LocalWorker, n: int, url: str, **delivery: Any) -> Task:
    """A ready task of three samples with another URL in place of the n-th."""
    task = worker.ready(samples=3)
    urls = worker.job(task).delivery.urls
    delivery["urls"] = (*urls[:n], url, *urls[n + 1 :])
    worker.store.change(
        task.id, lambda job, _now: job.evolve(delivery=job.delivery.evolve(**delivery))
    )
    return task


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("url", ["not a URL", "http://10.0.0.1/sample.png"])
def test_a_refused_sample_costs_no_other(worker: LocalWorker, n: int, url: str) -> None:
    task = _with_url(worker, n, url)
    worker.work()
    _assert_stored_without(worker, task, n, "refused_url")


@pytest.mark.parametrize("addition", ["#view", "#a b|c", " "])
def test_a_sample_url_that_only_browsers_would_read_is_fetched(
    worker: LocalWorker, addition: str
) -> None:
    task = worker.ready(samples=3)
    urls = tuple(f"{url}{addition}" for url in worker.job(task).delivery.urls)
    worker.store.change(
        task.id, lambda job, _now: job.evolve(delivery=job.delivery.evolve(urls=urls))
    )
    worker.work()
    job = worker.job(task)
    assert job.status is Status.STORED and len(job.media) == 3


def test_a_sample_that_is_no_media_or_dead_does_not_cost_the_others(worker: LocalWorker) -> None:
    page = worker.ready(body="<html>" * 99, no_md5=True)
    task = _with_url(worker, 0, worker.job(page).delivery.urls[0])
    worker.work()
    worker.work()
    _assert_stored_without(worker, task, 0, "not_media")
    dead = f"{worker.sandbox.url}/results/gone/sample.png"
    task = _with_url(worker, 0, dead, refreshed=True, expire_at=worker.store.now())
    worker.work()
    _assert_stored_without(worker, task, 0, "unavailable")


def test_the_others_are_fetched_before_a_sample_is_tried_again(worker: LocalWorker) -> None:
    task = _with_url(worker, 0, "https://pictures.example.com/a.png?sig=x")
    worker.work()
    assert worker.job(task).status is Status.READY
    assert [worker.sandbox.file(task.id, n) for n in (1, 2)] == [
        file.read_bytes() for file in sorted(worker.media_root.rglob("*.jpg"))
    ]


def _assert_stored_without(worker: LocalWorker, task: Task, left_out: int, reason: str) -> None:
    job = worker.job(task)
    assert job.status is Status.STORED
    stored = [b"".join(worker.storage.read(file.key)) for file in job.media]
    kept = [n for n in range(3) if n != left_out]
    assert stored == [worker.sandbox.file(task.id, n) for n in kept]
    skipped = [line.detail for line in job.timeline if line.event == "rescue.file_skipped"]
    assert skipped == [{"file": left_out, "role": "sample", "reason": reason}]
