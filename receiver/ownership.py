"""Jobs that a request may see: of all keys, or with an `own` key only those of its name.

To a request with an `own` key all other jobs are as if they did not exist.
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
    if not has_request_context():
        return None
    api_key: ApiKey | None = g.get("api_key")
    if api_key is None or not api_key.sees_own_jobs_only:
        return None
    return api_key.name


def is_visible(job: Job) -> bool:
    """Whether this request may see the job."""
    return may_see_jobs_of(job.request.key)


def may_see_jobs_of(key_name: str | None) -> bool:
    """Whether this request may see the jobs of an API key; None: jobs that no key brought."""
    owner_name = owner()
    return owner_name is None or owner_name == key_name


def is_changeable(job: Job) -> bool:
    """Whether the request's key brought a job, or is an admin's.

    No key has brought a job that a callback made: it belongs to the first key that announces it.
    """
    api_key: ApiKey = g.api_key
    is_unowned = job.request.key is None and not job.is_submission
    is_admin = api_key.has_scope("admin") and not api_key.sees_own_jobs_only
    return is_unowned or is_admin or job.request.key == api_key.name


def require_changeable(job: Job) -> None:
    """Raises OtherKey for a change of a job that another key brought; an admin may."""
    if not is_changeable(job):
        raise OtherKey


def restrict_to_visible(search: Search) -> Search:
    """The search among the jobs that this request may see."""
    return replace(search, owner=owner())


def load_page(services: Services, search: Search, limit: int, before: Position | None) -> Page:
    """A page of the jobs that match and that this request may see (`Catalog.page`)."""
    return services.catalog.page(restrict_to_visible(search), limit, before)
