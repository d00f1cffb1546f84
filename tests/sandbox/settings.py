"""Settings of the whole sandbox: the account, its limits, durations and faults."""

from dataclasses import asdict, field, replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from tests.sandbox.odd_json import OddJson

CHECKED = ConfigDict(extra="forbid", strict=True)
SubmitFault = Literal[400, 401, 402, 403, 404, 422, 429, 500, 502, 503, "cut"]
PollFault = Literal[401, 403, 404, 429, 500, 503, "not_found", "html", "pending", "cut", "hang"]


def _bfl_limits() -> dict[str, int]:
    return {"flux-kontext-max": 6, "flux-3-video": 5}


@dataclass(config=CHECKED)
class Settings:
    """Mutable at run time; a change takes effect with the next request."""

    credits: float = 100_000.0
    max_active: int = 24
    max_active_by_model: dict[str, int] = field(default_factory=_bfl_limits)
    # Empty: any non-empty key is accepted. JSON has them as a list.
    keys: Annotated[set[str], Field(strict=False)] = field(default_factory=set)
    key_start: str = ""  # as BFL's "bfl_": a key that begins otherwise is malformed
    submit_fault: SubmitFault | None = None
    poll_fault: PollFault | None = None
    credits_json: OddJson | None = None  # how the answer about credits is written
    # The same for one host: "0" is the global one, "1" the first cluster.
    poll_faults_by_host: dict[str, PollFault] = field(default_factory=dict)
    checks_ids: bool = False  # a task id that is no UUID is refused when it is polled
    refused_draft: Literal["base64", "url"] | None = None  # form of a draft that is refused
    strict: bool = True  # bodies are checked by BFL's document
    any_model: bool = False  # models that the document does not list are taken, unchecked
    generation_seconds: float = 0.5
    delivery_refuses_keys: bool = (
        True  # the real host ignores them; a test must notice a leaked key
    )
    url_life_seconds: float = 600.0
    video_url_life_seconds: float = 3600.0
    callback_retries: list[float] = field(default_factory=lambda: [1.0, 5.0, 30.0])
    callback_timeout: float = 30.0
    webhook_url: str | None = None  # for tasks submitted without one
    webhook_secret: str | None = None

    def change(self, changes: dict[str, Any]) -> None:
        """Apply all changes or none. Raises ValidationError."""
        self.__dict__.update(vars(replace(self, **changes)))

    def as_json(self) -> dict[str, Any]:
        shown = asdict(self) | {"keys": sorted(self.keys)}
        shown["webhook_secret"] = "set" if self.webhook_secret else None
        return shown
