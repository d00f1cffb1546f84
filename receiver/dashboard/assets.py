"""Static styles and scripts, under URLs that change with their content, so caches keep them."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, send_from_directory, url_for
from flask.typing import ResponseReturnValue

STATIC = Path(__file__).parent / "static"
CACHED_SECONDS = 365 * 86400

blueprint = Blueprint("assets", __name__)


@blueprint.get("/assets/<version>/<path:name>")
def serve(version: str, name: str) -> ResponseReturnValue:
    """Serve a file; a foreign version, seen during a rolling update, must not be cached."""
    response = send_from_directory(STATIC, name, max_age=CACHED_SECONDS)
    if version == _version():
        response.headers["Cache-Control"] = f"public, max-age={CACHED_SECONDS}, immutable"
    else:
        response.headers["Cache-Control"] = "no-store"
    return response


def asset(name: str) -> str:
    """The URL of a file under static/. All files share one version: modules import each other."""
    return url_for("dashboard.assets.serve", version=_version(), name=name)


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
