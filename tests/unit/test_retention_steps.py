"""Steps of retention: what is marked as deleted, missing or found, and when."""

from dataclasses import replace

import pytest

from jobs import retention
from jobs.job import Job
from jobs.record import MediaFile
from jobs.retention import DAY_SECONDS, Retention
from jobs.status import Status
from jobs.timeline import EventCode
from tests.harness.reports import NOW, TIMEOUTS


def a_file(n: int) -> MediaFile:
    key = f"2026/01/01/job-{n}-1.jpg"
    thumbnail = MediaFile(key=f"{n}.thumb.webp", content_type="image/webp", bytes=1, sha256="t")
    return MediaFile(key=key, content_type="image/jpeg", bytes=10, sha256="s", thumbnail=thumbnail)


@pytest.fixture
def a_stored_job() -> Job:
    return Job.expected("job", NOW, TIMEOUTS).stored(NOW, (a_file(0), a_file(1)))


def test_periods_count_back_from_now_and_none_is_for_ever() -> None:
    assert Retention(media_days=2.0, jobs_days=3.0).cutoffs(NOW) == (
        NOW - 2 * DAY_SECONDS,
        NOW - 3 * DAY_SECONDS,
    )
    assert Retention(jobs_days=None).cutoffs(NOW) == (float("-inf"), float("-inf"))


def test_deleted_media_stay_on_the_list_and_the_job_stays_stored(a_stored_job: Job) -> None:
    after = retention.media_deleted(a_stored_job, NOW + 9)
    assert [file.deleted_at for file in after.media] == [NOW + 9, NOW + 9]
    assert after.status is Status.STORED and after.thumbnails.due_at is None
    assert after.timeline[-1].event == EventCode.MEDIA_DELETED
    assert after.timeline[-1].detail == {"files": 2} and after.timeline[-1].at == NOW + 9


def test_media_are_marked_as_deleted_once(a_stored_job: Job) -> None:
    after = retention.media_deleted(a_stored_job, NOW + 9)
    assert retention.media_deleted(after, NOW + 10) is after


def test_only_the_missing_file_is_marked(a_stored_job: Job) -> None:
    key = a_file(1).key
    after = retention.media_missing(a_stored_job, NOW + 9, [key])
    assert [file.deleted_at for file in after.media] == [None, NOW + 9]
    assert after.timeline[-1].event == EventCode.MEDIA_MISSING
    assert after.timeline[-1].detail == {"objects": [key]}
    assert retention.media_missing(after, NOW + 10, [key]) is after
    assert retention.media_missing(after, NOW + 10, ["another"]) is after


def test_a_file_that_is_found_again_has_no_thumbnail_any_more(a_stored_job: Job) -> None:
    key = a_file(1).key
    missing = retention.media_missing(a_stored_job, NOW + 9, [key])
    found = retention.media_found(missing, NOW + 10, key)
    assert found.media == (a_file(0), replace(a_file(1), thumbnail=None))
    assert found.timeline[-1].event == EventCode.MEDIA_FOUND
    assert found.timeline[-1].detail == {"objects": [key]}
    assert retention.media_found(found, NOW + 11, key) is found
