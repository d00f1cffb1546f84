"""Batches: the jobs of a search are deleted or replayed, each once (I35), whatever happens."""

import threading
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from jobs import batch_actions
from jobs.domain import errors
from jobs.domain.bfl_report import Failure
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from jobs.services import Services
from jobs.storage.layout import object_key, sidecar_key
from jobs.store.batch_actions import Action, Batch, FailedJob
from jobs.store.change_stream import EventPosition
from jobs.store.search_conditions import Search
from tests.harness.archive_installation import Archived, a_job
from tests.integration.archive.conftest import Build
from worker.periodic.batch_actions import step

OF_USER = Search(metadata=(("user", "7"),))
JOBS = 60
KILLED_SHARE = 0.02


class Killed(BaseException):
    """The process ends here."""


def stored(n: int, user: str = "7") -> Job:
    return a_job(n, metadata={"user": user})


def lost(n: int, user: str = "7") -> Job:
    failure = Failure("no_final_word", "none")
    return replace(stored(n, user), status=Status.LOST, error=failure, media=())


def put(archived: Archived, jobs: list[Job]) -> list[Job]:
    """Every second one in the archive alone, with an object for each file."""
    for job in jobs:
        for file in job.media:
            archived.services.storage.write(file.key, b"x")
    archived.evict(*jobs[::2])
    archived.put(*jobs[1::2])
    return jobs


def begin(services: Services, action: Action, search: Search = OF_USER) -> Batch:
    with pytest.raises(errors.CountRequired) as asked:
        batch_actions.begin(services, action, search, None, None)
    fixed = replace(search, until=asked.value.until)
    return batch_actions.begin(services, action, fixed, asked.value.count, None)


def current(services: Services, batch: Batch) -> Batch:
    found = services.batches.get(batch.id)
    assert found
    return found


def work(services: Services, batch: Batch) -> Batch:
    """Until it has ended."""
    for _ in range(1000):
        if current(services, batch).ended_at:
            return current(services, batch)
        step(services)
    raise AssertionError("it never ends")


def touched(services: Services, jobs: list[Job]) -> Counter[str]:
    """How often each of these jobs was deleted or replayed."""
    events = services.events.events_after(EventPosition.parse("0-1"), 10_000).events
    found = Counter(event.job_id for event in events if event.is_deleted)
    for job in services.catalog.load_many([job.id for job in jobs]).values():
        codes = [one.event for one in job.timeline] if job else []
        found[job.id if job else ""] += codes.count(EventCode.JOB_REPLAYED)
    return +found


class Mortal:
    """Threads whose process is killed now and then, before a command of Redis or after it."""

    def __init__(self, redis: Any, patch: pytest.MonkeyPatch) -> None:
        self._random, self._execute = Random(7), redis.execute_command
        self._life = threading.local()
        patch.setattr(redis, "execute_command", self._execute_command)

    def _execute_command(self, *words: Any, **options: Any) -> Any:
        self._survive()
        answer = self._execute(*words, **options)
        self._survive()
        return answer

    def _survive(self) -> None:
        if getattr(self._life, "is_mortal", False) and self._random.random() < KILLED_SHARE:
            raise Killed

    def call(self, call: Callable[[], object]) -> None:
        self._life.is_mortal = True
        with suppress(Killed):
            call()
        self._life.is_mortal = False


@pytest.mark.parametrize("action", [Action.DELETE, Action.REPLAY])
def test_each_job_is_touched_once_by_two_sweeps_that_are_killed_all_the_time(
    build: Build, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that was replayed fails again at once, and matches again."""
    archived, other = build(), build()
    services = archived.services
    monkeypatch.setattr("worker.periodic.batch_actions.PAGE", 7)
    make = stored if action is Action.DELETE else lost
    jobs, others = put(archived, [make(n) for n in range(JOBS)]), [make(90, "8"), stored(91, "8")]
    put(archived, others)
    batch = begin(services, action)
    assert batch.total == JOBS
    mortal = Mortal(services.redis, monkeypatch)

    def fail_again() -> None:
        for job in services.listing.page(Search(statuses=(Status.SUBMITTED,)), 200, None).jobs:
            services.store.change(job.id, lambda job, now: job.refused(now, "bfl_error", "no"))

    def sweep(number: int) -> None:
        built = (services, other.services)[number]
        while not current(services, batch).ended_at:
            mortal.call(lambda: step(built))
            fail_again()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(sweep, range(2)))
    expected = dict.fromkeys([job.id for job in jobs], 1)
    found = touched(services, [*jobs, *others])
    assert {name: found[name] for name in expected} == expected
    assert not {job.id for job in others} & found.keys()
    ended = current(services, batch)
    assert (ended.done, ended.jobs_left, ended.failed, ended.search) == (
        sum(found.values()),
        0,
        0,
        None,
    )
    kept = services.catalog.load_many([job.id for job in (*jobs, *others)])
    assert len(kept) == (len(others) if action is Action.DELETE else JOBS + len(others))
    if action is Action.DELETE:
        assert [one.key for one in services.storage.list_objects()] == [
            file.key for job in others for file in job.media
        ]


def test_jobs_since_the_question_are_none_of_the_batch(archived: Archived) -> None:
    services = archived.services
    put(archived, [lost(n) for n in range(4)])
    with pytest.raises(errors.CountRequired) as asked:
        batch_actions.begin(services, Action.REPLAY, OF_USER, None, None)
    new = replace(lost(9), created_at=asked.value.until, ended_at=asked.value.until)
    archived.put(new)
    while services.store.now() < asked.value.until + 0.002:
        pass
    with pytest.raises(errors.CountChanged) as changed:
        batch_actions.begin(services, Action.REPLAY, OF_USER, asked.value.count, None)
    assert (asked.value.count, changed.value.count) == (4, 5)
    fixed = replace(OF_USER, until=asked.value.until)
    batch = batch_actions.begin(services, Action.REPLAY, fixed, 4, None)
    late = replace(lost(5), ended_at=services.store.now() + 1)  # it was under way at the question
    archived.put(late)
    assert work(services, batch).done == 4
    assert not {new.id, late.id} & touched(services, [new, late]).keys()


@pytest.mark.parametrize("limit", ["JOBS_MAX", "COUNT_SECONDS"])
def test_what_cannot_be_counted_is_refused(
    archived: Archived, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(archived, [stored(n) for n in range(4)])
    monkeypatch.setattr(batch_actions, limit, 0)
    with pytest.raises(errors.TooManyJobs, match="narrow the filter"):
        batch_actions.begin(archived.services, Action.DELETE, OF_USER, None, None)


def test_a_batch_waits_for_outages(archived: Archived, monkeypatch: pytest.MonkeyPatch) -> None:
    services = archived.services
    jobs = put(archived, [stored(n) for n in range(5)])  # the newest is in the archive
    batch = begin(services, Action.DELETE)
    for owner, name, error in (
        (services.archive, "page", errors.ArchiveUnavailable("database: is away")),
        (services.storage, "delete", errors.StorageError("storage: is away")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, lambda *_, error=error, **__: (_ for _ in ()).throw(error))
            patch.setattr(services.storage, "probe", services.storage.delete)
            assert step(services) > 1
        found = current(services, batch)
        assert (found.waits_for, found.done, found.failed) == (str(error), 0, 0)
    assert work(services, batch).done == len(jobs)


def test_a_directory_is_read_once_for_all_jobs_with_earlier_claims_and_anew_for_later_ones(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, claims = archived.services, (0, 0, 1, 2, 1, 1)
    made = [lost(0), *map(stored, range(1, 4)), *map(lost, range(4, 6))]
    pairs = zip(made, claims, strict=True)
    jobs = put(archived, [job.with_lease(rescue_attempts=number) for job, number in pairs])
    storage, read, listed = services.storage, services.storage.list_objects_of, list[list[str]]()

    def publish(job: Job, token: int) -> None:
        key = object_key(job.id, job.created_at, 0, token, "image/png")
        storage.write(key, b"x")
        storage.write(sidecar_key(key), b"{}")

    def claim_again(job: Job, now: float) -> Job:
        return replace(job, lease=job.claimed(now).lease)

    def list_objects(job_ids: Collection[str], created_at: float) -> Any:
        listed.append(sorted(job_ids))
        found = [*read(job_ids, created_at)]
        if len(listed) == 1:  # another worker claims it, publishes and fails
            later = services.catalog.change(jobs[4].id, claim_again).after
            assert later
            publish(later, later.lease.fencing_token)
        return found

    for job in jobs[3:]:
        publish(job, job.lease.fencing_token - 1)
    monkeypatch.setattr(storage, "list_objects_of", list_objects)
    assert work(services, begin(services, Action.DELETE)).done == len(jobs)
    assert listed == [sorted(job.id for job in jobs[3:]), [jobs[4].id]]
    assert [*storage.list_objects()] == []


def test_a_job_that_cannot_be_deleted_is_named_and_stops_no_other(archived: Archived) -> None:
    services = archived.services
    jobs = put(archived, [stored(n) for n in range(6)])
    path = services.storage.local_path(jobs[3].media[0].key)
    assert path
    path.unlink()
    path.mkdir()  # which cannot be deleted as a file
    ended = work(services, begin(services, Action.DELETE))
    assert (ended.total, ended.done, ended.failed, ended.jobs_left) == (6, 5, 1, 0)
    assert [one.id for one in ended.failed_jobs] == [jobs[3].id]
    assert services.catalog.load(jobs[3].id)


def test_a_stopped_batch_ends(archived: Archived, monkeypatch: pytest.MonkeyPatch) -> None:
    services = archived.services
    put(archived, [stored(n) for n in range(6)])
    monkeypatch.setattr("worker.periodic.batch_actions.PAGE", 2)
    batch, delete = begin(services, Action.DELETE), services.storage.delete
    step(services)
    first = current(services, batch)
    late = [FailedJob("late", "of a sweep that was slower")]
    services.batches.advance(batch, None, late, 0.0)
    assert current(services, batch) == first

    def stop_and_delete(key: str) -> None:
        services.batches.stop(batch.id, services.store.now())
        delete(key)

    monkeypatch.setattr(services.storage, "delete", stop_and_delete)
    step(services)
    stopped = current(services, batch)
    assert stopped.is_stopped and (stopped.done, stopped.search) == (3, None)
    services.batches.advance(first, None, late, 0.0)
    assert current(services, batch) == stopped
    assert len(archived.walk(OF_USER)) == 3
