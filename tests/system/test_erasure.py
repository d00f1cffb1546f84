"""Jobs without a record are erased: each day of the storage is searched, and nothing comes back."""

import json
import threading
import time
from base64 import b64encode
from pathlib import Path

import pytest

from jobs import ingest, sidecars
from jobs.domain.errors import QueueFull, StorageError, UnknownJob
from jobs.domain.job import Job
from jobs.domain.status import ReportKind
from jobs.services import Services
from jobs.storage.layout import companion_keys, object_key, sidecar_key
from jobs.store import erasures
from jobs.store.erasures import ERASURES_MAX
from jobs.store.redis.keys import LATE_OBJECTS
from receiver.checks.context import Context
from receiver.checks.processes import check_sweep
from receiver.job_actions import delete_or_erase
from receiver.repair import objects
from tests.harness import RedisServer
from tests.harness.past_jobs import DAY_SECONDS, TIMEOUTS, Archive, Open
from tests.harness.publishing import published
from tests.harness.reports import report_of
from tests.harness.stored_objects import a_file_in_place_of
from worker.periodic import erasure
from worker.periodic.retention import RetentionCleanup

IMAGE = b"\xff\xd8\xff" + bytes(range(256)) * 10
INPUT = {"prompt": "canary-prompt " * 300, "seed": 7, "input_image": b64encode(IMAGE).decode()}
DAYS = 120


@pytest.fixture
def archive(opened: Open) -> Archive:
    return opened()


@pytest.fixture(autouse=True)
def first_day(monkeypatch: pytest.MonkeyPatch) -> float:
    """A search begins on this day: a bucket takes milliseconds for each."""
    day = time.time() // DAY_SECONDS * DAY_SECONDS - DAYS * DAY_SECONDS
    monkeypatch.setattr(erasures, "FIRST_DAY", day)
    return day


def without_record(archive: Archive, days_ago: float = 100.0) -> Job:
    """A job whose record is gone, with two files and the objects of an input."""
    job = archive.stored(days_ago, files=2, given=INPUT)
    archive.store.delete_unchanged(job)
    return job


def erase(archive: Archive, job_id: str) -> None:
    assert not delete_or_erase(archive.services, job_id)


def search(archive: Archive) -> int:
    """Until nothing is searched for any more; returns the number of steps."""
    for step in range(100):
        if erasure.step(archive.services) == erasure.POLL_SECONDS:
            return step
    raise AssertionError("the search never ends")


def repair(archive: Archive, *, dry_run: bool = False) -> list[str]:
    found = list[str]()
    for one in objects.examine(archive.services):
        found.append(f"{one.subject} {one.problem}")
        assert dry_run or (one.repair and one.repair())
    return found


def test_everything_of_the_job_is_deleted_and_nothing_of_others(archive: Archive) -> None:
    before, other = archive.keys(), without_record(archive)
    kept = archive.objects()
    job, unknown = without_record(archive), "some-rubbish-id"
    assert len(archive.objects()) == len(kept) + 6
    archive.services.due.orphans.schedule(job.media[0].key, job.end)
    for job_id in (job.id, job.id, unknown):
        erase(archive, job_id)
    assert search(archive) == 4
    assert archive.objects() == kept and [key for key in kept if other.id in key] == kept
    tombstones = {f"fluxkeep:tombstone:{job_id}" for job_id in (job.id, unknown)}
    # A process that was suspended may still publish: the sweep looks again for a day.
    assert set(archive.keys()) - set(before) == {*tombstones, LATE_OBJECTS}


@pytest.mark.parametrize("days_ago", [0.0, 1.0, 119.9])
def test_every_day_is_searched(archive: Archive, days_ago: float) -> None:
    erase(archive, without_record(archive, days_ago).id)
    search(archive)
    assert archive.objects() == []


def test_a_job_with_a_record_is_deleted_at_once(archive: Archive) -> None:
    job = archive.stored(given=INPUT)
    assert delete_or_erase(archive.services, job.task_id or "")
    assert archive.job(job) is None and set(job.object_keys).isdisjoint(archive.objects())
    assert archive.services.due.erasures.earliest(1) == []
    with pytest.raises(UnknownJob):
        delete_or_erase(archive.services, "not/an/id")


def test_a_search_that_was_killed_goes_on_where_it_was(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, first_day: float
) -> None:
    job = without_record(archive, 25.0)
    erase(archive, job.id)
    delete_objects = erasure._delete_objects  # noqa: SLF001 - where a process can be killed

    def killed_at_its_day(services: Services, job_id: str, day: float) -> int:
        if day > first_day + 70 * DAY_SECONDS:
            raise KeyboardInterrupt
        return delete_objects(services, job_id, day)

    monkeypatch.setattr(erasure, "_delete_objects", killed_at_its_day)
    with pytest.raises(KeyboardInterrupt):
        search(archive)
    monkeypatch.undo()
    ((_, reached),) = archive.services.due.erasures.earliest(9)
    assert reached == first_day + erasure.DAYS * DAY_SECONDS
    assert search(archive) == 3
    assert archive.objects() == []


def test_two_sweeps_may_search_at_once(opened: Open) -> None:
    archives = opened(), opened()
    for job in [without_record(archives[0]) for _ in range(3)]:
        erase(archives[0], job.id)
    threads = [threading.Thread(target=search, args=(one,)) for one in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert archives[0].objects() == []
    assert archives[0].services.due.erasures.earliest(1) == []


def test_a_storage_that_is_away_only_delays_it(redis_server: RedisServer, tmp_path: Path) -> None:
    root = tmp_path / "media"
    archive = Archive.over(redis_server, {"MEDIA_URL": root.as_uri()})
    erase(archive, without_record(archive).id)
    with a_file_in_place_of(root), pytest.raises(StorageError):
        search(archive)
    (root / ".staging").rename(tmp_path / "unmounted")
    with pytest.raises(StorageError):
        search(archive)
    (tmp_path / "unmounted").rename(root / ".staging")
    search(archive)
    assert archive.objects() == []


def test_a_number_of_searches_is_the_most(archive: Archive) -> None:
    for n in range(ERASURES_MAX):
        erase(archive, f"job-{n}")
    with pytest.raises(QueueFull):
        erase(archive, "one-more")
    assert archive.store.tombstone("one-more") is None


def test_doctor_shows_the_searches_under_way(archive: Archive) -> None:
    context = Context(archive.services.settings, archive.services)
    assert [one.name for one in check_sweep(context)] == ["sweep"]
    erase(archive, "one")
    erase(archive, "another")
    assert "searched for 2 jobs" in [*check_sweep(context)][1].why


def test_neither_a_late_callback_nor_repair_brings_the_job_back(archive: Archive) -> None:
    job, restored = without_record(archive), without_record(archive, 1.0)
    (finding,) = (one for one in objects.examine(archive.services) if restored.media[0].key in one)
    for each in (job, restored):
        erase(archive, each.id)
        with pytest.raises(UnknownJob):
            ingest.apply_report(archive.store, report_of(ReportKind.READY), TIMEOUTS, each.id)
    assert finding.problem == "has no record" and finding.repair and not finding.repair()
    assert all("belongs to a deleted job" in line or "input" in line for line in repair(archive))
    assert archive.objects() == [] and archive.job(restored) is None


def test_the_tombstone_lives_as_long_as_the_search(archive: Archive) -> None:
    erase(archive, "job")
    archive.redis.expire("fluxkeep:tombstone:job", 60)
    erasure.step(archive.services)
    assert archive.redis.ttl("fluxkeep:tombstone:job") > 7 * 86400


def test_a_job_that_was_made_anew_keeps_its_objects(archive: Archive) -> None:
    old = without_record(archive)
    erase(archive, old.id)
    archive.store.update(old.id, lambda _job, now: Job.awaited(old.id, now, TIMEOUTS))
    key = object_key(old.id, archive.store.now(), 0, 1, "image/jpeg")
    published(archive.storage, b"new", key)
    search(archive)
    assert archive.objects() == [key]
    assert archive.store.tombstone(old.id) is None


@pytest.mark.parametrize("media", ["forever", "90"])
def test_inputs_never_outlive_their_record(opened: Open, media: str) -> None:
    archive = opened(RETAIN_MEDIA_DAYS=media, RETAIN_JOBS_DAYS="30")
    said = {"seed": 7, "prompt": "canary-of-bfl", "sample": "media:0"}
    job = archive.stored(31, given=INPUT, result=said, metadata={"user": 7})
    assert len(archive.objects()) == 4
    assert RetentionCleanup(archive.services).step()
    (file,) = job.media
    assert archive.job(job) is None
    assert archive.objects() == sorted((file.key, *companion_keys(file.key)[:1]))
    note = b"".join(archive.storage.read(sidecar_key(file.key)))
    assert b"canary" not in note and b"input" not in note
    restored = sidecars.read(archive.storage, file.key)
    assert restored.result == {"seed": 7, "prompt": None} and restored.metadata == {"user": 7}
    assert repair(archive) == []


def test_repair_removes_what_has_outlived_its_record(archive: Archive) -> None:
    old = without_record(archive, 31.0)
    found = repair(archive, dry_run=True)
    assert set(repair(archive)) < set(found) and len(found) == 4  # both sidecars at once
    assert sum("describes an input that has outlived its record" in line for line in found) == 2
    assert sum("is part of an input without a record" in line for line in found) == 2
    assert len(archive.objects()) == 4 and repair(archive) == []
    note = json.loads(b"".join(archive.storage.read(sidecar_key(old.media[0].key))))
    assert "input" not in note and note["status"] == "stored"
