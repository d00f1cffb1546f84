"""Where a visitor goes after a detour: a page of ours, whatever the link says."""

import re

from flask import request, url_for

HOME = "/"

# Browsers read a backslash as a slash, and skip control characters.
_OURS = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}")


def local(wanted: str | None) -> str:
    """A path of this origin, or the first page."""
    return wanted if wanted and _OURS.fullmatch(wanted) else HOME


def here() -> str:
    """The page that was asked for, as it may come back in a form."""
    return local(request.full_path.removesuffix("?"))


def login_and_back() -> str:
    return url_for("dashboard.login.show", next=here())
