"""Each invariant of docs/correctness.md is cited by the code that keeps it and by its checks."""

import re
from collections.abc import Iterable
from pathlib import Path

from deploy.procfile import ROOT
from tests.harness.documents import page, prose

CITATION = re.compile(r"\bI([1-9][0-9]*)\b")
# A comment that is nothing but numbers: a reader would have to look them up to know its subject.
BARE = re.compile(r"(#|--)[ (]*I[1-9][0-9]*([ ,]+I[1-9][0-9]*)*[ ).:]*$", re.MULTILINE)
DEFINITION = re.compile(r"^\*\*I([1-9][0-9]*)\. [^*]+\.\*\* \S", re.MULTILINE)
PRODUCT = ("jobs", "receiver", "worker")
SUFFIXES = (".py", ".lua")


def defined() -> list[int]:
    return [int(number) for number in DEFINITION.findall(prose(page("docs/correctness.md")))]


def files(directories: Iterable[str]) -> list[Path]:
    found = [path for name in directories for path in sorted((ROOT / name).rglob("*"))]
    return [path for path in found if path.suffix in SUFFIXES and path != Path(__file__)]


def cited(directories: Iterable[str]) -> set[int]:
    texts = (path.read_text() for path in files(directories))
    return {int(number) for text in texts for number in CITATION.findall(text)}


def test_product_and_tests_cite_each_invariant_and_no_other() -> None:
    assert defined() == [*range(1, len(defined()) + 1)]
    assert cited(PRODUCT) == cited(["tests"]) == {*defined()}


def test_no_comment_is_a_bare_number_and_a_reader_learns_where_they_are_explained() -> None:
    for path in ("jobs/__init__.py", "jobs/store/lua/commit.lua"):
        assert "docs/correctness.md" in (ROOT / path).read_text()
    sources = files((*PRODUCT, "tests"))
    assert [path for path in sources if BARE.search(path.read_text())] == []
