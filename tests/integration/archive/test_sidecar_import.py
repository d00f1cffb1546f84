"""Sidecars of a storage become rows, where nothing is known of their jobs."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import NoReturn

import pytest

from jobs.domain.errors import ArchiveUnavailable
from jobs.domain.retention import media_deleted
from jobs.domain.status import Status
from jobs.storage.layout import sidecar_key
from jobs.store import erasures
from jobs.store.search_conditions import Search
from receiver.job_actions import delete_job
from receiver.repair import media, objects
from receiver.repair.sidecar_import import SidecarImport, insert
from tests.harness.archive_installation import Archived, a_job, left_behind, moved, newest_first
from tests.integration.archive.conftest import Build
from worker.periodic.retention import RowRetention

TASK = "5c1f0a2e-0000-4000-8000-000000000000"


def imported(archived: Archived) -> tuple[int, dict[str, str]]:
    """The number of imported jobs, and what was named."""
    named: dict[str, str] = {}
    walk = SidecarImport(archived.services, archived.archive, named.__setitem__)
    for _ in walk.run():
        pass
    return walk.counts["jobs imported"], named


def counted(archived: Archived) -> tuple[int, float]:
    cold = archived.services.archiving.counts.load()
    assert cold is not None
    return cold.by_status[Status.STORED], cold.newest


def test_jobs_of_a_storage_are_listed_and_found_after_an_import(archived: Archived) -> None:
    jobs = [a_job(n, metadata={"n": str(n)}) for n in range(230)]
    archived.pass_over(1)
    left_behind(archived, *jobs)
    assert imported(archived) == (230, {})
    assert archived.walk() == newest_first(jobs)
    assert archived.walk(Search(metadata=(("n", "7"),), words="lighthouse")) == [jobs[7].id]
    for name in (jobs[3].id, jobs[3].task_id or ""):
        found = archived.catalog.load(name)
        assert found and (found.version, found.media) == (0, jobs[3].media)
    number, newest = counted(archived)
    assert number == 230 and abs(newest - jobs[-1].created_at) <= 0.001
    assert imported(archived) == (0, {})
    assert counted(archived)[0] == 230


def test_an_import_that_was_interrupted_goes_on(archived: Archived) -> None:
    jobs = [a_job(n) for n in range(150)]
    archived.pass_over(1)
    left_behind(archived, *jobs)
    walk = SidecarImport(archived.services, archived.archive, lambda _key, _why: None)
    next(walk.run())
    assert 0 < walk.counts["jobs imported"] < 150
    assert imported(archived)[0] == 150 - walk.counts["jobs imported"]
    assert archived.walk() == newest_first(jobs) and counted(archived)[0] == 150


def test_rows_of_a_killed_import_are_listed(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(_job_ids: object) -> NoReturn:
        raise ArchiveUnavailable

    archived.pass_over(1)
    assert archived.walk() == []
    with monkeypatch.context() as patch:
        patch.setattr(archived.archive, "versions", kill)  # as soon as rows are written
        with pytest.raises(ArchiveUnavailable):
            insert(archived.services, archived.archive, [a_job(1)])
    assert archived.walk() == [a_job(1).id]


def test_what_redis_or_a_row_says_stays(archived: Archived) -> None:
    jobs = [a_job(n) for n in range(4)]
    archived.evict(jobs[0])
    archived.put(jobs[1])
    left_behind(archived, *(replace(job, cost=99.0) for job in jobs))
    assert imported(archived) == (2, {})
    for job in jobs[:2]:
        found = archived.catalog.load(job.id)
        assert found and found.cost == job.cost
    archived.put(jobs[2])  # a process knew it, and writes its record
    archived.pass_over()
    found = archived.catalog.load(jobs[2].id)
    assert found and (found.cost, found.version) == (jobs[2].cost, jobs[2].version)


def test_a_deleted_job_does_not_come_back(archived: Archived) -> None:
    job, other = a_job(1), a_job(2)
    archived.put(job)
    known = archived.services.store.load(job.id)
    assert known is not None
    delete_job(archived.services, known)
    erasures.begin(archived.services.store, archived.services.due.erasures, other.id)
    left_behind(archived, job, other)
    assert imported(archived) == (0, {})
    insert(archived.services, archived.archive, [job, other])  # which was looking before
    assert archived.catalog.load(job.id) is None and archived.walk() == []
    archived.pass_over(1)
    assert not archived.archive.versions([job.id, other.id])


def test_sidecars_that_are_not_of_fluxkeep_are_named(archived: Archived) -> None:
    good, bad, bare, long = map(a_job, range(4))
    left_behind(archived, good, bad, bare, replace(long, metadata={"a": "x" * 9000}))
    storage = archived.services.storage
    storage.write(sidecar_key(bad.media[0].key), b'{"format": 2}')
    storage.delete(sidecar_key(bare.media[0].key))
    count, named = imported(archived)
    assert count == 1 and named.keys() == {
        sidecar_key(job.media[0].key) for job in (bad, bare, long)
    }
    assert "beyond the limits" in named[sidecar_key(long.media[0].key)]


def test_a_sidecar_takes_no_task_of_another_job(archived: Archived) -> None:
    hot, cold = a_job(1), a_job(2)
    archived.evict(cold)
    archived.put(hot)
    thieves = [replace(a_job(n), task_id=job.task_id) for n, job in ((3, hot), (4, cold))]
    named_as_one = [
        moved(replace(a_job(n), task_id=None), a_job(n).created_at, job.task_id or "")
        for n, job in ((5, hot), (6, cold))
    ]
    left_behind(archived, *thieves, *named_as_one)
    count, named = imported(archived)
    assert count == 2 and named.keys() == {sidecar_key(job.media[0].key) for job in named_as_one}
    for job in (hot, cold):
        found = archived.catalog.load(job.task_id or "")
        assert found and found.id == job.id
    thief = archived.catalog.load(thieves[0].id)
    assert thief and thief.task_id is None


def test_many_jobs_of_one_millisecond_get_in(archived: Archived) -> None:
    at = 1_760_000_000.5
    jobs = [moved(a_job(n), at) for n in range(300)]
    left_behind(archived, *jobs)
    assert imported(archived) == (300, {})
    assert archived.walk(limit=40) == newest_first(jobs)
    assert archived.walk(Search(words="lighthouse"), 40) == newest_first(jobs)


def test_media_of_an_imported_job_are_deleted_in_their_time(build: Build) -> None:
    archived = build()
    left_behind(archived, a_job(1))
    assert imported(build(RETAIN_JOBS_DAYS="1")) == (0, {}) and archived.walk() == []
    assert imported(archived) == (1, {})
    archived = build(RETAIN_MEDIA_DAYS="1")
    RowRetention(archived.services, archived.archive).run_batch()
    found = archived.catalog.load(a_job(1).id)
    assert found and not found.present_media and found.version > 0


def restored(archived: Archived) -> Sequence[bool]:
    return [bool(one.repair and one.repair()) for one in objects.examine(archived.services)]


def test_repair_restores_old_jobs_as_rows_and_new_ones_in_redis(build: Build) -> None:
    archived, now = build(HOT_DAYS="2"), build().services.store.now()
    old = a_job(1)
    new = moved(replace(a_job(2), ended_at=now, updated_at=now), now - 60)
    left_behind(archived, old, new)
    assert restored(archived) == [True, True]
    assert archived.hot([old.id, new.id]) == {new.id}
    assert set(archived.archive.versions([old.id, new.id])) == {old.id}
    assert archived.walk() == [new.id, old.id]
    assert restored(archived) == []


def test_repair_finds_returned_media_of_a_job_that_only_the_archive_has(archived: Archived) -> None:
    job = a_job(1)
    (file,) = job.media
    archived.services.storage.write(file.key, bytes(file.bytes))
    archived.evict(media_deleted(job, job.end))
    assert restored(archived) == [True]
    found = archived.catalog.load(job.id)
    assert found and [one.key for one in found.present_media] == [file.key]
    assert restored(archived) == []


def test_all_bytes_that_repair_verifies_are_also_those_of_archived_jobs(archived: Archived) -> None:
    gone, torn, whole = (a_job(n) for n in range(3))
    content = b"x" * whole.media[0].bytes
    for job in (torn, whole):
        archived.services.storage.write(job.media[0].key, content)
    recorded = replace(whole.media[0], sha256=sha256(content).hexdigest())
    archived.evict(gone, torn, replace(whole, media=(recorded,)))
    assert list(media.examine(archived.services, verify_bytes=False)) == []
    found = {one.subject: one for one in media.examine(archived.services, verify_bytes=True)}
    problems = {subject: one.problem for subject, one in found.items()}
    assert problems == {gone.media[0].key: "is gone", torn.media[0].key: "has a wrong SHA-256"}
    repair = found[gone.media[0].key].repair
    assert repair and repair()
    marked = archived.catalog.load(gone.id)
    assert marked and not marked.present_media
