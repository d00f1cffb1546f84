"""What the tests of the archive do to a stack: evict its jobs, and take its database away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from requests import codes

from jobs.store.keys import ARCHIVE_DUE, ENDED, ENDED_MEDIA
from tests.harness import PostgresServer, Stack, wait_for, wait_for_none

EVICTED_WITHIN_SECONDS = 60.0


class ArchivingStack(NamedTuple):
    """A stack and its database: a server, or else a file."""

    stack: Stack
    server: PostgresServer | None
    file: Path

    def evict(self) -> None:
        """Returns when only the archive has the jobs that have ended."""
        with self.stack.installation.redis.client() as redis:
            untyped: Any = redis

            def left() -> list[Any]:
                found = [
                    name for key in (ENDED, ENDED_MEDIA) for name in untyped.zrange(key, 0, -1)
                ]
                if found:  # as if a minute were over
                    untyped.zadd(ARCHIVE_DUE, dict.fromkeys(found, 0.0), xx=True)
                return found

            wait_for_none("jobs that have ended leave Redis", left, EVICTED_WITHIN_SECONDS)

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Stopped, or with a directory in the place of its file."""
        away = self.file.with_suffix(".away")
        if self.server:
            self.server.stop()
        else:
            self.file.rename(away)
            self.file.mkdir()
        yield
        if self.server:
            self.server.start()
        else:
            self.file.rmdir()
            away.rename(self.file)
        wait_for("the archive answers", lambda: self._answers("unknown") == codes.not_found)

    def _answers(self, job_id: str) -> int:
        return self.stack.client.get(f"/api/jobs/{job_id}").status_code
