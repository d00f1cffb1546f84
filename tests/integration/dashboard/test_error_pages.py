"""Error pages: a browser gets a page with a way back, a program gets problem details."""

import pytest

from tests.harness.in_process_dashboard import InProcessVisitor, MakeApp

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/unknown", 404), ("/jobs/some/unknown", 404), ("/media/forged", 403), ("/login/", 404)],
)
@pytest.mark.parametrize("is_logged_in", [False, True])
def test_a_browser_gets_a_page_with_a_way_back(
    visitor: InProcessVisitor, path: str, status: int, is_logged_in: bool
) -> None:
    if is_logged_in:
        visitor.log_in("read")
    page = visitor.get(path, Accept=BROWSER)
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert ("Back to the jobs" if is_logged_in else "Log in") in page.text
    assert 'href="/"' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "Accept" in page.headers["Vary"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/webp,*/*;q=0.8"])
def test_a_program_gets_problem_details(visitor: InProcessVisitor, accept: str) -> None:
    answer = visitor.get("/unknown", Accept=accept)
    assert (answer.status_code, answer.mimetype) == (404, PROBLEM)
    assert answer.get_json()["status"] == 404


@pytest.mark.parametrize(
    "path", ["/api/jobs", "/api/unknown", "/webhooks/bfl", "/webhooks/bfl/forged"]
)
def test_api_paths_answer_no_page(visitor: InProcessVisitor, path: str) -> None:
    answer = visitor.get(path, Accept=BROWSER)
    assert answer.status_code in (401, 404, 405)
    assert answer.mimetype == PROBLEM


def test_a_page_keeps_the_headers_of_the_error(make_app: MakeApp) -> None:
    visitor = InProcessVisitor(make_app(PUBLIC_URL="https://keep.example"))
    page = visitor.client.post("/media/x", headers={"Accept": BROWSER})
    assert (page.status_code, page.mimetype) == (405, "text/html")
    assert "GET" in page.headers["Allow"]
    assert "Strict-Transport-Security" in page.headers
