"""A job as templates show it: its public JSON, its media, and texts for its status."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jobs import kept_inputs, views
from jobs.domain.bfl_report import Role
from jobs.domain.errors import as_sentence
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.search_conditions import seed_of
from receiver.dashboard import session

# Media links stay the same within a step, so that browsers can cache what they lead to.
LINK_STEP_SECONDS = 3600.0
UNSCALED_MAX_BYTES = 8 * 2**20
_NOT_SHOWN = frozenset({"image/heic", "image/heif"})

STATUS_TEXTS = {
    Status.QUEUED: "Waiting to be submitted",
    Status.SUBMITTED: "Waiting for BFL",
    Status.READY: "Downloading",
    Status.STORED: "No preview",
}
REFUSED_BY_BFL = {"request": "BFL refused the request", "content": "BFL refused the result"}


class MediaItem(NamedTuple):
    """A file of a job; `json` is its part of the public JSON."""

    json: dict[str, Any]
    src: str | None  # the path of its link, None if it was deleted
    draft: int | None  # the position among the draft bundles of the job

    @property
    def thumbnail(self) -> str | None:
        """The path of its thumbnail, or of the image itself if that is not too large."""
        if self.src and self.json["thumbnail_url"]:
            return path_of(self.json["thumbnail_url"])
        if self.is_image and self.json["bytes"] <= UNSCALED_MAX_BYTES:
            return self.src
        return None

    @property
    def is_image(self) -> bool:
        """Whether it is an image that browsers show; most show no HEIC."""
        content_type = str(self.json["content_type"])
        return content_type.startswith("image/") and content_type not in _NOT_SHOWN

    @property
    def is_video(self) -> bool:
        return str(self.json["content_type"]).startswith("video/")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; a square if they are not known."""
        return self.json["width"] or 1024, self.json["height"] or 1024


@dataclass(frozen=True)
class JobCard:
    """A job and its public JSON."""

    record: Job
    json: Mapping[str, Any]
    shows_input: bool  # as the API shows it to keys of scope `submit`

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def status(self) -> Status:
        return self.record.status

    @property
    def prompt(self) -> str:
        return kept_inputs.shown_prompt(self.record, with_input=self.shows_input)

    @property
    def seed(self) -> int | None:
        """The seed of the result, or of the input."""
        return seed_of(self.record)

    @property
    def progress(self) -> float | None:
        """The share that BFL says is done, from 0 to 1; None if not known, or if the job ended."""
        if self.record.progress is None or self.status.terminal:
            return None
        return min(max(self.record.progress, 0.0), 1.0)

    @property
    def media(self) -> list[MediaItem]:
        draft_numbers = count()
        items = []
        for json in self.json["media"]:
            src = None
            if "deleted_at" not in json:
                src = path_of(json["url"])
            draft = None
            if json["role"] == Role.DRAFT_CACHE:
                draft = next(draft_numbers)
            items.append(MediaItem(json, src, draft))
        return items

    @property
    def cover(self) -> MediaItem | None:
        """The file that a gallery shows, None if no file can be shown."""
        for item in self.media:
            if item.src and (item.thumbnail or item.is_video):
                return item
        return None

    @property
    def status_text(self) -> str:
        has_media = bool(self.media)
        if self.status is Status.STORED and has_media and not self.record.present_media:
            return "Media deleted"
        return STATUS_TEXTS.get(self.status, self.status.capitalize())

    @property
    def reason(self) -> str:
        """Why the job ended without media; empty if it did not."""
        moderation = self.json["moderation"]
        if moderation:
            refusal = REFUSED_BY_BFL[moderation["stage"]]
            if not moderation["reasons"]:
                return refusal
            return f"{refusal}: {', '.join(moderation['reasons'])}"
        error = self.json["error"]
        if error:
            return as_sentence(error["message"])
        return ""


def card(services: Services, job: Job) -> JobCard:
    return cards(services, [job])[0]


def cards(services: Services, jobs: list[Job]) -> list[JobCard]:
    seconds = _link_seconds(services.store.now(), services.settings.link_ttl)
    json_of_jobs = views.job_views(services, jobs, seconds)
    visitor = session.current_visitor()
    shows_input = visitor is not None and visitor.has_scope("submit")
    return [JobCard(job, json, shows_input) for job, json in zip(jobs, json_of_jobs, strict=True)]


def _link_seconds(now: float, link_ttl: float) -> float:
    """How long the links of a page are valid.

    They expire at a full step of the clock, so that all pages within a step sign the same links.
    """
    step = min(LINK_STEP_SECONDS, link_ttl / 2)
    expire_at = (now + link_ttl) // step * step
    return expire_at - now + 0.5  # signing cuts to whole seconds


def path_of(url: str) -> str:
    """The path alone: a visitor may have reached this origin by another name."""
    return urlsplit(url).path
