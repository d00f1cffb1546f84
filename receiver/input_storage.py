"""Store the parts of an input before its record, and delete parts that the record does not name."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from jobs.domain.errors import OverBudget, QueueFull, StorageError, StoreUnavailable
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.input_parts import InputPart
from jobs.services import Services
from jobs.storage.base import MediaStorage
from jobs.storage.layout import job_id_of
from jobs.store.commit import UNRECORDED_SECONDS, Change, input_note
from receiver.blocking_calls import run_in_storing_thread, run_in_thread


def record(
    services: Services,
    parts: Sequence[InputPart],
    files: Sequence[MediaFile],
    write: Callable[[str | None], Change[Job]],
    *,
    is_new_id: bool,
) -> Change[Job]:
    """Store objects, then write the record that names them (I23); `write` takes their note.

    Two requests for one job may store equal objects: the second request deletes only objects that
    the record does not name. Without a record only objects of a new id, which no other request
    can have, are deleted at once; the sweep finds the others by their note. Raises StorageError,
    and what `write` raises.
    """
    if not files:
        return write(None)
    note = input_note(job_id_of(files[0].key), files)
    services.due.input_notes.schedule(note, services.store.now() + UNRECORDED_SECONDS)
    try:
        run_in_storing_thread(partial(_store, services.storage, parts, files))
        change = write(note)
    except (StorageError, QueueFull, OverBudget):
        if is_new_id:
            _delete(services, files, note)
        raise
    unnamed_files = [file for file in files if file.key not in change.after.object_keys]
    if unnamed_files:
        _delete(services, unnamed_files, note)
    if change.before is None and not is_new_id:
        recorded_files = change.after.request.input_files
        # The objects may have been deleted with the job that had this id before.
        is_complete = _has_all_objects(services.storage, recorded_files)
        if not is_complete and services.store.delete_unchanged(change.after):
            _delete(services, recorded_files, note)
            raise StoreUnavailable("the job was deleted at the same time: send it again")
    return change


def _has_all_objects(storage: MediaStorage, files: Sequence[MediaFile]) -> bool:
    return all(run_in_thread(storage.size, file.key) is not None for file in files)


def _store(storage: MediaStorage, parts: Sequence[InputPart], files: Sequence[MediaFile]) -> None:
    for part, file in zip(parts, files, strict=True):
        part.store(storage, file.key)


def _delete(services: Services, files: Sequence[MediaFile], note: str) -> None:
    """Delete files as far as possible: the sweep deletes the others by their note."""
    with suppress(StorageError, StoreUnavailable):
        for file in files:
            run_in_thread(services.storage.delete, file.key)
        services.due.input_notes.remove(note)
