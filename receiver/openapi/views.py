"""`GET /openapi.json`."""

from typing import Any

from flask import Blueprint, Response, current_app, json, request

from receiver.context import services
from receiver.openapi.document import build
from receiver.openapi.schemas import Schema
from receiver.schemas.endpoint import EndpointSpec, ResponseSpec, Tag

_NAME = "fluxkeep.openapi"

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@EndpointSpec(
    operation_id="getDocument",
    summary="This document",
    tag=Tag.OPERATION,
    headers=("If-None-Match",),
    responses={
        200: ResponseSpec("OpenAPI 3.1.", dict[str, Any], headers=("ETag", "Cache-Control")),
        304: ResponseSpec("It has not changed.", headers=("ETag", "Cache-Control")),
    },
    uses_redis=False,
)
def show() -> Response:
    """The OpenAPI document; with `If-None-Match` only when it has changed."""
    response = Response(json.dumps(current_document()), mimetype="application/json")
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


def current_document() -> Schema:
    """The document of the running application, built by the first request for it."""
    cache = current_app.extensions
    if _NAME not in cache:
        cache[_NAME] = build(current_app, services().settings.public_url)
    document: Schema = cache[_NAME]
    return document
