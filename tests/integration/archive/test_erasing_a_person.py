"""Nothing of a person stays in the database once their jobs are deleted by one filter."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.domain.job_record import Request
from jobs.store.batch_actions import Action
from jobs.store.search_conditions import Search
from tests.harness.archive_installation import Archived, a_job
from tests.integration.archive.test_batch_actions import begin, put, work

PERSON = "person-4711@canary.example"
PROMPT = "a canary lighthouse in the canary fog"  # SQLite's index keeps its words until it merges


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_byte_of_a_deleted_person_stays_in_the_file(archived: Archived, tmp_path: Path) -> None:
    file, others = tmp_path / "archive.db", [a_job(n) for n in range(100, 106)]
    given = {"metadata": {"user": PERSON}, "result": {"prompt": PROMPT}}
    request = Request(kept_input={"prompt": PROMPT})
    jobs = put(archived, [replace(a_job(n, **given), request=request) for n in range(20)])
    put(archived, others)
    archived.pass_over()
    canaries = [text.encode() for text in (PERSON, PROMPT, *(job.id for job in jobs))]
    with closing(sqlite3.connect(file)) as connection:
        rows = dict(connection.execute("SELECT id, record FROM jobs"))
    canaries += [bytes(rows[job.id])[40:120] for job in jobs]  # they are compressed
    written = content(file)
    assert all(canary in written for canary in canaries)
    search = Search(metadata=(("user", PERSON),))
    work(archived.services, begin(archived.services, Action.DELETE, search))
    archived.pass_over()
    left = content(file)
    assert [canary for canary in canaries if canary in left] == []
    assert all(job.id.encode() in left for job in others)


def content(file: Path) -> bytes:
    """All bytes of the database, with those of its log."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return b"".join(one.read_bytes() for one in sorted(file.parent.glob(f"{file.name}*")))
