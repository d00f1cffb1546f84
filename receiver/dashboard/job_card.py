"""A job as the templates see it: what the API says of it, its pictures, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from jobs import views
from jobs.job import Job
from jobs.media_file import Role
from jobs.services import Services
from jobs.status import Status
from receiver.dashboard.next_steps import Prospect, outlook

# Links are the same for a while, so that a browser has their pictures already.
LINK_STEP_SECONDS = 3600.0
DRAWN_AS_IT_IS_MAX_BYTES = 8 * 2**20  # what has no thumbnail

# A state in words, where its own name says too little.
PLAIN = {
    Status.QUEUED: "Waits in line",
    Status.SUBMITTED: "At BFL",
    Status.READY: "Being fetched",
    Status.STORED: "No picture",
}

REFUSED = {"request": "the request", "content": "what came of it"}


@dataclass(frozen=True, slots=True)
class Medium:
    """A file of a job; `src` is None when it is gone."""

    n: int
    facts: dict[str, Any]
    draft: int | None = None  # its number among the draft bundles of its job

    @property
    def src(self) -> str | None:
        return None if "deleted_at" in self.facts else _path(self.facts["url"])

    @property
    def thumbnail(self) -> str | None:
        """Its small picture, or the picture itself where there is none."""
        small, own = self.facts["thumbnail_url"], self.src
        if own and small:
            return _path(small)
        modest = self.facts["bytes"] <= DRAWN_AS_IT_IS_MAX_BYTES
        return own if self.is_picture and modest else None

    @property
    def is_picture(self) -> bool:
        return str(self.facts["content_type"]).startswith("image/")

    @property
    def is_film(self) -> bool:
        return str(self.facts["content_type"]).startswith("video/")

    @property
    def size(self) -> tuple[int, int]:
        """In pixels; where it is not known, a square holds the place."""
        return self.facts["width"] or 1024, self.facts["height"] or 1024


@dataclass(frozen=True, slots=True)
class Card:
    """One job."""

    record: Job
    shown: Mapping[str, Any]
    now: float

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def status(self) -> Status:
        return self.record.status

    @property
    def prompt(self) -> str:
        said = self.record.result.get("prompt")
        return said.strip() if isinstance(said, str) else ""

    @property
    def media(self) -> list[Medium]:
        drafts = count()
        return [
            Medium(n, facts, next(drafts) if facts["role"] == Role.DRAFT_CACHE else None)
            for n, facts in enumerate(self.shown["media"])
        ]

    @property
    def cover(self) -> Medium | None:
        """What a gallery shows of it."""
        here = [medium for medium in self.media if medium.src]
        return next((one for one in here if one.thumbnail or one.is_film), None)

    @property
    def plain(self) -> str:
        """Its state in words, where a picture would be."""
        gone = self.status is Status.STORED and self.media and not self.record.kept
        return "Media deleted" if gone else PLAIN.get(self.status, self.status.capitalize())

    @property
    def reason(self) -> str:
        """Why it ended without media."""
        refusal = self.shown["moderation"]
        if refusal:
            return ", ".join(refusal["reasons"]) or f"BFL refused {self.refused}"
        return str(self.shown["error"]["message"]) if self.shown["error"] else ""

    @property
    def refused(self) -> str:
        """What was moderated, in words."""
        return REFUSED[str(self.shown["moderation"]["stage"])]

    @property
    def replayable(self) -> bool:
        return self.status in (Status.FAILED, Status.EXPIRED, Status.LOST)

    @property
    def prospects(self) -> list[Prospect]:
        return outlook(self.record, self.shown, self.now)


def cards(services: Services, records: list[Job]) -> list[Card]:
    now = services.store.now()
    life = _steady(now, services.settings.link_ttl)
    shown = views.jobs(services, records, life)
    return [Card(record, one, now) for record, one in zip(records, shown, strict=True)]


def _steady(now: float, link_ttl: float) -> float:
    """A life that ends on a full step: for that long each page signs the same links."""
    step = min(LINK_STEP_SECONDS, link_ttl / 2)
    return (now + link_ttl) // step * step - now + 0.5


def _path(url: str) -> str:
    """Of this very origin, by whatever name it was reached."""
    return urlsplit(url).path
