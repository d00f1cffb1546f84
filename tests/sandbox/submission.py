"""Validation of a submission, with the errors of BFL's FastAPI: those of pydantic."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tests.sandbox.errors import Refused, invalid, refusal
from tests.sandbox.models import DRAFT_ENHANCE, accepted_fields
from tests.sandbox.switches import Switches

BATCH_MAX = 4
PROMPTLESS = ("flux-tools/", "flux-pro-1.0-expand")


class Input(BaseModel):
    """What BFL checks of each submission; it ignores other fields unless the model is strict."""

    model_config = ConfigDict(strict=True, extra="allow")

    prompt: str
    width: int | None = Field(None, ge=64)
    height: int | None = Field(None, ge=64)
    seed: int | None = None
    webhook_url: str | None = Field(None, min_length=1, max_length=2083, pattern="^https?://")
    webhook_secret: str | None = None
    sandbox: dict[str, Any] = Field(default_factory=dict)


class PromptlessInput(Input):
    """Input of a tool that needs no prompt."""

    prompt: str = ""


class EnhanceInput(PromptlessInput):
    """A draft bundle to finish, as URL or base64."""

    draft_cache: str


@dataclass(frozen=True)
class Submission:
    """A valid submission; `input` has the parameters of the generation."""

    model: str
    input: dict[str, Any]
    switches: Switches
    webhook_url: str | None
    webhook_secret: str | None

    @property
    def fingerprint(self) -> str:
        """Identity of a submission across retries; the webhook is not part of it."""
        return json.dumps([self.model, self.input, repr(self.switches)], sort_keys=True)


def read_submission(model: str, body: Any, *, strict: bool = True) -> Submission:
    """Raises Refused. `strict` applies unless the task's own switch says otherwise."""
    if model.startswith("unknown"):
        raise Refused(refusal(404))
    try:
        given = _kind(model, body).model_validate(body)
    except ValidationError as error:
        raise Refused(invalid(error)) from None
    switches = _switches(given.sandbox, body)
    if strict if switches.strict is None else switches.strict:
        _refuse_unknown(model, body)
    own = ("sandbox", "webhook_url", "webhook_secret")
    return Submission(
        model=model,
        input={name: value for name, value in body.items() if name not in own},
        switches=switches,
        webhook_url=given.webhook_url,
        webhook_secret=given.webhook_secret,
    )


def _kind(model: str, body: Any) -> type[Input]:
    if isinstance(body, dict) and body.get("mode") == DRAFT_ENHANCE:
        return EnhanceInput
    return PromptlessInput if model.startswith(PROMPTLESS) else Input


def _refuse_unknown(model: str, body: Mapping[str, Any]) -> None:
    """Name all fields at once that a strict model does not know."""
    try:
        accepted_fields(model, body)(**{n: v for n, v in body.items() if n != "sandbox"})
    except ValidationError as error:
        raise Refused(invalid(error)) from None


def _switches(given: dict[str, Any], body: Mapping[str, Any]) -> Switches:
    try:
        return Switches(**_files(body) | given)
    except ValidationError as error:
        raise Refused(invalid(error, "sandbox")) from None


def _files(body: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of videos and of draft bundles that `batch` and `draft` request."""
    batch = body.get("batch", 1)
    if not isinstance(batch, int) or not 1 <= batch <= BATCH_MAX:
        return {}
    return {"samples": batch, "drafts": batch if body.get("draft") is True else 0}
