"""Invariants after any fault, checked in Redis, the media and the logs.

Each message names the check and the number of the invariant in docs/correctness.md that is broken.
"""

import json
import time
from collections.abc import Callable, Iterator

from redis import Redis

from jobs.domain.job import LEASE_SECONDS, Job
from jobs.domain.status import Status
from jobs.store.redis import keys
from tests.harness import object_checks
from tests.harness.installation import Installation
from tests.harness.installation_state import State, all_jobs, members, text
from tests.harness.submission_queue import queues_in_redis, queues_of_records

SWEEP_SECONDS = 5.0
READINGS = 3
READING_SECONDS = 1.0


def assert_invariants(installation: Installation, *, idle: bool = False) -> list[Job]:
    """Raises AssertionError listing everything that is broken; returns all the jobs.

    With `idle` nothing may be under way any more: every job ended, no staged file.
    """
    jobs, broken = _read(installation, idle)
    for _ in range(READINGS):  # jobs move on during one reading: what is broken stays so
        if broken:
            time.sleep(READING_SECONDS)
            jobs, now_broken = _read(installation, idle)
            broken = [line for line in now_broken if line in broken]
    assert not broken, "\n".join(["invariants are broken:", *broken])
    return jobs


def _read(installation: Installation, idle: bool) -> tuple[list[Job], list[str]]:
    """All jobs, and what seems to be broken: the check's name, the invariant and the job."""
    with installation.redis.client() as redis:
        jobs = all_jobs(redis)
        sizes = installation.stored_objects.sizes()
        state = State(installation, redis, jobs, sizes, idle)
        return jobs, [f"{name}: {line}" for name, lines in CHECKS.items() for line in lines(state)]


def awaiting_thumbnails(installation: Installation) -> list[str]:
    """Ids of the jobs whose thumbnails are still to be made."""
    with installation.redis.client() as redis:
        return sorted(members(redis, keys.THUMBNAILS))


# Records and indexes.


def _unfinished_jobs(state: State) -> Iterator[str]:
    unfinished = {job.id for job in state.jobs if not job.status.terminal}
    yield from _differences("I3: due", unfinished, members(state.redis, keys.DUE))


def _pending_work(state: State) -> Iterator[str]:
    for key, is_rescue in ((keys.PENDING_RESCUES, True), (keys.PENDING_POLLS, False)):
        wanted = {
            job.id
            for job in state.jobs
            if job.lease.work_deadline and (job.status is Status.READY) is is_rescue
        }
        yield from _differences(f"I18: {key}", wanted, members(state.redis, key))


def _lists_of_jobs(state: State) -> Iterator[str]:
    """Each list has the jobs whose records say so, and no others."""
    ended = {job.id for job in state.jobs if job.status.terminal}
    with_media = {job.id for job in state.jobs if job.id in ended and job.object_keys}
    lists = {
        keys.THUMBNAILS: {job.id for job in state.jobs if job.thumbnails.due_at},
        keys.ENDED_MEDIA: with_media,
        keys.ENDED: ended - with_media,
        keys.NOTIFICATIONS: {job.id for job in state.jobs if job.notifications.pending},
        **{
            keys.STATUS_PREFIX + status: {job.id for job in state.jobs if job.status is status}
            for status in Status
        },
    }
    for key, wanted in lists.items():
        yield from _differences(f"I2: {key}", wanted, members(state.redis, key))


def _queues_and_slots(state: State) -> Iterator[str]:
    found, wanted = queues_in_redis(state.redis), queues_of_records(state.jobs)
    for key in sorted(found.keys() | wanted.keys()):
        yield from _differences(f"I14: {key}", {*wanted.get(key, ())}, {*found.get(key, ())})
    named = {text(name) for name in state.redis.smembers(keys.QUEUES)}
    queues = {key for key in found if key.startswith(keys.QUEUE_PREFIX)}
    yield from (f"I2: {key} is not among the queues" for key in sorted(queues - named))


def _search_indexes(state: State) -> Iterator[str]:
    wanted: dict[str, set[str]] = {}
    for job in state.jobs:
        of_key = job.request.key and f"{job.request.key}:{job.status}"
        for kind, value in (("model", job.model), ("source", job.source), ("key", of_key)):
            if value:
                wanted.setdefault(f"{keys.BY}{kind}:{value}", set()).add(job.id)
    names = [text(key) for key in state.redis.scan_iter(f"{keys.BY}*")]
    found = {key: members(state.redis, key) for key in names}
    kinds = tuple(f"{keys.BY}{kind}:" for kind in ("model", "source", "key"))
    single = {key: ids for key, ids in found.items() if key.startswith(kinds)}
    for key in sorted(single.keys() | wanted.keys()):
        yield from _differences(f"I2: {key}", wanted.get(key, set()), single.get(key, set()))
    with_metadata = {job.id for job in state.jobs if job.metadata}
    for key in sorted(found.keys() - single.keys()):
        yield from _differences(f"I2: {key}", found[key] & with_metadata, found[key])


def _task_ids(state: State) -> Iterator[str]:
    """BFL's id of a task leads to the one job that has it."""
    own = {keys.TASK_PREFIX + name: job.id for job in state.jobs for name in {job.task_id} if name}
    own = {key: job_id for key, job_id in own.items() if key != keys.TASK_PREFIX + job_id}
    names = [text(key) for key in state.redis.scan_iter(f"{keys.TASK_PREFIX}*")]
    found = {key: text(state.redis.get(key)) for key in names}
    yield from (
        f"I16: {key} should lead to {own.get(key)}"
        for key in own.keys() | found.keys()
        if own.get(key) != found.get(key)
    )


def _leases(state: State) -> Iterator[str]:
    """No lease outlives its time by more than a sweep."""
    now = _now(state.redis)
    for job in state.jobs:
        if (
            job.lease.lease_until
            and not now - SWEEP_SECONDS < job.lease.lease_until <= now + LEASE_SECONDS + 1
        ):
            yield f"I7: {job.id} has a lease until {job.lease.lease_until}"


def _ends(state: State) -> Iterator[str]:
    """Every job ends by its deadline, and then keeps nothing alive."""
    now = _now(state.redis)
    for job in state.jobs:
        if job.status.terminal and (
            job.lease.lease_until
            or job.lease.work_deadline
            or job.polling.next_check_at
            or job.delivery.urls
        ):
            yield f"I5: {job.id} is {job.status} and still holds a lease, work or a URL"
        if not job.status.terminal and now > job.deadline + SWEEP_SECONDS:
            yield f"I6: {job.id} is {job.status} after its deadline {job.deadline}"
        if not job.status.terminal and state.is_idle:
            yield f"I6: {job.id} is still {job.status}"


def _now(redis: Redis) -> float:
    seconds, microseconds = redis.time()
    return int(seconds) + int(microseconds) / 1e6


# Secrets.


def _secrets_in_rq(state: State) -> Iterator[str]:
    for key in state.redis.scan_iter("rq:*"):
        kept = dump(state.redis, key)
        if any(secret in kept for secret in _canaries(state.installation)):
            yield f"I19: a secret is in {key!r}"


def dump(redis: Redis, key: bytes) -> str:
    """Everything under a key, as text."""
    kind = text(redis.type(key))
    if kind == "hash":
        return str(redis.hgetall(key))
    if kind == "list":
        return str(redis.lrange(key, 0, -1))
    if kind == "zset":
        return str(redis.zrange(key, 0, -1))
    if kind == "stream":
        return str(redis.xrange(key))
    return str(redis.smembers(key) if kind == "set" else redis.get(key))


def _secrets_in_logs(state: State) -> Iterator[str]:
    logs = state.installation.logs()
    for secret in _canaries(state.installation):
        if (at := logs.find(secret)) >= 0:
            line = logs[logs.rfind("\n", 0, at) + 1 :].partition("\n")[0]
            yield f"I19: a secret is in a log: {json.dumps(line)}"


def _canaries(installation: Installation) -> list[str]:
    """The planted secrets, and the signature that a delivery URL of BFL carries."""
    return [*installation.secrets(), "sig="]


def _differences(where: str, wanted: set[str], found: set[str]) -> Iterator[str]:
    yield from (f"{where} lacks {job_id}" for job_id in sorted(wanted - found))
    yield from (f"{where} should not have {job_id}" for job_id in sorted(found - wanted))


# The name says what is broken when one of its lines appears.
CHECKS: dict[str, Callable[[State], Iterator[str]]] = {
    "every unfinished job is due, and nothing else": _unfinished_jobs,
    "pending work is listed": _pending_work,
    "each list has the jobs whose records say so": _lists_of_jobs,
    "queues and slots agree with the records": _queues_and_slots,
    "search indexes agree with the records": _search_indexes,
    "a task id leads to its job": _task_ids,
    "leases are renewed or given up": _leases,
    "jobs end by their deadline and then hold nothing": _ends,
    "inputs are on record and in the storage": object_checks.inputs,
    "stored media are as recorded": object_checks.media,
    "every object belongs to a job": object_checks.objects_of_no_job,
    "no staged file is left": object_checks.staged_files,
    "no secret is in RQ": _secrets_in_rq,
    "no secret is in a log": _secrets_in_logs,
}
