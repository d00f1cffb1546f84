"""Jobs of which objects may still be written too late: the sweep looks for these again.

A worker, a thumbnail or a rewritten sidecar may be under way when its job is deleted, and an
earlier worker when another one stores its job. The process deletes what it wrote too late, unless
it is killed. The note is written by the script that deletes the job, or that stores it.
"""

from datetime import timedelta
from typing import NamedTuple, Self

from jobs.domain.job import Job
from jobs.storage.layout import fencing_token_of
from jobs.store.redis import keys
from jobs.store.redis.scripts import Command

FIRST_LOOK_SECONDS = 60.0
STORED = "stored"
# No claim, and no suspend of a machine, is expected to last longer.
LATE_SECONDS = timedelta(days=1).total_seconds()


class LateObjectsNote(NamedTuple):
    """A job that was deleted or stored, and the highest fencing token of its claims."""

    job_id: str
    created_at: int
    fencing_token: int
    noted_at: int  # when it was deleted or stored
    is_stored: bool = False

    @property
    def member(self) -> str:
        """The member of the sorted set, which `parse` reads."""
        words = [self.job_id, str(self.created_at), str(self.fencing_token), str(self.noted_at)]
        if self.is_stored:
            words.append(STORED)
        return " ".join(words)

    @classmethod
    def parse(cls, member: str) -> Self:
        job_id, created_at, fencing_token, noted_at, *kinds = member.split(" ")
        is_stored = STORED in kinds
        return cls(job_id, int(created_at), int(fencing_token), int(noted_at), is_stored)

    def next_look(self, now: float) -> float | None:
        """The time that has passed doubles from look to look; None when none is needed any more."""
        age = now - self.noted_at
        if age > LATE_SECONDS:
            return None
        return now + max(age, FIRST_LOOK_SECONDS)

    def command(self) -> Command:
        """The command that writes the note."""
        return "ZADD", keys.LATE_OBJECTS, self.noted_at + FIRST_LOOK_SECONDS, self.member


def note_of_deletion(job: Job, now: float) -> list[Command]:
    """The command that notes a deleted job, if something may be at work on it."""
    tokens = [fencing_token_of(file.key) for file in job.media]
    fencing_token = max([*tokens, job.lease.fencing_token])
    was_ever_claimed = fencing_token > 0
    changed_at = max(job.updated_at, job.end)
    is_quiet = job.status.terminal and job.thumbnails.due_at is None
    if not was_ever_claimed or (is_quiet and now - changed_at > LATE_SECONDS):
        return []
    return [LateObjectsNote(job.id, int(job.created_at), fencing_token, int(now)).command()]


def note_of_stored_job(job: Job) -> Command:
    """The command that notes a stored job that several workers have claimed.

    One of the earlier workers may be suspended, and publish afterwards.
    """
    fencing_token = job.lease.fencing_token
    note = LateObjectsNote(job.id, int(job.created_at), fencing_token, int(job.end), is_stored=True)
    return note.command()


def notes_without_record(job_id: str, now: float) -> list[Command]:
    """The commands that note a job that had no record: a claim of it is as young as its job.

    Claims have the time of the clock as their tokens, so that those of a job that is made anew are
    higher.
    """
    fencing_token = int(now * 1e6)
    commands = []
    for days in range(3):
        created_at = int(now - days * LATE_SECONDS)
        commands.append(LateObjectsNote(job_id, created_at, fencing_token, int(now)).command())
    return commands
