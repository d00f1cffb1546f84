"""Access to pages: a session whose key has the scope, and a CSRF token for every change.

A login leads back to where it was asked for, and to paths of this origin only.
"""

import re
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import ParamSpec

from flask import g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from jobs.config.api_keys import Scope
from receiver.dashboard import csrf, form_body, session

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]

# Browsers read a backslash as a slash, and skip control characters.
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}")


def requires_scope(scope: Scope, *, uploads: bool = False) -> Callable[[View[P]], View[P]]:
    """Let a view answer only sessions with at least this scope; a POST also needs a CSRF token.

    Without a session the visitor is redirected to the login page. Raises Forbidden.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            visitor = session.current_visitor()
            if visitor is None:
                # By GET: a change is not repeated after the login.
                return redirect(url_for("dashboard.login.show", next=current_path()), 303)
            visitor.require_scope(scope)
            g.api_key = visitor
            session.renew()
            if request.method != "POST":
                return view(*args, **kwargs)
            is_upload = uploads and request.mimetype == "multipart/form-data"
            with form_body.uploaded() if is_upload else nullcontext():
                csrf.require_token()
                return view(*args, **kwargs)

        return guarded

    return decorate


def local_path(target: str | None) -> str:
    """`target` if it is a path of this origin, else the first page."""
    return target if target and _LOCAL_PATH.fullmatch(target) else "/"


def current_path() -> str:
    """Path and query of the current request, as a form may send them back."""
    return local_path(request.full_path.removesuffix("?"))
