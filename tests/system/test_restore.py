"""Redis was lost: `repair` restores the records from the sidecars beside the media."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import requests

from jobs import sidecars
from jobs.domain.errors import ForeignObject
from jobs.storage.layout import sidecar_key
from tests.harness import Installation, RedisServer, Stack, wait_for, without_links
from tests.harness.command_line import CommandLine, CommandResult
from tests.harness.kept_inputs import sent
from tests.harness.notifications import NEW
from tests.harness.past_jobs import Archive
from tests.harness.stored_objects import StoredInDirectory

CLEAN = CommandResult(0, "all is well\n", "")

STORAGES = ("directory", "bucket")


def test_every_stored_job_comes_back_and_its_links_work(stack: Stack) -> None:
    tasks = [stack.generate(format="jpeg", samples=n) for n in (1, 2, 1)]
    stack.announce(tasks[2], metadata={"user": "Zoë"}, model="flux-2-pro")
    before = [stack.stored(task) for task in tasks]
    before[2] = stack.client.job(tasks[2].id)
    moderated = stack.generate(outcome="content_moderated")
    stack.client.wait_for(moderated.id)
    wait_for("all is drawn", lambda: not stack.awaiting_thumbnails())
    with stack.installation.redis.client() as redis:
        redis.flushall()
    assert requests.get(before[0]["media"][0]["url"], timeout=30).status_code == 410
    shell = CommandLine(stack.installation)
    result = shell.run("repair")
    assert result.code == 0 and result.out.endswith("4 found, 4 repaired\n"), result
    assert [without_links(stack.client.job(task.id)) for task in tasks] == [
        without_links(job) for job in before
    ]
    for task, earlier in zip(tasks, before, strict=True):
        stack.stored(task)
        assert stack.client.media(earlier) == stack.sandbox.file(task.id), "by its old link"
    assert stack.client.find(moderated.id) is None  # nothing is kept of it but its record
    assert shell.run("repair", "--verify-bytes") == CLEAN
    stack.settled()


@pytest.fixture
def archive(stopped_installation: Installation) -> Archive:
    given = {**stopped_installation.settings, "RETAIN_JOBS_DAYS": "30"}
    return Archive.over(stopped_installation.redis, given)


@pytest.fixture
def shell(stopped_installation: Installation) -> CommandLine:
    return CommandLine(stopped_installation)


def test_a_kept_input_comes_back_with_its_images(archive: Archive, shell: CommandLine) -> None:
    image = b64encode(b"\xff\xd8\xff" + bytes(range(256)) * 10).decode()
    given = {"prompt": "add fog", "input_image": image, "seed": 7}
    job = archive.stored(given=given)
    assert [file.content_type for file in job.request.input_files] == ["image/jpeg"]
    archive.redis.flushall()
    shell.run("repair")
    back = archive.job(job)
    assert back and back.request.kept_input == job.request.kept_input
    assert sent(archive.storage, back) == given
    assert shell.run("repair", "--verify-bytes") == CLEAN


def test_a_restored_job_notifies_nobody(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored()
    archive.redis.flushall()
    shell.run("repair", NOTIFY_URL="https://app.example/jobs", NOTIFY_SECRET=NEW)
    assert (back := archive.job(job)) and back.notifications.pending == ()


def test_a_sidecar_takes_no_task_id_of_another_job(
    archive: Archive, shell: CommandLine, stopped_installation: Installation
) -> None:
    victim, thief, other = archive.stored(), archive.stored(), archive.stored()
    archive.redis.delete(f"fluxkeep:job:{thief.id}", f"fluxkeep:job:{other.id}")
    stored_objects = stopped_installation.stored_objects
    assert isinstance(stored_objects, StoredInDirectory)
    for job, named in ((thief, victim.task_id), (other, victim.id)):
        note = stored_objects.root / sidecar_key(job.media[0].key)
        note.write_text(json.dumps({**json.loads(note.read_text()), "task_id": named}))
    shell.run("repair")
    for named in (victim.id, victim.task_id or ""):
        assert archive.store.load(named) == victim
    assert (back := archive.job(thief)) and back.id == thief.id and back.task_id is None
    assert (back := archive.job(other)) and back.task_id is None


def test_a_job_whose_id_is_the_name_of_another_ones_task_comes_back_all_the_same(
    archive: Archive, shell: CommandLine
) -> None:
    job, thief = archive.stored(), archive.stored()
    archive.redis.delete(f"fluxkeep:job:{job.id}")
    archive.redis.set(f"fluxkeep:task:{job.id}", thief.id)
    shell.run("repair")
    assert (back := archive.job(job)) and back.id == job.id


def test_what_is_too_old_for_a_record_stays_without(archive: Archive, shell: CommandLine) -> None:
    job = archive.stored(31)
    archive.redis.flushall()
    result = shell.run("repair", RETAIN_MEDIA_DAYS="90")
    assert "has outlived its record" in result.out and archive.job(job) is None
    assert archive.redis.zcard("fluxkeep:orphans") == 1
    assert shell.run("repair", "--dry-run", RETAIN_MEDIA_DAYS="90") == CLEAN
    assert "2 repaired" in shell.run("repair", RETAIN_JOBS_DAYS="forever").out


def test_hostile_sidecars_are_refused_and_foreign_files_left_alone(
    archive: Archive, shell: CommandLine, stopped_installation: Installation
) -> None:
    job = archive.stored()
    (file,) = job.media
    archive.redis.flushall()
    stored_objects = stopped_installation.stored_objects
    assert isinstance(stored_objects, StoredInDirectory)
    (stored_objects.root / "package.json").write_text("{}")
    note = stored_objects.root / sidecar_key(file.key)
    good = note.read_bytes()
    elsewhere = stored_objects.root / file.key.replace(job.id, "thief")
    elsewhere.write_bytes(b"x")
    (stored_objects.root / sidecar_key(file.key).replace(job.id, "thief")).write_bytes(good)
    note.write_text("[" * 100_000)
    result = shell.run("repair")
    assert result.code == 1 and result.out.endswith("2 found, 0 repaired\n"), result
    assert result.out.count("cannot be restored from its sidecar") == 2
    assert archive.keys() == [] and (stored_objects.root / "package.json").exists()


# What a note may say: tests/unit/steps/sidecars.txt has the rest.


@pytest.fixture
def note(tmp_path: Path, redis_server: RedisServer) -> dict[str, Any]:
    """A good one; its job and key go by it."""
    archive = Archive.over(redis_server, {"MEDIA_URL": (tmp_path / "media").as_uri()})
    result: dict[str, Any] = json.loads(sidecars.render(archive.stored()))
    return result


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("created_at", 7),
        ("updated_at", "9999-12-31T23:59:59-23:59"),
        ("updated_at", "0001-01-01T00:00:00+23:59"),
        ("created_at", "9999-12-31T23:59:59-23:59"),
        ("deadline", "0001-01-01T00:00:00+23:59"),
        ("timeline", [{"at": "9999-12-31T23:59:59-23:59", "event": "job.stored"}]),
        ("timeline", [{"at": "2026-01-01T00:00:00Z", "event": "x"}]),
        ("media", []),
        ("metadata", "x"),
    ],
)
def test_an_impossible_sidecar_is_refused(note: dict[str, Any], name: str, value: Any) -> None:
    key = sidecar_key(note["media"][0]["key"])
    assert sidecars.parse(json.dumps(note).encode(), key).id == note["id"]
    with pytest.raises(ForeignObject):
        sidecars.parse(json.dumps({**note, name: value}).encode(), key)
