"""Which worker draws thumbnails and how often, and that nothing else about a job changes."""

from dataclasses import replace

import pytest

from jobs import thumbnails
from jobs.job import Job
from jobs.record import MediaFile
from jobs.store import codec
from jobs.timeouts import Timeouts

NOW = 1_767_225_600.0
ORIGINAL = MediaFile(
    key="a-0.png", content_type="image/png", bytes=9, sha256="00", width=9, height=9
)
FILM = MediaFile(key="a-1.mp4", content_type="video/mp4", bytes=9, sha256="11", seconds=2.5)
SMALL = MediaFile(key="a-0.thumb.webp", content_type="image/webp", bytes=3, sha256="22")


@pytest.fixture
def stored() -> Job:
    job = Job.expected("a", NOW, Timeouts(60.0, 3600.0))
    return job.stored(NOW, (ORIGINAL, FILM))


def test_a_picture_is_to_be_drawn_from_the_moment_it_is_stored(stored: Job) -> None:
    assert stored.thumbnails.due_at == NOW


def test_a_film_is_not_to_be_drawn() -> None:
    job = Job.expected("a", NOW, Timeouts(60.0, 3600.0))
    assert job.stored(NOW, (FILM,)).thumbnails.due_at is None


def test_one_worker_draws_and_the_others_find_nothing_to_do(stored: Job) -> None:
    taken = thumbnails.claim(stored, NOW)
    assert taken.thumbnails.due_at == NOW + thumbnails.CLAIM_SECONDS
    assert thumbnails.claim(taken, NOW + 1) is taken


def test_what_its_worker_did_not_finish_is_tried_again_but_not_for_ever(stored: Job) -> None:
    job, now = stored, NOW
    for _ in range(thumbnails.ATTEMPTS_MAX):
        job = thumbnails.claim(job, now)
        assert job.thumbnails.due_at is not None
        now = job.thumbnails.due_at
    assert thumbnails.claim(job, now).thumbnails.due_at is None


def test_what_the_storage_refused_is_tried_again_later_each_time(stored: Job) -> None:
    first = thumbnails.postpone(thumbnails.claim(stored, NOW), NOW)
    assert first.thumbnails.due_at == NOW + 10
    second = thumbnails.postpone(thumbnails.claim(first, NOW + 10), NOW + 10)
    assert second.thumbnails.due_at == NOW + 50
    assert thumbnails.postpone(thumbnails.finish(second, NOW), NOW).thumbnails.due_at is None


def test_a_thumbnail_changes_nothing_else(stored: Job) -> None:
    drawn = thumbnails.finish(thumbnails.add(stored, ORIGINAL, SMALL), NOW)
    assert drawn.media == (replace(ORIGINAL, thumbnail=SMALL), FILM)
    assert (
        replace(
            drawn,
            media=stored.media,
            thumbnails=replace(drawn.thumbnails, due_at=stored.thumbnails.due_at),
        )
        == stored
    )
    assert thumbnails.add(drawn, ORIGINAL, FILM) is drawn


def test_a_file_that_took_the_place_of_the_original_does_not_get_its_thumbnail(
    stored: Job,
) -> None:
    other = replace(ORIGINAL, sha256="33")
    assert thumbnails.add(stored, other, SMALL) is stored


def test_a_record_is_read_as_it_was_written(stored: Job) -> None:
    drawn = thumbnails.add(stored, ORIGINAL, SMALL)
    assert codec.decode(codec.encode(drawn, 7)) == replace(drawn, version=7)
