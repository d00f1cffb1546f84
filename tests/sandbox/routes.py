"""Who answers which path, and who must show a key."""

from tests.sandbox.controls import control
from tests.sandbox.delivery import deliver
from tests.sandbox.errors import refusal
from tests.sandbox.observations import Request
from tests.sandbox.polling import poll
from tests.sandbox.studio import Studio
from tests.sandbox.submitting import submit
from tests.sandbox.wire import Answer


def answer(studio: Studio, request: Request) -> Answer:
    if request.path.startswith("/sandbox/"):
        return control(studio, request)
    studio.ledger.requests.append(request)
    if request.path.startswith(("/results/", "/durable/", "/hop")):
        return deliver(studio, request)
    if not request.path.startswith("/v1/"):
        return refusal(404)
    return _api(studio, request)


def _api(studio: Studio, request: Request) -> Answer:
    if not _knows_key(studio, request.headers.get("x-key", "")):
        return refusal(403)
    match request.method, request.path:
        case "GET", "/v1/get_result":
            return poll(studio, request)
        case "GET", "/v1/credits":
            return _credits(studio)
        case "POST", _:
            return submit(studio, request)
    return Answer.json(405, {"detail": "Method Not Allowed"})


def _credits(studio: Studio) -> Answer:
    """An account that may not submit says so here as well."""
    fault = studio.settings.submit_fault
    if fault in (401, 403):
        return refusal(fault)
    return Answer.json(200, {"credits": 0.0 if fault == 402 else studio.settings.credits})


def _knows_key(studio: Studio, key: str) -> bool:
    return key in studio.settings.keys if studio.settings.keys else key != ""
