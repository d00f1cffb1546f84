"""Login with an API key or a login link, and logout."""

import math

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.errors import Forbidden, InvalidLink, MediaGone, RateLimited, Unauthorized
from jobs.signing import LoginSigner
from jobs.store.login_links import LoginLinks
from receiver.auth import authenticate
from receiver.context import services
from receiver.dashboard import forms, session
from receiver.dashboard.access import check_forgery
from receiver.dashboard.integrations import HOME, local

blueprint = Blueprint("login", __name__)


@blueprint.get("/login")
def show() -> ResponseReturnValue:
    if session.visitor():
        return redirect(local(request.args.get("next")), 303)
    return _page()


@blueprint.post("/login")
def enter() -> ResponseReturnValue:
    """Into a new session, and to the page that was wanted; guesses are counted as the API's are."""
    try:
        check_forgery()
        session.enter(authenticate(forms.form().get("key", "").strip()))
    except Forbidden:
        return _page("The form was too old, or your browser keeps no cookies. Try again."), 403
    except Unauthorized:
        return _page("Nobody holds this key."), 401
    except RateLimited as error:
        return _page(str(error)), 429, {"Retry-After": str(math.ceil(error.retry_after))}
    return redirect(local(forms.form().get("next")), 303)


@blueprint.get("/login/<token>")
def enter_by_link(token: str) -> ResponseReturnValue:
    """Log in by a link that `make run` printed; it works once."""
    if request.method == "HEAD":
        return ""  # a preview must not use it up
    settings = services().settings
    try:
        name = LoginLinks(services().redis, LoginSigner(settings.secret_key)).use(token)
    except (InvalidLink, MediaGone):
        return _page("This link was used before, or is too old. Log in with a key."), 403
    entry = next((key for key in settings.api_keys if key.name == name), None)
    if entry is None:
        return _page("The key of this link is no longer in API_KEYS."), 403
    session.enter(entry)
    return redirect(HOME, 303)


@blueprint.get("/logout")
def linger() -> ResponseReturnValue:
    """Only a form logs out; who comes by link stays who he is."""
    return redirect(url_for("dashboard.login.show"), 303)


@blueprint.post("/logout")
def leave() -> ResponseReturnValue:
    check_forgery()
    session.leave()
    return redirect(url_for("dashboard.login.show"), 303)


def _page(trouble: str = "") -> str:
    wanted = request.args.get("next") if request.method == "GET" else forms.form().get("next")
    return render_template("login.html", trouble=trouble, next=local(wanted))
