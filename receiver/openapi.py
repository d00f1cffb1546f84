"""`/openapi.json`: the document that `make docs` writes from the routes and their types."""

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic_core import from_json

from receiver.context import current_services
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec

VERSION = "0.1.0"
DOCUMENT = Path(__file__).with_suffix(".json")

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@EndpointSpec(responses={200: ResponseSpec("OpenAPI 3.1.", dict[str, Any])}, uses_redis=False)
def get_document() -> Response:
    """This document. OpenAPI 3.1, generated from the code."""
    return jsonify(load_document())


def load_document() -> dict[str, Any]:
    """The document with our own address. Read each time: processes do without it in memory."""
    document: dict[str, Any] = from_json(DOCUMENT.read_bytes())
    return document | {"servers": [{"url": current_services().settings.public_url or "/"}]}
