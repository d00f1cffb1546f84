"""Resources: `fluxkeep://jobs/<id>`, and its media."""

import base64
from typing import Any

from flask import g
from pydantic_core import to_json

from jobs import inputs, views
from jobs.domain.errors import InvalidField, UnknownJob
from jobs.domain.job import Job
from jobs.store.search import Search
from receiver import ownership
from receiver.context import services
from receiver.job_actions import load_job
from receiver.mcp import content
from receiver.mcp.images import JOB_URI
from receiver.schemas.endpoint_spec import JSON
from receiver.schemas.formats import format_cursor, parse_cursor
from receiver.schemas.query import PAGE_DEFAULT

TEMPLATES = [
    {"uriTemplate": "fluxkeep://jobs/{id}", "name": "job", "mimeType": JSON},
    {
        "uriTemplate": "fluxkeep://jobs/{id}/media/{n}",
        "name": "media",
        "description": "the n-th file from 0, or its thumbnail or link if it is large",
    },
]


def listing(cursor: Any) -> dict[str, Any]:
    """A page of the newest jobs that the request may see. Raises InvalidField."""
    try:
        before = None if cursor is None else parse_cursor(str(cursor))
    except ValueError as error:
        raise InvalidField("cursor", str(error)) from None
    page = ownership.page(services(), Search(), PAGE_DEFAULT, before)
    following = {"nextCursor": format_cursor(page.last)} if page.last else {}
    return {"resources": [_resource(job) for job in page.jobs], **following}


def _resource(job: Job) -> dict[str, Any]:
    title = inputs.prompt(job) or job.model or job.id
    uri = f"fluxkeep://jobs/{job.id}"
    return {"uri": uri, "name": job.id, "title": title, "mimeType": JSON}


def read(uri: str) -> dict[str, Any]:
    """The job as the API shows it, or one of its files. Raises UnknownJob, StorageError."""
    found = JOB_URI.fullmatch(uri)
    job = load_job(services(), found[1] if found else "")
    if not (found and found[2]):
        is_author = g.api_key.has_scope("submit")
        view = (views.job_view_with_input if is_author else views.job_view)(services(), job)
        return {"contents": [{"uri": uri, "mimeType": JSON, "text": to_json(view).decode()}]}
    n = int(found[2])
    if n >= len(job.media) or job.media[n].deleted_at is not None:
        raise UnknownJob("The job has no such file, or it was deleted.")
    if file := content.shown(job.media[n]):
        blob = base64.b64encode(content.load(services(), file)).decode()
        return {"contents": [{"uri": uri, "mimeType": file.content_type, "blob": blob}]}
    link = services().links_to(job)[n]
    return {"contents": [{"uri": uri, "mimeType": "text/uri-list", "text": link}]}
