"""Form fields from the kept input of a job, and the jobs that repeat one another."""

import json
from contextlib import suppress
from operator import attrgetter
from typing import NamedTuple

from jobs import kept_inputs
from jobs.domain.errors import ArchiveUnavailable, FluxkeepError
from jobs.domain.job import Job
from jobs.services import Services
from jobs.store.search_conditions import Search
from receiver import ownership
from receiver.blocking_calls import run_in_thread
from receiver.dashboard.form.input_form import InputForm
from receiver.dashboard.form_body import FORM_MAX_BYTES
from receiver.dashboard.job_card import path_of
from receiver.job_actions import load_job

RELATED_MAX = 24


class KeptImage(NamedTuple):
    """A file of the input that fills the form: its number, and the path of a link to it."""

    n: int
    src: str
    is_image: bool


def fields_of(services: Services, job: Job) -> dict[str, str]:
    """The form as it would have made this job, whose files are those of `kept_images`."""
    is_kept = job.request.public_input is not None
    kept = run_in_thread(kept_inputs.load_values, services.storage, job) if is_kept else None
    kept = kept or {}
    values = run_in_thread(kept_inputs.with_texts, services.storage, job, kept, FORM_MAX_BYTES)
    form = InputForm.of(services.schemas.endpoints(), job.model or "", kept)
    texts, more = form.texts(values)
    return {
        "model": job.model or "",
        **texts,
        "more": json.dumps(more, indent=1, ensure_ascii=False) if more else "",
        "metadata": json.dumps(dict(job.metadata), ensure_ascii=False) if job.metadata else "",
        "repeats": job.id,
    }


def kept_images(services: Services, job_id: str) -> list[KeptImage]:
    """The files of a job's input; empty if the job is unknown."""
    try:
        job = load_job(services, job_id)
    except FluxkeepError:
        return []
    links, files = services.links_to(job, is_input=True), job.request.input_files
    return [
        KeptImage(n, path_of(link), file.content_type.startswith("image/"))
        for n, (link, file) in enumerate(zip(links, files, strict=True))
    ]


def related_jobs(services: Services, job: Job) -> list[Job]:
    """The job that this one repeats, other repeats of it, and repeats of this one; oldest first.

    Of the repeats the newest are shown, and while the database is away those that Redis has.
    """
    original = job.request.repeats
    own, repeats = {job.id: job}, dict[str, Job]()
    with suppress(ArchiveUnavailable):
        if original and (parent := services.catalog.load(original, exactly=True)):
            own |= {original: parent} if ownership.is_visible(parent) else {}
    for job_id in filter(None, (original, job.id)):
        with suppress(ArchiveUnavailable):
            page = ownership.page(services, Search(repeats=job_id), RELATED_MAX, None)
            repeats |= {one.id: one for one in page.jobs if one.id not in own}
    oldest_first = attrgetter("created_at")
    newest = sorted(repeats.values(), key=oldest_first)[-RELATED_MAX:]
    return sorted((*own.values(), *newest), key=oldest_first)
