"""Redirect targets: paths of this origin only, so that no link leads a login elsewhere."""

import re

from flask import request, url_for

HOME = "/"

# Browsers read a backslash as a slash, and skip control characters.
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}")


def local_path(target: str | None) -> str:
    """`target` if it is a path of this origin, else the first page."""
    return target if target and _LOCAL_PATH.fullmatch(target) else HOME


def current_path() -> str:
    """Path and query of the current request, as a form may send them back."""
    return local_path(request.full_path.removesuffix("?"))


def login_url() -> str:
    """The login page, which leads back to the current page."""
    return url_for("dashboard.login.show", next=current_path())
