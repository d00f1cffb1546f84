"""Invariants after any fault, checked in Redis, the media and the logs.

Each message begins with the number of the invariant in docs/correctness.md that is broken.
"""

import json
import time
from collections.abc import Iterator
from pathlib import PurePosixPath

from redis import Redis

from jobs import sidecars
from jobs.domain.job import LEASE_SECONDS, Job
from jobs.domain.record import MediaFile
from jobs.domain.status import Status
from jobs.storage.layout import ObjectKind, companion_keys, job_id_of, kind_of
from jobs.store import codec
from jobs.store.keys import (
    BY,
    DUE,
    ENDED,
    ENDED_MEDIA,
    INPUT_NOTES,
    NOTIFICATIONS,
    ORPHANS,
    PENDING_POLLS,
    PENDING_RESCUES,
    QUEUE_PREFIX,
    QUEUES,
    RECORD_PREFIX,
    STATUS_PREFIX,
    SUPERSEDED,
    TASK_PREFIX,
    THUMBNAILS,
)
from tests.harness.installation import Installation
from tests.harness.stored_objects import StoredObjects
from tests.harness.submission_queue import queues_in_redis, queues_of_records

SWEEP_SECONDS = 5.0
STAGED_SECONDS = 60.0
LOOKS = 3
LOOK_SECONDS = 1.0


def check(installation: Installation, *, idle: bool = False) -> list[Job]:
    """Raises AssertionError listing everything that is broken; returns all the jobs.

    With `idle` nothing may be under way any more: every job ended, no staged file.
    """
    jobs, found = _looked_at(installation, idle)
    for _ in range(LOOKS):  # jobs move on between one reading and the next: what is broken stays so
        if found:
            time.sleep(LOOK_SECONDS)
            jobs, again = _looked_at(installation, idle)
            found = [broken for broken in again if broken in found]
    assert not found, "\n".join(["invariants are broken:", *found])
    return jobs


def _looked_at(installation: Installation, idle: bool) -> tuple[list[Job], list[str]]:
    """All jobs, and what seems to be broken."""
    with installation.redis.client() as redis:
        jobs = all_jobs(redis)
        found = [
            *_bookkeeping(redis, jobs),
            *_leases(redis, jobs),
            *_lines(redis, jobs),
            *_facets(redis, jobs),
            *_names(redis, jobs),
            *_inputs(redis, jobs, installation.stored_objects),
            *_secrets_in_rq(redis, installation),
            *_media(installation.stored_objects, jobs, redis, idle=idle),
        ]
    found += _secrets_in_logs(installation)
    if idle:
        found += [f"I6: {job.id} is still {job.status}" for job in jobs if not job.status.terminal]
    return jobs, found


def awaiting_thumbnails(installation: Installation) -> list[str]:
    """Ids of the jobs whose thumbnails are still to be made."""
    with installation.redis.client() as redis:
        return sorted(_members(redis, THUMBNAILS))


def all_jobs(redis: Redis) -> list[Job]:
    keys = list(redis.scan_iter(f"{RECORD_PREFIX}*"))
    found = redis.mget(keys) if keys else []
    return [codec.decode(record) for record in found if isinstance(record, bytes)]


def _bookkeeping(redis: Redis, jobs: list[Job]) -> Iterator[str]:
    """Every unfinished job is due and nothing else is; each index tells the truth."""
    unfinished = {job.id for job in jobs if not job.status.terminal}
    yield from _differences("I3: due", unfinished, _members(redis, DUE))
    for key, is_rescue in ((PENDING_RESCUES, True), (PENDING_POLLS, False)):
        wanted = {
            job.id
            for job in jobs
            if job.claim.work_deadline and (job.status is Status.READY) is is_rescue
        }
        yield from _differences(f"I18: {key}", wanted, _members(redis, key))
    awaiting_thumbnails = {job.id for job in jobs if job.thumbnails.due_at}
    yield from _differences("I2: drawings", awaiting_thumbnails, _members(redis, THUMBNAILS))
    ended = {job.id for job in jobs if job.status.terminal}
    with_media = {job.id for job in jobs if job.id in ended and job.object_keys}
    yield from _differences("I2: ended, with media", with_media, _members(redis, ENDED_MEDIA))
    yield from _differences("I2: ended, without", ended - with_media, _members(redis, ENDED))
    owed = {job.id for job in jobs if job.notifications.pending}
    yield from _differences("I2: notices", owed, _members(redis, NOTIFICATIONS))
    for state in Status:
        ids = {job.id for job in jobs if job.status is state}
        yield from _differences(
            f"I2: the index of {state}", ids, _members(redis, STATUS_PREFIX + state)
        )


def _lines(redis: Redis, jobs: list[Job]) -> Iterator[str]:
    """Check that submission queues and concurrency slots agree with the records."""
    found, wanted = queues_in_redis(redis), queues_of_records(jobs)
    for key in sorted(found.keys() | wanted.keys()):
        yield from _differences(f"I14: {key}", {*wanted.get(key, ())}, {*found.get(key, ())})
    named = {_text(name) for name in redis.smembers(QUEUES)}
    lines = {key for key in found if key.startswith(QUEUE_PREFIX)}
    yield from (f"I2: {key} is not among the lines" for key in sorted(lines - named))


def _facets(redis: Redis, jobs: list[Job]) -> Iterator[str]:
    """Check that the search indexes agree with the records."""
    wanted: dict[str, set[str]] = {}
    for job in jobs:
        for kind, value in (("model", job.model), ("source", job.source)):
            if value:
                wanted.setdefault(f"{BY}{kind}:{value}", set()).add(job.id)
    found = {_text(key): _members(redis, _text(key)) for key in redis.scan_iter(f"{BY}*")}
    single = {key: ids for key, ids in found.items() if key.startswith((f"{BY}model:", f"{BY}sou"))}
    for key in sorted(single.keys() | wanted.keys()):
        yield from _differences(f"I2: {key}", wanted.get(key, set()), single.get(key, set()))
    known = {job.id for job in jobs if job.metadata}
    for key in sorted(found.keys() - single.keys()):
        yield from (f"I2: {name} should not be in {key}" for name in sorted(found[key] - known))


def _names(redis: Redis, jobs: list[Job]) -> Iterator[str]:
    """BFL's name for a task leads to the one job that has it."""
    own = {TASK_PREFIX + name: job.id for job in jobs for name in {job.task_id} if name}
    own = {key: job_id for key, job_id in own.items() if key != TASK_PREFIX + job_id}
    found = {_text(key): _text(redis.get(key)) for key in redis.scan_iter(f"{TASK_PREFIX}*")}
    yield from (
        f"I16: {key} should lead to {own.get(key)}"
        for key in own.keys() | found.keys()
        if own.get(key) != found.get(key)
    )


def _inputs(redis: Redis, jobs: list[Job], stored_objects: StoredObjects) -> Iterator[str]:
    """Each object of an input is named by a record or a note, and each that a record names exists.

    An input that shall be deleted is, once BFL has it.
    """
    sizes = {key: size for key, size in stored_objects.sizes().items() if _is_input(key)}
    named = {file.key: file.bytes for job in jobs for file in job.request.input_files}
    noted = {word for note in _members(redis, INPUT_NOTES) for word in note.split(" ")}
    orphans = _members(redis, ORPHANS)
    for key in sizes.keys() - named.keys() - noted - orphans:
        yield f"I23: no record names {key}"
    for key in named.keys() - noted:
        if sizes.get(key) != named[key]:
            yield f"I23: {key} is on record and not there"
    for job in jobs:
        if job.request.deletes_input and job.request.kept_input and job.task_id:
            yield f"I23: the input of {job.id} is not deleted"


def _is_input(key: str) -> bool:
    return kind_of(key) is ObjectKind.INPUT


def _members(redis: Redis, key: str) -> set[str]:
    return {_text(member) for member in redis.zrange(key, 0, -1)}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _differences(where: str, wanted: set[str], found: set[str]) -> Iterator[str]:
    yield from (f"{where} lacks {job_id}" for job_id in sorted(wanted - found))
    yield from (f"{where} should not have {job_id}" for job_id in sorted(found - wanted))


def _leases(redis: Redis, jobs: list[Job]) -> Iterator[str]:
    """No lease outlives its time by more than a sweep, and what has ended keeps nothing alive."""
    seconds, microseconds = redis.time()
    now = int(seconds) + int(microseconds) / 1e6
    for job in jobs:
        if (
            job.claim.lease_until
            and not now - SWEEP_SECONDS < job.claim.lease_until <= now + LEASE_SECONDS + 1
        ):
            yield f"I7: {job.id} has a lease until {job.claim.lease_until - now:+.1f} s from now"
        if job.status.terminal and (
            job.claim.lease_until
            or job.claim.work_deadline
            or job.polling.next_check_at
            or job.delivery.urls
        ):
            yield f"I5: {job.id} is {job.status} and still holds a lease, a wish or a URL"
        if not job.status.terminal and now > job.deadline + SWEEP_SECONDS:
            yield f"I6: {job.id} is {job.status} and {now - job.deadline:.1f} s past its deadline"


def _media(
    stored_objects: StoredObjects, jobs: list[Job], redis: Redis, *, idle: bool
) -> Iterator[str]:
    """Stored if and only if each of its objects is there, as recorded; and no other object."""
    sizes = stored_objects.sizes()
    for job in jobs:
        if (job.status is Status.STORED) is not bool(job.media):
            yield f"I10: {job.id} is {job.status} with {len(job.media)} files"
        for kept in job.present_media:
            yield from _object(stored_objects, sizes, kept)
            yield from _sidecar(stored_objects, sizes, job, kept)
            if kept.thumbnail:
                yield from _object(stored_objects, sizes, kept.thumbnail)
    recorded = {kept.key for job in jobs for kept in job.present_media}
    recorded |= {key for key in sizes if _is_input(key)}
    recorded |= _members(redis, ORPHANS)
    recorded |= {companion for key in recorded for companion in companion_keys(key)}
    under_way = {job.id for job in jobs if not job.status.terminal} | _members(redis, SUPERSEDED)
    for key in sizes:
        # A worker may have published it and not said so yet, or have died in between.
        belongs = job_id_of(key) in under_way
        if not belongs and key not in recorded:
            yield f"I9: {key} belongs to no job"
    horizon = time.time() - (0 if idle else STAGED_SECONDS)
    yield from (f"I20: {name} was left in the staging" for name in stored_objects.staged(horizon))


def _object(stored_objects: StoredObjects, sizes: dict[str, int], kept: MediaFile) -> Iterator[str]:
    if kept.key not in sizes:
        yield f"I11: {kept.key} is recorded and not there"
        return
    if sizes[kept.key] != kept.bytes:
        yield f"I10: {kept.key} has {sizes[kept.key]} bytes instead of {kept.bytes}"
    if stored_objects.sha256(kept.key) != kept.sha256:
        yield f"I10: {kept.key} has other bytes than recorded"


def _sidecar(
    stored_objects: StoredObjects, sizes: dict[str, int], job: Job, kept: MediaFile
) -> Iterator[str]:
    """Each object explains itself, and what it says is what the record says.

    But for a thumbnail that is just being made: it is on record before it is said beside it.
    """
    key = str(PurePosixPath(kept.key).with_suffix(".json"))
    if key not in sizes:
        yield f"I10: {kept.key} has nothing beside it that explains it"
    elif not job.thumbnails.due_at and stored_objects.read(key) != sidecars.render(job):
        yield f"I10: {key} says something else than the record"


def _secrets_in_rq(redis: Redis, installation: Installation) -> Iterator[str]:
    for key in redis.scan_iter("rq:*"):
        kept = dump(redis, key)
        if any(secret in kept for secret in _canaries(installation)):
            yield f"I19: a secret is in {key!r}"


def dump(redis: Redis, key: bytes) -> str:
    """Everything under a key, as text."""
    kind = _text(redis.type(key))
    if kind == "hash":
        return str(redis.hgetall(key))
    if kind == "list":
        return str(redis.lrange(key, 0, -1))
    if kind == "zset":
        return str(redis.zrange(key, 0, -1))
    if kind == "stream":
        return str(redis.xrange(key))
    return str(redis.smembers(key) if kind == "set" else redis.get(key))


def _secrets_in_logs(installation: Installation) -> Iterator[str]:
    logs = installation.logs()
    for secret in _canaries(installation):
        if (at := logs.find(secret)) >= 0:
            line = logs[logs.rfind("\n", 0, at) + 1 :].partition("\n")[0]
            yield f"I19: a secret is in a log: {json.dumps(line)}"


def _canaries(installation: Installation) -> list[str]:
    """The planted secrets, and the signature that a delivery URL of BFL carries."""
    return [*installation.secrets(), "sig="]
