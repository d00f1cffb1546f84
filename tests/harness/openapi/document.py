"""`make docs`: write receiver/openapi.json and receiver/mcp/tools.json from the code."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask

from jobs import services
from jobs.config import settings
from receiver import create_app
from receiver.mcp import tools
from receiver.openapi import DOCUMENT, VERSION
from tests.harness.openapi import components, operations
from tests.harness.openapi.schemas import Schema, Schemas, standalone
from tests.harness.required_settings import SECRETS

TAGS = {  # the blueprints of each, in the order of the document
    "Jobs": ("submissions", "repeats", "api", "batches", "downloads"),
    "Watching": ("events",),
    "Media": ("media",),
    "Callbacks": ("webhook",),
    "BFL's own API": ("bfl_compat",),
    "Operation": ("costs", "budget", "health", "openapi"),
}


def files() -> dict[Path, str]:
    """Text that `make docs` writes."""
    return {DOCUMENT: _text(document()), tools.DESCRIPTIONS: _text(descriptions())}


def document() -> Schema:
    """Describe every route that has a spec, in the order of tags, then of paths."""
    with TemporaryDirectory() as media:
        given = settings.load({**SECRETS, "MEDIA_URL": Path(media).as_uri()})
        app = create_app(services.for_web(given))
    schemas = Schemas()
    return {
        "openapi": "3.1.1",
        "info": {"title": "Fluxkeep", "version": VERSION, "description": components.INTRODUCTION},
        "servers": [{"url": "/"}],
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


def descriptions() -> list[dict[str, Any]]:
    """The tools of `/mcp`, as agents are told of them."""
    return [
        {
            "name": name,
            "description": " ".join((tool.run.__doc__ or "").split()),
            "inputSchema": standalone(tool.arguments, "validation"),
            "outputSchema": standalone(tool.result, "serialization"),
            "annotations": {
                "readOnlyHint": tool.scope == "read",
                "destructiveHint": False,
                "idempotentHint": tool.scope == "read",
                "openWorldHint": tool.scope != "read",
            },
        }
        for name, tool in tools.TOOLS.items()
    ]


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
