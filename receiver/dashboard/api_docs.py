"""`GET /docs`: the OpenAPI document as a page; `/docs/errors`: problem types. Both are public."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from receiver import problem_types
from receiver.openapi import load_document

blueprint = Blueprint("docs", __name__)


@blueprint.get("/docs")
def show() -> ResponseReturnValue:
    document = load_document()
    operations: list[tuple[str, str, Any]] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operations.append((method.upper(), path, operation))
    return render_template("api_docs.html", document=document, operations=operations)


@blueprint.get(problem_types.PAGE)
def show_errors() -> ResponseReturnValue:
    return render_template("problem_types.html", problem_types=problem_types.problem_texts())
