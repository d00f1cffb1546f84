"""README.md and docs/: their pages, and the fenced blocks that tests run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deploy.procfile import ROOT

README = ROOT / "README.md"
PAGES = (
    README,
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "SECURITY.md",
    ROOT / "BENCHMARKS.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{2,} (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """One fenced block: its page, the heading above it, its language and its text."""

    page: str
    heading: str
    language: str
    text: str


def page(name: str) -> Path:
    return ROOT / name


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page in order."""
    text = page.read_text()
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(prose(page))]
    for fenced in _FENCED.finditer(text):
        above = [heading for start, heading in headings if start < fenced.start()]
        yield Block(page.name, above[-1] if above else "", fenced[1], fenced[2])


def prose(page: Path) -> str:
    """A page with its fenced blocks blanked out; positions stay the same."""
    return _FENCED.sub(lambda fenced: " " * len(fenced[0]), page.read_text())


def under(page: Path, heading: str, language: str) -> list[str]:
    """The texts of all blocks in a language under a heading."""
    found = [one.text for one in blocks(page) if one[1:3] == (heading, language)]
    assert found, f"{page.name} has no {language} under {heading!r}"
    return found
