"""An error of one query, one row or one key is no outage for the others."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from jobs import daily_costs
from jobs.archive import sqlite
from jobs.archive.archive import Archive, open_archive
from jobs.archive.connection_pool import AllBusy, ConnectionPool
from jobs.archive.database import QueryRefused
from jobs.domain.errors import ArchiveUnavailable, InvalidField
from jobs.domain.status import Status
from jobs.store.batch_actions import Action
from jobs.store.search_conditions import Search
from tests.harness import PostgresServer
from tests.harness.archive_installation import Archived, a_job, stored_job
from tests.harness.parts import api_over
from tests.integration.archive import test_batch_actions as batches
from worker.periodic.batch_actions import step

WIDE = "\ufdfa"  # a letter that is folded to eighteen
SEARCHES = {
    "a status 600 times": Search(statuses=(Status.LOST,) * 600),
    "all statuses 100 times": Search(statuses=tuple(Status) * 100),
    "a phrase of 1,400 words": Search(words='"' + "castle " * 1400 + '"'),
    "1,400 different words": Search(words=" ".join(f"w{n}" for n in range(1400))),
    "a phrase of 1,400 different words": Search(
        words='"' + " ".join(f"w{n}" for n in range(1400)) + '"'
    ),
    "3,000 wide letters": Search(words=WIDE * 3000),
    "1,500 words of a wide letter": Search(words=f"{WIDE} " * 1500),
    "a word of 10,000 letters": Search(words="x" * 10_000),
    "a NUL": Search(words="castle\0fog"),
    "half a surrogate pair": Search(words="\ud800", model="\ud800", key="\udfff"),
    "wildcards": Search(words="%%__\\%", model="%"),
    "operators of FTS5": Search(words='castle NEAR(fog) OR * : ^ {words} -"'),
    "an array": Search(words="{castle,fog} ARRAY['castle']"),
    "far away": Search(since=-1e300, until=1e300, words="castle"),
    "at the end of time": Search(since=1e18, until=-1e18, statuses=tuple(Status)),
    "metadata by the dozen": Search(metadata=tuple((f"name {n}", "x" * 1000) for n in range(12))),
    "long names": Search(metadata=(("n" * 5000, "v" * 5000),), model="m" * 5000, key="k" * 5000),
    "a large seed": Search(seed=10**30, sha256="x" * 5000, repeats="y" * 5000),
    "all at once": Search(
        words=WIDE * 3000,
        statuses=tuple(Status) * 100,
        metadata=tuple((f"name {n}", "v") for n in range(8)),
        model="m",
        key="k",
        since=0.0,
        until=1e12,
    ),
}
QUERIES = (
    "status=lost" + "&status=lost" * 600,
    "q=" + "%EF%B7%BA" * 800,
    "q=%22" + "castle+" * 1100 + "%22",
    "q=%ED%A0%80&model=%ED%A0%80",
    "q=%00",
    "q=" + "x" * 7000,
    "since=-1e300&until=1e300",
    "&".join(f"metadata.n{n}=v" for n in range(12)),
    "metadata." + "n" * 5000 + "=v",
    "cursor=eyJhIjoxfQ",
    "cursor=1e308_x",
)
FAULTY = ("SELECT 1 +", "SELECT abs('x', 1, 2)", "SELECT 1 UNION SELECT 1, 2", "nonsense")


@pytest.fixture
def client(archived: Archived) -> FlaskClient:
    archived.evict(*map(stored_job, range(3)))
    return api_over(archived.services)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_no_search_is_too_odd_for_a_database(archived: Archived, search: Search) -> None:
    job = stored_job(0)
    archived.archive.put([job], 1.0)
    found = archived.archive.page(search, 5, None)
    expected = [job.id] if search.matches(job) else []
    assert [row.job.id for row in found if search.matches(row.job)] == expected
    assert archived.archive.get(job.id), "the archive answers others"


def test_odd_questions_are_answered_or_refused_by_name(client: FlaskClient) -> None:
    for query in QUERIES:
        answer = client.get(f"/api/jobs?{query}")
        problem: Any = answer.json
        assert answer.status_code in (200, 400), (query[:50], problem)
        if answer.status_code == 400:
            assert problem["errors"][0]["field"].split(".")[0] in query
        assert client.get(f"/api/jobs/{stored_job(1).id}").status_code == 200, query[:50]


def test_a_faulty_query_takes_the_archive_from_nobody(archived: Archived) -> None:
    archived.archive.put([stored_job(0)], 1.0)
    for sql in FAULTY:
        with pytest.raises(QueryRefused):
            archived.archive._database.transact(lambda run, sql=sql: run(sql))  # type: ignore[misc] # noqa: SLF001
        assert archived.archive.get(stored_job(0).id)


# Connections.


def test_a_key_leaves_a_connection_to_others() -> None:
    pool = ConnectionPool(3, lambda _: None)
    greedy = [pool.take("greedy", 0.0), pool.take("greedy", 0.0)]
    with pytest.raises(AllBusy):
        pool.take("greedy", 0.0)
    modest = pool.take("modest", 0.0)
    with pytest.raises(AllBusy):
        pool.take(None, 0.0)
    pool.give_back(greedy[0])
    for place in (pool.take("greedy", 0.0), greedy[1], modest):
        pool.give_back(place)
    assert pool.take("greedy", 0.0).caller == "greedy"


def test_a_caller_waits_for_a_connection_that_comes_back() -> None:
    pool = ConnectionPool(1, lambda _: None)
    place = pool.take("a", 0.0)
    place.connection = "connection"
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.take, "b", time.monotonic() + 60)
        pool.give_back(place)
        assert waiting.result(60).connection == "connection"


def test_one_key_with_dear_questions_does_not_take_the_archive_from_others(
    database_url: str,
) -> None:
    key = "greedy"
    has_begun, may_end = Event(), Event()
    archive = open_archive(database_url, 3, lambda call: call(), lambda: key)

    def dear(run: Any) -> None:
        run("SELECT 1")
        has_begun.set()
        may_end.wait(60)

    archive.put([stored_job(0)], 1.0)
    with ThreadPoolExecutor(6) as threads:
        questions = [threads.submit(archive._database.transact, dear) for _ in range(6)]  # noqa: SLF001
        has_begun.wait(60)
        key = "modest"
        assert archive.get(stored_job(0).id)
        may_end.set()
        for question in questions:
            question.result(60)
    archive.close()


@contextmanager
def role_with_connections(server: PostgresServer, url: str, limit: int) -> Iterator[str]:
    """A URL of a role that may have so many connections at a time."""
    name = "few_connections"
    with server.client(url.rpartition("/")[2]) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'few' CONNECTION LIMIT {limit}".encode())
        admin.execute(f"GRANT CREATE ON SCHEMA public TO {name}".encode())
        yield url.replace(f"fluxkeep:{server.password}", f"{name}:few")
        admin.execute(f"DROP OWNED BY {name}".encode())
        admin.execute(f"DROP ROLE {name}".encode())


def test_readers_share_the_few_connections_that_a_server_gives(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Twelve readers of three processes that want three connections each, of a role that has five.

    A connection that the server refuses is no outage of those that are open.
    """
    with role_with_connections(postgres_server, postgres_url, 5) as url:
        processes = [open_archive(url, 3, lambda call: call()) for _ in range(3)]
        job = stored_job(0)
        for process in processes:
            assert not process.put([job], 1.0)

        def read(n: int) -> int:
            return sum(processes[n % 3].get(job.id) is not None for _ in range(20))

        with ThreadPoolExecutor(12) as readers:
            assert list(readers.map(read, range(12))) == [20] * 12
        for process in processes:
            process.close()


# Writes that are refused.


@contextmanager
def full_disk(archive: Archive, url: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database refuses new rows as on a full disk; it takes deletions, and answers."""
    if url.startswith("sqlite:"):
        with patch.context() as patched:
            pages = archive._database.transact(lambda run: run("PRAGMA page_count"))[0][0]  # noqa: SLF001
            limit = f"PRAGMA max_page_count = {pages}"
            patched.setattr(sqlite, "_SETTINGS", (*sqlite._SETTINGS, limit))  # noqa: SLF001
            archive.close()
            yield
        archive.close()
        return
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full'; END $$"
        )
        admin.execute("CREATE TRIGGER full_disk BEFORE INSERT ON jobs EXECUTE FUNCTION refuse()")
        yield
        admin.execute("DROP TRIGGER full_disk ON jobs")


def test_on_a_full_disk_deletions_replays_and_readers_go_on(
    archived: Archived, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted = batches.put(archived, [batches.stored(n) for n in range(10)])
    replayed = batches.put(archived, [batches.lost(n, "8") for n in range(20, 26)])
    delete = batches.begin(archived.services, Action.DELETE)
    rescue = batches.begin(archived.services, Action.REPLAY, Search(metadata=(("user", "8"),)))
    with full_disk(archived.archive, database_url, monkeypatch):
        archived.put(*(a_job(n, metadata={"n": "x" * 900}) for n in range(100, 400)))
        for _ in range(20):
            with pytest.raises(ArchiveUnavailable):
                archived.pass_over(1)
            step(archived.services)
        ended = batches.current(archived.services, delete)
        assert (ended.done, bool(ended.ended_at)) == (len(deleted), True)
        assert batches.current(archived.services, rescue).done == len(replayed)
        assert archived.archive.write_problem
        with pytest.raises(ArchiveUnavailable):
            archived.pass_over(1)
        assert not archived.archive.get_many([job.id for job in deleted]), "deletions make room"
    archived.pass_over(1)
    assert not archived.archive.write_problem


# Costs.


def test_an_own_key_is_bounded_by_its_own_jobs_alone(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = [stored_job(n, metadata={"user": str(n)}).with_request(key="theirs") for n in range(9)]
    ours = [stored_job(n, metadata={"user": "a"}).with_request(key="ours") for n in range(10, 13)]
    archived.evict(*theirs, *ours)
    day = ours[0].created_at // 86400 * 86400
    ledger = archived.services.daily_costs
    for bound in ("ROWS_MAX", "COSTS_MAX"):
        with monkeypatch.context() as patched:
            patched.setattr(daily_costs, bound, 5)
            with pytest.raises(InvalidField, match="since"):
                ledger.days_by([day], "user")
            ((cost,),) = (view["costs"] for view in ledger.days_by([day], "user", "ours"))
            assert (cost["key"], cost.get("value")) == ("ours", "a")
    assert len(ledger.days_by([day], "user")[0]["costs"]) == 10
