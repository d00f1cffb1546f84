"""Inputs are kept as values and objects, and loaded as they were: limits in `steps/inputs.txt`."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import inputs, submission
from jobs.errors import ClaimLost
from jobs.job import Job
from jobs.storage import open_storage
from jobs.storage.base import MediaStorage
from jobs.storage.layout import ObjectKind, job_id_of, kind_of
from jobs.storage.providers import BACKGROUND_LIMITS
from receiver.api.jobs import keep_input
from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.reports import TIMEOUTS
from tests.sandbox.gradient import gradient
from tests.system.submitting.local_worker import LocalWorker, built
from worker import submit

ENCODED = base64.b64encode(gradient(7)).decode()
DOT = base64.b64encode(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;").decode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.just("input:0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def storage() -> MediaStorage:
    return open_storage("memory://", {}, BACKGROUND_LIMITS)


def kept(storage: MediaStorage, fields: dict[str, Any]) -> Job:
    job = submission.create("a-job", "flux-2-pro", 1_795_255_200.0)
    found = inputs.store(storage, job, fields)
    assert found is not None
    return found.on_record(job)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 130_000},
        {"images": [ENCODED, "https://example.com/a.png"], "deep": {"a": ["b" * 3000]}},
        {"draft_cache": {"job": "another", "n": 0}},
        {"broken": ENCODED[:-3], "text": "é" * 3000},
    ],
)
def test_an_input_is_loaded_as_it_was_given(storage: MediaStorage, fields: dict[str, Any]) -> None:
    assert inputs.load(storage, kept(storage, fields)) == fields


@given(fields=st.dictionaries(st.text(max_size=9), JSON, max_size=4))
def test_any_small_input_is_loaded_as_it_was_given(
    storage: MediaStorage, fields: dict[str, Any]
) -> None:
    assert inputs.load(storage, kept(storage, fields)) == fields


def test_equal_pictures_are_one_object(storage: MediaStorage) -> None:
    data_url = f"data:image/png;base64,{ENCODED}"
    job = kept(storage, {"input_image": ENCODED, "input_image_2": data_url})
    (file,) = job.submission.input_files
    assert (file.role, file.content_type, file.bytes) == ("input", "image/png", len(gradient(7)))
    assert kind_of(file.key) is ObjectKind.INPUT and job_id_of(file.key) == job.id
    assert inputs.load(storage, job) == {"input_image": ENCODED, "input_image_2": ENCODED}


def test_the_smallest_picture_is_an_object_too(storage: MediaStorage) -> None:
    job = kept(storage, {"input_image": DOT, "prompt": "grow"})
    assert job.submission.kept_input == {"input_image": "input:0", "prompt": "grow"}
    assert inputs.of_small({"input_image": DOT}) is None
    assert inputs.is_complete(job)
    assert not inputs.is_complete(job.with_submission(input_files=()))  # as retention leaves it


def test_the_time_for_too_many_pictures_grows_with_their_number_alone(
    storage: MediaStorage,
) -> None:
    job = submission.create("a-job", "flux-2-pro", 1_795_255_200.0)

    def seconds(count: int) -> float:
        fields = {"images": [f"/9j/{n:08}" for n in range(count)]}
        started = time.process_time()
        assert inputs.store(storage, job, fields) is None
        return time.process_time() - started

    few, many = (min(seconds(count) for _ in range(3)) for count in (4_000, 32_000))
    assert many < 24 * few  # eight times as many: linear is 8 times as long, quadratic 64 times


def test_nothing_that_authenticates_callbacks_is_kept(storage: MediaStorage) -> None:
    job = kept(storage, {"prompt": "fog", "webhook_url": "https://a", "webhook_secret": "canary"})
    assert job.submission.kept_input == {"prompt": "fog"}
    small = inputs.of_small({"webhook_secret": "canary"})
    assert small and small.values == {}


def test_superseded_media_are_deleted_and_the_input_is_not(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri(), {}, BACKGROUND_LIMITS)
    job = kept(storage, {"input_image": ENCODED})
    storage.delete_superseded(job.id, job.created_at, 2**60, named=())
    assert [found.key for found in storage.list_objects()] == [job.submission.input_files[0].key]


def test_the_input_of_a_job_that_is_deleted_meanwhile_is_not_kept(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    wired = built(redis_server, tmp_path)
    deleted = Job.expected("deleted", wired.store.now(), TIMEOUTS)
    with create_app(wired).app_context():
        keep_input(deleted, {"image": ENCODED})
    assert list(wired.storage.list_objects()) == []


def test_the_input_of_a_submission_that_is_deleted_meanwhile_is_not_kept(
    local_worker: LocalWorker,
) -> None:
    wired = local_worker.wired
    local_worker.post("deleted")
    claim = local_worker.admit()
    assert wired.store.delete(claim.job)
    with pytest.raises(ClaimLost):
        submit.keep_input(wired, claim, {"image": ENCODED})
    assert list(wired.storage.list_objects()) == []
