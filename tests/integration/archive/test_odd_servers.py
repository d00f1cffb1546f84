"""PostgreSQL as others have set it up: encodings, defaults of roles, mistakes in the URL."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobs.archive.archive import open_archive
from jobs.domain.errors import ArchiveUnavailable
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.search_conditions import Search
from receiver import checks
from receiver.checks import archive as archive_checks
from receiver.checks.context import Context
from receiver.checks.result import Grade, Result
from tests.harness import PostgresServer
from tests.harness.archive_installation import Archived, newest_first, stored_job
from tests.harness.parts import api_over, services_over
from tests.integration.archive.conftest import NOW

MIST = "霧の城 am Zürichsee"


def job_of(n: int, prompt: str, **changes: Any) -> Job:
    return stored_job(n, result={"prompt": prompt}, **changes)


@contextmanager
def database_in(server: PostgresServer, encoding: str) -> Iterator[str]:
    """The URL of a new database with this encoding."""
    name = f"in_{encoding.lower()}"
    options = f"ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    with server.client() as admin:
        admin.execute(f"CREATE DATABASE {name} {options}".encode())
        yield server.url(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=["UTF8", "SQL_ASCII", "LATIN1", "EUC_KR", "WIN1251"])
def encoded(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, redis: Any, tmp_path: Any
) -> Iterator[tuple[str, Archived]]:
    """An installation whose database has another encoding."""
    with database_in(postgres_server, request.param) as url:
        media = {"MEDIA_URL": (tmp_path / "media").as_uri()}
        archived = Archived(services_over(redis, DATABASE_URL=url, **media, **NOW))
        yield request.param, archived
        archived.archive.close()


def database_check(archived: Archived) -> Result:
    services = archived.services
    chosen = tuple(check for check in checks.CHECKS if check.name in ("redis", "database"))
    results = checks.run(Context(services.settings, services), chosen)
    return next(result for result in results if result.name == archive_checks.DATABASE)


def test_a_prompt_that_a_database_cannot_hold_stops_no_other(
    encoded: tuple[str, Archived],
) -> None:
    encoding, archived = encoded
    plain = [job_of(n, f"a castle {n}") for n in range(20)]
    odd = [job_of(20, MIST), job_of(21, "Zürich", metadata={"user": "Зоя 霧"})]
    archived.put(*plain, *odd)
    archived.pass_over()
    assert {row.job.id for row in archived.archive.page(Search(), 50, None)} >= {
        job.id for job in plain
    }
    assert archived.walk() == newest_first([*plain, *odd]), "Redis keeps what no row can have"
    if encoding in ("UTF8", "SQL_ASCII"):
        assert archived.archive.counts() == {Status.STORED: 22}


def test_every_question_is_answered_whatever_the_encoding(
    encoded: tuple[str, Archived],
) -> None:
    _, archived = encoded
    jobs = [job_of(0, "a castle"), job_of(1, MIST)]
    archived.evict(jobs[0])
    archived.put(jobs[1])
    archived.pass_over()
    client = api_over(archived.services)
    answers = {
        "/api/jobs?q=霧": [jobs[1].id],
        "/api/jobs?q=castle": [jobs[0].id],
        "/api/jobs?model=霧": [],
        "/api/jobs?key=霧": [],
        "/api/jobs?metadata.霧=霧": [],
        "/api/jobs?status=stored&model=霧&metadata.霧=霧&q=霧": [],
    }
    for path, expected in answers.items():
        answer: Any = client.get(path)
        assert answer.status_code == 200, (path, answer.json)
        assert [job["id"] for job in answer.json["jobs"]] == expected, path
    assert client.get("/api/jobs/霧").status_code == 404
    assert client.get("/api/costs?by=metadata.霧").status_code == 200
    assert client.get("/readyz").status_code in (200, 503)


def test_an_encoding_that_cannot_hold_every_prompt_is_named(
    encoded: tuple[str, Archived],
) -> None:
    encoding, archived = encoded
    result = database_check(archived)
    if encoding == "UTF8":
        assert result.grade is Grade.OK
    else:
        assert result.grade is Grade.WARNING and encoding in result.why
        assert "UTF8" in result.remedy
        shown = api_over(archived.services).get("/readyz").get_json()["checks"]["database"]
        assert encoding in shown


DEFAULTS = (
    ("lc_messages", "'C'"),
    ("DateStyle", "'German, DMY'"),
    ("standard_conforming_strings", "off"),
    ("backslash_quote", "off"),
    ("search_path", "other, public"),
    ("TimeZone", "'Asia/Kathmandu'"),
    ("bytea_output", "escape"),
    ("synchronous_commit", "off"),
    ("statement_timeout", "1"),
    ("default_text_search_config", "'pg_catalog.german'"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("extra_float_digits", "-15"),
    ("IntervalStyle", "iso_8601"),
    ("client_encoding", "LATIN1"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    ("enable_indexscan", "off"),
    ("row_security", "off"),
)


def test_defaults_of_a_role_change_nothing(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    with postgres_server.client(name) as admin:
        admin.execute("CREATE SCHEMA other")
        for setting, value in DEFAULTS:
            admin.execute(f"ALTER DATABASE {name} SET {setting} = {value}".encode())
    jobs = [job_of(n, MIST + r" \x41 \ '' ", metadata={"a\\b": "c\\'d"}) for n in range(9)]
    archive = open_archive(postgres_url, 1, lambda call: call())
    assert archive.put(jobs, 1.0) == []
    search = Search(words="霧 zurichsee x41", metadata=(("a\\b", "c\\'d"),))
    found = [row.job for row in archive.page(search, 50, None)]
    assert [job.id for job in found] == newest_first(jobs)
    assert {job.created_at for job in found} == {job.created_at for job in jobs}
    assert archive.delete([(job.id, job.version) for job in jobs]) == len(jobs)
    archive.close()


def test_another_collation_changes_no_order(postgres_server: PostgresServer) -> None:
    """The wheel's PostgreSQL has none of ICU."""
    options = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    with postgres_server.client() as admin:
        admin.execute(f"CREATE DATABASE of_unicode {options}".encode())
        archive = open_archive(postgres_server.url("of_unicode"), 1, lambda call: call())
        models = ("flux-2-pro", "FLUX-2-PRO", "flux_2_pro", "flüx-2-pro")
        jobs = [job_of(n, "castle", model=models[n % 4]) for n in range(12)]
        assert archive.put(jobs, 1.0) == []
        for model in models:
            expected = newest_first([job for job in jobs if job.model == model])
            for words in (None, "castle"):
                rows = archive.page(Search(model=model, words=words), 50, None)
                assert [row.job.id for row in rows] == expected
        archive.close()
        admin.execute(b"DROP DATABASE of_unicode WITH (FORCE)")


def test_a_database_that_may_only_be_read_is_read(
    archived: Archived, database_url: str, postgres_server: PostgresServer
) -> None:
    if database_url.startswith("sqlite:"):
        pytest.skip("a file has no such default")
    name = database_url.rpartition("/")[2]
    archived.evict(stored_job(0))
    with postgres_server.client() as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        archived.archive.close()
        archived.put(stored_job(1))
        with pytest.raises(ArchiveUnavailable, match="may only be read"):
            archived.pass_over(1)
        assert archived.walk() == newest_first([stored_job(0), stored_job(1)])
        result = database_check(archived)
        assert result.grade is Grade.WARNING and "takes no writes" in result.why
        admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
    archived.archive.close()
    archived.pass_over(1)
    assert database_check(archived).grade is Grade.OK


CANARY = "canary-of-a-password"
MISTAKES = {
    "a wrong password": (f"fluxkeep:{CANARY}@{{address}}/{{name}}", "refuses the password"),
    "no password": ("fluxkeep@{address}/{name}", "asks for a password"),
    "an unknown role": (f"nobody:{CANARY}@{{address}}/{{name}}", "does not know the role"),
    "no such database": ("{role}@{address}/none", "no database of this name"),
    "no TLS": ("{role}@{address}/{name}?sslmode=require", "has no TLS"),
    "an unknown host": ("{role}@nowhere.invalid/{name}", "has no address"),
    "nobody listens": ("{role}@127.0.0.1:1/{name}", "nothing listens"),
    "nobody listens by IPv6": ("{role}@[::1]:1/{name}", "nothing listens"),
    "no socket": ("{role}@%2Ftmp%2Fnowhere/{name}", "no server at the socket"),
    "an unknown parameter": ("{role}@{address}/{name}?options=-cnone%3D1", "in `options`"),
    "no role": ("sleeper:few@{address}/{name}", "no LOGIN"),
    "a role without rights": ("reader:few@{address}/{name}", "GRANT CREATE ON SCHEMA"),
    "a role of another database": ("reader:few@{address}/closed", "may not CONNECT"),
    "no schema": ("{role}@{address}/{name}?options=-csearch_path%3Dnone", "search_path"),
    "no standby": ("{role}@{address}/{name}?target_session_attrs=standby", "target_session_attrs"),
    "an odd option": ("{role}@{address}/{name}?keepalives=x", "has a wrong value"),
    "an unknown service": ("{role}@{address}/{name}?service=none", "names no service"),
    "no certificate": (
        "{role}@{address}/{name}?sslmode=disable&channel_binding=require",
        "channel_binding",
    ),
}


@pytest.fixture
def roles(postgres_server: PostgresServer) -> Iterator[None]:
    with postgres_server.client() as admin:
        admin.execute("CREATE ROLE sleeper NOLOGIN PASSWORD 'few'")
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'few'")
        admin.execute("CREATE DATABASE closed")
        admin.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
        yield
        admin.execute("DROP DATABASE closed")
        admin.execute("DROP ROLE sleeper")
        admin.execute("DROP ROLE reader")


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize(("form", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_without_a_secret(
    postgres_server: PostgresServer,
    postgres_url: str,
    redis: Any,
    caplog: pytest.LogCaptureFixture,
    form: str,
    expected: str,
) -> None:
    caplog.set_level(logging.INFO)
    role = f"fluxkeep:{postgres_server.password}"
    address = f"127.0.0.1:{postgres_server.port}"
    url = form.format(role=role, address=address, name=postgres_url.rpartition("/")[2])
    archived = Archived(services_over(redis, DATABASE_URL=f"postgresql://{url}", **NOW))
    result = database_check(archived)
    assert result.grade is Grade.WARNING and expected in result.why, result
    shown = api_over(archived.services).get("/readyz")
    assert expected in shown.get_json()["checks"]["database"]
    assert expected in caplog.text, "the sweep's log has it at its first pass, too"
    for secret in (CANARY, postgres_server.password, address):
        assert secret not in caplog.text + shown.text + result.why
