"""`POST /v1/<model>`: submit a task over HTTP."""

import json
from dataclasses import replace
from typing import Any

from tests.sandbox.answers import Answer
from tests.sandbox.engine import Engine
from tests.sandbox.errors import Refused, refusal
from tests.sandbox.input_files import DRAFT, side
from tests.sandbox.observations import Request
from tests.sandbox.odd_json import odd_answer
from tests.sandbox.polling import polling_url
from tests.sandbox.task import Task

NON_GENERATION_PATHS = ("finetune", "delete_finetune")


def submit(engine: Engine, request: Request) -> Answer:
    try:
        body = json.loads(request.body)
    except ValueError:
        return refusal(400)
    try:
        model = request.path.removeprefix("/v1/")
        if model in NON_GENERATION_PATHS:
            return Answer.json(200, {"message": "Finetune accepted", "finetune_id": "f-1"})
        submission = engine.read(model, body)
        _check_draft(engine, body)
        task = engine.open(submission, request.host)
    except Refused as refused:
        return refused.answer
    if task.cut:
        return Answer.silence()
    if task.false_error is not None:
        return replace(refusal(task.false_error), pause=task.switches.submit_hang)
    own_webhook = body.get("webhook_url") is not None
    answer = Answer.json(200, _opened(engine, task, own_webhook=own_webhook))
    odd = odd_answer(answer, task.switches.submit_json)
    return replace(odd, pause=task.switches.submit_hang)


def _check_draft(engine: Engine, body: dict[str, Any]) -> None:
    """Raises Refused."""
    form = "url" if str(body.get(DRAFT)).startswith("https://") else "base64"
    if DRAFT in body and form == engine.settings.refused_draft:
        detail = [{"loc": ["body", DRAFT], "msg": f"no {form}", "type": "value_error"}]
        raise Refused(Answer.json(422, {"detail": detail}))


def _opened(engine: Engine, task: Task, *, own_webhook: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"id": task.id}
    if not own_webhook or task.switches.polling_url:
        body["polling_url"] = polling_url(engine, task)
    if own_webhook:
        body |= {"status": "Pending", "webhook_url": task.webhook_url}
    return body | _cost(task) | task.switches.submit_answer


def _cost(task: Task) -> dict[str, Any]:
    if task.is_priced_late or not task.switches.priced:
        return {"cost": None, "input_mp": None, "output_mp": None}
    width, height = (side(task.input.get(name)) or 1024 for name in ("width", "height"))
    output_mp = round(width * height / 1e6, 2)
    return {"cost": task.named_cost, "input_mp": 0.0, "output_mp": output_mp}
