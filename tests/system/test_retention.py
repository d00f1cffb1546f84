"""Retention: ended jobs lose their media and then their records after the configured days."""

import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from jobs import kept_inputs
from jobs.domain import retention
from jobs.domain.job_record import Notifications
from jobs.storage.layout import companion_keys
from tests.harness import RedisServer, S3Server, TcpProxy, running_stack, wait_for
from tests.harness.kept_inputs import sent
from tests.harness.past_jobs import Archive, Open, events
from worker.periodic.retention import BATCH, RetentionCleanup

WEEK = {"RETAIN_MEDIA_DAYS": "7", "RETAIN_JOBS_DAYS": "30"}
IMAGE = b"\xff\xd8\xff" + bytes(range(256)) * 10
INPUT = {"prompt": "add fog", "input_image": b64encode(IMAGE).decode()}


def clear(archive: Archive) -> None:
    """Until nothing is due any more; bounded."""
    clearance = RetentionCleanup(archive.services)
    for _ in range(100):
        if not clearance.step():
            return
    raise AssertionError("there is always more")


def test_media_go_when_their_time_is_over_and_the_job_says_so(opened: Open) -> None:
    archive = opened(**WEEK)
    old, young = archive.stored(8, files=2), archive.stored(6)
    clear(archive)
    job = archive.job(old)
    assert job and job.status == "stored" and job.present_media == () and len(job.media) == 2
    assert events(job).count("media.deleted") == 1 and all(file.deleted_at for file in job.media)
    assert archive.job(young) == young
    (kept,) = young.media
    assert archive.objects() == sorted((kept.key, *companion_keys(kept.key)[:1]))


def test_records_go_when_their_time_is_over_and_nothing_is_left_of_them(opened: Open) -> None:
    archive = opened(**WEEK)
    before = archive.keys()
    jobs = [archive.stored(31), archive.failed(31), archive.stored(40, files=3)]
    archive.services.refused_callbacks.record(jobs[0].id, "no secret")
    clear(archive)
    assert [archive.job(job) for job in jobs] == [None, None, None]
    assert archive.keys() == before and archive.objects() == []


def test_media_without_a_record_go_by_their_own_clock(opened: Open) -> None:
    archive = opened(RETAIN_MEDIA_DAYS="90")
    before, old = archive.keys(), archive.stored(31, files=2)
    clear(archive)
    assert archive.job(old) is None and len(archive.objects()) == 4
    assert archive.keys() == [*before, "fluxkeep:orphans"]
    later = opened(RETAIN_MEDIA_DAYS="30.5")
    clear(later)
    assert archive.keys() == before and archive.objects() == []


@pytest.mark.parametrize("steps", range(4))
def test_a_clearance_that_was_cut_off_is_finished_by_the_next(opened: Open, steps: int) -> None:
    """Each point at which a sweeper can die: the objects go one by one, then the record says so."""
    archive = opened(**WEEK)
    old = archive.stored(8, files=2)
    first, second = old.media
    services = archive.services
    done: list[Callable[[], Any]] = [
        lambda: services.storage.delete(first.key),
        lambda: services.storage.delete(companion_keys(first.key)[0]),
        lambda: services.storage.delete_with_companions(second.key),
        lambda: services.store.change(old.id, retention.media_deleted),
    ]
    for step in done[: steps + 1]:
        step()
    clear(archive)
    job = archive.job(old)
    assert job and job.present_media == () and events(job).count("media.deleted") == 1
    assert archive.objects() == []


def test_two_sweepers_at_once_delete_each_job_once(opened: Open) -> None:
    archive, other = opened(**WEEK), opened(**WEEK)
    before = archive.keys()
    for n in range(30):
        archive.stored(31 + n % 2)
    threads = [threading.Thread(target=clear, args=(one,)) for one in (archive, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert archive.keys() == before and archive.objects() == []


def test_images_of_an_input_are_deleted_with_the_media(opened: Open) -> None:
    archive = opened(**WEEK)
    old, young = (archive.stored(days, given=INPUT) for days in (8, 6))
    image = young.request.input_files[0].key
    clear(archive)
    after = archive.job(old)
    assert after and after.request.input_files == ()
    assert after.request.kept_input == old.request.kept_input
    assert archive.job(young) == young and image in archive.objects()
    assert not [key for key in archive.objects() if old.id in key]
    assert sent(archive.storage, young) == INPUT
    assert kept_inputs.load(archive.storage, after) is None


def test_a_batch_is_bounded(opened: Open) -> None:
    archive = opened(**WEEK)
    for _ in range(BATCH + 10):
        archive.failed(31)
    clearance = RetentionCleanup(archive.services)
    assert clearance.step() and archive.redis.zcard("fluxkeep:ended") == 10
    assert clearance.step() and not clearance.step()


def test_pending_notifications_do_not_stop_the_cleanup_of_other_jobs(opened: Open) -> None:
    archive = opened(**WEEK)
    awaited = Notifications(notify_url="https://app.example")
    waiting = [archive.failed(40, notifications=awaited) for _ in range(BATCH)]
    old = archive.failed(31)
    clear(archive)
    assert archive.job(old) is None and None not in map(archive.job, waiting)


def test_its_cost_follows_what_is_due_and_not_what_is_kept(opened: Open) -> None:
    archive = opened(**WEEK)
    for name in ("ended", "ended:media"):
        archive.redis.zadd(f"fluxkeep:{name}", {f"{name}{n}": 3e9 for n in range(5000)})
    clearance = RetentionCleanup(archive.services)
    clearance.step()
    before = archive.redis.info("stats")["total_commands_processed"]
    assert not clearance.step()
    assert archive.redis.info("stats")["total_commands_processed"] - before < 8


def test_a_broken_record_stops_no_other_job(opened: Open) -> None:
    archive = opened(**WEEK)
    broken, old = archive.stored(40), archive.stored(31)
    archive.redis.set(f"fluxkeep:job:{broken.id}", "7 nonsense")
    clear(archive)
    assert archive.job(old) is None and len(archive.objects()) == 2


def test_a_broken_record_keeps_its_media_and_stops_no_others(opened: Open) -> None:
    archive = opened(RETAIN_MEDIA_DAYS="90")
    broken, old = archive.stored(40), archive.stored(31)
    clear(archive)
    assert len(archive.objects()) == 4, "they outlive their records"
    archive.redis.set(f"fluxkeep:job:{broken.id}", "7 nonsense")
    clear(opened(RETAIN_MEDIA_DAYS="30.5"))
    (kept,) = broken.media
    assert archive.objects() == sorted((kept.key, *companion_keys(kept.key)[:1]))
    assert archive.job(old) is None


def test_a_storage_that_refuses_only_postpones(
    redis_server: RedisServer, s3_server: S3Server, temporary: Path
) -> None:
    bucket = s3_server.bucket(f"keep-{temporary.parent.name}-refuses".lower().replace("_", "-"))
    with TcpProxy(s3_server.port) as proxy:
        where = {**bucket.settings, "AWS_ENDPOINT_URL": proxy.url}
        archive = Archive.over(redis_server, where | WEEK)
        old, failed = archive.stored(31), archive.failed(31)
        proxy.refuse()
        clearance = RetentionCleanup(archive.services)
        assert not clearance.step()
        assert archive.job(old) == old and archive.job(failed) is None
        proxy.pass_on()
        clear(archive)
    assert archive.job(old) is None and bucket.sizes() == {}


@pytest.mark.slow
def test_the_sweep_clears_away_by_both_clocks(tmp_path: Path) -> None:
    """Media are kept for two seconds, and records for eight."""
    with running_stack(
        tmp_path, RETAIN_MEDIA_DAYS=str(2 / 86400), RETAIN_JOBS_DAYS=str(8 / 86400)
    ) as stack:
        task = stack.generate()
        job = stack.client.wait_for(task.id)
        link = job["media"][0]["url"]
        wait_for(
            "the media are gone", lambda: requests.get(link, timeout=30).status_code == 410, 30
        )
        shown = stack.client.find(task.id)
        if shown:  # a machine under load may be late
            assert shown["status"] == "stored"
            wait_for("no object", lambda: stack.installation.stored_objects.sizes() == {})
        wait_for("the record is gone", lambda: stack.client.find(task.id) is None, 30)
        assert requests.get(link, timeout=30).status_code == 410
        with stack.installation.redis.client() as redis:
            assert not [key for key in redis.scan_iter("*") if task.id.encode() in key]
        assert stack.client.jobs() == []
        stack.settled()
