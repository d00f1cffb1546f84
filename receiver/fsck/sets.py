"""What stands around the records: does it lead to one that knows of it?"""

from collections.abc import Iterator
from functools import partial

from jobs.places import places
from jobs.services import Services
from receiver.fsck.finding import Finding


def look(services: Services) -> Iterator[Finding]:
    yield from _members(services)
    yield from _names(services)


def _members(services: Services) -> Iterator[Finding]:
    """Those without a record, or in a set of a model that is not theirs."""
    ledger = services.ledger
    for key, ids in ledger.members():
        known = ledger.known(ids)
        for job_id in ids:
            entry = known.get(job_id)
            if entry is None:
                said = f"stands in {key} and has no record"
                yield Finding(f"job {job_id}", said, partial(ledger.strike, key, job_id))
            elif entry.job and key not in places(entry.job) and ledger.strays(key, entry.job):
                said = f"stands in {key}, where it does not belong"
                mend = partial(ledger.strike, key, job_id, entry.job)
                yield Finding(f"job {job_id}", said, mend)


def _names(services: Services) -> Iterator[Finding]:
    ledger = services.ledger
    for page in ledger.names():
        known = ledger.known(job_id for _, job_id in page)
        for task_id, job_id in page:
            entry = known.get(job_id)
            if entry is None:
                said = f"leads to job {job_id}, which has no record"
                yield Finding(f"task {task_id}", said, partial(ledger.unname, task_id, job_id))
            elif entry.job and task_id != entry.job.task_id:
                said = f"leads to job {job_id}, which is another task's"
                mend = partial(ledger.unname, task_id, job_id, entry.job)
                yield Finding(f"task {task_id}", said, mend)
