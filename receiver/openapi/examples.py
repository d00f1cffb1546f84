"""Examples for the API's document, made by the code that makes the real ones."""

import json
from dataclasses import replace

from jobs import submission, views
from jobs.bfl import compat, parsing
from jobs.job import Job
from jobs.notifications import NotificationType
from jobs.record import MediaFile
from jobs.store.listing import Position
from jobs.timeline import EventCode, rfc3339
from jobs.timeouts import Timeouts
from jobs.transitions import transition
from jobs.views import JobView, MediaView, Notification
from receiver.schemas.formats import format_cursor
from receiver.schemas.responses import Alive, CallbackAccepted, JobPage, Readiness

HOST = "https://keep.example"
NOW = 1_795_255_200.0  # 2026-11-21T10:00:00Z
TASK = "5c1f9a52-4f0b-4c55-9d0e-2f6a1f6a7c11"
OURS = "0f6e3c1d-8f43-4c0e-9c2b-8d1f4b7c9a20"
MODEL = "flux-2-pro"
TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)
METADATA = {"user": "42"}
INPUT = {"prompt": "a lighthouse in the fog", "width": 1024}

EXPECTATION = {"model": MODEL, "metadata": METADATA}
SUBMISSION = {"model": MODEL, "input": INPUT, "metadata": METADATA}
CALLBACK = {
    "id": TASK,
    "status": parsing.DONE,
    "result": {
        "sample": "https://delivery-eu1.bfl.ai/results/8e/sample.jpeg?se=…&sig=…",
        "seed": 42,
    },
    "progress": 1.0,
}
STREAM = """retry: 2000
id: 1795255200000-0

event: job
id: 1795255203000-0
data: {"id":"5c1f9a52-4f0b-4c55-9d0e-2f6a1f6a7c11","status":"stored",…}

: still here
"""


def _expected() -> Job:
    details = {"model": MODEL, "metadata": METADATA}
    return (
        Job.expected(TASK, NOW, TIMEOUTS)
        .with_event(NOW, EventCode.JOB_EXPECTED)
        .with_details(NOW, details)
    )


def _stored() -> Job:
    report = parsing.parse_callback(json.dumps(CALLBACK).encode())
    file = MediaFile(
        key=f"2026/11/21/{TASK}-0.jpg",
        content_type="image/jpeg",
        bytes=1_048_576,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        width=1024,
        height=1024,
    )
    job = transition(replace(_expected(), cost=3.0), report, NOW + 9.5, TIMEOUTS)
    return job.stored(NOW + 10.2, (file,))


def _view(job: Job) -> JobView:
    media: list[MediaView] = [
        {
            "url": f"{HOST}/media/WyI1YzFm….k3Yx",
            "thumbnail_url": f"{HOST}/media/WyI1YzFm….9Qa0",
            **views.file_view(file),
        }
        for file in job.media
    ]
    return views.base_view(job, media)


def submitted() -> JobView:
    return _view(_expected())


def stored() -> JobView:
    return _view(_stored())


def queued() -> JobView:
    return _view(submission.create(OURS, MODEL, NOW, metadata=METADATA))


def page() -> JobPage:
    return {"jobs": [stored()], "next_cursor": format_cursor(Position(NOW, TASK))}


def notification() -> Notification:
    return {
        "type": NotificationType.STORED,
        "timestamp": rfc3339(NOW + 10.2),
        "data": stored(),
    }


def callback_accepted() -> CallbackAccepted:
    return {"id": TASK, "status": "ready"}


def alive() -> Alive:
    return {"status": "ok"}


def readiness() -> Readiness:
    return {"status": "ready", "checks": {"redis": "ok", "storage": "ok", "sweep": "ok"}}


def unreadiness() -> Readiness:
    why = "no worker process has been seen"
    return {"status": "not ready", "checks": {"redis": "ok", "worker": why}}


def taken() -> compat.BflSubmission:
    return compat.submission(_stored(), HOST)


def finished() -> compat.BflTask:
    return compat.task(_stored(), [f"{HOST}/media/WyI1YzFm….k3Yx"])


def unknown() -> compat.BflTask:
    return compat.unknown_task(TASK)


def stream() -> str:
    return STREAM
