"""Routes of the sandbox: BFL's, by key, and `/sandbox/...`, which inspects and controls it."""

import json
from typing import Any

from pydantic import ValidationError

from tests.sandbox.answers import Answer
from tests.sandbox.delivery import deliver
from tests.sandbox.engine import Engine
from tests.sandbox.errors import invalid, refusal
from tests.sandbox.observations import Request
from tests.sandbox.odd_json import odd_answer
from tests.sandbox.polling import poll
from tests.sandbox.submitting import submit

NOT_FOUND = Answer.json(404, {"detail": "Not Found"})


def control(engine: Engine, request: Request) -> Answer:
    try:
        return _control(engine, request)
    except ValidationError as error:
        return invalid(error)
    except ValueError as error:
        return Answer.json(400, {"detail": str(error)})


def _control(engine: Engine, request: Request) -> Answer:  # noqa: PLR0911 - one line a route
    match request.method, request.path.strip("/").split("/")[1:]:
        case "GET", ["tasks"]:
            return Answer.json(200, [task.as_json() for task in engine.store.tasks()])
        case "GET", ["tasks", task_id]:
            task = engine.store.find(task_id)
            return Answer.json(200, task.as_json()) if task else NOT_FOUND
        case "POST", ["tasks", task_id, "callback"]:
            return _call_back(engine, task_id, _read_object(request))
        case "GET", ["settings"]:
            return Answer.json(200, engine.settings.as_json())
        case "PATCH", ["settings"]:
            engine.settings.change(_read_object(request))
            return Answer.json(200, engine.settings.as_json())
        case "PUT", ["openapi.json"]:
            engine.publish(request.body)
            return Answer.json(200, {"models": engine.document.models})
        case "GET", ["requests"]:
            return Answer.json(200, [seen.as_json() for seen in engine.store.requests.copy()])
        case "GET", ["peak"]:
            return Answer.json(200, engine.store.peak())
    return NOT_FOUND


def _read_object(request: Request) -> dict[str, Any]:
    body = json.loads(request.body or b"{}")
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - the sender's mistake
    return body


def _call_back(engine: Engine, task_id: str, switches: dict[str, Any]) -> Answer:
    task = engine.store.find(task_id)
    if task is None or task.webhook_url is None:
        return NOT_FOUND
    return Answer.json(200, engine.call_back_now(task, switches))


def answer(engine: Engine, request: Request) -> Answer:
    if request.path.startswith("/sandbox/"):
        return control(engine, request)
    engine.store.requests.append(request)
    if request.path == "/openapi.json":
        return Answer.text(200, engine.published, "application/json")
    if request.path.startswith(("/results/", "/durable/", "/hop")):
        return deliver(engine, request)
    if not request.path.startswith("/v1/"):
        return refusal(404)
    return _api(engine, request)


def _api(engine: Engine, request: Request) -> Answer:
    key = request.headers.get("x-key", "")
    if key and not key.startswith(engine.settings.key_start):
        return Answer.json(422, {"detail": "Invalid API key format"})
    if not _knows_key(engine, key):
        return refusal(403)
    match request.method, request.path:
        case "GET", "/v1/get_result":
            return poll(engine, request)
        case "GET", "/v1/credits":
            return _credits(engine)
        case "POST", _:
            return submit(engine, request)
    return Answer.json(405, {"detail": "Method Not Allowed"})


def _credits(engine: Engine) -> Answer:
    """Faults of the account show here too."""
    fault = engine.settings.submit_fault
    if fault in (401, 403):
        return refusal(fault)
    answer = Answer.json(200, {"credits": 0.0 if fault == 402 else engine.settings.credits})
    return odd_answer(answer, engine.settings.credits_json)


def _knows_key(engine: Engine, key: str) -> bool:
    return key in engine.settings.keys if engine.settings.keys else key != ""
