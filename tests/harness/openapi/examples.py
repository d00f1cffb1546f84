"""Examples for the API's document, made by the code that makes the real ones."""

import json
from dataclasses import replace
from typing import Any

from jobs import views
from jobs.bfl import compat, parsing
from jobs.domain import submission
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.polling_policy import Timeouts
from jobs.domain.timeline import EventCode
from jobs.domain.transitions import transition
from jobs.store.listing import Position
from jobs.views import JobView, MediaView
from receiver.schemas.formats import format_cursor
from receiver.schemas.responses import CallbackAccepted, JobPage, Readiness
from receiver.schemas.submission import DryRunView, SubmittedJobView

HOST = "https://keep.example"
NOW = 1_795_255_200.0  # 2026-11-21T10:00:00Z
TASK = "5c1f9a52-4f0b-4c55-9d0e-2f6a1f6a7c11"
OURS = "0f6e3c1d-8f43-4c0e-9c2b-8d1f4b7c9a20"
MODEL = "flux-2-pro"
METADATA = {"user": "42"}
_LINK = f"{HOST}/media/WyI1YzFm….k3Yx"
_THUMBNAIL_LINK = f"{HOST}/media/WyI1YzFm….9Qa0"
_TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)
_FILE = MediaFile(
    key=f"2026/11/21/{TASK}-0.jpg",
    content_type="image/jpeg",
    bytes=1_048_576,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    width=1024,
    height=1024,
)

_INPUT = {"prompt": "a lighthouse in the fog", "width": 1024}
_SAMPLE = "https://delivery-eu1.bfl.ai/results/8e/sample.jpeg?se=…&sig=…"
_CALLBACK = {
    "id": TASK,
    "status": parsing.DONE,
    "result": {"sample": _SAMPLE, "seed": 42},
    "progress": 1.0,
}

# Requests, by the name of their schema.
REQUESTS: dict[str, Any] = {
    "Announcement": {"model": MODEL, "metadata": METADATA},
    "SubmissionBody": {"model": MODEL, "input": _INPUT, "metadata": METADATA},
    "RepeatBody": {"input": {"seed": 43}},
    "WebhookFields": _INPUT,
    "Callback": _CALLBACK,
}


def _announced() -> Job:
    job = Job.awaited(TASK, NOW, _TIMEOUTS).with_event(NOW, EventCode.JOB_ANNOUNCED)
    return job.with_details(NOW, {"model": MODEL, "metadata": METADATA})


def _stored() -> Job:
    report = parsing.parse_callback(json.dumps(_CALLBACK).encode())
    job = transition(replace(_announced(), cost=3.0), report, NOW + 9.5, _TIMEOUTS)
    return job.stored(NOW + 10.2, (_FILE,))


def _view(job: Job) -> JobView:
    media: list[MediaView] = [
        {
            "url": _LINK,
            "public_url": None,
            "key": file.key,
            "thumbnail_url": _THUMBNAIL_LINK,
            **views.file_view(file),
        }
        for file in job.media
    ]
    return views.base_view(job, media)


# Responses, by status and type.
RESPONSES: dict[tuple[int | str, Any], Any] = {
    (200, JobView): _view(_stored()),
    (201, JobView): _view(_announced()),
    (202, JobView): _view(submission.create(OURS, MODEL, NOW, metadata=METADATA)),
    (202, SubmittedJobView): _view(submission.create(OURS, MODEL, NOW, metadata=METADATA))
    | {"warnings": []},
    (200, DryRunView): {
        "price": 3.0,
        "known": True,
        "left": 97.0,
        "problems": [{"field": "input.width", "message": "give a number from 64"}],
        "warnings": [],
    },
    (200, JobPage): {
        "jobs": [_view(_stored())],
        "next_cursor": format_cursor(Position(NOW, TASK)),
    },
    (200, CallbackAccepted): {"id": TASK, "status": "ready"},
    (200, Readiness): {"status": "ready", "checks": {"redis": "ok", "storage": "ok"}},
    (503, Readiness): {
        "status": "not ready",
        "checks": {"redis": "ok", "worker": "no worker process has been seen"},
    },
    (200, compat.BflSubmission): compat.submission_response(_stored(), HOST),
    (200, compat.BflTask): compat.poll_response(_stored(), [_LINK]),
    (404, compat.BflTask): compat.unknown_task_response(TASK),
    (200, dict[str, str]): {"status": "ok"},
}
STREAM = """retry: 2000
id: 1795255200000-0

event: job
id: 1795255203000-0
data: {"id":"5c1f9a52-4f0b-4c55-9d0e-2f6a1f6a7c11","status":"stored",…,"change":"status"}

: still here
"""
