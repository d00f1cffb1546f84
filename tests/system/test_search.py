"""`GET /api/jobs`: newest first, in pages, by conditions, at the cost of a page."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from jobs.domain.job import Job
from jobs.domain.polling_policy import Timeouts
from jobs.domain.status import Source
from jobs.store.listing import JOBS_READ_MAX
from jobs.store.search_conditions import Search
from tests.harness import Client, Installation, assert_invariants, stock
from tests.harness.parts import services_over

TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)
BEGAN = 1_700_000_000.0
ALL = [f"job-{n:02}" for n in range(24)]


@pytest.fixture(scope="module")
def installation(module_installation: Installation) -> Iterator[Installation]:
    module_installation.start("web", MAX_ANNOUNCED="5000")
    yield module_installation
    assert_invariants(module_installation)


@pytest.fixture(scope="module")
def client(installation: Installation) -> Client:
    """Client for jobs of three models and four users; every fifth has failed."""
    client = installation.client()
    for n, job_id in enumerate(ALL):
        metadata = {"user": n % 4, "kind": "even" if n % 2 == 0 else "odd", "tags": ["a"]}
        client.put_job(job_id, model=f"model-{n % 3}", metadata=metadata).raise_for_status()
    for job_id in ALL[::5]:
        client.callback({"id": job_id, "status": "Error"}).raise_for_status()
    return client


def found(client: Client, **query: Any) -> list[str]:
    return [job["id"] for job in client.jobs(**query) if job["id"] in ALL]


def expected(step: int, rest: int) -> list[str]:
    return [job_id for n, job_id in reversed([*enumerate(ALL)]) if n % step == rest]


def test_a_listed_job_is_the_same_as_the_job_itself(client: Client) -> None:
    assert client.jobs(limit=200) == [client.job(job["id"]) for job in client.jobs(limit=200)]


@pytest.mark.parametrize("limit", [1, 5, len(ALL), 200])
def test_the_pages_hold_every_job_once(client: Client, limit: int) -> None:
    seen = ids_on_all_pages(client, limit)
    assert [job_id for job_id in seen if job_id in ALL] == ALL[::-1] and len({*seen}) == len(seen)
    failed = ids_on_all_pages(client, limit, status="failed")
    assert failed == expected(5, 0)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("model", "model-1", expected(3, 1)),
        ("model", "model", []),
        ("source", "callback", expected(5, 0)),
        ("source", "poll", []),
        ("metadata.user", "2", expected(4, 2)),  # a number
        ("metadata.kind", "odd", expected(2, 1)),
        ("metadata.kind", "Odd", []),
        ("metadata.tags", "a", []),  # a list
    ],
)
def test_jobs_are_found_by_one_fact(
    client: Client, name: str, value: str, wanted: list[str]
) -> None:
    assert found(client, **{name: value}) == wanted


def test_since_is_included_and_until_is_not(client: Client, installation: Installation) -> None:
    with installation.redis.client() as redis:
        at = services_over(redis).store.load(ALL[10])
    assert at is not None
    # Down to the microsecond that a time can tell, never up beyond the job.
    micros = int(at.created_at * 1e6)
    exact = (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)).isoformat()
    for moment in (exact, exact.replace("+00:00", "Z"), exact.replace("+", " ")):
        assert found(client, until=moment) == ALL[9::-1]
        assert found(client, since=moment) == ALL[:9:-1]
    assert found(client, since=f"{micros / 1e6:.6f}", until=f"{at.created_at + 1e-4:.6f}") == [
        ALL[10]
    ]
    assert found(client, since="2999-01-01T00:00:00Z") == found(client, until="0") == []
    assert found(client, since="2999-01-01") == found(client, until="2001-01-01") == []
    assert found(client, since="2001-01-01") == found(client)


def test_changed_metadata_are_found(client: Client) -> None:
    client.put_job("changing", model="old", metadata={"colour": "red"})
    client.put_job("changing", model="new", metadata={"colour": "blue"})
    assert client.jobs(model="old") == client.jobs(**{"metadata.colour": "red"}) == []
    (job,) = client.jobs(model="new", **{"metadata.colour": "blue"})
    assert job["id"] == "changing"


def test_jobs_with_unindexed_metadata_are_found_too(client: Client) -> None:
    many = {f"name-{n}": f"value {n}" for n in range(9)} | {"long": "x" * 500, "a=b": "c=d"}
    client.put_job("richly", metadata=many).raise_for_status()
    for name, value in many.items():
        (job,) = client.jobs(**{f"metadata.{name}": value})
        assert job["id"] == "richly"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("since", "yesterday"),
        ("since", "2026-02-30"),
        ("since", "2026-01-31T12:00:00xZ"),
        ("since", "2026-01-31T12:00:00Z\0"),
        ("since", "2026-W05-6T12:00:00Z"),
        ("until", "2026-02-30T00:00:00Z"),
        ("until", "nan"),
        ("until", "-1"),
        ("source", "Callback"),
        ("model", ""),
        ("metadata", "x"),
        ("metadata.", "x"),
        ("metadatas.a", "x"),
        ("metadata.a", ["x", "y"]),
        ("model", ["x", "y"]),
    ],
)
def test_a_condition_that_cannot_be_is_named(client: Client, name: str, value: Any) -> None:
    answer = client.get("/api/jobs", **{name: value})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [name]


def ids_on_all_pages(client: Client, limit: int, **query: str) -> list[str]:
    seen, cursor = list[str](), dict[str, str]()
    while True:
        page = client.get("/api/jobs", limit=limit, **query, **cursor).json()
        assert len(page["jobs"]) == limit or page["next_cursor"] is None
        seen += [job["id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


# By the store alone.


def test_a_page_of_a_search_reads_a_bounded_number_of_jobs(redis: Redis) -> None:
    """Two conditions that many jobs match, but no job matches both."""
    services = services_over(redis)
    kinds: tuple[dict[str, Any], ...] = ({"source": Source.POLL}, {"model": "a"})
    made = (Job.awaited(f"job-{n}", BEGAN + n, TIMEOUTS) for n in range(2 * (JOBS_READ_MAX + 600)))
    stock.put_in(redis, (replace(job, **kinds[n % 2]) for n, job in enumerate(made)))
    search, place, pages = Search(model="a", source=Source.POLL), None, 0
    while True:
        page = services.listing.page(search, 10, place)
        pages, place = pages + 1, page.last
        assert page.jobs == []
        if place is None:
            break
    assert pages == 2
