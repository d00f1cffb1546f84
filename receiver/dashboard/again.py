"""Form fields from the kept input of a job, and the jobs that repeat one another."""

import json
from operator import attrgetter
from typing import Any, NamedTuple

from jobs import inputs
from jobs.bfl import models
from jobs.domain.errors import FluxkeepError
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.search import Search
from receiver.api.job_actions import load_job
from receiver.dashboard.forms import FORM_MAX_BYTES
from receiver.dashboard.job_card import path_of
from receiver.thread_pool import run_in_thread

RELATED_MAX = 24


class KeptImage(NamedTuple):
    """An image of the input that fills the form: its number, and the path of a link to it."""

    n: int
    src: str


def fields_of(services: Services, job: Job) -> dict[str, str]:
    """The form as it would have made this job; images are named by `kept_images`."""
    is_kept = job.request.public_input is not None
    kept = run_in_thread(inputs.load_values, services.storage, job) if is_kept else None
    known = {"prompt", *models.FIELD_NAMES}
    found = (kept or {}).items()
    plain = {name: value for name, value in found if not inputs.file_numbers({"": value})}
    values = run_in_thread(inputs.with_texts, services.storage, job, plain, FORM_MAX_BYTES)
    texts = {name: _text(value) for name, value in values.items() if name in known}
    simple = {name: text for name, text in texts.items() if text is not None}
    more = {name: value for name, value in values.items() if name not in simple}
    return {
        "model": job.model or "",
        **simple,
        "more": json.dumps(more, indent=1, ensure_ascii=False) if more else "",
        "metadata": json.dumps(dict(job.metadata), ensure_ascii=False) if job.metadata else "",
        "repeats": job.id,
    }


def kept_images(services: Services, job_id: str) -> list[KeptImage]:
    """The images of a job's input in their order; empty if it cannot be read."""
    try:
        job = load_job(services, job_id)
        values = run_in_thread(inputs.load_values, services.storage, job)
    except FluxkeepError:
        return []
    links = services.links_to(job, is_input=True)
    numbers = inputs.file_numbers(values or {})
    return [KeptImage(n, path_of(links[n])) for n in numbers if n < len(links)]


def related_jobs(services: Services, job: Job) -> list[Job]:
    """The job that this one repeats, other repeats of it, and repeats of this one; oldest first.

    Of the repeats the newest are shown.
    """
    original = job.request.repeats
    parent = services.store.load(original, exactly=True) if original else None
    own = {one.id: one for one in (parent, job) if one}
    repeats: dict[str, Job] = {}
    for job_id in filter(None, (original, job.id)):
        page = services.listing.page(Search(repeats=job_id), RELATED_MAX, None)
        repeats |= {one.id: one for one in page.jobs if one.id not in own}
    oldest_first = attrgetter("created_at")
    newest = sorted(repeats.values(), key=oldest_first)[-RELATED_MAX:]
    return sorted((*own.values(), *newest), key=oldest_first)


def _text(value: Any) -> str | None:
    """A value as it is typed into the form, None if that cannot be."""
    match value:
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case {"job": str(job_id), **rest}:  # a draft
            return f"{job_id} {rest.get('n', 0)}"
    return None
