"""`GET /docs`: the OpenAPI document as a page, public and without scripts."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from receiver.openapi.document import current_document

blueprint = Blueprint("docs", __name__)


@blueprint.get("/docs")
def show() -> ResponseReturnValue:
    document = current_document()
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return render_template("docs.html", document=document, operations=operations)
