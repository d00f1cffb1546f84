"""Results of tools as a model reads them: text, structured content, an image, and links."""

import base64
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flask import g
from pydantic_core import to_json

from jobs import kept_inputs, views
from jobs.domain.bfl_report import Role
from jobs.domain.errors import StorageError, TooManyWaiting
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.status import Status
from jobs.domain.timestamps import rfc3339
from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.store.search_conditions import seed_of
from receiver.blocking_calls import run_in_thread
from receiver.mcp.protocol import Message
from receiver.mcp.schemas import JobResult, JobRow

IMAGE_MAX_BYTES = 750_000  # 1 MB as base64: some hosts refuse larger results
IMAGES_MAX = 64  # in each process: an answer holds its image until its client has read it

_places = threading.BoundedSemaphore(IMAGES_MAX)


class ImagePlaces:
    """Places for images that one answer takes until it is sent."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self) -> None:
        """Raises TooManyWaiting."""
        if not _places.acquire(blocking=False):
            raise TooManyWaiting
        self._taken += 1

    def give_back(self) -> None:
        while self._taken:
            self._taken -= 1
            _places.release()


def error_result(text: str) -> Message:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def structured_result(structured: Mapping[str, Any]) -> Message:
    text = to_json(structured).decode()
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured}


def visible_prompt(job: Job) -> str:
    """The prompt that the request's key may see."""
    return kept_inputs.shown_prompt(job, with_input=g.api_key.has_scope("submit"))


def job_row(services: Services, job: Job) -> JobRow:
    links = []
    for link, file in zip(services.links_to(job), job.media, strict=True):
        if file.deleted_at is None:
            links.append(link)
    return {
        "id": job.id,
        "status": job.status,
        "model": job.model,
        "prompt": visible_prompt(job),
        "created_at": rfc3339(job.created_at),
        "links": links,
    }


def job_result(services: Services, job: Job) -> Message:
    """A job with its image and links."""
    row = job_row(services, job)
    message = _message(services, job)
    structured: JobResult = {**row, "seed": seed_of(job), "cost": job.cost, "message": message}
    answer = structured_result(structured)
    blocks = answer["content"]
    image = _first_image(job)
    file_to_show = image and small_file(image)
    if file_to_show:
        with suppress(StorageError, TooManyWaiting):  # there are links, too
            blocks.append(_image_block(services, file_to_show))
    for link, file in zip(row["links"], job.present_media, strict=True):
        name = views.file_name(job, job.media.index(file), file.key)
        content_type = file.content_type
        link_block = {"type": "resource_link", "uri": link, "name": name, "mimeType": content_type}
        blocks.append(link_block)
    return answer


def _image_block(services: Services, file: MediaFile) -> Message:
    return {"type": "image", "data": load_base64(services, file), "mimeType": file.content_type}


def _message(services: Services, job: Job) -> str:
    if job.status is Status.STORED:
        return "The links expire; `get_job` gives new ones."
    if job.moderation and job.status.terminal:
        reasons = ", ".join(job.moderation.reasons) or "without a reason"
        advice = "The same would be refused again: change the prompt or the images."
        return f"BFL's moderation refused the {job.moderation.stage} ({reasons}). {advice}"
    if job.error and job.status.terminal:
        return f"It is {job.status} ({job.error.code}): {job.error.message}"
    message = "Not done yet."
    for reason in views.waiting_reasons(services, job):
        message += f" It waits: {reason}."
    return f"{message} {how_to_wait(job)}"


def how_to_wait(job: Job) -> str:
    return f"Call `wait_for_job` with the id {job.id}; another `generate` would cost again."


# The image.


def small_file(file: MediaFile) -> MediaFile | None:
    """The file if it is small, else its thumbnail, which may not be made yet."""
    if file.bytes <= IMAGE_MAX_BYTES:
        return file
    return file.thumbnail


def awaits_thumbnail(job: Job) -> bool:
    """Whether the job's image is too large to be shown, and its thumbnail is not made yet."""
    image = _first_image(job)
    if image is None or job.thumbnails.due_at is None:
        return False
    return small_file(image) is None


def load_base64(services: Services, file: MediaFile) -> str:
    """A file as base64. Raises StorageError, and TooManyWaiting beyond IMAGES_MAX."""
    g.image_places.take()
    body = run_in_thread(_read, services.storage, file.key)
    return base64.b64encode(body).decode()


def _read(storage: MediaStorage, object_key: str) -> bytes:
    return b"".join(storage.read(object_key))


def _first_image(job: Job) -> MediaFile | None:
    for file in job.present_media:
        if file.is_image and file.role is Role.SAMPLE:
            return file
    return None
