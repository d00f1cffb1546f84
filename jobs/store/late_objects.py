"""Deleted jobs of which objects may still be written: the sweep looks for these again.

A worker, a thumbnail or a rewritten sidecar may be under way when its job is deleted. The process
deletes what it wrote too late, unless it is killed. The note is written by the script that deletes.
"""

from datetime import timedelta
from typing import NamedTuple, Self

from jobs.domain.job import Job
from jobs.storage.layout import fencing_token_of
from jobs.store.redis import keys
from jobs.store.redis.scripts import Command

FIRST_LOOK_SECONDS = 60.0
# No claim, and no suspend of a machine, is expected to last longer.
LATE_SECONDS = timedelta(days=1).total_seconds()


class DeletedJob(NamedTuple):
    """A deleted job, and the highest fencing token of its claims."""

    job_id: str
    created_at: int
    fencing_token: int
    deleted_at: int

    @property
    def note(self) -> str:
        """The member of the sorted set, which `parse` reads."""
        return f"{self.job_id} {self.created_at} {self.fencing_token} {self.deleted_at}"

    @classmethod
    def parse(cls, note: str) -> Self:
        job_id, *numbers = note.split(" ")
        created_at, fencing_token, deleted_at = map(int, numbers)
        return cls(job_id, created_at, fencing_token, deleted_at)

    def next_look(self, now: float) -> float | None:
        """The time that has passed doubles from look to look; None when none is needed any more."""
        age = now - self.deleted_at
        if age > LATE_SECONDS:
            return None
        return now + max(age, FIRST_LOOK_SECONDS)

    def command(self) -> Command:
        """The command that writes the note."""
        return "ZADD", keys.LATE_OBJECTS, self.deleted_at + FIRST_LOOK_SECONDS, self.note


def note_of_deletion(job: Job, now: float) -> list[Command]:
    """The command that notes a deleted job, if something may be at work on it."""
    tokens = [fencing_token_of(file.key) for file in job.media]
    fencing_token = max([*tokens, job.lease.fencing_token])
    was_ever_claimed = fencing_token > 0
    changed_at = max(job.updated_at, job.end)
    is_quiet = job.status.terminal and job.thumbnails.due_at is None
    if not was_ever_claimed or (is_quiet and now - changed_at > LATE_SECONDS):
        return []
    return [DeletedJob(job.id, int(job.created_at), fencing_token, int(now)).command()]


def notes_without_record(job_id: str, now: float) -> list[Command]:
    """The commands that note a job that had no record: a claim of it is as young as its job.

    Claims have the time of the clock as their tokens, so that those of a job that is made anew are
    higher.
    """
    days = [int(now - age * LATE_SECONDS) for age in range(3)]
    return [DeletedJob(job_id, day, int(now * 1e6), int(now)).command() for day in days]
