"""The programs and examples that the README shows, for the tests that run them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from deploy.procfile import ROOT

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{2,} (.+)$", re.MULTILINE)


class Example(NamedTuple):
    """One fenced block: the heading it stands under, its language, and what it says."""

    heading: str
    language: str
    text: str


def examples() -> Iterator[Example]:
    """In the order in which they stand there."""
    text = (ROOT / "README.md").read_text()
    # What looks like a heading inside a block is a comment of a shell.
    headings = list(_HEADING.finditer(_FENCED.sub(_blank, text)))
    for block in _FENCED.finditer(text):
        above = [found[1] for found in headings if found.start() < block.start()]
        yield Example(above[-1], block[1], block[2])


def _blank(block: re.Match[str]) -> str:
    return " " * len(block[0])


def example(heading: str, language: str) -> str:
    """The first in this language under a heading."""
    wanted = (heading, language)
    return next(found.text for found in examples() if found[:2] == wanted)
