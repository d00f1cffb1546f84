"""Resources: `fluxkeep://jobs/<id>`, and its media."""

from typing import Any

from flask import g
from pydantic_core import to_json

from jobs import views
from jobs.domain.errors import InvalidField, UnknownJob
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.context import services
from receiver.job_actions import load_job
from receiver.mcp import content
from receiver.mcp.images import JOB_URI
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


def listing(cursor: Any) -> Message:
    """A page of the newest jobs that the request may see. Raises InvalidField."""
    try:
        before = None if cursor is None else parse_cursor(str(cursor))
    except ValueError as error:
        raise InvalidField("cursor", str(error)) from None
    page = ownership.page(services(), Search(), PAGE_DEFAULT, before)
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
    job = load_job(services(), found[1] if found else "")
    position = found[2] if found else None
    if position is None:
        is_author = g.api_key.has_scope("submit")
        view = views.job_view(services(), job, with_input=is_author)
        return {"contents": [{"uri": uri, "mimeType": JSON, "text": to_json(view).decode()}]}
    files = job.media[int(position) :]
    if not files or files[0].deleted_at is not None:
        raise UnknownJob("The job has no such file, or it was deleted.")
    if file := content.shown(files[0]):
        body = {"mimeType": file.content_type, "blob": content.load(services(), file)}
    else:
        link = services().links_to(job)[int(position)]
        body = {"mimeType": "text/uri-list", "text": link}
    return {"contents": [{"uri": uri, **body}]}
