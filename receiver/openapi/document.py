"""Build the OpenAPI document of an application from its routes and their specifications."""

import json
from collections.abc import Iterator

from flask import Flask
from werkzeug.routing import Rule

from receiver.openapi import operations, parameters, webhooks
from receiver.openapi.schemas import COMPONENTS, Schema, Schemas
from receiver.schemas.endpoint import Endpoint, EndpointSpec, Tag, endpoint_of

VERSION = "0.1.0"
IMPLIED = {"HEAD", "OPTIONS"}
EXCLUDED = "dashboard."  # the endpoints of pages for people


def build(app: Flask, public_url: str) -> Schema:
    """The whole document."""
    schemas = Schemas()
    paths = _paths(app, schemas)
    hooks = webhooks.notifications(schemas)
    document = {
        "openapi": "3.1.1",
        "info": {"title": "Fluxkeep", "version": VERSION, "description": parameters.INTRODUCTION},
        "servers": [{"url": public_url or "/"}],
        "tags": [{"name": tag} for tag in Tag],
        "paths": paths,
        "webhooks": hooks,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": parameters.SECURITY,
        },
    }
    _remove_unused(document)
    return document


def _paths(app: Flask, schemas: Schemas) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    for rule, endpoint in _endpoints(app):
        operation = operations.build(rule.rule, endpoint, schemas)
        if endpoint.spec and endpoint.spec.callback_field:
            operation["callbacks"] = webhooks.callbacks(endpoint.spec.callback_field, schemas)
        for method in sorted((rule.methods or set()) - IMPLIED):
            paths.setdefault(operations.path(rule.rule), {})[method.lower()] = operation
    return paths


def _endpoints(app: Flask) -> Iterator[tuple[Rule, Endpoint]]:
    """Routes and specifications in the order of tags, then of paths."""
    found = [
        (rule, endpoint_of(app.view_functions[rule.endpoint])) for rule in app.url_map.iter_rules()
    ]
    known = [(rule, endpoint) for rule, endpoint in found if endpoint.spec]
    yield from sorted(known, key=lambda pair: (_tag_index(pair[1].spec), pair[0].rule))


def _tag_index(spec: EndpointSpec | None) -> int:
    return list(Tag).index(spec.tag) if spec else len(Tag)


def undescribed(app: Flask) -> set[str]:
    """Endpoints that should have a specification and have none."""
    views = app.view_functions.items()
    silent = {name for name, view in views if endpoint_of(view).spec is None}
    return {name for name in silent if not name.startswith(EXCLUDED)}


def _remove_unused(document: Schema) -> None:
    """Remove schemas that nothing refers to, such as a query that became parameters."""
    known = document["components"]["schemas"]
    while idle := [name for name in known if f'"{COMPONENTS}{name}"' not in json.dumps(document)]:
        for name in idle:
            del known[name]
