"""Jobs are found by words, seeds, files and keys, wherever they are."""

from dataclasses import replace
from typing import Any

import pytest

from jobs.domain.job import Job
from jobs.store.search_conditions import Search
from tests.harness.archive_installation import Archived, newest_first, stored_job


def job(n: int, prompt: str, **changes: Any) -> Job:
    """A stored job; BFL's prompt repeats the caller's in other words."""
    made = stored_job(n)
    return replace(made, result={**made.result, "prompt": prompt}, **changes)


@pytest.fixture
def jobs(archived: Archived) -> list[Job]:
    """Some in Redis, most of them in the archive alone."""
    found = [
        job(0, "A castle in the fog, at dawn"),
        job(1, "the fog of a Castle"),
        job(2, "Ein Schloß, café, naïve"),
        job(3, "fog castle", metadata={"user": "7"}),
        job(4, "castles are fogged", metadata={"user": "7"}),
        job(5, "a castle in the fog", metadata={"user": "7"}),
    ]
    found[4] = found[4].with_request(key="app")
    archived.evict(*found[:4])
    archived.put(*found[4:])
    return found


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("castle fog", [0, 1, 3, 5]),
        ("FOG  Castle!", [0, 1, 3, 5]),
        ('"castle in the fog"', [0, 5]),
        ('"fog castle" FOG', [3]),
        ("schloss CAFE naive", [2]),
        ("castl", []),
        ("castle -fog", [0, 1, 3, 5]),
        ("castle tower", []),
    ],
)
def test_all_words_must_match(
    archived: Archived, jobs: list[Job], typed: str, found: list[int]
) -> None:
    assert archived.walk(Search(words=typed), 2) == newest_first([jobs[n] for n in found])


def test_every_filter_goes_with_every_other(archived: Archived, jobs: list[Job]) -> None:
    user = (("user", "7"),)
    assert archived.walk(Search(words="castle", metadata=user)) == newest_first([jobs[3], jobs[5]])
    assert archived.walk(Search(key="app")) == [jobs[4].id]
    for n in (1, 5):
        seed, (file,) = jobs[n].result["seed"], jobs[n].media
        searched = Search(words="fog", seed=seed, model="flux-2-pro")
        assert jobs[n].id in archived.walk(searched)
        assert jobs[n].id in archived.walk(Search(sha256=file.sha256))
    assert archived.walk(Search(seed=1)) == archived.walk(Search(sha256="0" * 64)) == []
