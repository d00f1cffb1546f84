"""Jobs that a request may see: of all keys, or with an `own` key only those of its name.

All others are to it as if they did not exist.
"""

from dataclasses import replace

from flask import g, has_request_context

from jobs.config.api_keys import ApiKey
from jobs.domain.errors import OtherKey
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.listing import Page, Position
from jobs.store.search_conditions import Search


def owner() -> str | None:
    """The name whose jobs alone this request may see; None if it may see all."""
    key = g.get("api_key") if has_request_context() else None
    return key.name if key and key.own else None


def is_visible(job: Job) -> bool:
    return owner() in (None, job.request.key)


def is_changeable(job: Job) -> bool:
    """Whether the request's key brought a job, or is an admin's.

    Nobody has brought a job that a callback made: the first key that announces it has it then.
    """
    key: ApiKey = g.api_key
    is_free = job.request.key is None and not job.is_submission
    is_admin = key.has_scope("admin") and not key.own
    return is_free or is_admin or job.request.key == key.name


def require_changeable(job: Job) -> None:
    """Raises OtherKey for a change of a job that another key brought; an admin may."""
    if not is_changeable(job):
        raise OtherKey


def visible(search: Search) -> Search:
    """The search among the jobs that this request may see."""
    return replace(search, owner=owner())


def page(services: Services, search: Search, limit: int, before: Position | None) -> Page:
    """A page of the jobs that match and that this request may see (`Catalog.page`)."""
    return services.catalog.page(visible(search), limit, before)
