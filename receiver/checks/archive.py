"""Checks of the archive: the database, how late the sweep is, and jobs that it cannot archive.

A file on a network and a database that cannot be written before a start are failures, no others:
while the database is away callbacks go on.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobs.archive import file_access, schema
from jobs.archive.archive import Archive, sqlite_path
from jobs.archive.file_damage import DAMAGED
from jobs.config.settings import Settings
from jobs.domain.errors import ArchiveUnavailable, InvalidSettings
from jobs.services import Services
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

DATABASE = "database"
ARCHIVE = "archive"
ROWS = "rows"
LATE_SECONDS = 300.0
READ_MAX = 20_000
NAMED_MAX = 10
ENCODING = "UTF8"
MOUNTS = Path("/proc/self/mountinfo")
# SQLite's locks and shared memory do not work there.
REFUSED_FILESYSTEMS = ("nfs", "cifs", "smb", "9p", "fuse")

_LOCAL = "Put it on a local disk of the one machine that runs web and sweep, or use PostgreSQL."
_AWAY = "See to the database. Until it answers, ended jobs stay in Redis and archived ones get 503."
_NEWER = "Deploy the newer release everywhere: this one reads its rows, and writes none."
_LATE = "See the log of the sweep: the database may be away, full or read-only. Redis keeps them."
_ENCODING = (
    "Make a database WITH ENCODING 'UTF8' TEMPLATE template0 and point DATABASE_URL at it: "
    "jobs of the last HOT_DAYS are written again by themselves, pg_dump moves the others."
)
_RESTORE = (
    "A file that is replaced beneath running processes gets the log of the one before it. Restore "
    "a backup as docs/archive.md says. Callbacks go on meanwhile, and Redis keeps what ends."
)
_NO_WRITES = (
    "Give it room, or let the role write. Redis keeps what ended; deletions and reads go on."
)
_WRITABLE = "Ended jobs would stay in Redis and fill it. Correct DATABASE_URL or its permissions."
_NO_ROW = (
    "Redis keeps them. `repair` looks at unreadable records; the sweep's log names the others."
)


def check_writable(context: Context) -> Iterator[Result]:
    """A failure where ended jobs could never be written: a start would fill Redis with them."""
    if context.archive is None:
        return
    try:
        file_access.require_writable(context.settings.database_url)
    except InvalidSettings as error:
        _, _, why = str(error).partition(": ")
        yield failed(DATABASE, f"cannot be written: {why}", _WRITABLE)
        return
    # A server that is away has its warning already, and comes back.
    with suppress(ArchiveUnavailable):
        context.archive.probe_write()
    if context.archive.write_problem:
        why = context.archive.write_problem.removeprefix("database: ")
        yield failed(DATABASE, f"takes no writes: {why}", _WRITABLE)


def check(context: Context) -> Iterator[Result]:
    """Where its file lies, whether it answers with tables of this release, the sweep's delay."""
    if context.archive is None:
        return
    yield _database(context.archive, _filesystem(context.settings))
    if not context.redis_answers:
        return
    services = context.services
    seconds = late_seconds(services)
    if seconds > LATE_SECONDS:
        why = f"the oldest job that is due for the database is {seconds / 60:,.0f} minutes late"
        yield warning(ARCHIVE, why, _LATE)
        return
    totals = services.metrics.totals()
    why = f"is not late; {totals.archived:,} jobs only there, {totals.jobs_in_redis:,} in Redis"
    bytes_per_job = services.health_probes.bytes_per_job(totals)
    if bytes_per_job:
        why += f", {bytes_per_job:,.0f} bytes each"
    yield ok(ARCHIVE, why)


def _database(archive: Archive, kind: str) -> Result:
    if kind.startswith(REFUSED_FILESYSTEMS):
        return failed(DATABASE, f"its file is on {kind}, where SQLite loses data", _LOCAL)
    if archive.is_damaged:
        return warning(DATABASE, f"is not used: {DAMAGED}", _RESTORE)
    try:
        version = archive.state().schema
        encoding = archive.encoding()
    except ArchiveUnavailable as error:
        return warning(DATABASE, _reason(error), _AWAY)
    problem = _problem(archive, version, encoding)
    if problem is not None:
        return problem
    return ok(DATABASE, f"{archive.database_name} answers, tables of version {version}")


def _problem(archive: Archive, version: int, encoding: str) -> Result | None:
    """Faults of a database that answers."""
    if version > schema.VERSION:
        return warning(DATABASE, "has tables of a newer release: no jobs are archived", _NEWER)
    if encoding != ENCODING:
        why = f"its encoding is {encoding}: jobs with other letters cannot be archived"
        return warning(DATABASE, why, _ENCODING)
    if archive.write_problem:
        why = f"takes no writes ({archive.write_problem.removeprefix('database: ')})"
        return warning(DATABASE, why, _NO_WRITES)
    return None


def _reason(error: ArchiveUnavailable) -> str:
    return f"does not answer ({str(error).removeprefix('database: ')})"


def _filesystem(settings: Settings) -> str:
    """The type of the file system of an SQLite file; empty where Linux does not tell it."""
    url = settings.database_url
    file_name = sqlite_path(url.get_secret_value()) if url else None
    if not file_name:
        return ""
    try:
        device = _device_of(Path(file_name).absolute())
        mounts = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    device_number = f"{os.major(device)}:{os.minor(device)}"
    for mount in mounts:
        # `36 35 98:0 /root /mnt rw shared:1 - ext4 /dev/sda rw`: the device is the third field.
        place, _, filesystem = mount.partition(" - ")
        if place.split()[2] == device_number:
            return filesystem.split()[0]
    return ""


def _device_of(path: Path) -> int:
    """The device of a file, or of the folder in which it will be made. Raises OSError."""
    while not path.exists():
        path = path.parent
    return path.stat().st_dev


def late_seconds(services: Services) -> float:
    """How late the sweep is with the job that has been due for the archive for longest."""
    due_jobs = services.archiving.schedule.due_until(math.inf, 1)
    if not due_jobs:
        return 0.0
    _, due_at = due_jobs[0]
    return max(services.store.now() - due_at, 0.0)


def check_rows(context: Context) -> Iterator[Result]:
    """Count the rows, and name jobs that cannot be archived."""
    archive = context.archive
    if archive is None or not context.redis_answers:
        return
    try:
        rows = sum(archive.counts().values())
    except ArchiveUnavailable as error:
        yield warning(ROWS, f"not counted: the database {_reason(error)}", _AWAY)
        return
    refused_ids = context.services.archiving.schedule.refused_jobs(READ_MAX)
    if refused_ids:
        names = ", ".join(refused_ids[:NAMED_MAX])
        if len(refused_ids) > NAMED_MAX:
            names += ", …"
        why = f"{len(refused_ids):,} jobs have ended and cannot be archived: {names}"
        yield warning(ROWS, why, _NO_ROW)
    else:
        yield ok(ROWS, f"{rows:,} in the database")
