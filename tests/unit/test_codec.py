"""Records and sidecars are read as they were written, and broken ones are called broken."""

import zlib
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs import sidecars
from jobs.domain.bfl_report import Failure, Moderation, Stage
from jobs.domain.errors import ForeignObject, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.job_record import ClientWebhook, Delivery, Lease, MediaFile, Submission
from jobs.domain.status import Source, Status
from jobs.domain.timeline import EventCode, TimelineEvent
from jobs.store import codec

SHA256 = "0" * 64
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TIMES = st.floats(0, 4e9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=4,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=5)
MEDIA = st.builds(
    MediaFile,
    key=TEXT,
    content_type=st.just("image/png"),
    bytes=st.integers(0, 2**40),
    sha256=st.just(SHA256),
    thumbnail=st.none()
    | st.just(MediaFile(key="k", content_type="image/webp", bytes=1, sha256=SHA256)),
    deleted_at=st.none() | TIMES,
)
RECORDS = st.builds(
    Job,
    id=TEXT,
    status=st.sampled_from(Status),
    created_at=TIMES,
    updated_at=TIMES,
    deadline=TIMES,
    task_id=st.none() | TEXT,
    source=st.none() | st.sampled_from(Source),
    metadata=OBJECTS,
    result=OBJECTS,
    error=st.none() | st.builds(Failure, TEXT, TEXT),
    moderation=st.none() | st.builds(Moderation, st.sampled_from(get_args(Stage)), st.tuples(TEXT)),
    media=st.lists(MEDIA, max_size=3).map(tuple),
    timeline=st.lists(
        st.builds(TimelineEvent, TIMES, st.sampled_from(EventCode), OBJECTS), max_size=5
    ).map(tuple),
    ended_at=st.none() | TIMES,
    lease=st.builds(Lease, fencing_token=st.integers(0, 1000)),
    delivery=st.builds(Delivery, urls=st.lists(TEXT, max_size=3).map(tuple)),
    submission=st.builds(
        Submission, client_webhook=st.none() | st.builds(ClientWebhook, TEXT, st.none() | TEXT)
    ),
)


@settings(max_examples=40)
@given(job=RECORDS, version=st.integers(1, 2**60))
def test_what_is_written_is_read_again(job: Job, version: int) -> None:
    record = codec.encode(job, version)
    assert codec.decode(record) == replace(job, version=version)
    # What a concurrent writer is compared by is plain to the script in Redis.
    assert record.partition(b" ")[0] == b"%d" % version


def test_the_lease_has_the_name_claim_in_the_records_of_every_version() -> None:
    record = (
        b'7 2 {"id":"a","status":"submitted","created_at":1.0,"updated_at":1.0,"deadline":9.0,'
        b'"claim":{"lease_until":5.0,"fencing_token":3}}'
    )
    job = codec.decode(record)
    assert job.lease == Lease(lease_until=5.0, fencing_token=3)
    assert codec.encode(job, 7) == record


@given(rest=st.binary(max_size=200))
@example(rest=b"}")
@example(rest=b'"claim": 1}')
@example(rest=b'"submission": [1]}')
def test_a_broken_record_is_called_broken(rest: bytes) -> None:
    for start in (b"12 z", b"12 {", b"12 2 {", b"12 2 z", b"", b"z", b"12 []", b"12 2 []"):
        with pytest.raises(UnreadableRecord):
            codec.decode(start + rest)


@given(job=RECORDS)
def test_an_earlier_version_cannot_read_a_part_of_a_record(job: Job) -> None:
    """It reads `<version> <JSON>`, perhaps compressed, and drops fields that it does not know."""
    body = codec.encode(job, 1).partition(b" ")[2]
    assert not body.startswith(b"{")
    with pytest.raises(zlib.error):
        zlib.decompress(body)


KEY = "2026/01/01/someone-0-1.json"


@given(body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_lies_there_raises_nothing_else(body: bytes) -> None:
    with pytest.raises(ForeignObject):
        sidecars.parse(body, KEY)
