"""The OpenAPI document of an application: its routes joined with what their views promise."""

import json
from collections.abc import Iterator

from flask import Flask
from werkzeug.routing import Rule

from receiver.contract import Contract, Said, Tag, said_by
from receiver.reference import local, operations, outgoing, words
from receiver.reference.schemas import COMPONENTS, Schema, Schemas
from receiver.wiring import Wired

VERSION = "0.1.0"
IMPLIED = {"HEAD", "OPTIONS"}
# What is no part of the API, by how its endpoints begin, and why.
LEFT_OUT = {"dashboard.": "pages for people"}


def described(app: Flask, wired: Wired) -> Schema:
    """All of it; the same for every request."""
    settings = wired.services.settings
    schemas = Schemas(local.schemas(settings, wired.services.trust))
    paths = _paths(app, schemas)
    hooks = outgoing.webhooks(schemas)
    told = {
        "openapi": "3.1.1",
        "info": {"title": "Fluxkeep", "version": VERSION, "description": words.INTRODUCTION},
        "servers": [{"url": settings.public_url or "/"}],
        "tags": [{"name": tag} for tag in Tag],
        "paths": paths,
        "webhooks": hooks,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": words.SECURITY,
        },
    }
    _pruned(told)
    return told


def _paths(app: Flask, schemas: Schemas) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    for rule, said in _promised(app):
        told = operations.operation(rule.rule, said, schemas)
        if said.contract and said.contract.tells:
            told["callbacks"] = outgoing.callbacks(said.contract.tells, schemas)
        for method in sorted((rule.methods or set()) - IMPLIED):
            paths.setdefault(operations.path(rule.rule), {})[method.lower()] = told
    return paths


def _promised(app: Flask) -> Iterator[tuple[Rule, Said]]:
    """By chapter, then by path."""
    found = [
        (rule, said_by(app.view_functions[rule.endpoint])) for rule in app.url_map.iter_rules()
    ]
    known = [(rule, said) for rule, said in found if said.contract]
    yield from sorted(known, key=lambda pair: (_chapter(pair[1].contract), pair[0].rule))


def _chapter(contract: Contract | None) -> int:
    return list(Tag).index(contract.tag) if contract else len(Tag)


def undescribed(app: Flask) -> set[str]:
    """Endpoints that promise nothing although they should."""
    known = tuple(LEFT_OUT)
    views = app.view_functions.items()
    silent = {name for name, view in views if said_by(view).contract is None}
    return {name for name in silent if not name.startswith(known)}


def _pruned(told: Schema) -> None:
    """Without schemas that nothing speaks of, such as what a cursor is once it has been read."""
    known = told["components"]["schemas"]
    while idle := [name for name in known if f'"{COMPONENTS}{name}"' not in json.dumps(told)]:
        for name in idle:
            del known[name]
