"""Resources: `fluxkeep://jobs/<id>` and its media."""

from typing import Any

from flask import g
from pydantic_core import to_json

from jobs import views
from jobs.domain.errors import InvalidField, UnknownJob
from jobs.domain.job import Job
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.context import current_services
from receiver.job_actions import load_job
from receiver.mcp import content
from receiver.mcp.job_uri import JobUri, present_file
from receiver.mcp.protocol import Message
from receiver.schemas.endpoint_spec import JSON
from receiver.schemas.formats import format_cursor, parse_cursor
from receiver.schemas.query import PAGE_DEFAULT

TEMPLATES = [
    {"uriTemplate": "fluxkeep://jobs/{id}", "name": "job", "mimeType": JSON},
    {
        "uriTemplate": "fluxkeep://jobs/{id}/media/{n}",
        "name": "media",
        "description": "The n-th file from 0; of a large one its thumbnail or link.",
    },
]


def list_resources(cursor: Any) -> Message:
    """A page of the newest jobs that the request may see. Raises InvalidField."""
    page = ownership.load_page(current_services(), Search(), PAGE_DEFAULT, _position(cursor))
    rows = []
    for job in page.jobs:
        title = content.visible_prompt(job) or job.model or job.id
        uri = str(JobUri(job.id))
        rows.append({"uri": uri, "name": job.id, "title": title, "mimeType": JSON})
    result: Message = {"resources": rows}
    if page.last:
        result["nextCursor"] = format_cursor(page.last)
    return result


def _position(cursor: Any) -> Position | None:
    """The position that a cursor names. Raises InvalidField."""
    if cursor is None:
        return None
    try:
        return parse_cursor(str(cursor))
    except ValueError as error:
        raise InvalidField("cursor", str(error)) from None


def read_resource(uri: str) -> Message:
    """The job as the API shows it, or one of its files. Raises UnknownJob, StorageError."""
    job_uri = JobUri.parse(uri)
    if job_uri is None:
        raise UnknownJob
    job = load_job(current_services(), job_uri.job_id)
    if job_uri.position is None:
        resource = _job_resource(job)
    else:
        resource = _file_resource(job, job_uri.position)
    resource["uri"] = uri
    return {"contents": [resource]}


def _job_resource(job: Job) -> Message:
    is_author = g.api_key.has_scope("submit")
    view = views.job_view(current_services(), job, with_input=is_author)
    return {"mimeType": JSON, "text": to_json(view).decode()}


def _file_resource(job: Job, position: int) -> Message:
    """The file, or its thumbnail if it is large, or its link until that is made."""
    file = present_file(job, position)
    if file is None:
        raise UnknownJob("The job has no such file, or it was deleted.")
    small_file = content.small_file(file)
    if small_file is None:
        link = current_services().links_to(job)[position]
        return {"mimeType": "text/uri-list", "text": link}
    blob = content.load_base64(current_services(), small_file)
    return {"mimeType": small_file.content_type, "blob": blob}
