"""Records that were lost come back from the notes beside the media."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from jobs import drawing, recollection
from jobs.errors import NotOurs
from jobs.job import Job
from jobs.media import Found, Part, job_id_of, part, possible_objects
from jobs.recollection import NOTE_MAX_BYTES
from jobs.services import Services

PAGE = 200


class Outcome(StrEnum):
    """What became of one note."""

    RETURNED = "brought back"
    KNOWN = "known already"
    OVER = "too old for a record"
    SKIPPED = "skipped"


class Returned(NamedTuple):
    """A note, what became of it, and why it was skipped."""

    key: str
    outcome: Outcome
    why: str = ""


def all_of_them(services: Services) -> Iterator[list[Returned]]:
    """Walk through the storage; one list for each page of it. No record is ever overwritten.

    Raises StorageFailed, StoreUnavailable: what was done until then is done.
    """
    services.pulse.ping()  # also where there is nothing to walk through
    listing = services.media.listing()
    while page := list(islice(listing, PAGE)):
        yield _page(services, page)


def _page(services: Services, page: list[Found]) -> list[Returned]:
    notes = [found for found in page if part(found.key) is Part.NOTE]
    known = services.ledger.known(job_id_of(found.key) for found in notes)
    foreign = [
        Returned(found.key, Outcome.SKIPPED, "its name is not one of ours")
        for found in page
        if part(found.key) is None and found.key.endswith(".json")
    ]
    return foreign + [_one(services, found, known=job_id_of(found.key) in known) for found in notes]


def _one(services: Services, found: Found, *, known: bool) -> Returned:
    if known:
        return Returned(found.key, Outcome.KNOWN)
    try:
        job = remembered(services, found)
    except NotOurs as error:
        return Returned(found.key, Outcome.SKIPPED, str(error))
    if is_over(services, job):
        if services.settings.retain_media_days is not None:
            services.ledger.leave_behind(job)
        return Returned(found.key, Outcome.OVER)
    return Returned(found.key, Outcome.RETURNED if bring_back(services, job) else Outcome.KNOWN)


def remembered(services: Services, found: Found) -> Job:
    """The job that a note tells of. Raises NotOurs."""
    if found.bytes > NOTE_MAX_BYTES:
        raise NotOurs("it is too large")
    if all(services.media.size(key) is None for key in possible_objects(found.key)):
        raise NotOurs("the object it stands beside is gone")
    body = b"".join(services.media.read(found.key, 0, found.bytes))
    return recollection.read(body, found.key)


def is_over(services: Services, job: Job) -> bool:
    """Whether its record would be cleared away at once, as it was before."""
    return job.end <= services.settings.retention.horizons(services.store.now()).jobs


def bring_back(services: Services, job: Job) -> bool:
    """Whether there was no record of it until now."""

    modest = _without_the_name_of_another(services, job)

    def unless_known(known: Job | None, now: float) -> Job:
        return known or drawing.wanted(replace(modest, version=int(now * 1e6)), now)

    # Not looked up first, for that would find the job which calls one of its tasks so.
    return services.store.change(job.id, unless_known, new=True).written


def _without_the_name_of_another(services: Services, job: Job) -> Job:
    """A note may claim any task: the one that has it already keeps it."""
    named = services.store.load(job.task_id) if job.task_id else None
    return job if named is None or named.id == job.id else replace(job, task_id=None)
