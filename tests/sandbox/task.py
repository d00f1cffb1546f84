"""A task: one generation with its callbacks and deliveries."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from tests.sandbox.links import Link
from tests.sandbox.observations import Callback, Delivery
from tests.sandbox.switches import Switches


@dataclass
class Task:
    """Changed only under the lock of the task store, which gives out copies."""

    id: str
    model: str
    input: dict[str, Any]
    switches: Switches
    webhook_url: str | None
    webhook_secret: str | None = field(repr=False)
    cost: float
    created_at: float
    seconds: float
    output_format: str = "jpeg"
    pixels: tuple[int, int] | None = None  # width and height that were asked for
    cut: bool = False  # the answer to its submission is never sent
    false_error: int | None = None  # the error with which its submission is answered
    finished_at: float | None = None
    host: int = 0  # that has it: the global one, or the n-th cluster
    polls: int = 0
    callbacks: list[Callback] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    links: dict[int, Link] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether the task occupies a concurrency slot."""
        return self.finished_at is None

    @property
    def named_cost(self) -> Any:
        """What answers name as its price; the account is billed `cost` all the same."""
        named = self.switches.named_cost
        return self.cost if named is None else named

    @property
    def is_video(self) -> bool:
        return self.model.startswith(("flux-3-video", "flux-tools/video"))

    @property
    def is_priced_late(self) -> bool:
        """Whether BFL names its price in the answer to a poll alone (recorded in 2026)."""
        early_models = ("flux-dev", "flux-pro-1", "flux-kontext")
        return self.is_video or self.model.startswith(early_models)

    @property
    def format(self) -> str:
        return self.switches.format or ("mp4" if self.is_video else self.output_format)

    @property
    def media_count(self) -> int:
        return self.drafts_end + self.switches.others

    @property
    def draft_count(self) -> int:
        return max(self.switches.drafts, int(self.switches.draft_cache))

    @property
    def drafts_end(self) -> int:
        """Index after the last draft; the order of files is samples, drafts, others."""
        return self.switches.samples + self.draft_count

    def copy(self) -> Self:
        deliveries = [replace(delivery) for delivery in self.deliveries]
        return replace(
            self, callbacks=[*self.callbacks], deliveries=deliveries, links={**self.links}
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "model": self.model,
            "input": self.input,
            "webhook_url": self.webhook_url,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "active": self.active,
            "host": self.host,
            "polls": self.polls,
            "callbacks": self.callbacks,
            "deliveries": self.deliveries,
        }
