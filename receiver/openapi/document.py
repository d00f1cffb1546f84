"""OpenAPI document: built from the routes and their specifications, served at `/openapi.json`."""

from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify

from receiver.context import services
from receiver.openapi import operations, parameters
from receiver.openapi.schemas import Schema, Schemas
from receiver.schemas.endpoint import EndpointSpec, ResponseSpec, Tag, spec_of

VERSION = "0.1.0"
_CACHE = "fluxkeep.openapi"

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@EndpointSpec(
    summary="This document",
    tag=Tag.OPERATION,
    responses={200: ResponseSpec("OpenAPI 3.1.", dict[str, Any])},
    uses_redis=False,
)
def get_document() -> Response:
    """The OpenAPI document of this installation."""
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
        "info": {"title": "Fluxkeep", "version": VERSION, "description": parameters.INTRODUCTION},
        "servers": [{"url": public_url or "/"}],
        "tags": [{"name": tag} for tag in Tag],
        "paths": _paths(app, schemas),
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": parameters.SECURITY,
        },
    }


def _paths(app: Flask, schemas: Schemas) -> dict[str, Schema]:
    found = [
        (list(Tag).index(spec.tag), rule.rule, sorted(rule.methods or ()), view, spec)
        for rule in app.url_map.iter_rules()
        if (spec := spec_of(view := app.view_functions[rule.endpoint]))
    ]
    paths: dict[str, Schema] = {}
    for _, rule, methods, view, spec in sorted(found, key=lambda one: one[:3]):
        operation = operations.build(rule, view, spec, schemas)
        for method in set(methods) - {"HEAD", "OPTIONS"}:
            paths.setdefault(operations.path(rule), {})[method.lower()] = operation
    return paths
