"""Record of a job: the public fields in the order of the API, then the parts for the processes.

Times are unix seconds of the Redis clock. A part has its defaults while it does not apply.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field

from jobs.domain.bfl_report import UNCONFIRMED_CODES, Failure, Moderation, Role
from jobs.domain.status import Source, Status
from jobs.domain.timeline import TimelineEvent

Size = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Evolving:
    """Base of frozen dataclasses without slots that are changed by making copies."""

    def evolve(self, **changes: Any) -> Self:
        """A changed copy; `dataclasses.replace` takes ten times as long."""
        if not changes.keys() <= vars(self).keys():
            raise TypeError(f"fields that do not exist: {changes.keys() - vars(self).keys()}")
        copy = object.__new__(type(self))
        vars(copy).update(vars(self), **changes)
        return copy


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A stored file: its key in the storage, and the facts about its bytes."""

    key: str
    content_type: str
    bytes: Size
    sha256: Sha256
    width: int | None = None
    height: int | None = None
    seconds: float | None = None  # a video's duration
    role: Role = Role.SAMPLE
    thumbnail: "MediaFile | None" = None
    deleted_at: float | None = None  # when it was found deleted
    has_content_credentials: bool | None = None  # None: it was stored before this was looked for

    @property
    def is_image(self) -> bool:
        return self.content_type.startswith("image/")


@dataclass(frozen=True, slots=True)
class DraftBundle:
    """A stored draft that an input refers to: its file, and the job whose n-th file it is."""

    job_id: str
    position: int
    file: MediaFile


@dataclass(frozen=True, slots=True)
class ClientWebhook:
    """The webhook of a client of BFL's API, called in BFL's format."""

    url: str
    secret: str | None = None


class NotificationTarget(StrEnum):
    """Target of a notification, by the name of the field or setting that holds its URL."""

    CALLER = "webhook_url"  # a client of BFL's API, called as BFL would call it
    APP = "notify_url"
    OWNER = "NOTIFY_URL"


@dataclass(frozen=True, slots=True)
class PendingNotification:
    """One notification that is still to be delivered."""

    to: NotificationTarget
    since: float  # when the job ended: a replayed job ends more than once
    at: float  # when it is due
    attempts: int = 0
    url_digest: str = ""  # which of NOTIFY_URL
    repeated_at: float | None = None  # when an operator asked for it once more

    @property
    def recipient(self) -> str:
        """The target, and which of its URLs."""
        return f"{self.to} {self.url_digest}".rstrip()

    def id(self, job_id: str) -> str:
        """One id for all attempts; each recipient, and each end of a job, has another."""
        identity = f"fluxkeep notice 1\0{job_id}\0{self.recipient}\0{self.since!r}"
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return f"msg_{digest[:32]}"


@dataclass(frozen=True, kw_only=True)
class Polling(Evolving):
    """The sweep's next check, and how BFL is polled."""

    next_check_at: float | None = None
    polling_url: str | None = None
    awaits_callback: bool = True  # False: BFL has no webhook for this job
    alive_at: float | None = None  # the last sign of life from BFL
    ends_by: float | None = None  # no sign of life moves the deadline beyond this
    is_host_found: bool = False  # BFL named no polling URL: it is that of a host which answered
    # Polling URLs of hosts that gave no answer when all were asked, to be asked again soon.
    unanswered: tuple[str, ...] = ()
    attempts: int = 0  # polls or rescues in a row without a result
    is_replay: bool = False  # an operator asked for it
    price_due_at: float | None = None  # BFL is asked then what the ended job cost
    price_attempts: int = 0
    unclear_since: float | None = None  # BFL calls it ready and names no file since then


@dataclass(frozen=True, kw_only=True)
class Lease(Evolving):
    """The lease of a worker: what it claimed the job with, and what earlier claims left."""

    work_deadline: float | None = None  # set while the job waits for one: when it should be done
    lease_until: float | None = None
    fencing_token: int = 0
    crashes: int = 0  # workers in a row that died or hung with the job
    rescue_attempts: int = 0  # claims for a rescue: an earlier one may have left files
    is_last: bool = False  # the deadline has passed: a worker looks for published files, once


@dataclass(frozen=True, kw_only=True)
class Delivery(Evolving):
    """BFL's delivery URLs and their roles, while the job is `ready`."""

    urls: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    expire_at: float | None = None
    ready_at: float | None = None
    refreshed: bool = False  # BFL was asked for fresh URLs; it is asked once


@dataclass(frozen=True, kw_only=True)
class Submission(Evolving):
    """The state of a submission by Fluxkeep."""

    origin: str | None = None  # the host of BFL that it was sent to
    queued_at: float | None = None  # position in the submission queue
    is_queued: bool = False
    slot: bool = False  # occupies a concurrency slot
    sent_at: float | None = None  # a worker waits for the answer since then
    sent_by: str | None = None  # random, of the claim that sent it last: two can share an instant
    unconfirmed: bool = False  # it was sent, and BFL may have a task whose id is unknown
    attempts: int = 0
    megapixels: tuple[float | None, float | None] = (None, None)  # in and out, as BFL bills them
    client_webhook: ClientWebhook | None = None
    request_digest: str | None = None  # of the request with the idempotency key
    reserve: float | None = None  # credits of its key's budget; None if no price is known
    reserved_at: float | None = None  # only where its key has a budget
    is_guess: bool = False  # no price of such an input is known: the reserve was all that was left
    awaits_budget: bool = False  # it reserves when it takes a slot
    earlier: float | None = None  # credits that BFL may have billed for it before a replay
    unanswered: int = 0  # earlier sends without an answer: BFL may have made a task, and billed it
    duplicates: tuple[str, ...] = ()  # further tasks that BFL made of it, which are billed too
    bfl_key: str | None = None  # name of the API key whose BFL key sends it; None: BFL_API_KEY
    is_held: bool = False  # the API key that brought it is not configured any more


@dataclass(frozen=True, kw_only=True)
class Request(Evolving):
    """The request to BFL and its author, of any job whose request is known."""

    key: str | None = None  # name of the API key that submitted or announced it
    announced_by: str | None = None  # also `key`, until BFL has confirmed an announced job
    kept_input: Mapping[str, Any] | None = None  # `jobs/kept_inputs.py`
    input_files: tuple[MediaFile, ...] = ()
    deletes_input: bool = False  # once BFL has the task
    region: str | None = None  # the region of BFL that the caller named
    base_url: str | None = None  # our own origin as a sandbox reaches it
    repeats: str | None = None  # the job whose input was submitted again
    draft: DraftBundle | None = None  # that `draft_cache` of the input names

    @property
    def public_input(self) -> Mapping[str, Any] | None:
        """The kept input, unless it is only kept until BFL has it."""
        if self.deletes_input:
            return None
        return self.kept_input


@dataclass(frozen=True, kw_only=True)
class Notifications(Evolving):
    """The app's own URL, and the notifications that are still to be delivered."""

    notify_url: str | None = None
    pending: tuple[PendingNotification, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Thumbnails(Evolving):
    """Schedule of the thumbnails."""

    due_at: float | None = None
    attempts: int = 0


@dataclass(frozen=True, kw_only=True)
class JobRecord(Evolving):
    """Public fields, then the parts that only the processes need."""

    id: str
    task_id: str | None = None
    status: Status
    model: str | None = None
    source: Source | None = None
    progress: float | None = None
    created_at: float
    updated_at: float
    deadline: float
    cost: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    moderation: Moderation | None = None
    media: tuple[MediaFile, ...] = ()
    timeline: tuple[TimelineEvent, ...] = ()

    is_submission: bool = False  # Fluxkeep submits it; otherwise BFL had it before
    ended_at: float | None = None
    polling: Polling = Polling()
    lease: Annotated[Lease, Field(alias="claim")] = Lease()  # `claim` in stored records
    delivery: Delivery = Delivery()
    submission: Submission = Submission()
    request: Request = Request()
    notifications: Notifications = Notifications()
    thumbnails: Thumbnails = Thumbnails()
    version: int = 0  # rises with each write; the store compares it

    @property
    def is_made_and_not_kept(self) -> bool:
        """Whether the job ended without media although BFL probably made them."""
        is_made = self.lease.rescue_attempts > 0 or self.status in (Status.EXPIRED, Status.LOST)
        is_without_media = self.status.terminal and self.status is not Status.STORED
        return is_made and is_without_media

    @property
    def is_without_price(self) -> bool:
        """Whether BFL made media and never said what they cost."""
        return self.cost is None and (self.status is Status.STORED or self.is_made_and_not_kept)

    @property
    def owes_price(self) -> bool:
        """Whether a callback ended the job, and only a poll can tell what it cost.

        BFL names no price of some models at the submission, and moderated ones may be billed.
        """
        is_by_callback = self.source is Source.CALLBACK and self.task_id is not None
        return is_by_callback and (self.is_without_price or self.status is Status.MODERATED)

    @property
    def may_be_billed(self) -> bool:
        """Whether the job failed although BFL may have made a task of it whose id is unknown."""
        is_failed = self.status is Status.FAILED and self.error is not None
        return is_failed and self.error is not None and self.error.code in UNCONFIRMED_CODES

    @property
    def price(self) -> float:
        """The price of one task of the job: as BFL named it, else as it was reserved."""
        if self.cost:
            return self.cost
        if self.submission.is_guess:  # one task holds all that was left of the budget
            return 0.0
        return self.submission.reserve or 0.0

    @property
    def duplicate_count(self) -> int:
        """The further tasks that BFL is known to have made; a report may come before its answer."""
        further_tasks = [
            task_id for task_id in self.submission.duplicates if task_id != self.task_id
        ]
        return len(further_tasks)

    @property
    def cost_of_duplicates(self) -> float:
        """Credits of the further tasks that BFL is known to have made."""
        return self.duplicate_count * self.price

    @property
    def cost_of_unanswered(self) -> float:
        """Credits of earlier sends that BFL may have billed: no report of them has come yet."""
        unknown = self.submission.unanswered - self.duplicate_count
        return max(unknown, 0) * self.price

    def next_version(self, now: float) -> int:
        """The version of the next write: it only rises (I4).

        It follows the Redis clock, so that it is above that of any record that Redis has lost.
        """
        return max(self.version + 1, int(now * 1e6))

    @property
    def end(self) -> float:
        """When the job ended; before that, when it last changed."""
        if self.ended_at is None:
            return self.updated_at
        return self.ended_at

    @property
    def present_media(self) -> tuple[MediaFile, ...]:
        """The media that were not deleted."""
        return tuple([file for file in self.media if file.deleted_at is None])

    @property
    def object_keys(self) -> list[str]:
        """The keys of the media that were not deleted, and of the objects of the input."""
        files = self.present_media + self.request.input_files
        return [file.key for file in files]


_FIELD_NAMES = [field_of_record.name for field_of_record in fields(JobRecord)]
_FIRST_INTERNAL_FIELD = _FIELD_NAMES.index("is_submission")
PUBLIC_FIELDS = _FIELD_NAMES[:_FIRST_INTERNAL_FIELD]
