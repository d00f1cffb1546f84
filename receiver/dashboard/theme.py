"""Colour scheme: that of the system, unless a visitor chose light or dark."""

from typing import Literal, get_args

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from receiver.dashboard import csrf, forms
from receiver.dashboard.redirects import local_path

Theme = Literal["light", "dark", "system"]
COOKIE = "fluxkeep-theme"
COOKIE_SECONDS = 365 * 86400

blueprint = Blueprint("theme", __name__)


@blueprint.post("/theme")
def choose() -> ResponseReturnValue:
    """Store the choice in a cookie and redirect to the page that the form was on."""
    csrf.check()
    theme = forms.form().get("theme", "")
    response = redirect(local_path(forms.form().get("next")), 303)
    if theme in get_args(Theme):
        response.set_cookie(COOKIE, theme, COOKIE_SECONDS, httponly=True, samesite="Lax")
    return response


def current() -> Theme:
    value = request.cookies.get(COOKIE)
    return "light" if value == "light" else "dark" if value == "dark" else "system"
