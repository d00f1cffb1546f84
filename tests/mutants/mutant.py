"""What a mutant is: one exact text of the product, what stands there instead, and who must notice.

The tables are in the modules beside this one, by the part of the product they break.
"""

from pathlib import Path
from typing import NamedTuple


class Misplaced(Exception):
    """The text to replace is not there exactly once: the table is older than the code."""


class Mutant(NamedTuple):
    """`tests` are pytest node ids; one without brackets means at least one of its cases.

    `more` has further pairs of old and new for the same file, where one protection stands twice.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()

    def applied(self, root: Path) -> str:
        """The file's text with the mutant in it. Raises Misplaced."""
        text = (root / self.file).read_text()
        for old, new in ((self.old, self.new), *self.more):
            if (found := text.count(old)) != 1:
                raise Misplaced(f"{self.name}: {self.file} has {found} times: {old!r}")
            text = text.replace(old, new)
        return text
