"""An authentic callback of long ago changes nothing, though Redis has no tombstone (I5, I29)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.domain.job import Job
from jobs.domain.job_record import Request
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.archiving.counts import SAME_PASS_SECONDS
from jobs.store.commit import TOMBSTONE_SECONDS
from jobs.store.redis.keys import COLD, HELD_CALLBACKS, INPUT_NOTES, TASK_PREFIX, TOMBSTONE_PREFIX
from jobs.store.search_conditions import Search
from receiver import webhook
from receiver.job_actions import delete_job
from tests.harness.archive_installation import Archived, a_job, newest_first, stored_job
from tests.harness.parts import services_over
from tests.harness.stock import VERSION, put_in
from tests.integration.archive.conftest import NOW as AT_ONCE
from tests.integration.archive.conftest import Build
from tests.integration.test_webhook import SECRET, environ
from worker.periodic.held_callbacks import apply_held
from worker.periodic.input_cleanup import delete_unrecorded

NEVER = 4e9
HOST = "https://delivery.eu1.bfl.ai"


def ready(seconds: float | None) -> dict[str, Any]:
    """A result whose URL dies in so many seconds; with None it does not say when."""
    url = f"{HOST}/results/ab/sample.jpeg?sig=s"
    if seconds is not None:
        at = datetime.now(UTC).timestamp() + seconds
        url += "&se=" + datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")
    return {"status": "Ready", "result": {"sample": url, "prompt": "another"}}


LATE: dict[str, dict[str, Any]] = {
    "error": {"status": "Error", "details": {"error": "no"}},
    "moderated": {"status": "Content Moderated"},
    "pending": {"status": "Pending", "progress": 0.5},
    "ready with a dead URL": ready(-86400.0),
    "ready with a live URL": ready(300.0),
    "ready without an expiry": ready(None),
}


def call_back(services: Services, job_id: str, body: dict[str, Any], *, own: bool = False) -> str:
    """The status that is answered; `own` is the address of the submission itself."""
    given, token, secret = json.dumps(body).encode(), None, SECRET
    if own:
        token, secret = services.tokens.sign(job_id), services.tokens.secret(job_id)
    answer = webhook.accept_callback(services, environ(given, x_webhook_secret=secret), token)
    return answer["status"]


def archived_job(n: int = 0) -> Job:
    return stored_job(n, request=Request(key="app"), metadata={"order": "4711"}, cost=3.0)


def lose_redis(archived: Archived, _job: Job) -> None:
    archived.redis.flushdb()


def end_tombstones(archived: Archived, job: Job) -> None:
    """As if eight days and a second were over."""
    for name in (job.id, job.task_id or ""):
        assert 0 < archived.redis.ttl(TOMBSTONE_PREFIX + name) <= TOMBSTONE_SECONDS
        archived.redis.delete(TOMBSTONE_PREFIX + name)


LOSSES = {"a lost Redis": lose_redis, "eight days": end_tombstones}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", LATE)
def test_a_late_callback_leaves_an_archived_job_as_it_is(
    archived: Archived, kind: str, loss: str
) -> None:
    job = archived_job()
    archived.evict(job)
    before = archived.catalog.load(job.id)
    for name, own in ((job.id, True), (job.id, False), (job.task_id or "", False)):
        LOSSES[loss](archived, job)
        body = LATE[kind] | {"id": job.task_id if own else name}
        for _ in range(2):  # the second one finds the tombstone that the first has set again
            assert call_back(archived.services, job.id, body, own=own) == "stored"
        assert archived.redis.get(TOMBSTONE_PREFIX + job.id) == b"stored"
        assert not archived.hot([job.id, name])
    archived.pass_over()
    assert archived.catalog.load(job.id) == archived.catalog.load(job.task_id or "") == before
    assert before is not None and (before.request.key, before.cost) == ("app", 3.0)
    assert not archived.redis.exists(HELD_CALLBACKS)
    assert not list(archived.redis.scan_iter(f"{TASK_PREFIX}*"))


@pytest.mark.parametrize("kind", LATE)
def test_a_job_that_has_just_ended_outlives_redis(build: Build, kind: str) -> None:
    """The first pass after its end has written its row, also with thumbnails to come."""
    archived = build(HOT_DAYS="2")
    archived.sweep.run_pass()  # the first one looks at all jobs
    job = archived_job()
    archived.services.store.update(job.id, lambda _job, _now: job.with_thumbnails(due_at=NEVER))
    archived.sweep.run_pass()
    archived.redis.flushdb()
    body = LATE[kind] | {"id": job.task_id}
    assert call_back(archived.services, job.id, body, own=True) == "stored"
    assert not archived.hot([job.id])
    found = archived.catalog.load(job.id)
    assert found is not None
    assert (found.status, found.media, found.cost) == (Status.STORED, job.media, 3.0)


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED, Status.LOST, Status.MODERATED])
def test_no_outcome_is_reopened(archived: Archived, status: Status) -> None:
    job = replace(archived_job(), status=status, media=())
    archived.evict(job)
    archived.redis.flushdb()
    for body in LATE.values():
        assert call_back(archived.services, job.id, body | {"id": job.task_id}) == status
    assert not archived.hot([job.id, job.task_id or ""])


def test_a_task_that_the_archive_does_not_know_is_recorded_at_once(archived: Archived) -> None:
    archived.evict(archived_job())
    assert call_back(archived.services, "new", LATE["error"] | {"id": "new"}) == "failed"
    assert archived.hot(["new"])


def test_a_deleted_job_stays_deleted_when_its_tombstone_has_ended(archived: Archived) -> None:
    """Its row and its entry are there as long as the database is away."""
    job = archived_job()
    archived.evict(job)
    delete_job(archived.services, job)
    for name in (job.id, job.task_id or ""):
        archived.redis.delete(TOMBSTONE_PREFIX + name)
    body = LATE["error"] | {"id": job.task_id}
    assert call_back(archived.services, job.id, body, own=True) == "deleted"
    assert not archived.hot([job.id])


@pytest.fixture
def away(redis: Redis, tmp_path: Path, database_url: str) -> Services:
    """Services whose database does not answer, over the same Redis."""
    file = tmp_path / "no directory"
    file.write_bytes(b"")
    url = f"sqlite:///{file}/archive.db"
    if not database_url.startswith("sqlite"):
        url = "postgresql://nobody:none@127.0.0.1:9/none"
    media = (tmp_path / "media").as_uri()
    return services_over(redis, **({"DATABASE_URL": url, "MEDIA_URL": media} | AT_ONCE))


def test_while_the_database_is_away_a_callback_of_an_unknown_task_waits(
    archived: Archived, away: Services
) -> None:
    job = archived_job()
    archived.evict(job)
    archived.redis.flushdb()
    for kind in ("error", "pending", "ready with a dead URL"):
        for name in (job.task_id, "unknown"):
            for _ in range(2):  # BFL repeats some
                assert call_back(away, job.id, LATE[kind] | {"id": name}) == webhook.HELD
    assert call_back(away, job.id, LATE["error"] | {"id": job.task_id}, own=True) == webhook.HELD
    apply_held(away)
    assert not archived.hot([job.id, job.task_id or "", "unknown"])
    assert archived.redis.zcard(HELD_CALLBACKS) == 7
    apply_held(archived.services)
    assert not archived.redis.exists(HELD_CALLBACKS)
    assert archived.hot([job.id, job.task_id or "", "unknown"]) == {"unknown"}
    found = archived.services.store.load("unknown")
    assert found and found.status is Status.FAILED


def test_a_callback_that_waits_is_applied_when_its_job_is_announced(
    archived: Archived, away: Services
) -> None:
    assert call_back(away, "new", LATE["error"] | {"id": "new"}) == webhook.HELD
    timeouts = away.settings.timeouts
    away.store.update("new", lambda job, now: job or Job.awaited("new", now, timeouts))
    apply_held(away)
    found = archived.services.store.load("new")
    assert found and found.status is Status.FAILED and not archived.redis.exists(HELD_CALLBACKS)


def test_a_url_that_may_live_is_rescued_and_gives_way_to_the_row(
    archived: Archived, away: Services
) -> None:
    """Nothing is lost if there is no row; if there is one, it stays, with the objects it names."""
    job = a_job(0, request=Request(key="app"))
    job = replace(job, task_id=job.id)
    archived.evict(job)
    before = archived.catalog.load(job.id)
    archived.redis.flushdb()
    body = LATE["ready with a live URL"]
    assert call_back(away, job.id, body | {"id": job.id}) == "ready"
    assert call_back(away, "new", body | {"id": "new"}) == "ready"
    anew = away.store.load(job.id)
    assert anew is not None
    later = a_job(0, created_at=anew.created_at).media
    for key in (job.media[0].key, later[0].key):
        archived.services.storage.write(key, b"bytes")
    away.store.change(job.id, lambda job, now: job.claimed(now).stored(now, later))
    archived.pass_over(2)
    assert not archived.hot([job.id]) and archived.hot(["new"])
    assert archived.catalog.load(job.id) == before
    assert archived.redis.zcard(INPUT_NOTES) == 1
    delete_unrecorded(archived.services, archived.services.store.now() + 4000)
    left = {each.key for each in archived.services.storage.list_objects()}
    assert left == {job.media[0].key}


@pytest.mark.parametrize("status", [Status.STORED, Status.FAILED])
def test_a_row_is_replaced_by_no_job_that_was_made_anew(archived: Archived, status: Status) -> None:
    job = replace(archived_job(), status=status)
    archived.evict(job)
    anew = replace(job, created_at=job.created_at + 1.0, request=Request(), version=10**16)
    archived.archive.put([anew], 1.0)
    row = archived.archive.get(job.id)
    assert row and (row.job.created_at, row.job.request.key) == (job.created_at, "app")
    rounded = replace(anew, created_at=job.created_at + 0.0005)  # as sidecars have it
    archived.archive.put([rounded], 1.0)
    row = archived.archive.get(job.id)
    assert row and row.job.version == 10**16


def test_a_job_that_an_older_redis_has_under_way_leaves_it_to_its_row(archived: Archived) -> None:
    """Before a late report can end it once more."""
    job = archived_job()
    replayed = replace(archived_job(1), status=Status.LOST)
    archived.archive.put([replace(job, version=VERSION + 1), replace(replayed, version=1)], 1.0)
    before = archived.catalog.load(job.id)
    timeouts = archived.services.settings.timeouts
    awaited = Job.awaited(job.task_id or "", job.created_at, timeouts, job.id)
    put_in(archived.redis, [awaited, replace(replayed, status=Status.SUBMITTED)])
    archived.pass_over(1)
    assert archived.hot([job.id, replayed.id]) == {replayed.id}
    assert call_back(archived.services, job.id, LATE["error"] | {"id": job.task_id}) == "stored"
    assert archived.catalog.load(job.id) == before


@pytest.mark.parametrize("status", [Status.STORED, Status.MODERATED])
@pytest.mark.parametrize("kind", LATE)
def test_a_callback_that_is_faster_than_the_sweep_does_not_save_a_record_of_an_older_redis(
    archived: Archived, kind: str, status: Status
) -> None:
    name = archived_job().id
    job = replace(archived_job(), task_id=name, status=status, media=())
    archived.archive.put([job], 1.0)
    before = archived.catalog.load(job.id)
    awaited = Job.awaited(name, job.created_at, archived.services.settings.timeouts)
    put_in(archived.redis, [replace(awaited, version=job.version)])
    call_back(archived.services, name, LATE[kind] | {"id": name})
    record = archived.services.store.load(job.id)
    assert record and record.version > job.version
    archived.pass_over(1)
    if status is Status.STORED or not record.status.terminal:
        assert archived.hot([job.id]) == set()
        assert archived.catalog.load(job.id) == before


def test_a_stored_job_does_not_end_again_by_what_an_older_redis_has_done(
    archived: Archived,
) -> None:
    job = archived_job()
    archived.archive.put([job], 1.0)
    before = archived.catalog.load(job.id)
    end = job.end + 90
    again = replace(job, ended_at=end, updated_at=end, metadata={}, version=job.version + 1)
    put_in(archived.redis, [again])
    archived.pass_over(1)
    assert archived.hot([job.id]) == set()
    archived.archive.put([again], 1.0)
    assert archived.catalog.load(job.id) == before
    changed_later = replace(job, metadata={"order": "4712"}, version=job.version + 1)
    archived.archive.put([changed_later], 1.0)
    row = archived.archive.get(job.id)
    assert row and row.job.metadata == {"order": "4712"}


def test_the_newest_page_has_what_an_older_redis_does_not_know(archived: Archived) -> None:
    jobs = [stored_job(n) for n in range(12)]
    archived.evict(*jobs[:4])
    snapshot = archived.redis.zrange(COLD, 0, -1, withscores=True)
    archived.evict(*jobs[6:8])
    put_in(archived.redis, [*jobs[4:6], *jobs[8:]])
    archived.archive.put([], 0.0, archived.services.store.now() + SAME_PASS_SECONDS + 1)
    archived.redis.delete(COLD)
    archived.redis.zadd(COLD, dict(snapshot))
    for limit in (1, 7):
        assert archived.walk(limit=limit) == newest_first(jobs)


def test_the_newest_page_needs_no_database(archived: Archived, away: Services) -> None:
    archived.evict(*(stored_job(n) for n in range(3)))
    put_in(archived.redis, [stored_job(n) for n in range(3, 9)])
    page = away.catalog.page(Search(), 4, None)
    assert [job.id for job in page.jobs] == newest_first([stored_job(n) for n in range(5, 9)])
