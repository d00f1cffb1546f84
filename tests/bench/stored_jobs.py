"""Generator of typical stored jobs."""

import hashlib
from dataclasses import replace
from functools import cache
from uuid import UUID

from jobs.domain import submission, thumbnail_schedule
from jobs.domain.bfl_report import Report, SubmissionReceipt
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.polling_policy import Timeouts
from jobs.domain.status import ReportKind, Source
from jobs.domain.transitions import transition
from jobs.storage.layout import object_key, thumbnail_key
from jobs.store.listing import Position

# With microseconds, as the clock of Redis has them: they take bytes in a record.
FIRST_CREATED_AT = 1_760_000_000.123457
GAP_SECONDS = 7.000011
LIFE_SECONDS = 14.259731
SHARED_BY = 100
ORIGIN = "api.eu2.bfl.ai"
PROMPT = "a lighthouse in the fog, seen from a small boat, " * 4 + "oil."
METADATA = {"user": "00042", "order": "4711-2026", "ok": True}
TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)


def position(n: int) -> Position:
    """Position of the n-th job in a listing."""
    return Position(round(FIRST_CREATED_AT + n * GAP_SECONDS, 6), _uuid("job", n))


def stored(n: int) -> Job:
    """The n-th job; each hundred share a timeline, which is slow to generate."""
    at, job_id = position(n)
    template = _template(n // SHARED_BY * SHARED_BY)
    return replace(template, id=job_id, task_id=_uuid("task", n), created_at=at)


@cache
def _template(n: int) -> Job:
    """A job submitted by Fluxkeep, with six timeline events and one image."""
    at, job_id = position(n)
    done, model = at + LIFE_SECONDS, "flux-2-pro"
    created = submission.create(job_id, model, at, metadata=METADATA)
    sent = submission.admit(created, at + 0.128431, ORIGIN)
    task_id = _uuid("task", n)
    answer = SubmissionReceipt(
        task_id=task_id,
        polling_url=f"https://{ORIGIN}/v1/get_result?id={task_id}",
        cost=3.0,
        megapixels=(0.0, 1.05),
    )
    confirmed = submission.accept(sent, at + 0.513297, answer, TIMEOUTS)
    progressed = transition(confirmed, _progress(task_id), at + 5.214553, TIMEOUTS)
    ready = transition(progressed, _ready(task_id, n, at), done - 1.048219, TIMEOUTS).claimed(
        done - 0.761123
    )
    job = ready.stored(done, (_image(ready),))
    (file,) = job.media
    key = thumbnail_key(file.key)
    thumbnail = MediaFile(
        key=key,
        content_type="image/webp",
        bytes=23_456,
        sha256=_sha256(key),
        width=512,
        height=512,
    )
    attempted = job.with_thumbnails(attempts=1)
    return thumbnail_schedule.finish(thumbnail_schedule.add(attempted, file, thumbnail), job.end)


def _progress(task_id: str) -> Report:
    source, said = Source.CALLBACK, "Generating"
    return Report(
        task_id=task_id, kind=ReportKind.PROGRESS, source=source, status_text=said, progress=0.5
    )


def _ready(task_id: str, n: int, at: float) -> Report:
    return Report(
        task_id=task_id,
        kind=ReportKind.READY,
        source=Source.CALLBACK,
        status_text="Ready",
        urls=(f"https://delivery.eu2.bfl.ai/results/{task_id}/sample.jpeg?sig=a",),
        result={
            "prompt": PROMPT,
            "seed": 1_000_000_000 + n,
            "start_time": at + 0.613291,
            "end_time": at + 13.104412,
            "duration": 12.491121,
        },
    )


def _image(job: Job) -> MediaFile:
    key = object_key(job.id, job.created_at, 0, 1, "image/jpeg")
    return MediaFile(
        key=key,
        content_type="image/jpeg",
        bytes=1_234_567,
        sha256=_sha256(key),
        width=1024,
        height=1024,
    )


def _uuid(kind: str, n: int) -> str:
    return str(UUID(hex=_sha256(f"{kind} {n}")[:32], version=4))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
