"""OpenAPI document: built from the routes and their specifications, served at `/openapi.json`."""

from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify

from receiver.context import services
from receiver.openapi import components, operations
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec

VERSION = "0.1.0"
TAGS = {  # the blueprints of each, in the order of the document
    "Jobs": ("submissions", "repeats", "api", "batches", "downloads"),
    "Watching": ("events",),
    "Media": ("media",),
    "Callbacks": ("webhook",),
    "BFL's own API": ("bfl_compat",),
    "Operation": ("costs", "budget", "health", "openapi"),
}
_CACHE = "fluxkeep.openapi"

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@EndpointSpec(responses={200: ResponseSpec("OpenAPI 3.1.", dict[str, Any])}, uses_redis=False)
def get_document() -> Response:
    """This document. OpenAPI 3.1, generated from the code."""
    return jsonify(current_document())


def current_document() -> Schema:
    """The document of the running application, built at the first request for it."""
    cache = current_app.extensions
    if _CACHE not in cache:
        cache[_CACHE] = build(current_app, services().settings.public_url)
    document: Schema = cache[_CACHE]
    return document


def build(app: Flask, public_url: str) -> Schema:
    """Describe every route that has a spec, in the order of tags, then of paths."""
    schemas = Schemas()
    return {
        "openapi": "3.1.1",
        "info": {"title": "Fluxkeep", "version": VERSION, "description": components.INTRODUCTION},
        "servers": [{"url": public_url or "/"}],
        "tags": [{"name": tag} for tag in TAGS],
        "paths": _paths(app, schemas),
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": components.SECURITY,
        },
    }


def _paths(app: Flask, schemas: Schemas) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    for tag, blueprints in TAGS.items():
        rules = [
            one for one in app.url_map.iter_rules() if one.endpoint.split(".")[0] in blueprints
        ]
        for rule in sorted(rules, key=lambda one: (one.rule, sorted(one.methods or ()))):
            operation = operations.build(rule.rule, app.view_functions[rule.endpoint], tag, schemas)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                paths.setdefault(operations.path(rule.rule), {})[method.lower()] = operation
    return paths
