"""`flask --app receiver archive`: what the database has, all ended jobs as JSON lines, import."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.config import settings
from jobs.domain.job_record import NotificationTarget, PendingNotification
from jobs.services import Services
from jobs.storage.layout import sidecar_key
from tests.harness import CommandLine, Installation, RedisServer
from tests.harness.archive_installation import (
    Archived,
    a_job,
    left_behind,
    newest_first,
    stored_job,
)

KEPT = ("id", "task_id", "status", "model", "created_at", "metadata", "cost", "timeline")


@pytest.fixture(params=["sqlite", "postgres"])
def installation(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Installation]:
    """An installation of which nothing runs, whose sweep archives and evicts at once."""
    url = f"sqlite:///{tmp_path}/archive.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    made = Installation(
        tmp_path, redis_server, "http://127.0.0.1:9", DATABASE_URL=url, HOT_DAYS="0"
    )
    yield made
    made.close()


@pytest.fixture
def archived(installation: Installation) -> Iterator[Archived]:
    given = {name: value for name, value in installation.settings.items() if value is not None}
    with installation.redis.client() as redis:
        yield (opened := Archived(Services(settings.load(given), redis)))
        opened.archive.close()


def test_every_ended_job_is_exported(installation: Installation, archived: Archived) -> None:
    jobs = [stored_job(n, metadata={"user": n, "name": "Zoë\n"}) for n in range(450)]
    archived.evict(*jobs[:400])
    notice = PendingNotification(NotificationTarget.APP, jobs[449].end, jobs[449].end)
    archived.put(*jobs[400:449], jobs[449].with_notifications(pending=(notice,)))
    result = CommandLine(installation).run("archive", "export")
    assert (result.code, result.err) == (0, "")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [one["id"] for one in found] == newest_first(jobs)
    shell = CommandLine(installation)
    shown = json.loads(shell.run("jobs", "show", jobs[3].id).out)
    (exported,) = [one for one in found if one["id"] == jobs[3].id]
    assert {name: exported[name] for name in KEPT} == {name: shown[name] for name in KEPT}
    assert [file["key"] for file in exported["media"]] == [file.key for file in jobs[3].media]
    assert "/media/" not in result.out  # no link, which would open the file without a key


def test_a_cut_export_does_not_look_complete(
    installation: Installation, archived: Archived
) -> None:
    archived.evict(*map(stored_job, range(5)))
    archived.put(*map(stored_job, range(10, 12)))
    elsewhere = "postgres://nobody:database-canary@127.0.0.1:1/none"
    for command in ("export", "status"):
        result = CommandLine(installation).run("archive", command, DATABASE_URL=elsewhere)
        assert result.code == 1 and "atabase" in result.err and "canary" not in result.words
    listed = CommandLine(installation).run("jobs", "list", DATABASE_URL=elsewhere)
    assert listed.code == 0 and "Older jobs are in the database, which does not" in listed.err


def test_the_status_tells_what_is_where(installation: Installation, archived: Archived) -> None:
    archived.evict(*map(stored_job, range(5)))
    archived.put(stored_job(5))
    result = CommandLine(installation).run("archive", "status")
    assert result.code == 0
    lines = dict(line.strip().split(maxsplit=1) for line in result.out.splitlines())
    assert lines["rows"] == lines["stored"] == "5" and lines["lost"] == "0"
    assert "tables of version 1" in lines["database"] and " MB" in lines["database"]
    assert "only there  5" in result.out and "in Redis    1" in result.out


def test_without_a_database_there_is_no_archive(installation: Installation) -> None:
    result = CommandLine(installation).run("archive", "status", DATABASE_URL=None)
    assert result.code == 2 and "DATABASE_URL is not set" in result.err


def test_sidecars_are_imported_and_foreign_ones_named(
    installation: Installation, archived: Archived
) -> None:
    jobs = [a_job(n) for n in range(120)]
    left_behind(archived, *jobs)
    foreign = sidecar_key(jobs[7].media[0].key)
    archived.services.storage.write(foreign, b"{}")
    shell = CommandLine(installation)
    for imported in (119, 0):
        result = shell.run("archive", "import")
        assert (result.code, result.err) == (0, "")
        named, numbers = result.out.splitlines()
        assert named.startswith(f"{foreign}: ")
        wanted = f"120 files, {imported} jobs imported, 0 past their retention, 1 foreign"
        assert numbers == wanted
    del jobs[7]
    assert archived.walk() == newest_first(jobs)


@pytest.mark.parametrize(
    "away",
    [
        {"DATABASE_URL": "postgres://nobody:database-canary@127.0.0.1:1/none"},
        {"REDIS_URL": "redis://:redis-canary@127.0.0.1:1/0"},
    ],
)
def test_an_import_ends_with_2_while_a_store_is_away(
    installation: Installation, away: dict[str, str]
) -> None:
    result = CommandLine(installation).run("archive", "import", **away)
    assert result.code == 2 and "Run it again" in result.err and "canary" not in result.words
