"""What is known of a job: the fields of its record.

`next_check_at` is when the sweep checks the job, `work_deadline` until when a worker should have
dealt with it, `lease_until` and `fencing_token` which worker has it now.
Times are unix seconds of the Redis clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.client_webhook import ClientWebhook
from jobs.media_file import MediaFile, Role
from jobs.recipient import PendingNotification
from jobs.report import Failure, Moderation
from jobs.status import Source, Status
from jobs.timeline import TimelineEvent


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    id: str
    status: Status
    created_at: float
    updated_at: float
    deadline: float
    ends_by: float | None = None  # no sign of life moves the deadline beyond this
    alive_at: float | None = None  # when BFL last said that it is at work
    awaits_callback: bool = True  # False: BFL was given nobody to call, so it is polled
    ended_at: float | None = None
    task_id: str | None = None
    source: Source | None = None
    model: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notify_url: str | None = None
    polling_url: str | None = None
    progress: float | None = None
    cost: float | None = None
    quoted_cost: float | None = None  # the price on submission, where the settled one differs
    megapixels: tuple[float | None, float | None] = (None, None)  # in and out, as BFL bills them
    result: Mapping[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    moderation: Moderation | None = None
    media: tuple[MediaFile, ...] = ()
    timeline: tuple[TimelineEvent, ...] = ()
    urls: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    expire_at: float | None = None
    ready_at: float | None = None
    refreshed: bool = False  # BFL was asked for a fresh URL; it is asked once
    replaying: bool = False
    expected_by: str | None = None  # the API key that announced it, until BFL has confirmed it
    is_submission: bool = False  # Fluxkeep submits it to BFL
    region: str | None = None  # the region of BFL that its caller named
    origin: str | None = None  # the host of BFL that was asked
    is_queued: bool = False  # in line for a slot at BFL, by its creation
    slot: bool = False  # counted as active at BFL
    sent_at: float | None = None  # since when a worker waits for the answer to its submission
    unconfirmed: bool = False  # it was sent, and BFL may have a task that we do not know
    submissions: int = 0
    input_bytes: int = 0  # of what is to be submitted
    requeued_at: float | None = None  # its place in line, where that is not its creation's
    request: str | None = None  # digest of what was asked under an idempotency key
    caller: ClientWebhook | None = None
    base_url: str | None = None  # our own origin as its submitter knows it
    notices: tuple[PendingNotification, ...] = ()  # who must still be told of its end
    thumbnails_due_at: float | None = None  # when thumbnails must next be drawn
    thumbnail_attempts: int = 0  # times that was tried
    attempts: int = 0
    crashes: int = 0  # workers in a row that died or hung with it
    next_check_at: float | None = None
    work_deadline: float | None = None
    lease_until: float | None = None
    fencing_token: int = 0
    rescue_attempts: int = 0  # claims since its URLs came: another one may have left files
    version: int = 0  # rises with each write; the store compares it

    @property
    def end(self) -> float:
        """When a terminal job ended, by what its record can tell."""
        return self.updated_at if self.ended_at is None else self.ended_at

    @property
    def kept(self) -> tuple[MediaFile, ...]:
        """The media that are still there."""
        return tuple(file for file in self.media if file.deleted_at is None)
