"""Checks of the archive: the database, how late the sweep is, and jobs that it cannot archive.

None is a failure but a file on a network: while the database is away callbacks go on.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from jobs.archive import schema
from jobs.archive.archive import Archive
from jobs.archive.databases import sqlite_path
from jobs.config.settings import Settings
from jobs.domain.errors import ArchiveUnavailable
from jobs.services import Services
from jobs.store import codec
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

DATABASE = "database"
ARCHIVE = "archive"
ROWS = "rows"
LATE_SECONDS = 300.0
UNARCHIVED_SECONDS = 3600.0
BATCH = 500
READ_MAX = 20_000
NAMED_MAX = 10
MOUNTS = Path("/proc/self/mountinfo")
# SQLite's locks and shared memory do not work there, and a database is torn.
NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "9p", "fuse")

_LOCAL = (
    "Put the file on a local disk of the one machine that has web and sweep, or use PostgreSQL."
)
_AWAY = "See to the database. Until it answers, ended jobs stay in Redis and archived ones get 503."
_NEWER = "Deploy the newer release everywhere: this one reads its rows, and writes none."
_LATE = "See the log of the sweep: the database may be away, full or read-only. Redis keeps them."
_NO_ROW = (
    "See the log of the sweep. Redis keeps them; `repair` looks at records that are unreadable."
)


def check(context: Context) -> Iterator[Result]:
    """Where its file lies, whether it answers, and whether its tables are of this release.

    No result without DATABASE_URL.
    """
    if kind := network_filesystem(context.settings):
        yield failed(DATABASE, f"its file is on a network or in user space ({kind})", _LOCAL)
    elif archive := context.services.archive:
        try:
            version = archive.state().schema
        except ArchiveUnavailable as error:
            yield warning(DATABASE, reason(error), _AWAY)
        else:
            yield _of_tables(archive, version)


def _of_tables(archive: Archive, version: int) -> Result:
    if version > schema.VERSION:
        return warning(DATABASE, "its tables are of a newer release: no jobs are archived", _NEWER)
    return ok(DATABASE, f"{archive.database_name} answers, tables of version {version}")


def reason(error: ArchiveUnavailable) -> str:
    """Why the database does not answer."""
    return f"does not answer ({str(error).removeprefix('database: ')})"


def network_filesystem(settings: Settings) -> str | None:
    """The type of the file system of an SQLite file, if SQLite cannot be used there."""
    url = settings.database_url
    path = sqlite_path(url.get_secret_value()) if url else None
    kind = filesystem(Path(path)) if path is not None else ""
    return kind if kind.startswith(NETWORK_FILESYSTEMS) else None


def filesystem(path: Path) -> str:
    """The type of the file system of a path; empty where Linux does not say it."""
    absolute = path.absolute()
    try:
        device = next(one for one in (absolute, *absolute.parents) if one.exists()).stat().st_dev
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    parts = (line.partition(" - ") for line in lines)
    return next((kind.split()[0] for mount, _, kind in parts if mount.split()[2] == number), "")


def check_archive(context: Context) -> Iterator[Result]:
    """Whether ended jobs are archived in time. Raises StoreUnavailable."""
    services = context.services
    if services.archive is None:
        return
    seconds = late_seconds(services)
    if seconds > LATE_SECONDS:
        why = f"the oldest job that is due for the database is {seconds / 60:,.0f} minutes late"
        yield warning(ARCHIVE, why, _LATE)
        return
    totals = services.metrics.totals()
    size = services.metrics.bytes_per_job(totals)
    each = f", {size:,.0f} bytes each" if size else ""
    why = f"is not late; {totals.archived:,} jobs only there, {totals.hot:,} in Redis{each}"
    yield ok(ARCHIVE, why)


def late_seconds(services: Services) -> float:
    """How late the sweep is with the oldest job that it is to look at."""
    oldest = services.evictions.due(math.inf, 1)
    return max(services.store.now() - oldest[0][1], 0.0) if oldest else 0.0


def check_rows(context: Context) -> Iterator[Result]:
    """Count the rows, and name jobs that cannot be archived. Raises StoreUnavailable."""
    archive = context.services.archive
    if archive is None or network_filesystem(context.settings):
        return
    try:
        rows, found = sum(archive.counts().values()), list(unarchived(context.services, archive))
    except ArchiveUnavailable as error:
        yield warning(ROWS, f"not counted: the database {reason(error)}", _AWAY)
        return
    if found:
        names = ", ".join(found[:NAMED_MAX]) + ", …" * (len(found) > NAMED_MAX)
        why = f"{len(found):,} jobs ended over an hour ago and cannot be archived: {names}"
        yield warning(ROWS, why, _NO_ROW)
    else:
        yield ok(ROWS, f"{rows:,} in the database")


def unarchived(services: Services, archive: Archive) -> Iterator[str]:
    """Jobs whose records are unreadable, or whose rows the database refuses.

    The sweep looks at them again within an hour, as at others that have a row.
    """
    now = services.store.now()
    postponed = services.evictions.postponed(now, READ_MAX)
    for first in range(0, len(postponed), BATCH):
        ids = postponed[first : first + BATCH]
        rows, known = archive.versions(ids), services.evictions.look_up(ids)
        for job_id in ids:
            record = known[job_id].record
            job = codec.decode_if_readable(record) if record else None
            is_old = job is not None and job.end < now - UNARCHIVED_SECONDS
            if record and (job is None or (is_old and job_id not in rows)):
                yield job_id
