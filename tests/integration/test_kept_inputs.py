"""Inputs are split into values and objects, and put together again as they were."""

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import inputs, submission
from jobs.job import Job
from jobs.storage import open_storage
from jobs.storage.base import MediaStorage
from jobs.storage.layout import ObjectKind, job_id_of, kind_of
from jobs.storage.providers import BACKGROUND_LIMITS
from tests.sandbox.gradient import gradient

PICTURE = gradient(7)
DOT = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.just("input:0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def storage() -> MediaStorage:
    return open_storage("memory://", {}, BACKGROUND_LIMITS)


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def kept(storage: MediaStorage, fields: dict[str, Any]) -> Job | None:
    job = submission.create("a-job", "flux-2-pro", 1_795_255_200.0)
    found = inputs.store(storage, job, fields)
    return found.on_record(job) if found else None


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "fog", "seed": 1, "nothing": None},
        {"prompt": "x" * 130_000},
        {"input_image": encoded(PICTURE), "input_image_2": encoded(PICTURE), "prompt": "both"},
        {"images": [encoded(PICTURE), "https://example.com/a.png"], "deep": {"a": ["b" * 3000]}},
        {"draft_cache": {"job": "another", "n": 0}},
        {"video": encoded(b"opaque" * 1000), "text": "é" * 3000},
        {"prompt": "input:0", "other": "text:1"},
        {"broken": encoded(PICTURE)[:-3]},
    ],
)
def test_an_input_is_loaded_as_it_was_given(storage: MediaStorage, fields: dict[str, Any]) -> None:
    job = kept(storage, fields)
    assert job and inputs.load(storage, job) == fields


@given(fields=st.dictionaries(st.text(max_size=9), JSON, max_size=4))
def test_any_small_input_is_loaded_as_it_was_given(
    storage: MediaStorage, fields: dict[str, Any]
) -> None:
    job = kept(storage, fields)
    assert job and inputs.load(storage, job) == fields


def test_equal_pictures_are_one_object(storage: MediaStorage) -> None:
    job = kept(storage, {"input_image": encoded(PICTURE), "input_image_2": encoded(PICTURE)})
    assert job and job.submission.kept_input
    (file,) = job.submission.input_files
    assert (file.role, file.content_type, file.bytes) == ("input", "image/png", len(PICTURE))
    assert set(job.submission.kept_input.values()) == {"input:0"}
    assert kind_of(file.key) is ObjectKind.INPUT and job_id_of(file.key) == job.id


def test_the_smallest_picture_is_an_object_too(storage: MediaStorage) -> None:
    job = kept(storage, {"input_image": encoded(DOT), "prompt": "grow"})
    assert job and job.submission.kept_input == {"input_image": "input:0", "prompt": "grow"}
    assert inputs.of_small({"input_image": encoded(DOT)}) is None
    assert inputs.is_complete(job)
    assert not inputs.is_complete(job.with_submission(input_files=()))  # as retention leaves it


def test_a_data_url_is_kept_as_its_picture(storage: MediaStorage) -> None:
    job = kept(storage, {"input_image": f"data:image/png;base64,{encoded(PICTURE)}"})
    assert job and inputs.load(storage, job) == {"input_image": encoded(PICTURE)}


def test_nothing_that_authenticates_callbacks_is_kept(storage: MediaStorage) -> None:
    job = kept(storage, {"prompt": "fog", "webhook_url": "https://a", "webhook_secret": "canary"})
    assert job and job.submission.kept_input == {"prompt": "fog"}
    small = inputs.of_small({"webhook_secret": "canary"})
    assert small and small.values == {}


def test_what_remains_on_the_record_is_bounded(storage: MediaStorage) -> None:
    many = {f"field {n}": "x" * 2000 for n in range(100)}
    assert kept(storage, many) is None and inputs.of_small(many) is None
    assert inputs.of_small({"prompt": "x" * 3000}) is None


def test_an_input_whose_object_is_gone_is_not_loaded(storage: MediaStorage) -> None:
    job = kept(storage, {"input_image": encoded(PICTURE + b"another")})
    assert job
    storage.delete(job.submission.input_files[0].key)
    assert inputs.load(storage, job) is None


def test_superseded_media_are_deleted_and_the_input_is_not(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri(), {}, BACKGROUND_LIMITS)
    job = kept(storage, {"input_image": encoded(PICTURE)})
    assert job
    storage.delete_superseded(job.id, job.created_at, 2**60, named=())
    assert [found.key for found in storage.list_objects()] == [job.submission.input_files[0].key]
