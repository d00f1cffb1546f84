"""Whether this process may write the SQLite file of DATABASE_URL, and the log beside it."""

import os
from pathlib import Path

from pydantic import SecretStr

from jobs.archive.archive import sqlite_path
from jobs.domain.errors import InvalidSettings

_ADVICE = "Name a file in a directory that exists or can be created, and is writable."


def require_writable(database_url: SecretStr | None) -> None:
    """Raises InvalidSettings for a file that this process cannot write.

    A server is not asked: it may be away for a while, and callbacks go on meanwhile.
    """
    path = sqlite_path(database_url.get_secret_value()) if database_url else ""
    if not path:
        return
    problem = write_problem(Path(path))
    if problem:
        raise InvalidSettings(f"DATABASE_URL: {problem}. {_ADVICE}")


def write_problem(path: Path) -> str:
    """Why a file cannot be written, or made with its log beside it; empty if it can."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"the directory of the file cannot be made ({error.strerror})"
    if path.is_dir():
        return "names a directory"
    may_make_log = os.access(path.parent, os.W_OK | os.X_OK)
    if not may_make_log:
        return "this user may not write the directory of the file"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "this user may not write the file"
    return ""
