"""`POST /v1/<model>`: the HTTP side of taking a submission in."""

import json
from dataclasses import replace
from typing import Any

from tests.sandbox.errors import Refused, invalid, refusal
from tests.sandbox.models import NON_GENERATION_PATHS
from tests.sandbox.observations import Request
from tests.sandbox.polling import polling_url
from tests.sandbox.studio import Studio
from tests.sandbox.submission import read_submission
from tests.sandbox.task import Task
from tests.sandbox.wire import Answer


def submit(studio: Studio, request: Request) -> Answer:
    try:
        body = json.loads(request.body)
    except ValueError:
        return invalid([0], "JSON decode error", "json_invalid")
    try:
        model, strict = request.path.removeprefix("/v1/"), _is_strict(studio, body)
        if model in NON_GENERATION_PATHS:
            return Answer.json(200, {"message": "Finetune accepted", "finetune_id": "f-1"})
        task = studio.open(read_submission(model, body, strict=strict))
    except Refused as refused:
        return refused.answer
    if task.cut:
        return Answer.silence()
    if task.lie is not None:
        return replace(refusal(task.lie), pause=task.switches.submit_hang)
    own_webhook = body.get("webhook_url") is not None
    answer = Answer.json(200, _opened(studio, task, own_webhook=own_webhook))
    return replace(answer, pause=task.switches.submit_hang)


def _is_strict(studio: Studio, body: Any) -> bool:
    """As the account has it, unless the task's own switch says otherwise."""
    switches = body.get("sandbox") if isinstance(body, dict) else None
    asked = switches.get("strict") if isinstance(switches, dict) else None
    return asked if isinstance(asked, bool) else studio.settings.strict


def _opened(studio: Studio, task: Task, *, own_webhook: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"id": task.id}
    if not own_webhook or task.switches.polling_url:
        said["polling_url"] = polling_url(studio, task)
    if own_webhook:
        said |= {"status": "Pending", "webhook_url": task.webhook_url}
    return said | _cost(task)


def _cost(task: Task) -> dict[str, float | None]:
    if task.is_video or task.switches.null_cost:
        return {"cost": None, "input_mp": None, "output_mp": None}
    width, height = (task.input.get(name) or 1024 for name in ("width", "height"))
    return {"cost": task.cost, "input_mp": 0.0, "output_mp": round(width * height / 1e6, 2)}
