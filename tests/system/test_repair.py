"""`repair` finds, names and repairs each disagreement between records, indexes and storage."""

import os
import time
from collections.abc import Callable

import pytest

from jobs import sidecars
from jobs.domain import thumbnail_schedule as thumbnail_steps
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from jobs.storage.layout import sidecar_key, thumbnail_key
from tests.harness import Installation
from tests.harness.command_line import CommandLine, CommandResult
from tests.harness.past_jobs import Archive, events
from worker import thumbnails
from worker.thumbnails import Thumbnail

CLEAN = CommandResult(0, "all is well\n", "")
Damage = Callable[[Archive, Job], object]

pytestmark = pytest.mark.slow  # a process or three for each test


@pytest.fixture
def archive(at_rest: Installation) -> Archive:
    return Archive.over(at_rest.redis, at_rest.settings)


@pytest.fixture
def shell(at_rest: Installation) -> CommandLine:
    return CommandLine(at_rest)


def key(job: Job) -> str:
    return job.media[0].key


def delete_record(archive: Archive, job: Job) -> None:
    archive.store.delete_unchanged(job)


def remove_object(archive: Archive, job: Job) -> None:
    archive.storage.delete(key(job))


def remove_note(archive: Archive, job: Job) -> None:
    archive.storage.delete(sidecar_key(key(job)))


def write_note(body: bytes, note: str = "") -> Damage:
    return lambda archive, job: archive.storage.write(note or sidecar_key(key(job)), body)


def only_the_note(archive: Archive, job: Job) -> None:
    remove_object(archive, job)
    delete_record(archive, job)


def set_score(name: str, score: float, member: str = "") -> Damage:
    return lambda archive, job: archive.redis.zadd(f"fluxkeep:{name}", {member or job.id: score})


def take_from(name: str) -> Damage:
    return lambda archive, job: archive.redis.zrem(f"fluxkeep:{name}", job.id)


def set_name(name: str, leads_to: str = "") -> Damage:
    return lambda archive, job: archive.redis.set(f"fluxkeep:task:{name}", leads_to or job.id)


def lost_name(archive: Archive, job: Job) -> None:
    archive.redis.delete(f"fluxkeep:task:{job.task_id}")


def lost_under_way(archive: Archive, _job: Job) -> None:
    archive.redis.zrem("fluxkeep:due", archive.under_way().id)


NO_OBJECT = "belongs to an object that does not exist"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "an object without a record": (delete_record, "has no record"),
    "a record without its object": (remove_object, "is gone"),
    "no note": (remove_note, "is missing or stale"),
    "a stale note": (write_note(b"{}\n"), "is missing or stale"),
    "a note without an object": (write_note(b"{}", "2026/01/01/nobody-0-1.json"), NO_OBJECT),
    "a note that is all there is": (only_the_note, NO_OBJECT),
    "not on its clock": (take_from("ended:media"), "fluxkeep:ended:media"),
    "on the wrong clock": (set_score("ended", 5.0), "fluxkeep:ended"),
    "at the wrong time": (set_score("ended:media", 5.0), "fluxkeep:ended:media"),
    "not in its index": (take_from("jobs:stored"), "fluxkeep:jobs:stored"),
    "in another index": (set_score("jobs:lost", 5.0), "fluxkeep:jobs:lost"),
    "due although it has ended": (set_score("due", 4e9), "fluxkeep:due"),
    "active although it has ended": (set_score("active", 4e9), "fluxkeep:active"),
    "active as another model": (set_score("active:flux", 4e9), "does not belong"),
    "in line as another model": (set_score("queue:flux", 4e9), "does not belong"),
    "no name": (lost_name, "fluxkeep:task:"),
    "a name of nobody": (set_name("nothing", "nobody"), "which has no record"),
    "a wrong name": (set_name("another"), "which has another task"),
    "somebody without a record": (set_score("due", 4e9, "nobody"), "has no record"),
    "somebody in line without a record": (set_score("queue:flux-2-pro", 1, "nobody"), "no record"),
    "announced by a key without a record": (set_score("announced:app", 5, "nobody"), "no record"),
    "listed by model without a record": (set_score("by:model:flux", 5, "nobody"), "no record"),
    "listed by foreign metadata": (set_score("by:meta:user=7", 5), "does not belong"),
    "a job under way that nobody looks at": (lost_under_way, "fluxkeep:due"),
}


def test_every_damage_is_found_and_repaired(archive: Archive, shell: CommandLine) -> None:
    other, _ = archive.stored(files=2), archive.failed()
    damaged = {name: archive.stored() for name in DAMAGES}
    for name, (harm, _) in DAMAGES.items():
        harm(archive, damaged[name])
    before, number = (archive.objects(), archive.keys()), len(DAMAGES)
    found = shell.run("repair", "--dry-run")
    lines = found.out.splitlines()
    assert (found.code, found.err, lines[-1]) == (1, "", f"{number} found, 0 repaired"), found
    for name, (_, message) in DAMAGES.items():
        assert message in found.out, name
    assert (archive.objects(), archive.keys()) == before
    repaired = shell.run("repair")
    assert repaired.code == 0, repaired
    assert repaired.out.splitlines()[-1] == f"{number} found, {number} repaired"
    assert shell.run("repair", "--dry-run", "--verify-bytes") == CLEAN
    assert archive.job(other) == other


def test_a_missing_file_is_recorded_on_its_job(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored(files=2)
    remove_object(archive, job)
    shell.run("repair")
    after = archive.job(job)
    assert after and after.status == "stored" and events(after).count("media.missing") == 1
    assert after.present_media == job.media[1:] and after.media[0].sha256 == job.media[0].sha256
    assert len(archive.objects()) == 2


def test_a_file_that_was_restored_is_recorded_again(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    body = b"".join(archive.storage.read(key(job)))
    remove_object(archive, job)
    shell.run("repair")
    with archive.storage.staging(job.id) as path:
        path.write_bytes(body)
        archive.storage.publish(path, key(job))
    assert shell.run("repair").out.splitlines()[-1] == "1 found, 1 repaired"
    assert (after := archive.job(job)) and after.media == job.media
    assert shell.run("repair", "--dry-run", "--verify-bytes") == CLEAN


@pytest.mark.parametrize("body", [None, b"larger", b"other"])
def test_a_missing_or_changed_thumbnail_is_made_again(
    archive: Archive, shell: CommandLine, body: bytes | None
) -> None:
    job, media = archive.stored(), archive.storage
    thumbnails.store(archive.services, job.id, job.media[0], Thumbnail(b"small", 1, 1))
    archive.store.change(job.id, thumbnail_steps.finish)
    sidecars.update(archive.store, media, job.id)
    before = archive.job(job)
    assert before and before.media[0].thumbnail and before.thumbnails.due_at is None
    assert shell.run("repair", "--dry-run", "--verify-bytes") == CLEAN
    small = thumbnail_key(key(job))
    media.delete(small) if body is None else media.write(small, body)
    repaired = shell.run("repair", "--verify-bytes")
    assert repaired.out.startswith(small) and "1 found, 1 repaired" in repaired.out, repaired
    after = archive.job(job)
    assert after and after.media[0].thumbnail is None and after.thumbnails.due_at is not None
    assert shell.run("repair", "--dry-run", "--verify-bytes") == CLEAN


def test_a_restored_job_without_a_thumbnail_gets_one(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    delete_record(archive, job)
    shell.run("repair")
    assert (after := archive.job(job)) and after.thumbnails.due_at is not None


def test_other_bytes_are_found_and_left_to_a_person(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    size = job.media[0].bytes
    for body, options, message in (
        (b"x" * size, ("--verify-bytes",), "has a wrong SHA-256"),
        (b"x", (), "has 1 bytes instead of"),
    ):
        archive.storage.write(key(job), body)
        assert (size == len(body)) is (shell.run("repair", "--dry-run").code == 0)
        found = shell.run("repair", *options)
        assert found.code == 1 and message in found.out and "1 found, 0 repaired" in found.out


def test_an_object_without_a_sidecar_is_never_deleted(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    remove_note(archive, job)
    delete_record(archive, job)
    found = shell.run("repair")
    assert "has no record, and cannot be restored from its sidecar" in found.out
    assert archive.objects() == [key(job)]


def test_media_may_outlive_their_record(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored(31)
    delete_record(archive, job)
    assert shell.run("repair", "--dry-run") == CLEAN
    found = shell.run("repair", RETAIN_MEDIA_DAYS="30.5")
    assert "its retention has ended" in found.out and archive.objects() == []


def test_what_is_left_of_a_job_that_failed_is_removed(archive: Archive, shell: CommandLine) -> None:
    job = archive.failed()
    left = f"{time.strftime('%Y/%m/%d', time.gmtime(job.created_at))}/{job.id}-0-1.jpg"
    with archive.storage.staging(job.id) as path:
        path.write_bytes(b"x")
        archive.storage.publish(path, left)
    assert "belongs to a job that has no media (failed)" in shell.run("repair").out
    assert archive.objects() == []


def test_media_that_a_replay_would_store_are_left(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    archive.store.change(job.id, lambda job, _now: job.evolve(status=Status.EXPIRED, media=()))
    found = shell.run("repair")
    assert found.code == 1 and "its job is expired: replay the job" in found.out
    assert archive.objects() == sorted([key(job), sidecar_key(key(job))])


def test_what_happened_after_the_end_is_no_damage(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    told = EventCode.NOTIFICATION_DELIVERED
    archive.store.change(job.id, lambda job, now: job.with_event(now, told))
    assert shell.run("repair", "--dry-run") == CLEAN


def test_what_a_late_worker_left_is_deleted(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    late = archive._published(job, 1)  # noqa: SLF001 - as a worker does that lost its claim
    assert "is not a file of its job" in shell.run("repair").out
    archive.store.change(job.id, lambda job, _now: job.with_lease(fencing_token=2))
    assert f"{late.key}: was superseded" in shell.run("repair").out
    assert archive.objects() == sorted([key(job), sidecar_key(key(job))])
    assert shell.run("repair", "--dry-run") == CLEAN


def test_jobs_under_way_are_left_alone(archive: Archive, shell: CommandLine) -> None:
    job = archive.under_way()
    archive._published(job, 0)  # noqa: SLF001 - as a worker does just before it commits
    assert shell.run("repair") == CLEAN
    assert len(archive.objects()) == 1


def test_abandoned_bytes_are_found(archive: Archive, shell: CommandLine) -> None:
    archive.stored()
    staging = getattr(archive.storage, "root", None)
    if staging is None:
        pytest.skip("an upload counts as abandoned after an hour, by the bucket's clock")
    (left := staging / ".staging" / "half").write_bytes(b"half")
    os.utime(left, (time.time() - 120,) * 2)
    assert "1 abandoned files" in shell.run("repair", "--dry-run").out
    assert shell.run("repair").code == 0 and shell.run("repair", "--dry-run") == CLEAN


def test_a_record_that_cannot_be_read_is_named(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    archive.redis.set(f"fluxkeep:job:{job.id}", "7 nonsense")
    assert f"job {job.id}: its record cannot be read" in shell.run("repair").out
    assert len(archive.objects()) == 2


def test_without_redis_or_storage_it_cannot_look(archive: Archive, shell: CommandLine) -> None:
    archive.stored()
    unable = (
        shell.run("repair", "--dry-run", REDIS_URL="redis://127.0.0.1:1/0"),
        shell.run("repair", "--dry-run", SECRET_KEY=None),
    )
    assert [message.code for message in unable] == [2, 2]
