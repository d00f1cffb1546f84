"""Results of tools as a model reads them: text, structured content, an image, and links."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import to_json

from jobs import inputs, views
from jobs.domain.errors import StorageError
from jobs.domain.job import Job
from jobs.domain.record import MediaFile
from jobs.domain.report import Role
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.search import seed_of
from receiver.mcp.protocol import Message
from receiver.mcp.schemas import JobResult
from receiver.thread_pool import run_in_thread

IMAGE_MAX_BYTES = 750_000  # 1 MB as base64: some hosts refuse larger results


def error(text: str) -> Message:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def result(structured: Mapping[str, Any]) -> Message:
    text = to_json(structured).decode()
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured}


def job_result(services: Services, job: Job, *, is_question: bool) -> Message:
    """A job with its image and links; an error where a job that was asked for has failed."""
    view = views.job_view(services, job)
    shown: JobResult = {
        "id": job.id,
        "status": view["status"],
        "model": job.model,
        "prompt": inputs.prompt(job),
        "seed": seed_of(job),
        "cost": job.cost,
        "media": view["media"],
        "message": _message(services, job),
    }
    found = result(shown)
    found["content"] += [*_image(services, job), *_links(job, view)]
    has_failed = job.status.terminal and job.status is not Status.STORED
    return found | ({"isError": True} if has_failed and not is_question else {})


def _message(services: Services, job: Job) -> str:
    if job.status is Status.STORED:
        return "The links need no key and expire; `get_job` gives new ones."
    if job.moderation:
        reasons = ", ".join(job.moderation.reasons) or "it gave no reason"
        return (
            f"BFL refused the {job.moderation.stage} ({reasons}). The same would be refused again: "
            "change the prompt or the images."
        )
    if job.status.terminal and job.error:
        return f"{job.status} ({job.error.code}): {job.error.message}"
    reasons = "; ".join(views.waiting_reasons(services.submission_queue, job))
    waits = f" It waits: {reasons}." if reasons else ""
    return f"Not done yet.{waits} {how_to_wait(job)}"


def how_to_wait(job: Job) -> str:
    return f"Call `wait_for_job` with the id {job.id}; do not generate it again: that costs twice."


def shown(file: MediaFile) -> MediaFile | None:
    """The file if it is small, else its thumbnail, which may not be made yet."""
    return file if file.bytes <= IMAGE_MAX_BYTES else file.thumbnail


def is_shown(job: Job) -> bool:
    """Whether its image can be shown, or never will be: its thumbnail is not made yet."""
    return job.thumbnails.due_at is None or None not in map(shown, _images(job))


def load(services: Services, file: MediaFile) -> bytes:
    """Raises StorageError."""
    return run_in_thread(lambda: b"".join(services.storage.read(file.key)))


def _images(job: Job) -> list[MediaFile]:
    """The first image, if there is one."""
    images = [file for file in job.present_media if file.is_image and file.role is Role.SAMPLE]
    return images[:1]


def _image(services: Services, job: Job) -> Iterator[Message]:
    for file in filter(None, map(shown, _images(job))):
        with suppress(StorageError):  # there are links, too
            data = base64.b64encode(load(services, file)).decode()
            yield {"type": "image", "data": data, "mimeType": file.content_type}


def _links(job: Job, view: views.JobView) -> Iterator[Message]:
    for n, (file, shown) in enumerate(zip(job.media, view["media"], strict=True)):
        if file.deleted_at is None:
            name = views.file_name(job, n, file.key)
            link = {"type": "resource_link", "uri": shown["url"], "name": name}
            yield link | {"mimeType": file.content_type, "size": file.bytes}
