"""Validation of a submission, with BFL's error messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.sandbox.errors import Refused, extra_forbidden, invalid, invalid_field, refusal
from tests.sandbox.fields import InvalidField
from tests.sandbox.models import DRAFT_ENHANCE, fields_of
from tests.sandbox.switches import Switches, read_switches

WEBHOOK_URL_LENGTH = 2083
BATCH_MAX = 4
PROMPTLESS = ("flux-tools/", "flux-pro-1.0-expand")


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
    if not isinstance(body, dict):
        raise Refused(invalid([], "Input should be a valid dictionary", "model_attributes_type"))
    switches = _switches(body)
    is_strict = strict if switches.strict is None else switches.strict
    if is_strict and (known := fields_of(model, body)):
        _check_known(known, body)
    _check_prompt(model, body)
    _check_whole_numbers(body)
    _check_webhook(body)
    _check_draft(body)
    own = ("sandbox", "webhook_url", "webhook_secret")
    return Submission(
        model=model,
        input={name: value for name, value in body.items() if name not in own},
        switches=switches,
        webhook_url=body.get("webhook_url"),
        webhook_secret=body.get("webhook_secret"),
    )


def _check_known(known: frozenset[str], body: Mapping[str, Any]) -> None:
    """Refuse unknown fields, all named in one answer as by FastAPI."""
    unknown = [name for name in body if name not in known | {"sandbox"}]
    if unknown:
        raise Refused(extra_forbidden(unknown, body))


def _check_prompt(model: str, body: Mapping[str, Any]) -> None:
    if "prompt" not in body:
        if model.startswith(PROMPTLESS) or body.get("mode") == DRAFT_ENHANCE:
            return
        raise Refused(invalid(["prompt"], "Field required", "missing"))
    _check_string(body, "prompt")


def _check_string(body: Mapping[str, Any], name: str) -> None:
    if not isinstance(body[name], str):
        raise Refused(invalid([name], "Input should be a valid string", "string_type"))


def _check_whole_numbers(body: Mapping[str, Any]) -> None:
    for name in ("width", "height", "seed"):
        if body.get(name) is not None and type(body[name]) is not int:
            raise Refused(invalid([name], "Input should be a valid integer", "int_type"))
    for name in ("width", "height"):
        if body.get(name) is not None and body[name] < 64:
            msg = "Input should be greater than or equal to 64"
            raise Refused(invalid([name], msg, "greater_than_equal"))


def _check_webhook(body: Mapping[str, Any]) -> None:
    for name in ("webhook_url", "webhook_secret"):
        if body.get(name) is not None:
            _check_string(body, name)
    url = body.get("webhook_url")
    if url is not None and not 1 <= len(url) <= WEBHOOK_URL_LENGTH:
        raise Refused(
            invalid(["webhook_url"], "URL should have 1 to 2083 characters", "url_length")
        )
    if url is not None and not url.startswith(("http://", "https://")):
        raise Refused(invalid(["webhook_url"], "Input should be a valid URL", "url_parsing"))


def _check_draft(body: Mapping[str, Any]) -> None:
    """Check that an `enhance` submission has its draft bundle, as URL or base64."""
    if body.get("mode") != DRAFT_ENHANCE:
        return
    if "draft_cache" not in body:
        raise Refused(invalid(["draft_cache"], "Field required", "missing"))
    _check_string(body, "draft_cache")


def _switches(body: Mapping[str, Any]) -> Switches:
    given = body.get("sandbox", {})
    if not isinstance(given, dict):
        raise Refused(invalid(["sandbox"], "Input should be a valid dictionary", "dict_type"))
    try:
        return read_switches(_files(body) | given)
    except InvalidField as wrong:
        raise Refused(invalid_field(wrong, "sandbox")) from None


def _files(body: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of videos and of draft bundles that `batch` and `draft` request."""
    batch = body.get("batch", 1)
    if not isinstance(batch, int) or not 1 <= batch <= BATCH_MAX:
        return {}
    return {"samples": batch, "drafts": batch if body.get("draft") is True else 0}
