"""`/sandbox/...`: looks at the running sandbox and changes it, from another process."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.sandbox.errors import misfit
from tests.sandbox.fields import Misfit, read_fields
from tests.sandbox.observations import Request
from tests.sandbox.studio import Studio
from tests.sandbox.switches import Switches
from tests.sandbox.wire import Answer

NOT_FOUND = Answer.json(404, {"detail": "Not Found"})


def control(studio: Studio, request: Request) -> Answer:
    try:
        return _control(studio, request)
    except Misfit as wrong:
        return misfit(wrong)
    except ValueError as error:
        return Answer.json(400, {"detail": str(error)})


def _control(studio: Studio, request: Request) -> Answer:  # noqa: PLR0911 - one line a route
    match request.method, request.path.strip("/").split("/")[1:]:
        case "GET", ["tasks"]:
            return Answer.json(200, [task.as_json() for task in studio.ledger.tasks()])
        case "GET", ["tasks", task_id]:
            task = studio.ledger.find(task_id)
            return Answer.json(200, task.as_json()) if task else NOT_FOUND
        case "POST", ["tasks", task_id, "callback"]:
            return _call_back(studio, task_id, _read_object(request))
        case "GET", ["settings"]:
            return Answer.json(200, studio.settings.as_json())
        case "PATCH", ["settings"]:
            studio.settings.change(_read_object(request))
            return Answer.json(200, studio.settings.as_json())
        case "GET", ["requests"]:
            return Answer.json(200, [seen.as_json() for seen in studio.ledger.requests.copy()])
        case "GET", ["peak"]:
            return Answer.json(200, studio.ledger.peak().as_json())
    return NOT_FOUND


def _read_object(request: Request) -> dict[str, Any]:
    body = json.loads(request.body or b"{}")
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - the sender's mistake
    return body


def _call_back(studio: Studio, task_id: str, switches: dict[str, Any]) -> Answer:
    task = studio.ledger.find(task_id)
    if task is None or task.webhook_url is None:
        return NOT_FOUND
    return Answer.json(200, studio.call_back_now(task, bent(switches)).as_json())


def bent(changes: dict[str, Any]) -> Callable[[Switches], Switches]:
    """Switches with some of them changed; raises Misfit at once."""
    checked = read_fields(Switches, changes)
    return lambda switches: replace(switches, **checked)
