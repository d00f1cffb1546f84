"""What a deletion leaves in the files of SQLite: nothing of the prompt, also not in the log."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from receiver.job_actions import delete_job
from tests.harness.archive_installation import Archived, stored_job
from tests.integration.archive.conftest import Build
from worker.periodic.retention import RowRetention

CANARY = "canary-of-a-prompt in a lighthouse"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/archive.db"


def files_with(canary: str, directory: Path) -> list[str]:
    """Files of the database that have a prompt as it was written, or folded."""
    folded = canary.replace("-", " ")
    texts = (canary.encode(), folded.encode())
    return sorted(
        path.name
        for path in directory.glob("archive.db*")
        if any(text in path.read_bytes() for text in texts)
    )


def test_a_deleted_prompt_is_in_no_file_after_the_pass(archived: Archived, tmp_path: Path) -> None:
    job = stored_job(0, result={"prompt": CANARY})
    archived.evict(job, *(stored_job(n) for n in range(1, 9)))
    assert files_with(CANARY, tmp_path)
    delete_job(archived.services, job)
    archived.pass_over(1)
    assert files_with(CANARY, tmp_path) == []


def test_a_prompt_whose_retention_is_over_is_in_no_file(build: Build, tmp_path: Path) -> None:
    archived = build(RETAIN_JOBS_DAYS="1")
    archived.evict(stored_job(0, result={"prompt": CANARY}))
    assert files_with(CANARY, tmp_path)
    RowRetention(archived.services, archived.archive).run_batch()
    assert files_with(CANARY, tmp_path) == []


def test_a_prompt_that_a_killed_sweep_has_left_is_erased_by_the_next_one(
    build: Build, tmp_path: Path
) -> None:
    killed = build()
    job = stored_job(0, result={"prompt": CANARY})
    killed.evict(job)
    assert killed.archive.delete([(job.id, job.version)]) == 1
    assert files_with(CANARY, tmp_path)
    build().pass_over(1)
    assert files_with(CANARY, tmp_path) == []


def test_a_reader_delays_it_until_the_pass_after_its_end(
    archived: Archived, tmp_path: Path
) -> None:
    job = stored_job(0, result={"prompt": CANARY})
    archived.evict(job)
    with closing(sqlite3.connect(tmp_path / "archive.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
        delete_job(archived.services, job)
        archived.pass_over(1)
        assert files_with(CANARY, tmp_path), "its reader may still want the row"
    archived.pass_over(1)
    assert files_with(CANARY, tmp_path) == []
