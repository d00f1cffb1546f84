"""`GET /openapi.json`; the page for people that shows it is one of the dashboard's."""

from typing import Any

from flask import Blueprint, Response, current_app, json, request

from receiver.contract import Answer, Contract, Tag
from receiver.reference.document import described
from receiver.reference.schemas import Schema
from receiver.wiring import wired

_NAME = "fluxkeep.reference"

blueprint = Blueprint("reference", __name__)


@blueprint.get("/openapi.json")
@Contract(
    name="getDocument",
    summary="This document",
    tag=Tag.OPERATION,
    headers=("If-None-Match",),
    answers={
        200: Answer(what="OpenAPI 3.1.", kind=dict[str, Any], headers=("ETag", "Cache-Control")),
        304: Answer(what="It is as it was.", headers=("ETag", "Cache-Control")),
    },
    uses_redis=False,
)
def document() -> Response:
    """Asked again each time, and sent again only when it has changed."""
    return _fresh(Response(json.dumps(made()), mimetype="application/json"))


def made() -> Schema:
    """By the first who asks: then every route is there."""
    kept = current_app.extensions
    if _NAME not in kept:
        kept[_NAME] = described(current_app, wired())
    found: Schema = kept[_NAME]
    return found


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response
