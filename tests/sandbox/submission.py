"""Validation of a submission: by BFL's document, with the errors of its FastAPI."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tests.sandbox.answers import Answer
from tests.sandbox.document import Document
from tests.sandbox.errors import Refused, invalid, refusal
from tests.sandbox.switches import Switches

UNKNOWN = "unknown"  # begins the name of a model that nobody lists
FORMATS = ("jpeg", "png", "webp")
NOT_AN_OBJECT = {"loc": ["body"], "msg": "Input should be a valid dictionary", "type": "dict_type"}


@dataclass(frozen=True)
class Submission:
    """A valid submission; `input` has the parameters of the generation."""

    model: str
    input: dict[str, Any]
    output_format: str
    switches: Switches
    webhook_url: str | None
    webhook_secret: str | None

    @property
    def fingerprint(self) -> str:
        """Identity of a submission across retries; the webhook is not part of it."""
        return json.dumps([self.model, self.input, repr(self.switches)], sort_keys=True)


def read_submission(
    document: Document, model: str, body: Any, *, strict: bool = True, any_model: bool = False
) -> Submission:
    """Raises Refused. `strict` applies unless the task's own switch says otherwise."""
    is_listed = model in document.models
    if not is_listed and (not any_model or model.startswith(UNKNOWN)):
        raise Refused(refusal(404))
    if not isinstance(body, dict):
        raise Refused(Answer.json(422, {"detail": [NOT_AN_OBJECT]}))
    switches = _switches(body)
    own = ("sandbox", "webhook_url", "webhook_secret")
    given = {name: value for name, value in body.items() if name != "sandbox"}
    is_strict = is_listed and (strict if switches.strict is None else switches.strict)
    if is_strict and (complaints := document.complaints(model, given)):
        raise Refused(Answer.json(422, {"detail": complaints}))
    asked = body.get("output_format") or (is_listed and document.default(model, "output_format"))
    return Submission(
        model=model,
        input={name: value for name, value in body.items() if name not in own},
        output_format=asked if asked in FORMATS else FORMATS[0],
        switches=switches,
        webhook_url=body.get("webhook_url"),
        webhook_secret=body.get("webhook_secret"),
    )


def _switches(body: Mapping[str, Any]) -> Switches:
    drafts = {"drafts": 1} if body.get("draft") is True else {}
    try:
        return Switches(**drafts | body.get("sandbox", {}))
    except ValidationError as error:
        raise Refused(invalid(error, "sandbox")) from None
    except TypeError:
        raise Refused(Answer.json(422, {"detail": [NOT_AN_OBJECT]})) from None
