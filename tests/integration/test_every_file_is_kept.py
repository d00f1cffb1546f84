"""Every file of a result ends in storage, in BFL's order, whatever the shape of the result."""

import json
from typing import Any

import pytest

from jobs.bfl.results import without_media_fields
from jobs.report import Role
from jobs.status import Status
from tests.harness.worker_environment import WorkerEnvironment

SHAPES: dict[str, dict[str, Any]] = {
    "a list of one": {"lists": True},
    "four videos": {"samples": 4, "format": "mp4"},
    "samples as objects": {"samples": 2, "elements": "objects"},
    "a file in an unknown place": {"samples": 2, "others": 2},
    "files in unknown places alone": {"samples": 0, "others": 2},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_file_is_stored_in_its_order(worker_env: WorkerEnvironment, shape: str) -> None:
    task = worker_env.ready(**SHAPES[shape])
    worker_env.take(task)
    job = worker_env.job(task)
    assert job.status is Status.STORED
    stored = [b"".join(worker_env.wired.storage.read(file.key)) for file in job.media]
    assert stored == [worker_env.box.picture(task.id, n) for n in range(task.media_count)]
    assert [file.role for file in job.media].count(Role.SAMPLE) == SHAPES[shape].get("samples", 1)


def test_no_url_of_bfl_stays_on_record(worker_env: WorkerEnvironment) -> None:
    task = worker_env.ready(samples=2, others=1)
    worker_env.take(task)
    job = worker_env.job(task)
    assert worker_env.box.url not in json.dumps(dict(job.result))
    assert without_media_fields(job.result)["extras"] == [
        {"kind": "depth", "file": {"href": "media:2"}}
    ]


def test_a_foreign_url_in_an_unknown_place_does_not_cost_the_samples(
    worker_env: WorkerEnvironment,
) -> None:
    foreign = "https://callers.example/mine.png?se=2020-01-01T00%3A00%3A00Z&sig=a"
    task = worker_env.ready(samples=2, others=1, extra_result={"input_image": foreign})
    worker_env.take(task)
    job = worker_env.job(task)
    assert (job.status, len(job.media)) == (Status.STORED, 3)
    assert "rescue.file_skipped" in [moment.event for moment in job.timeline]
    assert job.result["input_image"] is None
