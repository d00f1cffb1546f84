"""Resources: `fluxkeep://jobs/<id>` and its media, read or placed as images into a request."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import g
from pydantic_core import to_json

from jobs import kept_inputs, views
from jobs.bfl.model_schemas import Kind
from jobs.bfl.parsing import TASK_ID
from jobs.domain.errors import Invalid, InvalidField, UnknownJob, WrongStatus
from jobs.domain.json_values import replace_texts, texts
from jobs.input_parts import InputPart
from jobs.services import Services
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services
from receiver.dashboard.form.file_control import FileControl, TimedFile
from receiver.dashboard.form.input_form import InputForm
from receiver.job_actions import load_job
from receiver.mcp import content
from receiver.mcp.protocol import Message
from receiver.schemas.endpoint_spec import JSON
from receiver.schemas.formats import format_cursor, parse_cursor
from receiver.schemas.query import PAGE_DEFAULT

JOB_URI = re.compile(r"fluxkeep://jobs/([A-Za-z0-9_-]{1,128})(?:/media/([0-9]{1,3}))?")
_URI = re.compile(r"fluxkeep://\S*")
TEMPLATES = [
    {"uriTemplate": "fluxkeep://jobs/{id}", "name": "job", "mimeType": JSON},
    {
        "uriTemplate": "fluxkeep://jobs/{id}/media/{n}",
        "name": "media",
        "description": "The n-th file from 0; of a large one its thumbnail or link.",
    },
]


def listing(cursor: Any) -> Message:
    """A page of the newest jobs that the request may see. Raises InvalidField."""
    try:
        before = None if cursor is None else parse_cursor(str(cursor))
    except ValueError as error:
        raise InvalidField("cursor", str(error)) from None
    page = ownership.page(current_services(), Search(), PAGE_DEFAULT, before)
    following = {"nextCursor": format_cursor(page.last)} if page.last else {}
    rows = []
    for job in page.jobs:
        title = content.prompt(job) or job.model or job.id
        uri = f"fluxkeep://jobs/{job.id}"
        rows.append({"uri": uri, "name": job.id, "title": title, "mimeType": JSON})
    return {"resources": rows, **following}


def read(uri: str) -> Message:
    """The job as the API shows it, or one of its files. Raises UnknownJob, StorageError."""
    found = JOB_URI.fullmatch(uri)
    job = load_job(current_services(), found[1] if found else "")
    position = found[2] if found else None
    if position is None:
        is_author = g.api_key.has_scope("submit")
        view = views.job_view(current_services(), job, with_input=is_author)
        return {"contents": [{"uri": uri, "mimeType": JSON, "text": to_json(view).decode()}]}
    files = job.media[int(position) :]
    if not files or files[0].deleted_at is not None:
        raise UnknownJob("The job has no such file, or it was deleted.")
    if file := content.shown(files[0]):
        body = {"mimeType": file.content_type, "blob": content.load(current_services(), file)}
    else:
        link = current_services().links_to(job)[int(position)]
        body = {"mimeType": "text/uri-list", "text": link}
    return {"contents": [{"uri": uri, **body}]}


def with_images(
    services: Services, model: str, given: Mapping[str, Any], images: Sequence[Any]
) -> dict[str, Any]:
    """An input with images in the model's own fields. Raises Invalid, UnknownJob, WrongStatus."""
    left, placed = [TimedFile("", _named(image)) for image in images], dict(given)
    form = _form(services, model, given)
    for control in _controls(form) if images else ():
        size = int(min(control.files_max, len(left)))
        placed |= control.place(left[:size], given)
        left = left[size:]
    if left:
        message = f"{model} takes {len(images) - len(left) or 'no'} images"
        raise Invalid([{"field": "images", "message": message}])
    if images and form.selector:
        placed[form.selector] = form.mode
    names = dict.fromkeys(text for text in texts(placed) if _URI.fullmatch(text))
    if len(names) > kept_inputs.FILES_MAX:  # before any is loaded
        raise kept_inputs.too_many_parts()
    return dict(replace_texts(placed, {name: stored_file(services, name) for name in names}))


def _form(services: Services, model: str, given: Mapping[str, Any]) -> InputForm:
    """The fields of the mode that the input names, else of the first one that takes files."""
    endpoints = services.schemas.endpoints()
    form = InputForm.for_input(endpoints, model, given)
    if form.selector in given or not form.selector:
        return form
    modes = (InputForm.for_input(endpoints, model, {form.selector: mode}) for mode in form.modes)
    return next((one for one in modes if _controls(one)), form)


def _controls(form: InputForm) -> list[FileControl]:
    return [one for one in form.controls.values() if one.field.kind in (Kind.IMAGE, Kind.VIDEO)]


def _named(image: Any) -> Any:
    """A bare id as the URI of its job."""
    is_id = isinstance(image, str) and TASK_ID.fullmatch(image) and not kept_inputs.is_image(image)
    return f"fluxkeep://jobs/{image}" if is_id else image


def stored_file(services: Services, uri: str) -> InputPart:
    """The stored file that a URI names. Raises UnknownJob, WrongStatus, StorageError."""
    if not (found := JOB_URI.fullmatch(uri)):
        raise UnknownJob
    job, n = load_job(services, found[1]), int(found[2] or 0)
    file = job.media[n] if n < len(job.media) and job.media[n].deleted_at is None else None
    if file is None or run_in_thread(services.storage.size, file.key) != file.bytes:
        raise WrongStatus(f"{uri} is {job.status} and has no such file: name a stored job")
    return InputPart.of_object("input", file)
