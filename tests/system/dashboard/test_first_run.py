"""The page /start: the installation's own addresses, and a test of all its parts."""

from html import unescape

import pytest

from tests.harness import Installation, Stack
from tests.harness.chromium import Window
from tests.harness.doctor_output import ALL
from tests.harness.visitor import Visitor, log_in, problems_seen, readable


@pytest.fixture(scope="module")
def without_sandbox(module_installation: Installation) -> Installation:
    """BFL is the real one, which nobody here can reach."""
    installation = module_installation
    installation.settings["PUBLIC_URL"] = installation.url
    installation.start()
    installation.wait_until_ready(path="/readyz")
    return installation


def test_the_steps_name_this_installation_and_none_of_its_secrets(stack: Stack) -> None:
    page = Visitor(stack.installation.url).get("/start").text
    url = stack.installation.url
    assert f"{url}/webhooks/bfl" in page
    assert f"curl -s {url}/api/jobs" in page
    assert f"fluxkeep {url}/mcp" in page and f'"url": "{url}/mcp"' in unescape(page)
    assert f'base_url="{url}"' in unescape(page)
    assert not [secret for secret in stack.installation.secrets() if secret in page]


def test_the_address_is_the_one_the_visitor_came_by(stack: Stack) -> None:
    url = stack.installation.url.replace("127.0.0.1", "localhost")
    assert f"{url}/webhooks/bfl" in Visitor(url).get("/start").text


def test_the_test_shows_every_check_and_leaves_nothing(stack: Stack) -> None:
    answer = Visitor(stack.installation.url).post("/start/test")
    assert answer.status_code == 200
    result_text = readable(answer.text)
    indexes = [result_text.index(f" {name} ") for name in ALL]
    assert indexes == sorted(indexes)
    assert "accepts a signed callback and refuses a forged one" in result_text
    assert "Everything works" in result_text
    assert stack.client.jobs() == []


@pytest.mark.browser
def test_it_is_first_until_there_is_a_job(without_sandbox: Installation, window: Window) -> None:
    page = log_in(window, without_sandbox.url)
    assert page.inner_text("h1") == "Connect an app"
    assert problems_seen(window) == []
    admin = without_sandbox.client()
    admin.put_job("the-first").raise_for_status()
    page.wait_for_selector('a[href*="/jobs/the-first"]')
    admin.request("DELETE", "/api/jobs/the-first").raise_for_status()
    assert (window.complaints, window.strangers) == ([], [])


def test_only_admins_may_test_and_only_from_here(stack: Stack) -> None:
    for scope in ("read", "submit"):
        visitor = Visitor(stack.installation.url, scope)
        assert "/start/test" not in visitor.get("/start").text
        assert visitor.post("/start/test").status_code == 403
    assert Visitor(stack.installation.url).get("/start/test").status_code == 303


@pytest.mark.browser
def test_each_result_shows_as_it_is_known(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/start")
    assert problems_seen(window) == []
    page.click("text=Test all parts")
    page.wait_for_selector("#test-summary")
    assert page.locator("#check-results li").count() == len(ALL)
    assert "Everything works" in page.inner_text("#test-summary")
    assert problems_seen(window) == []
    assert (window.complaints, window.strangers) == ([], [])
