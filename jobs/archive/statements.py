"""SQL statements of the archive, read from `sql/`: each file has one, named for what it does.

`:name` is a parameter. `{name}` stands for names of our own tables and columns, or for conditions
with parameters, never for a value.
"""

import re
from pathlib import Path

_DIRECTORY = Path(__file__).with_name("sql")
_COMMENT_LINE = re.compile(r"^\s*--.*\n", re.MULTILINE)


def read(name: str) -> str:
    """A statement without its comments."""
    text = (_DIRECTORY / f"{name}.sql").read_text()
    return _COMMENT_LINE.sub("", text).strip()
