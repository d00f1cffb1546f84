"""Checks of the stored objects for `tests.harness.invariants`: inputs, media, staged files."""

import time
from collections.abc import Iterator
from pathlib import PurePosixPath

from jobs import sidecars
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.status import Status
from jobs.storage.layout import ObjectKind, companion_keys, job_id_of, kind_of
from jobs.store.redis import keys
from tests.harness.installation_state import State, members

STAGED_SECONDS = 60.0


def inputs(state: State) -> Iterator[str]:
    """Each object of an input is named by a record or a note, and each that a record names exists.

    An input that shall be deleted is, once BFL has it.
    """
    sizes = {key: size for key, size in state.sizes.items() if _is_input(key)}
    named = {file.key: file.bytes for job in state.jobs for file in job.request.input_files}
    noted = {word for note in members(state.redis, keys.INPUT_NOTES) for word in note.split(" ")}
    orphans = members(state.redis, keys.ORPHANS)
    for key in sizes.keys() - named.keys() - noted - orphans:
        yield f"I23: no record names {key}"
    for key in named.keys() - noted:
        if sizes.get(key) != named[key]:
            yield f"I23: {key} is on record and not there"
    for job in state.jobs:
        if job.request.deletes_input and job.request.kept_input and job.task_id:
            yield f"I23: the input of {job.id} is not deleted"


def media(state: State) -> Iterator[str]:
    """A job is stored if and only if each of its objects is there, as recorded."""
    for job in state.jobs:
        if (job.status is Status.STORED) is not bool(job.media):
            yield f"I10: {job.id} is {job.status} with {len(job.media)} files"
        for kept in job.present_media:
            yield from _object(state, kept)
            yield from _sidecar(state, job, kept)
            if kept.thumbnail:
                yield from _object(state, kept.thumbnail)


def _object(state: State, kept: MediaFile) -> Iterator[str]:
    if kept.key not in state.sizes:
        yield f"I11: {kept.key} is recorded and not there"
        return
    if state.sizes[kept.key] != kept.bytes:
        yield f"I10: {kept.key} has {state.sizes[kept.key]} bytes instead of {kept.bytes}"
    if state.stored_objects.sha256(kept.key) != kept.sha256:
        yield f"I10: {kept.key} has other bytes than recorded"


def _sidecar(state: State, job: Job, kept: MediaFile) -> Iterator[str]:
    """Each object explains itself, and what it says is what the record says.

    But for a thumbnail that is just being made: it is on record before it is said beside it.
    """
    key = str(PurePosixPath(kept.key).with_suffix(".json"))
    if key not in state.sizes:
        yield f"I10: {kept.key} has nothing beside it that explains it"
    elif not job.thumbnails.due_at and state.stored_objects.read(key) != sidecars.render(job):
        yield f"I10: {key} says something else than the record"


def objects_of_no_job(state: State) -> Iterator[str]:
    recorded = {kept.key for job in state.jobs for kept in job.present_media}
    recorded |= {key for key in state.sizes if _is_input(key)}
    recorded |= members(state.redis, keys.ORPHANS)
    recorded |= {companion for key in recorded for companion in companion_keys(key)}
    under_way = {job.id for job in state.jobs if not job.status.terminal}
    under_way |= members(state.redis, keys.SUPERSEDED)
    for key in state.sizes:
        # A worker may have published it and not said so yet, or have died in between.
        if job_id_of(key) not in under_way and key not in recorded:
            yield f"I9: {key} belongs to no job"


def staged_files(state: State) -> Iterator[str]:
    horizon = time.time() - (0 if state.is_idle else STAGED_SECONDS)
    staged = state.stored_objects.staged(horizon)
    yield from (f"I20: {name} was left in the staging" for name in staged)


def _is_input(key: str) -> bool:
    return kind_of(key) is ObjectKind.INPUT
