"""Inputs are kept as values and objects, and sent as they were: see `steps/kept_inputs.txt`."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import kept_inputs
from jobs.domain import submission
from jobs.domain.errors import Invalid
from jobs.domain.job import Job
from jobs.storage.base import MediaStorage
from jobs.storage.layout import ObjectKind, job_id_of, kind_of
from jobs.storage.limits import BACKGROUND_LIMITS
from jobs.storage.opening import open_storage
from tests.harness.kept_inputs import LIMIT_BYTES, sent, with_input
from tests.sandbox.formats import gradient

ENCODED = base64.b64encode(gradient(7)).decode()
DOT = base64.b64encode(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;").decode()
TEXT = st.text(max_size=9) | st.sampled_from(["input:0", "json:0"])
LONG_TEXT = st.builds(
    lambda text, length: (text * length)[:length],
    st.text(min_size=1, max_size=9),
    st.integers(2049, 2060),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT | LONG_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def storage() -> MediaStorage:
    return open_storage("memory://", {}, BACKGROUND_LIMITS)


def kept(storage: MediaStorage, fields: dict[str, Any]) -> Job:
    return with_input(storage, submission.create("a-job", "flux-2-pro", 1_795_255_200.0), fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 130_000},
        {"images": [ENCODED, "https://example.com/a.png"], "deep": {"a": ["b" * 3000]}},
        {"draft_cache": {"job": "another", "n": 0}},
        {"broken": ENCODED[:-3], "text": "é" * 3000},
        {
            "quotes": '"\\\x00\n\U0001f98a' * 30_000,
            "file": base64.b64encode(bytes(400_000)).decode(),
        },
        {"many": [f"value {n}" for n in range(2000)], "image": ENCODED},
    ],
)
def test_an_input_is_sent_as_it_was_given(storage: MediaStorage, fields: dict[str, Any]) -> None:
    assert sent(storage, kept(storage, fields)) == fields


@given(fields=st.dictionaries(TEXT, JSON, max_size=4))
def test_any_input_is_sent_as_it_was_given(storage: MediaStorage, fields: dict[str, Any]) -> None:
    fields = {name: value for name, value in fields.items() if not name.startswith("webhook")}
    assert sent(storage, kept(storage, fields)) == fields


def test_an_image_is_an_object_however_small_and_nothing_that_authenticates_is_kept(
    storage: MediaStorage,
) -> None:
    webhook = {"webhook_url": "https://a", "webhook_secret": "canary"}
    job = kept(storage, {"input_image": DOT, "prompt": "grow"} | webhook)
    assert job.request.kept_input == {"input_image": "input:0", "prompt": "grow"}
    assert kept_inputs.is_complete(job)
    assert not kept_inputs.is_complete(job.with_request(input_files=()))  # as retention leaves it


def test_equal_images_are_one_object(storage: MediaStorage) -> None:
    data_url = f"data:image/png;base64,{ENCODED}"
    job = kept(storage, {"input_image": ENCODED, "input_image_2": data_url})
    (file,) = job.request.input_files
    assert (file.role, file.content_type, file.bytes) == ("input", "image/png", len(gradient(7)))
    assert kind_of(file.key) is ObjectKind.INPUT and job_id_of(file.key) == job.id
    assert sent(storage, job) == {"input_image": ENCODED, "input_image_2": ENCODED}


def test_the_time_for_too_many_images_grows_with_their_number_alone() -> None:
    def seconds(count: int) -> float:
        fields = {"images": [f"/9j/{n:08}" for n in range(count)]}
        started = time.process_time()
        with pytest.raises(Invalid):
            kept_inputs.pack(fields, LIMIT_BYTES)
        return time.process_time() - started

    few, many = (min(seconds(count) for _ in range(3)) for count in (4_000, 32_000))
    assert many < 24 * few  # eight times as many: linear is 8 times as long, quadratic 64 times


def test_superseded_media_are_deleted_and_the_input_is_not(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri(), {}, BACKGROUND_LIMITS)
    job = kept(storage, {"input_image": ENCODED})
    storage.delete_superseded(job.id, job.created_at, 2**60, named_keys=())
    assert [found.key for found in storage.list_objects()] == [job.request.input_files[0].key]
