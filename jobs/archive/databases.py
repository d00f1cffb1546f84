"""The database that a DATABASE_URL names. Only the one in use loads its library."""

from importlib import import_module
from urllib.parse import unquote

from jobs.archive.database import Database, Runner

SQLITE = "sqlite:///"


def open_database(url: str, connections: int, in_thread: Runner) -> Database:
    """Nothing is connected yet. `in_thread` is for SQLite."""
    opened: Database
    if (path := sqlite_path(url)) is not None:
        module = import_module("jobs.archive.sqlite")
        opened = module.SqliteDatabase(path, connections, in_thread)
    else:
        module = import_module("jobs.archive.postgres")
        opened = module.PostgresDatabase(url, connections)
    return opened


def sqlite_path(url: str) -> str | None:
    """The file of a DATABASE_URL; None if it leads to a server."""
    return unquote(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None
