"""Each object: does a record name it? And what stands beside it: is there still an object?"""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from jobs import drawing, recollection, retention, sidecars
from jobs.job import Job
from jobs.media import Found, Part, job_id_of, part, possible_objects
from jobs.services import Services
from receiver import returns
from receiver.fsck.finding import Finding

PAGE = 200


def look(services: Services) -> Iterator[Finding]:
    listing = services.media.listing()
    while page := list(islice(listing, PAGE)):
        yield from _page(services, page)
    if left := services.media.abandoned():
        said = f"{len(left)} files that nobody works on any more"
        yield Finding("staging", said, lambda: services.media.drop_abandoned() > 0)


def _page(services: Services, page: list[Found]) -> Iterator[Finding]:
    ours = [found for found in page if part(found.key)]
    known = services.ledger.known(job_id_of(found.key) for found in ours)
    for found in ours:
        entry = known.get(job_id_of(found.key))
        # What is under way is its worker's; what cannot be read is nobody's to judge.
        if entry and (entry.job is None or not entry.job.state.terminal):
            continue
        yield from _one(services, found, entry.job if entry else None)


def _one(services: Services, found: Found, job: Job | None) -> Iterator[Finding]:
    if part(found.key) is not Part.OBJECT:
        yield from _companion(services, found.key, job)
    elif job is None:
        yield from _unrecorded(services, found)
    elif found.key not in [file.key for file in job.kept]:
        yield from _unnamed(services, found, job)


def _companion(services: Services, key: str, job: Job | None) -> Iterator[Finding]:
    named = {file.key for file in job.kept} if job else set[str]()
    # Where a record names the object, that it is gone has been said already.
    if named.isdisjoint(possible_objects(key)) and _is_alone(services, key):
        yield Finding(key, "stands beside an object that is gone", partial(_drop, services, key))


def _is_alone(services: Services, key: str) -> bool:
    """Whether there is no such object, nor anybody who is about to make one."""
    if services.media.size(key) is None or _is_under_way(services, key):
        return False
    return all(services.media.size(each) is None for each in possible_objects(key))


def _is_under_way(services: Services, key: str) -> bool:
    job = services.store.load(job_id_of(key), exactly=True)
    return job is not None and not job.state.terminal


def _drop(services: Services, key: str) -> bool:
    if not _is_alone(services, key):
        return False
    services.media.remove(key)
    return True


# Objects of which no record tells.


def _unrecorded(services: Services, found: Found) -> Iterator[Finding]:
    if services.media.size(found.key) is None:
        return  # deleted since it was listed
    if services.store.load(job_id_of(found.key), exactly=True):
        return  # accepted since then
    job = recollection.beside(services.media, found.key)
    if job is None:
        yield Finding(found.key, "is on no record, and nothing tells whose it is")
    elif not returns.is_over(services, job):
        yield Finding(found.key, "is on no record", partial(returns.bring_back, services, job))
    elif _is_media_over(services, job):
        said = "was left without a record, and has been kept long enough"
        yield Finding(found.key, said, partial(_delete_unnamed, services, found.key))


def _is_media_over(services: Services, job: Job) -> bool:
    return job.end <= services.settings.retention.horizons(services.store.now()).media


def _delete_unnamed(services: Services, key: str) -> bool:
    """Unless a record has come that names it."""
    job = services.store.load(job_id_of(key), exactly=True)
    if job and (not job.state.terminal or key in [file.key for file in job.kept]):
        return False
    services.media.delete(key)
    services.ended.release(key)
    return True


# Objects of jobs that have ended, and do not name them.


def _unnamed(services: Services, found: Found, job: Job) -> Iterator[Finding]:
    gone = [file for file in job.media if file.key == found.key and file.bytes == found.bytes]
    if gone and not _is_media_over(services, job):
        mend = partial(_take_back, services, job.id, found.key)
        yield Finding(found.key, "is there again, and its record says it is gone", mend)
    elif not job.kept or gone:
        mend = partial(_delete_unnamed, services, found.key)
        yield Finding(found.key, f"is left of a job that has none ({job.state})", mend)
    else:
        yield Finding(found.key, "is no part of the job whose name it has")


def _take_back(services: Services, job_id: str, key: str) -> bool:
    def found_again(job: Job | None, now: float) -> Job | None:
        found = job and retention.media_found(job, now, key)
        return drawing.wanted(found, now) if found and found is not job else job

    change = services.store.change(job_id, found_again)
    sidecars.keep_true(services.store, services.media, job_id)
    return change.written
