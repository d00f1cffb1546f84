"""The archive as an operator sees it: checks, `/readyz`, numbers and metrics."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from deploy.procfile import ROOT
from jobs.domain.status import Status
from jobs.store import codec
from jobs.store.redis.keys import ARCHIVE_DUE, COLD, RECORD_PREFIX
from receiver import checks
from receiver.checks import archive as archive_checks
from receiver.checks.context import Context
from receiver.checks.result import Grade, Result
from tests.harness.archive_installation import Archived, stored_job
from tests.harness.parts import api_over
from tests.harness.required_settings import SECRETS
from tests.integration.archive.conftest import Build

NOWHERE = {"DATABASE_URL": "postgres://nobody:database-canary@127.0.0.1:1/none"}
OF_ARCHIVE = (archive_checks.DATABASE, archive_checks.ARCHIVE, archive_checks.ROWS)

Away = Callable[[], Archived]


@pytest.fixture
def away(build: Build) -> Away:
    """The same installation, in a process that does not reach the database."""
    return lambda: build(**NOWHERE)


def results(archived: Archived) -> dict[str, Result]:
    """Of the checks of the archive, as doctor runs them."""
    chosen = tuple(check for check in checks.CHECKS if check.name in ("redis", "database", "rows"))
    found = checks.run(Context(archived.services.settings, archived.services), chosen)
    return {result.name: result for result in found if result.name in OF_ARCHIVE}


def api(archived: Archived) -> FlaskClient:
    """The web process of an installation whose other processes are well."""
    for process in ("worker", "sweep"):
        archived.services.health_probes.record_heartbeat(process)
    return api_over(archived.services)


def samples(client: FlaskClient) -> dict[str, float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def execute(archived: Archived, sql: str) -> None:
    archived.archive._database.transact(lambda run: run(sql), writes=True)  # noqa: SLF001


def test_an_archive_that_works_is_well(archived: Archived) -> None:
    archived.evict(*map(stored_job, range(3)))
    archived.put(stored_job(3))
    found = results(archived)
    assert {result.grade for result in found.values()} == {Grade.OK} and len(found) == 3
    assert found["archive"].why == "is not late; 3 jobs only there, 1 in Redis"
    assert found["rows"].why == "3 in the database"
    assert found["database"].why.endswith("answers, tables of version 1")
    settings = archived.services.settings
    without = Context(settings.model_copy(update={"database_url": None}))
    without.redis_answers = True
    assert not [*archive_checks.check(without), *archive_checks.check_rows(without)]


def test_a_database_that_is_away_leaves_it_ready(archived: Archived, away: Away) -> None:
    archived.evict(stored_job())
    archived.redis.zadd(ARCHIVE_DUE, {"waits": archived.services.store.now() - 7200})
    elsewhere = away()
    found = results(elsewhere)
    assert {result.grade for result in found.values()} == {Grade.WARNING} and len(found) == 3
    assert "120 minutes late" in found["archive"].why
    assert all(result.remedy for result in found.values())
    answer = api(elsewhere).get("/readyz")
    shown = answer.get_json()["checks"]
    assert answer.status_code == 200
    assert shown["database"].startswith("does not answer (")
    assert shown["archive"] == found["archive"].why
    assert "canary" not in answer.text + str(found) and "127.0.0.1" not in answer.text
    assert api(archived).get("/readyz").get_json()["checks"]["database"] == "ok"


def test_tables_of_a_newer_release_are_named(archived: Archived, build: Build) -> None:
    archived.evict(stored_job())
    execute(archived, "UPDATE state SET value = 99 WHERE name = 'schema'")
    found = results(build())["database"]
    assert found.grade is Grade.WARNING and "newer release" in found.why
    execute(archived, "UPDATE state SET value = 1 WHERE name = 'schema'")


def test_jobs_that_cannot_be_archived_are_named(archived: Archived) -> None:
    jobs = [stored_job(n) for n in range(4)]
    refused = jobs[1]
    archived.put(*jobs)
    # No database takes such a number.
    archived.redis.set(RECORD_PREFIX + refused.id, codec.encode(refused, 2**70))
    archived.redis.set(RECORD_PREFIX + jobs[2].id, b"7 2 {broken")
    archived.pass_over()
    assert archived.hot(job.id for job in jobs) == {refused.id, jobs[2].id}
    due = dict(archived.services.archiving.schedule.due_until(float("inf"), 9))
    assert due[jobs[2].id] > archived.services.store.now() + 3000, "it is read again later"
    found = results(archived)["rows"]
    assert found.grade is Grade.WARNING and found.why.startswith(
        "2 jobs have ended and cannot be archived"
    )
    assert refused.id in found.why and jobs[2].id in found.why and jobs[0].id not in found.why
    assert results(archived)["archive"].grade is Grade.OK


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs", "fuseblk"])
def test_an_sqlite_file_on_a_network_is_refused_before_it_is_opened(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    services = build(DATABASE_URL=f"sqlite:///{tmp_path}/new/file.db").services
    context = Context(services.settings, services)
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /mnt rw,noatime shared:1 - {{}} box rw\n"
    mounts.write_text("22 27 0:0 / /proc rw - proc proc rw\n" + line.format(kind))
    monkeypatch.setattr(archive_checks, "MOUNTS", mounts)
    (result,) = archive_checks.check(context)
    assert result.grade is Grade.FAILED and kind in result.why and "PostgreSQL" in result.remedy
    assert not (tmp_path / "new").exists()
    mounts.write_text(line.format("ext4"))
    (result,) = archive_checks.check(context)
    assert result.grade is Grade.OK


def test_archived_jobs_are_counted_where_jobs_are_counted(archived: Archived) -> None:
    metrics = archived.services.metrics
    archived.put(*map(stored_job, range(7)))
    before = metrics.totals()
    archived.pass_over()
    after = metrics.totals()
    assert after.jobs == before.jobs and after.jobs[Status.STORED] == 7
    assert (before.jobs_in_redis, before.archived, after.jobs_in_redis, after.archived) == (
        7,
        0,
        0,
        7,
    )
    archived.catalog.recall(stored_job(1).id)
    assert (metrics.totals().jobs, metrics.totals().jobs_in_redis) == (before.jobs, 1)
    archived.redis.zadd(COLD, {"stored": -3, "lost": -1})  # after a loss of Redis, for a moment
    assert metrics.totals().jobs[Status.STORED] == 1 and metrics.totals().jobs[Status.LOST] == 0


def test_a_process_counts_what_it_can_show(archived: Archived, build: Build) -> None:
    archived.evict(stored_job())
    assert samples(api_over(build().services))["fluxkeep_jobs stored"] == 1
    metrics = archived.services.metrics
    metrics._has_archive = False  # noqa: SLF001
    assert metrics.totals().jobs[Status.STORED] == metrics.totals().archived == 0


def test_metrics_tell_of_evictions_and_of_outages(archived: Archived, away: Away) -> None:
    archived.evict(*map(stored_job, range(5)))
    archived.put(stored_job(5))
    found = samples(api(archived))
    assert found["fluxkeep_database_up"] == found["fluxkeep_redis_up"] == 1
    assert found["fluxkeep_evictions_total"] == found["fluxkeep_archived_jobs"] == 5
    assert found["fluxkeep_jobs stored"] == 6 and found["fluxkeep_archive_late_seconds"] == 0
    archived.redis.zadd(ARCHIVE_DUE, {"waits": archived.services.store.now() - 100})
    found = samples(api(away()))
    assert (found["fluxkeep_database_up"], found["fluxkeep_redis_up"]) == (0, 1)
    assert found["fluxkeep_jobs stored"] == 6 and found["fluxkeep_archive_late_seconds"] >= 99


def test_the_memory_of_a_job_is_told_when_there_are_enough(archived: Archived) -> None:
    web = api(archived)
    archived.put(*map(stored_job, range(999)))
    assert "fluxkeep_redis_bytes_per_job" not in samples(web)
    archived.put(stored_job(999))
    of_a_thousand = samples(web)["fluxkeep_redis_bytes_per_job"] * 1000
    archived.put(*map(stored_job, range(1000, 2000)))
    of_two_thousand = samples(web)["fluxkeep_redis_bytes_per_job"] * 2000
    # What else the server holds, such as buffers of connections, is in both.
    assert 1000 < (of_two_thousand - of_a_thousand) / 1000 < 3000
    assert results(archived)["archive"].why.endswith(" bytes each")


def test_no_library_of_a_database_is_loaded_without_one() -> None:
    """Nor is the other one's with a database."""
    program = (
        "import sys; from receiver.app import create_app; import worker.sweep; create_app(); "
        "print(*(name for name in ('psycopg', 'sqlite3') if name in sys.modules))"
    )
    environment = SECRETS | {"ENV_FILE": os.devnull, "PATH": os.environ["PATH"]}
    loaded = {}
    for url in ("", "sqlite:////nowhere/archive.db", "postgres://nobody@127.0.0.1:1/none"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=environment | {"DATABASE_URL": url},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded[url.partition(":")[0]] = run.stdout.split()
    assert loaded == {"": [], "sqlite": ["sqlite3"], "postgres": []}  # psycopg when it connects
