"""Routes of the sandbox, and authentication by key."""

from tests.sandbox.answers import Answer
from tests.sandbox.controls import control
from tests.sandbox.delivery import deliver
from tests.sandbox.engine import Engine
from tests.sandbox.errors import refusal
from tests.sandbox.observations import Request
from tests.sandbox.polling import poll
from tests.sandbox.submitting import submit


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
    if not _knows_key(engine, request.headers.get("x-key", "")):
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
    return Answer.json(200, {"credits": 0.0 if fault == 402 else engine.settings.credits})


def _knows_key(engine: Engine, key: str) -> bool:
    return key in engine.settings.keys if engine.settings.keys else key != ""
