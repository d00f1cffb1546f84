"""DATABASE_URL: a mistake stops the start by its name, and nothing of the URL is repeated."""

import pytest
from psycopg import conninfo, pq

from jobs.config import settings
from jobs.config.database_url import OPTIONS
from jobs.domain.errors import InvalidSettings
from tests.harness.required_settings import SECRETS

SECRET = "canary"
SERVER = f"postgres://archive:{SECRET}@db.example"
VALID = (
    "sqlite:///var/archive.db",
    "sqlite:////data/my%20archive.db",
    f"{SERVER}:5432/fluxkeep",
    f"postgresql://archive:{SECRET}%40%2F%25%23%3F%3A@db.example/fluxkeep?sslmode=verify-full",
    f"{SERVER}/fluxkeep?sslmode=require&channel_binding=require",
    f"{SERVER}/fluxkeep?ssl=true",
    f"{SERVER}/fluxkeep?sslrootcert=system&sslmode=verify-full&connect_timeout=10",
    f"{SERVER}/fluxkeep?options=-csearch_path%3Dfluxkeep",
    f"postgres://archive:{SECRET}:{SECRET}@db.example/fluxkeep",
    f"postgres://archive:{SECRET}?{SECRET}@db.example/fluxkeep",
    "postgres://archive@[::1]:5432/fluxkeep",
    "postgres://archive@[fe80::1%25eth0]/fluxkeep",
    "postgres://archive@one.example:5432,two.example:5433/fluxkeep?target_session_attrs=primary",
    "postgres://archive@%2Fvar%2Frun%2Fpostgresql/fluxkeep",
    f"postgresql:///fluxkeep?host=/var/run/postgresql&user=a@b&password={SECRET}",
    "postgres://archive@/fluxkeep?host=/tmp",
    "postgres://archive:@db.example/fluxkeep",
    "postgres://db.example",
    "postgres://localhost:5432/fluxkeep?application_name=x&keepalives=1",
)
INVALID = {
    f"{SERVER}/fluxkeep?pgbouncer=true": "option pgbouncer",
    f"{SERVER}/fluxkeep?pgbouncer=true&connection_limit=1": "option pgbouncer",
    f"{SERVER}/fluxkeep?sslmode=require&connection_limit=1": "option connection_limit",
    f"{SERVER}/fluxkeep?schema=public": "search_path",
    f"{SERVER}/fluxkeep?pool_timeout=0": "option pool_timeout",
    f"{SERVER}/fluxkeep?sslmode=on": "sslmode: it is one of disable",
    f"{SERVER}/fluxkeep?sslmode=Require": "verify-full",
    f"{SERVER}/fluxkeep?sslmode": "option sslmode without",
    f"{SERVER}/fluxkeep?ssl=no": "sslmode",
    f"{SERVER}/fluxkeep?sslrootcert=%zz": "%25",
    f"{SERVER}/fluxkeep?{SECRET}%20=1": "%3F",
    f"postgres://archive:a@{SECRET}@db.example/fluxkeep": "%40",
    f"postgres://archive:a/{SECRET}@db.example/fluxkeep": "%2F",
    f"postgres://archive:a/{SECRET}@b@db.example:5432/fluxkeep": "%2F",
    f"postgres://archive:a%{SECRET[:1]}z@db.example/fluxkeep": "%25",
    f"postgres://archive:a/b?{SECRET}@db.example/fluxkeep": "%2F and %3F",
    f"postgres://archive:{SECRET}/fluxkeep": "cannot be read",
    f"{SERVER}:70000/fluxkeep": "port",
    f"{SERVER}:0/fluxkeep": "port",
    f"{SERVER}:54x/fluxkeep": "cannot be read",
    "postgres://archive@::1/fluxkeep": "[brackets]",
    "postgres://archive@[::1/fluxkeep": "cannot be read",
    f"{SERVER}/flux keep": "space",
    f"{SERVER}/fluxkeep\nPORT=1": "space",
    f"{SERVER}/fluxkeep%00": "%25",
    "postgres://": "no server",
    f"postgresql+psycopg://archive:{SECRET}@db.example/fluxkeep": "SQLAlchemy",
    "sqlite+aiosqlite:///archive.db": "SQLAlchemy",
    f"mysql://archive:{SECRET}@db.example/fluxkeep": "postgres://",
    f"POSTGRES://archive:{SECRET}@db.example/fluxkeep": "postgres://",
    "sqlite://archive.db": "sqlite:///",
    "sqlite:///": "sqlite:///",
    "archive.db": "sqlite:///",
}


@pytest.mark.parametrize("url", VALID)
def test_what_libpq_can_read_is_valid(url: str) -> None:
    loaded = settings.load(SECRETS | {"DATABASE_URL": url})
    assert loaded.database_url and loaded.database_url.get_secret_value() == url
    if url.startswith("postgres"):
        assert conninfo.conninfo_to_dict(url)


@pytest.mark.parametrize(("url", "expected"), INVALID.items())
def test_a_mistake_stops_the_start_by_its_name(url: str, expected: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        settings.load(SECRETS | {"DATABASE_URL": url})
    (problem,) = refused.value.problems
    assert problem.startswith("DATABASE_URL: ") and expected in problem
    assert SECRET not in problem and "db.example" not in problem


def test_every_option_of_libpq_is_known() -> None:
    options_of_libpq = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    assert options_of_libpq <= OPTIONS
    assert OPTIONS - options_of_libpq == {"ssl"}, "JDBC's, which libpq takes in a URL"
