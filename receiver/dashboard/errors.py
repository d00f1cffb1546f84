"""Errors as pages with a way back, for the dashboard and for browsers on any other path."""

from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request

from receiver.dashboard.security_headers import SecurityHeaders
from receiver.schemas.endpoint_spec import PROBLEM

API_PATHS = ("/api/", "/v1/", "/webhooks/")


def install(app: Flask, headers: SecurityHeaders) -> None:
    @app.after_request
    def page_for_people(response: Response) -> Response:
        """Answer a person with a page instead of problem details."""
        if response.mimetype != PROBLEM:
            return response
        accepted = request.accept_mimetypes
        # A person who follows a link; programs send no Accept header or `*/*`.
        is_link = accepted.quality("text/html") > accepted.quality(PROBLEM)
        is_outside = not (request.blueprint or "").startswith("dashboard.")
        if is_outside and (request.path.startswith(API_PATHS) or not is_link):
            return response
        status = HTTPStatus(response.status_code)
        detail = response.get_json()["detail"]
        page = make_response(render_template("error.html", status=status, detail=detail), status)
        for name, value in response.headers.items():
            if name not in ("Content-Type", "Content-Length"):
                page.headers[name] = value
        page.vary.add("Accept")
        return headers.apply(page)
