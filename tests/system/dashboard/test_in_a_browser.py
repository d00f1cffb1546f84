"""The dashboard in a real Chromium: what people see, as it happens, and what they can do."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.harness import KEYS, Stack, running_stack, wait_for
from tests.harness.chromium import Chromium, Window
from tests.harness.screenshots.sample_jobs import finish_job, start_job, store_image
from tests.harness.visitor import log_in, problems_seen

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=alert(1)><script>document.title='taken'</script>\"'&amp;"
WEIGHT_MAX_BYTES = 150 * 1024
WIDE = {"width": 1440, "height": 900}

Visit = Callable[..., Window]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A few images, a video, a failure, and one that BFL is still at work on."""
    with running_stack(tmp_path_factory.mktemp("seen")) as running:
        for n, size in enumerate([(1216, 832), (832, 1216), (1536, 640)]):
            store_image(running, n, *size)
        finish_job(running, "flux-3-video", prompt="a slow pan")
        finish_job(running, outcome="content_moderated")
        yield running


@pytest.fixture
def visit(chromium: Chromium, stack: Stack) -> Iterator[Visit]:
    """A window of somebody who has logged in, on a page."""
    with ExitStack() as opened:

        def go(path: str = "/", scope: str = "admin", **options: Any) -> Window:
            window = opened.enter_context(chromium.window(**{"viewport": WIDE, **options}))
            log_in(window, stack.installation.url, path, scope)
            return window

        yield go


def log_in_by_hand(page: Page, scope: str) -> None:
    page.get_by_label("API key").fill(KEYS[scope])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_attached()


def card(page: Page, job_id: str) -> Any:
    return page.locator(f"#job-{job_id}")


def test_a_wrong_key_is_an_error_and_a_right_one_logs_in(window: Window, stack: Stack) -> None:
    page = window.page
    page.goto(f"{stack.installation.url}/?limit=9")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type("a wrong key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This key is not valid.")
    assert window.violations() == []
    log_in_by_hand(page, "read")
    assert page.url.endswith("/?limit=9")
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{stack.installation.url}/")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_job_becomes_an_image_while_the_page_is_open(visit: Visit, stack: Stack) -> None:
    page = visit().page
    page.evaluate("window.untouched = true")
    job_id = start_job(stack, prompt="a new arrival", callback="never")
    expect(card(page, job_id).locator(".status")).to_have_text("submitted")
    stack.sandbox.call_back(job_id)
    expect(page.locator("#announcements")).to_contain_text("flux-2-pro")
    expect(card(page, job_id).locator(".status")).to_have_count(0)
    expect(card(page, job_id)).to_contain_text("a new arrival")
    page.wait_for_function(
        "id => document.querySelector(`#job-${id} img`)?.naturalWidth > 0", arg=job_id
    )
    expect(page.locator(".cards > li").first).to_have_id(f"job-{job_id}")
    stack.client.request("DELETE", f"/api/jobs/{job_id}").raise_for_status()
    expect(card(page, job_id)).to_have_count(0)
    assert page.evaluate("window.untouched")


def test_a_job_that_came_before_the_stream_was_open_appears(visit: Visit, stack: Stack) -> None:
    page = visit().page
    job_ids: list[str] = []

    def put_job_first(route: Route) -> None:
        job_ids.append(start_job(stack, callback="never"))
        route.continue_()

    page.route("**/live?*", put_job_first, times=1)
    with page.expect_response("**/live?*"):
        page.reload()
    expect(card(page, job_ids[0]).locator(".status")).to_have_text("submitted")
    stack.client.request("DELETE", f"/api/jobs/{job_ids[0]}").raise_for_status()  # else it changes


def test_filters_make_an_address_to_share(visit: Visit, stack: Stack) -> None:
    job_id = store_image(stack, 5, 800, 600, body={"metadata": {"user": "42"}})
    page = visit().page
    filters = page.get_by_text("Filters", exact=True)
    filters.click()
    page.get_by_label("Model").fill("flux-2-pro")
    page.get_by_label("Metadata").fill("user=42")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".cards > li")).to_have_count(1)
    assert urlsplit(page.url).query == "model=flux-2-pro&metadata.user=42"
    filters.click()
    page.get_by_label("Metadata").fill("user=43")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    assert urlsplit(page.url).query == "model=flux-2-pro&metadata.user=43"
    page.get_by_role("link", name="Moderated").click()
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    page.get_by_role("link", name="Clear all").click()
    expect(card(page, job_id)).to_contain_text("hills number 5")
    filters.click()
    page.get_by_label("Job or task id").fill(job_id)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="hills number 5")).to_be_visible()


def test_a_job_tells_what_comes_next_and_what_was_refused(visit: Visit, stack: Stack) -> None:
    job_id = start_job(stack, seconds=600, callback="never")
    stack.client.callback({"id": job_id, "status": "Ready"}, auth="wrong")
    page = visit(f"/jobs/{job_id}").page
    left = page.locator("#next-steps time").first
    expect(left).to_have_text(re.compile(r"in \d+ s|in 1:\d\d"))
    before = left.inner_text()
    expect(left).not_to_have_text(before)
    expect(page.locator(".refused")).to_contain_text("wrong secret")
    expect(page.locator("#curl")).to_have_value(re.compile(f"curl .*/api/jobs/{job_id} "))
    stack.client.callback({"id": job_id, "status": "Error"})
    expect(page.locator("#job-header .status")).to_have_text("failed")
    expect(page.locator("#media")).to_contain_text("bfl_error")


def test_a_video_has_a_player_and_its_variants_a_frame(visit: Visit, stack: Stack) -> None:
    job_id = stack.client.submit("flux-3-video", prompt="waves", mode="t2v")["id"]
    stack.client.wait_for(job_id, "stored")
    repeat = stack.client.request("POST", f"/api/jobs/{job_id}/repeats", json={}).json()["id"]
    stack.client.wait_for(repeat, "stored")
    window = visit(f"/jobs/{job_id}")
    page = window.page
    page.wait_for_function("() => document.querySelector('video[controls]').duration > 0")
    expect(page.locator("#variants video")).to_have_count(2)
    page.locator("#variants").scroll_into_view_if_needed()
    page.wait_for_function(
        "() => [...document.querySelectorAll('#variants video')].every(video => video.readyState)"
    )
    assert window.violations() == []


def test_an_admin_replays_and_deletes_and_a_reader_cannot(visit: Visit, stack: Stack) -> None:
    job_id = finish_job(stack, outcome="error")
    reader = visit(f"/jobs/{job_id}", "read").page
    expect(reader.get_by_role("link", name="Delete")).to_have_count(0)
    reader.goto(f"{stack.installation.url}/jobs/{job_id}/delete")
    expect(reader.get_by_text("This needs a key with scope admin")).to_be_visible()
    page = visit(f"/jobs/{job_id}").page
    page.get_by_role("link", name="Replay").click()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("The replay has started")).to_be_visible()
    expect(page.locator("#timeline")).to_contain_text("Replay requested")
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The job and its media are deleted")).to_be_visible()
    assert stack.client.find(job_id) is None


def test_a_session_that_is_over_leads_to_the_login_and_back(visit: Visit, stack: Stack) -> None:
    page = visit("/?limit=9").page
    page.context.clear_cookies()
    finish_job(stack)  # news, which the page may not look at any more
    expect(page.get_by_label("API key")).to_be_visible()
    log_in_by_hand(page, "read")
    assert page.url.endswith("/?limit=9")


def test_whatever_looks_like_html_is_text(visit: Visit, stack: Stack) -> None:
    window = visit()
    body = {"metadata": {EVIL: EVIL, "deep": {EVIL: [EVIL]}, "essay": "雾" * 600}}
    stored = finish_job(stack, prompt=EVIL, body=body)
    failed = finish_job(stack, outcome="error", error_text=EVIL)
    moderated = finish_job(stack, outcome="content_moderated", reasons=[EVIL])
    page = window.page
    for job_id, name in ((stored, ".prompt"), (moderated, ".placeholder")):
        expect(card(page, job_id).locator(name)).to_contain_text(EVIL[:28])  # by a live update
    for job_id in (stored, failed, moderated):
        page.goto(f"{stack.installation.url}/jobs/{job_id}")
        expect(page.locator("main")).to_contain_text(EVIL)
    page.goto(f"{stack.installation.url}/?metadata.x={EVIL}&model={EVIL}")
    expect(page.locator(".active-filters")).to_contain_text(EVIL[:28])
    assert "taken" not in page.title() and window.complaints == []
    assert page.locator("img[src=x]").count() == 0


def test_without_scripts_everything_but_liveness_works(visit: Visit, stack: Stack) -> None:
    job_id = store_image(stack, 6, 640, 480)
    page = visit("/?limit=1", java_script_enabled=False).page
    first = page.locator(".cards > li").get_attribute("id")
    page.get_by_role("link", name="Older").click()
    assert page.locator(".cards > li").get_attribute("id") != first
    page.get_by_role("link", name="Newest").click()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Source").select_option("callback")
    page.get_by_label("Since").fill("2026-01-31T10:00")
    page.get_by_role("button", name="Show").click()
    assert "source=callback&since=2026-01-31T10%3A00%3A00Z" in page.url
    page.goto(f"{stack.installation.url}/jobs/{job_id}")
    expect(page.locator("time").first).to_have_text(re.compile("^(now|\\d+ (s|min) ago)$"))
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    assert stack.client.find(job_id) is None


def test_every_page_fits_and_is_for_everybody(visit: Visit, stack: Stack) -> None:
    window = visit()
    page = window.page
    under_way = start_job(stack, seconds=600, callback="never")
    stored = stack.client.jobs(status="stored")[0]["id"]
    for path in ("/", f"/jobs/{stored}", f"/jobs/{under_way}"):
        page.goto(stack.installation.url + path)
        assert problems_seen(window) == [], path
    assert (window.strangers, window.complaints) == ([], [])


def test_a_page_that_is_open_says_that_it_is_old(visit: Visit, stack: Stack) -> None:
    page = visit().page
    old = page.get_by_text("This page may be out of date")
    stack.installation.redis.pause()
    try:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # looked at again
        expect(old).to_be_visible()
    finally:
        stack.installation.redis.resume()
    expect(old).to_be_hidden()


def test_a_page_weighs_little_and_does_not_jump(visit: Visit, stack: Stack) -> None:
    wait_for("all is drawn", lambda: not stack.awaiting_thumbnails())
    window = visit()
    page = window.page
    page.add_init_script(
        """window.shifts = []; new PerformanceObserver(list => list.getEntries().forEach(entry =>
            window.shifts.push([entry.value, entry.sources.map(
                ({node, previousRect, currentRect}) => [
                    node && (node.outerHTML || node.textContent).slice(0, 200),
                    JSON.stringify(previousRect), JSON.stringify(currentRect)])])))
            .observe({type: 'layout-shift', buffered: true})"""
    )
    page.route("**/live?*", lambda _: None)  # held: jobs of other tests may change meanwhile
    page.goto(f"{stack.installation.url}/", wait_until="load")
    page.wait_for_function("() => [...document.images].some(image => image.complete)")
    weights = page.evaluate(
        """() => performance.getEntries().filter(one => one.decodedBodySize
            && !["img", "video"].includes(one.initiatorType)).map(one => one.decodedBodySize)"""
    )
    assert len(weights) > 3 and sum(weights) < WEIGHT_MAX_BYTES, weights
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.01, shifts


def test_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit().page
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.locator(".card a").first.focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("article.job")).to_be_visible()
