"""Light or dark: as the system says, unless a visitor chose."""

from typing import Literal, get_args

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from receiver.dashboard import forms
from receiver.dashboard.access import check_forgery
from receiver.dashboard.integrations import local

Theme = Literal["light", "dark", "system"]
COOKIE = "fluxkeep-theme"
KEPT_SECONDS = 365 * 86400

blueprint = Blueprint("theme", __name__)


@blueprint.post("/theme")
def choose() -> ResponseReturnValue:
    """Back to the page it was chosen on."""
    check_forgery()
    wanted = forms.form().get("theme", "")
    response = redirect(local(forms.form().get("next")), 303)
    if wanted in get_args(Theme):
        response.set_cookie(COOKIE, wanted, KEPT_SECONDS, httponly=True, samesite="Lax")
    return response


def chosen() -> Theme:
    said = request.cookies.get(COOKIE)
    return "light" if said == "light" else "dark" if said == "dark" else "system"
