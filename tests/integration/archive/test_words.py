"""Words are found alike in SQLite, in PostgreSQL, and in Redis."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import search_words
from jobs.archive import queries
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from tests.harness.archive_installation import Archived, newest_first, stored_job
from worker.periodic import folding as folding_module
from worker.periodic.folding import Folding

HOSTILE = (
    *('"', "'", '""""', "''", "%", "_", "\\", "\0", "a\0b", "*", "castle*", "^castle", "-castle"),
    *("castle AND", "OR", "NOT castle", "NEAR(castle fog)", "words : castle", "{words} : a", "+"),
    *("castle & fog", "!castle", "castle | fog", "castle:*", "castle:ABCD", "a <-> b", "<2>"),
    *("( (", "'; DROP TABLE jobs --", "?", "%s", "%(a)s", "$1", "{}", "\ud800"),
    *(
        "🦊",
        "👩\u200d🎨",
        "قلعة",
        "霧の城",
        "ปราสาท",
        "замок",
        "castle " * 430,
        "x" * 3000,
        '"' * 3000,
        "(" * 3000,
    ),
    " ".join(f"w{n}" for n in range(700)),
    " ".join(f'"w{n} x"' for n in range(400)),
)
WALKED = 900  # jobs, of which there must be more
# Few words, so that many match; characters that folding joins, splits and drops.
WORDS = st.sampled_from(["castle", "Fog", "café", "cafe\u0301", "ΣΑΣ", "霧", "城", "🦊", "a", "4k"])
GLUE = st.sampled_from([" ", ", ", "-", "\n", "", "\0", "_", '"'])
TEXTS = st.lists(st.tuples(WORDS | st.text(max_size=3), GLUE), max_size=8).map(
    lambda found: "".join(word + glue for word, glue in found)
)


def _job(n: int, prompt: str, **changes: object) -> Job:
    job = stored_job(n, **changes)
    return replace(job, result={**job.result, "prompt": prompt})


def _walk(archived: Archived, search: Search, limit: int) -> list[str]:
    """The ids of all that the archive gives, page by page, and that match."""
    found: list[str] = []
    position: Position | None = None
    while rows := archived.archive.page(search, limit, position):
        found += [row.job.id for row in rows if search.matches(row.job)]
        position = Position(rows[-1].job.created_at, rows[-1].job.id)
    return found


def test_no_query_is_an_operator_or_an_error(archived: Archived) -> None:
    jobs = [_job(0, "castle fog"), _job(1, "a & b"), _job(2, "霧の城 🦊 замок"), _job(3, "")]
    archived.archive.put(jobs, 1.0)
    for query in HOSTILE:
        found = _walk(archived, Search(words=query), 50)
        assert found == newest_first([job for job in jobs if search_words.matches(job, query)]), (
            query
        )


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(prompts=st.lists(TEXTS, min_size=1, max_size=12), queries=st.lists(TEXTS, max_size=5))
def test_all_databases_agree(archived: Archived, prompts: list[str], queries: list[str]) -> None:
    archived.archive.delete([(stored_job(n).id, 2**60) for n in range(12)])
    at = stored_job().created_at  # of all, so that their ids order them
    jobs = [_job(n, prompt, created_at=at) for n, prompt in enumerate(prompts)]
    assert not archived.archive.put(jobs, 1.0)
    for query in [*queries, *prompts]:
        expected = newest_first([job for job in jobs if search_words.matches(job, query)])
        assert _walk(archived, Search(words=query), 3) == expected


PARTS = ("민국", "한민국의", "타워", "夜景", "京タ", "霧中", "หมอก", "flux2모")


def test_a_part_of_a_word_is_found_alike_everywhere(archived: Archived) -> None:
    """Also in Redis, whose own search reads records."""
    prompts = (
        "대한민국의 궁전, 서울타워",
        "東京タワーの夜景",
        "夜間霧中城堡",
        "ปราสาทในหมอก flux2모델",
        "a tower",
    )
    jobs = [_job(n, prompt) for n, prompt in enumerate(prompts * 2)]
    archived.evict(*jobs[: len(prompts)])
    archived.put(*jobs[len(prompts) :])
    for part in PARTS:
        expected = [job for job in jobs if part in str(job.result["prompt"])]
        assert len(expected) == 2
        assert archived.walk(Search(words=part)) == newest_first(expected), part


def test_rows_that_another_release_has_folded_are_folded_once_more(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding_module, "BATCH", 5)
    jobs = [_job(n, "대한민국의 궁전" if n % 2 else "a castle") for n in range(12)]
    archived.evict(*jobs)
    database = archived.archive._database  # noqa: SLF001
    old = "UPDATE jobs SET words = ? WHERE id = ?"
    for job in jobs[1::2]:
        database.transact(lambda run, job=job: run(old, ["대한민국의 궁전", job.id]), writes=True)  # type: ignore[misc]
    assert archived.walk(Search(words="민국")) == []
    folding = Folding(archived.archive)
    while folding.run_batch() != folding_module.POLL_SECONDS:
        pass
    assert archived.walk(Search(words="민국")) == newest_first(jobs[1::2])
    assert archived.walk(Search(words="castle")) == newest_first(jobs[::2])
    assert archived.archive.state().folding == search_words.FOLDING


def test_a_changed_prompt_is_found_by_its_new_words_alone(archived: Archived) -> None:
    job = _job(0, "castle")
    archived.archive.put([job], 1.0)
    archived.archive.put([replace(job, version=8, result={"prompt": "fog"})], 2.0)
    assert _walk(archived, Search(words="fog"), 9) == [job.id]
    assert not archived.archive.page(Search(words="castle"), 9, None)
    archived.archive.delete([(job.id, 8)])
    assert not archived.archive.page(Search(words="fog"), 9, None)


@pytest.fixture
def many(archived: Archived, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """More jobs than are walked; half of them are old, and differ in all that is searched."""
    monkeypatch.setattr(queries, "WALKED", WALKED)
    monkeypatch.setattr(queries, "WALKED_BEFORE_FTS5", WALKED // 3)
    random = Random(0)
    jobs = []
    for n in range(2 * WALKED):
        is_old = n < WALKED - 200
        prompt = "castle in fog" if is_old and random.random() < 0.1 else "fog over a castle"
        changes = {
            "model": random.choice(["flux-1-dev" if is_old else "flux-2-pro", "common"]),
            "status": Status.LOST if random.random() < 0.01 else Status.STORED,
            "metadata": {"user": random.choice("ab"), "old": is_old},
        }
        jobs.append(_job(n, prompt, **changes))
    for first in range(0, len(jobs), 500):
        assert not archived.archive.put(jobs[first : first + 500], 1.0)
    return jobs


def test_each_filter_goes_with_each_other(archived: Archived, many: list[Job]) -> None:
    since, until = many[100].created_at, many[-100].created_at
    for text in (None, "castle", "castle fog", '"castle in fog"', "fog castle tower"):
        for search in (
            Search(words=text),
            Search(words=text, since=since, until=until),
            Search(words=text, model="flux-1-dev"),
            Search(words=text, model="flux-1-dev", statuses=(Status.LOST, Status.STORED)),
            Search(words=text, statuses=(Status.LOST, Status.FAILED), metadata=(("user", "a"),)),
            Search(words=text, metadata=(("old", "true"), ("user", "b")), model="common"),
            Search(words=text, metadata=(("old", "false"),), model="flux-1-dev"),
        ):
            expected = newest_first([job for job in many if search.matches(job)])
            assert _walk(archived, search, 1000) == expected, search
            page = archived.archive.page(search, 20, None)
            assert [row.job.id for row in page if search.matches(row.job)] == expected[:20]
