"""How a job is written down: whole, small once it has ended, and readable for later versions."""

import uuid
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import submission
from jobs.errors import UnreadableRecord
from jobs.job import Job
from jobs.record import Check, ClientWebhook, Delivery, MediaFile, Submission
from jobs.report import Failure, Moderation, Report, Stage, SubmissionReceipt
from jobs.status import ReportKind, Source, Status
from jobs.store import codec
from jobs.timeline import EventCode, TimelineEvent
from jobs.timeouts import Timeouts
from jobs.transitions import transition
from tests.harness import RedisServer
from tests.harness.parts import Parts

TIMEOUTS = Timeouts(60.0, 3600.0)
BYTES_PER_JOB_MAX = 1900
JOBS = 100
PROMPT = (
    "A weathered lighthouse on a granite cliff at dawn, heavy fog rolling in from the sea, warm "
    "light in a single window, gulls circling above, shot on medium format film with soft grain "
    "and muted blues"
)
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
    check=st.builds(Check, ended_at=st.none() | TIMES, fencing_token=st.integers(0, 1000)),
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


@given(rest=st.binary(max_size=200))
def test_a_broken_record_is_called_broken(rest: bytes) -> None:
    for start in (b"12 z", b"12 {", b"", b"z"):
        with pytest.raises(UnreadableRecord):
            codec.decode(start + rest)


def typical(parts: Parts) -> str:
    """A job as most are: submitted, called back, stored; six lines, one medium."""
    job_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
    url = f"https://api.eu2.bfl.ai/v1/get_result?id={task_id}"
    taken = SubmissionReceipt(task_id=task_id, polling_url=url, cost=3.0, megapixels=(0.0, 1.0))
    media = MediaFile(
        key=f"2026/11/21/{job_id}-0.jpg",
        content_type="image/jpeg",
        bytes=1_048_576,
        sha256=(uuid.uuid4().hex + uuid.uuid4().hex),
        width=1024,
        height=1024,
    )
    report = Report(
        task_id=task_id,
        kind=ReportKind.READY,
        source=Source.CALLBACK,
        status_text="Ready",
        urls=("https://delivery.eu2.bfl.ai/results/ab/sample.jpeg?sig=a",),
        result={"prompt": PROMPT, "seed": 42, "duration": 8.25},
    )
    metadata = {"user": "4711", "album": "fog and lighthouses 12345"}
    steps: list[Any] = [
        lambda _, now: submission.create(job_id, "flux-2-pro", now, metadata=metadata),
        lambda job, now: submission.admit(job, now, "https://api.bfl.ai"),
        lambda job, now: submission.confirm(job, now, taken, TIMEOUTS, has_webhook=True),
        lambda job, now: transition(job, report, now, TIMEOUTS),
        lambda job, now: job.claimed(now).stored(now, (media,)),
        lambda job, now: job.with_event(now, EventCode.NOTIFICATION_DELIVERED),
    ]
    for step in steps:
        parts.store.update(job_id, step)
    return job_id


@pytest.mark.slow
def test_a_job_that_has_ended_takes_little_memory(redis_server: RedisServer) -> None:
    """Its record and every other trace of it, RQ's entries apart: those end by themselves."""
    with redis_server.client() as redis:
        parts = Parts.over(redis)
        (job,) = [parts.store.load(typical(parts))]
        assert job and len(job.timeline) == 6
        used = [_used(redis)]
        for _ in range(JOBS):
            typical(parts)
        used.append(_used(redis))
    assert (used[1] - used[0]) / JOBS < BYTES_PER_JOB_MAX


def _used(redis: Any) -> int:
    redis.delete("fluxkeep:events")  # bounded, whatever the number of jobs
    for key in redis.scan_iter("rq:*", count=1000):
        redis.delete(key)
    return int(redis.info("memory")["used_memory"])
