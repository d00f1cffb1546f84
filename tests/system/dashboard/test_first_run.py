"""The page /start with the installation's own addresses."""

from html import unescape

import pytest

from tests.harness.chromium import Window
from tests.harness.installation import Installation
from tests.harness.stack import Stack
from tests.system.dashboard.visitor import Visitor, log_in, problems_seen


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
    assert f'base_url="{url}"' in unescape(page)
    assert not [secret for secret in stack.installation.secrets() if secret in page]


def test_the_address_is_the_one_the_visitor_came_by(stack: Stack) -> None:
    url = stack.installation.url.replace("127.0.0.1", "localhost")
    assert f"{url}/webhooks/bfl" in Visitor(url).get("/start").text


@pytest.mark.browser
def test_it_is_the_first_page_until_there_is_a_job(
    without_sandbox: Installation, window: Window
) -> None:
    page = log_in(window, without_sandbox.url)
    assert page.inner_text("h1") == "Connect an app"
    assert problems_seen(window) == []
    admin = without_sandbox.client()
    admin.put_job("the-first").raise_for_status()
    page.wait_for_selector('a[href*="/jobs/the-first"]')
    admin.request("DELETE", "/api/jobs/the-first").raise_for_status()
    assert (window.complaints, window.strangers) == ([], [])
