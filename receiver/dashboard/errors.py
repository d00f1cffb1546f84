"""Errors as pages with a way back, for the dashboard and for browsers on any other path."""

from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request

from receiver.dashboard import template_context
from receiver.dashboard.security_headers import SecurityHeaders
from receiver.schemas.endpoint_spec import PROBLEM

API_PATHS = ("/api/", "/v1/", "/webhooks/")


def install(app: Flask, headers: SecurityHeaders) -> None:
    @app.after_request
    def page_for_people(response: Response) -> Response:
        """Answer a person with a page instead of problem details."""
        if response.mimetype != PROBLEM or not _is_for_a_person():
            return response
        status, detail = HTTPStatus(response.status_code), response.get_json()["detail"]
        text = render_template(
            "error.html", status=status, detail=detail, **template_context.context()
        )
        page = make_response(text, status)
        for name, value in response.headers.items():
            if name not in ("Content-Type", "Content-Length"):
                page.headers[name] = value
        page.vary.add("Accept")
        return headers.apply(page)


def _is_for_a_person() -> bool:
    """On the dashboard, or if a person follows a link: programs send no Accept header or `*/*`."""
    accepted = request.accept_mimetypes
    return (request.blueprint or "").startswith("dashboard.") or (
        not request.path.startswith(API_PATHS)
        and accepted.quality("text/html") > accepted.quality(PROBLEM)
    )
