"""Costs by day: from the books of Redis or the rows of the archive, whichever has more."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.costs import cost_updates
from receiver.job_actions import delete_job
from tests.harness import RedisServer
from tests.harness.archive_installation import Archived, stored_job
from tests.harness.parts import web_app

KEY = "a-key-to-read-costs-with"
KEYS = f"reader:{KEY}:read"
DAY = 86400.0
FIRST = 20_371 * DAY  # of stored_job(0)
NAMES = ("model", "key", "credits", "jobs_without_price")


def job(n: int, day: int = 0, **changes: Any) -> Job:
    """A paid job of a day."""
    at = FIRST + day * DAY + n
    made = replace(stored_job(n + 100 * day), created_at=at, ended_at=at + 9, **changes)
    return made.with_request(key="app")


def book(archived: Archived, *jobs: Job) -> None:
    """The note of Redis when a job's price becomes known."""
    for one in jobs:
        before = replace(one, status=Status.SUBMITTED, cost=None)
        for command in cost_updates(before, one):
            archived.redis.execute_command(*command)


def day_of(day: int) -> str:
    return f"{datetime.fromtimestamp(FIRST + day * DAY, UTC):%Y-%m-%d}"


def costs(archived: Archived, days: int = 1, by: str | None = None) -> list[dict[str, Any]]:
    starts, ledger = [FIRST + n * DAY for n in range(days)], archived.services.daily_costs
    found: Any = ledger.days(starts) if by is None else ledger.days_by(starts, by)
    return list(found)


def sums(day: dict[str, Any], *names: str) -> set[tuple[Any, ...]]:
    return {tuple(cost[name] for name in names or NAMES) for cost in day["costs"]}


def test_costs_are_the_same_wherever_the_jobs_lie(archived: Archived) -> None:
    jobs = [job(n, cost=n / 4, model=f"flux-{n % 2}") for n in range(8)]
    jobs.append(job(9, cost=None))
    book(archived, *jobs)
    expected = {
        ("flux-0", "app", 3.0, 0),
        ("flux-1", "app", 4.0, 0),
        ("flux-2-pro", "app", 0.0, 1),
    }
    assert sums(costs(archived)[0]) == expected
    archived.evict(*jobs)
    assert sums(costs(archived)[0]) == expected  # and not twice
    archived.redis.flushdb()
    assert sums(costs(archived)[0]) == expected
    assert costs(archived)[0]["credits"] == 7.0 and costs(archived)[0]["day"] == day_of(0)


def test_a_job_belongs_to_the_day_of_its_creation(archived: Archived) -> None:
    first, last = job(0, 1), job(0, 1)
    last = replace(job(1, 1), created_at=FIRST + 2 * DAY - 0.000001)
    archived.evict(first, last, job(0, 3))
    assert [day["credits"] for day in costs(archived, 4)] == [0, 6, 0, 3]
    assert [day["credits"] for day in costs(archived, 4, "user")] == [0, 6, 0, 3]


def test_a_deleted_job_stays_in_the_books(archived: Archived) -> None:
    jobs = [job(n) for n in range(3)]
    book(archived, *jobs)
    archived.put(*jobs)
    delete_job(archived.services, jobs[0])
    archived.pass_over()
    assert costs(archived)[0]["credits"] == 9


def test_a_day_on_which_redis_was_lost_comes_from_rows(archived: Archived) -> None:
    before, after = [job(n) for n in range(5)], [job(n) for n in range(5, 7)]
    archived.evict(*before)
    archived.redis.flushdb()
    archived.put(*after)
    book(archived, *after)
    archived.pass_over()
    assert costs(archived)[0]["credits"] == 21


def test_an_imported_job_without_its_key_is_not_counted_twice(archived: Archived) -> None:
    jobs = [job(n) for n in range(3)]
    book(archived, *jobs)
    archived.archive.put([one.with_request(key=None).evolve(version=0) for one in jobs], 1.0)
    assert sums(costs(archived)[0]) == {("flux-2-pro", "app", 9.0, 0)}


def test_a_job_without_a_key_is_in_no_sum_of_a_budget(archived: Archived) -> None:
    archived.put(job(0).with_request(key=None))
    archived.pass_over()
    assert archived.services.daily_costs.restore(FIRST + 9, dry_run=True) == 0


def test_costs_by_metadata_are_told_apart_as_searches_do(archived: Archived) -> None:
    given = [1, "1", True, None, "Zoë\0", [1], {"a": 1}]
    jobs = [job(n, metadata={'a."b': value}) for n, value in enumerate(given)]
    archived.evict(*jobs, job(8, metadata={}))
    found = sums(costs(archived, by='a."b')[0], "value", "credits")
    assert found == {("1", 6), ("true", 3), ("null", 3), ("Zoë", 3), (None, 9)}


def test_an_absurd_cost_does_not_overflow_the_sum(archived: Archived) -> None:
    archived.evict(job(1, cost=1e308), job(2, cost=1e308), job(3, cost=-1e308))
    assert costs(archived)[0]["credits"] == costs(archived, by="a")[0]["credits"] == 1_000_000
    archived.evict(job(4, cost=None, status=Status.LOST), job(5, cost=None, status=Status.FAILED))
    assert sums(costs(archived)[0], "jobs_without_price") == {(1,)}, "a lost job may have been paid"


@pytest.fixture
def client(redis_server: RedisServer, database_url: str) -> Iterator[FlaskClient]:
    with web_app(DATABASE_URL=database_url, REDIS_URL=redis_server.url, API_KEYS=KEYS) as app:
        yield app.test_client()


def ask(client: FlaskClient, query: str) -> tuple[int, Any]:
    answer = client.get(f"/api/costs?{query}", headers={"x-key": KEY})
    return answer.status_code, answer.json


def test_a_range_is_asked_for_by_days(archived: Archived, client: FlaskClient) -> None:
    archived.evict(*(job(0, day) for day in range(3)))
    status, found = ask(client, f"since={day_of(0)}&until={day_of(2)}")
    assert status == 200
    assert [(day["day"], day["credits"]) for day in found["days"]] == [
        (day_of(0), 3),
        (day_of(1), 3),
    ]
    status, found = ask(client, f"since={day_of(1)}T12:00:00Z&until={day_of(2)}T00:00:01Z")
    assert [day["day"] for day in found["days"]] == [day_of(1), day_of(2)]
    status, found = ask(client, f"until={day_of(2)}&days=1&by=metadata.user")
    assert sums(found["days"][0], "value") == {("00042",)}


RANGES = {
    "": (200, 30),
    "days=366": (200, 366),
    "days=367": (400, None),
    "since=2020-01-01": (400, None),
    "since=2020-01-01&until=2021-01-01": (200, 366),
    "since=2020-01-01&until=2021-01-01T00:00:01Z": (400, None),
    "since=2999-01-01": (200, 0),
    "since=2020-02-01&until=2020-01-01&by=metadata.a": (200, 0),
    "until=0": (200, 0),
    "until=9999-12-31T23:59:59-23:59": (200, 30),
    "since=0001-01-01T00:00:00Z&until=1970-01-02": (200, 1),
    "by=metadata.a": (200, 30),
    "by=metadata.%00%22": (200, 30),
    "by=user": (400, None),
    "by=metadata.": (400, None),
}


def test_odd_ranges_have_an_answer(client: FlaskClient) -> None:
    for query, expected in RANGES.items():
        status, found = ask(client, query)
        assert (status, len(found["days"]) if status == 200 else None) == expected, query


def test_without_a_database_there_are_books_alone(redis_server: RedisServer) -> None:
    with web_app(REDIS_URL=redis_server.url, API_KEYS=KEYS) as app:
        client = app.test_client()
        assert ask(client, "since=2026-01-01&until=2026-02-01")[0] == 200
        status, problem = ask(client, "by=metadata.user")
    assert status == 422 and "DATABASE_URL" in problem["detail"]
