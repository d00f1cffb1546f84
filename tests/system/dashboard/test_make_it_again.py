"""An edit in a browser: paste an image, submit, use it again, and compare the variants."""

import base64
import secrets
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect
from requests import Response

from tests.harness import Stack, wait_for_none
from tests.harness.chromium import Window
from tests.harness.visitor import Visitor, choose_model, log_in, problems_seen
from tests.sandbox.formats import MP4, gradient
from tests.system.dashboard.form_page import PASTE

IMAGE, OTHER = gradient(3), gradient(4)
ROLES = ["sample", "draft_cache"]
EVENT_MILLISECONDS = 1000  # fewer could only hide a defect


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def paste(page: Page, image: bytes) -> None:
    before = page.locator(".images li").count()
    page.evaluate(PASTE, encoded(image))
    expect(page.locator(".images li")).to_have_count(before + 1)


def tasks(stack: Stack, prompt: str) -> list[dict[str, object]]:
    return [
        dict(task.input) for task in stack.sandbox.tasks() if task.input.get("prompt") == prompt
    ]


@pytest.mark.browser
def test_a_pasted_image_is_edited_used_again_and_compared(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    paste(page, OTHER)
    paste(page, IMAGE)
    page.get_by_label("Move image 2 forward").click()
    page.fill("#prompt", "the same at night")
    page.fill("#seed", "7")
    assert problems_seen(window) == []
    page.click("#submit")
    page.wait_for_selector("#result .preview img")
    (first,) = tasks(stack, "the same at night")
    assert first["input_image"] == encoded(IMAGE) and first["input_image_2"] == encoded(OTHER)

    page.get_by_role("link", name="Open the job").click()
    page.get_by_role("link", name="Use again").click()
    expect(page.locator("#prompt")).to_have_value("the same at night")
    expect(page.locator(".images img")).to_have_count(2)
    page.fill("#seed", "8")
    page.click("#submit")
    page.wait_for_selector("#result .preview img")
    again = tasks(stack, "the same at night")[-1]
    assert again == {**first, "seed": 8}

    page.get_by_role("link", name="Open the job").click()
    compared = page.locator("#variants li")
    expect(compared).to_have_count(2)
    expect(compared.locator("img")).to_have_count(2)
    assert {"seed 7", "seed 8"} <= set(compared.locator("small").all_inner_texts())
    page.locator("#count").select_option("2")
    page.get_by_role("button", name="Make variants").click()
    expect(page.locator("#variants li img")).to_have_count(4)
    assert problems_seen(window) == []
    assert (window.complaints, window.strangers) == ([], [])
    assert len({str(one["seed"]) for one in tasks(stack, "the same at night")}) == 4


@pytest.mark.browser
def test_a_draft_is_enhanced_from_the_form_and_again(stack: Stack, window: Window) -> None:
    draft = stack.client.submit("flux-3-video", mode="t2v", prompt="waves", draft=True)["id"]
    assert [file["role"] for file in stack.client.wait_for(draft)["media"]] == ROLES
    page = log_in(window, stack.installation.url, f"/jobs/{draft}", "submit")
    page.get_by_role("link", name="Enhance this draft").click()
    expect(page.locator("#draft_cache")).to_have_value(f"{draft} 0")
    page.fill("#draft_cache", "nothing")
    page.click("#submit")
    expect(page.locator("#draft_cache-error")).to_have_text("no job has this id")
    page.fill("#draft_cache", draft)
    page.click("#submit")
    page.wait_for_selector("#result .preview video")
    assert "draft_cache" not in page.url and page.input_value("#draft_cache") == draft
    page.get_by_role("link", name="Open the job").click()
    expect(page.get_by_role("button", name="Make variants")).to_have_count(0)
    page.get_by_role("link", name="Use again").click()
    expect(page.locator("#draft_cache")).to_have_value(f"{draft} 0")
    page.click("#submit")
    page.wait_for_selector("#result .preview video")
    enhanced = [task for task in stack.sandbox.tasks() if "draft_cache" in task.input]
    assert [set(task.input) for task in enhanced] == [{"mode", "draft_cache"}] * 2


@pytest.mark.browser
def test_a_refresh_under_way_does_not_hide_what_was_submitted_meanwhile(
    stack: Stack, window: Window
) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if held or route.request.method != "GET":
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page.route("**/submit", hold_the_first)
    with page.expect_request("**/submit"):
        stack.stored(stack.generate())  # changes, for which the page renews itself
    page.fill("#prompt", "faster than the page")
    page.click("#submit")
    page.wait_for_url("**/submit?*job=*")
    job_id = parse_qs(urlsplit(page.url).query)["job"][0]
    assert stack.client.wait_for(job_id)["status"] == "stored"
    wait_for_none("its thumbnail is made", stack.awaiting_thumbnails)
    page.wait_for_timeout(EVENT_MILLISECONDS)  # its last change has come, and none follows
    ((route, answer),) = held
    route.fulfill(response=answer)
    page.wait_for_selector("#result .preview img")


@pytest.mark.browser
def test_a_video_is_chosen_for_the_model_that_edits_videos(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    choose_model(page, "flux-tools/video-edit-v1")
    video = page.locator("[data-control=video]")
    expect(video.locator("legend")).to_contain_text("Video to edit")
    choice = {"name": "a.mp4", "mimeType": "video/mp4", "buffer": MP4}
    video.locator("[type=file]").set_input_files(choice)
    expect(video.locator("li")).to_contain_text("a.mp4")
    page.fill("#prompt", "the same in winter")
    page.click("#submit")
    page.wait_for_selector("#result .preview video")
    (task,) = tasks(stack, "the same in winter")
    assert task["video"] == encoded(MP4)


def test_without_a_script_other_fields_and_metadata_are_sent_too(stack: Stack) -> None:
    page = Visitor(stack.installation.url, "submit").get("/submit", model="flux-2-flex").text
    assert 'name="guidance"' in page and "<noscript>" in page
    given = {"prompt": "plain", "guidance": "2.5", "prompt_upsampling": "no"}
    more = {"more": '{"new_field": [1]}', "metadata": '{"album": "fog"}'}
    answer = sent(stack, model="flux-2-flex", **given, **more)
    assert answer.status_code == 303, answer.text
    job = stack.client.wait_for(answer.headers["Location"].partition("job=")[2].partition("&")[0])
    assert job["metadata"] == {"album": "fog"}
    asked = {"prompt": "plain", "guidance": 2.5, "prompt_upsampling": False, "new_field": [1]}
    assert tasks(stack, "plain") == [asked]


@pytest.mark.browser
def test_what_is_refused_stays_in_the_form_with_a_reason(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    page.fill("#prompt", "x" * 300_000)  # more than a form may have
    page.click("#submit")
    expect(page.locator("#form-error")).to_contain_text("The form is too large")
    assert len(page.locator("#prompt").input_value()) == 300_000
    page.evaluate(PASTE, encoded(b"no image"))
    expect(page.locator(".images [role=alert]")).to_contain_text("pasted.png is left out")
    expect(page.locator(".images li")).to_have_count(0)


def test_errors_about_fields_without_a_control_are_shown(stack: Stack) -> None:
    answer = sent(stack, prompt="fog", more='{"webhook_url": "https://app.example"}')
    assert answer.status_code == 422 and 'id="more-error"' in answer.text
    assert "notify_url" in answer.text


def test_a_long_text_in_any_field_is_used_again(stack: Stack) -> None:
    prompt, style = "a fox, " * 400 + "red", "as in a dream, " * 200 + "or not"
    given = {"model": "flux-2-pro", "input": {"prompt": prompt, "styles": [style]}}
    job_id = stack.client.request("POST", "/api/jobs", json=given).json()["id"]
    stack.client.wait_for(job_id)  # the worker keeps such an input
    page = Visitor(stack.installation.url, "submit").get("/submit", again=job_id).text
    assert f">{prompt}</textarea>" in page and style in page


def test_a_form_may_outlive_the_job_and_the_images_that_filled_it(stack: Stack) -> None:
    answer = sent(stack, prompt="alone", repeats="../../nobody")
    job = stack.client.wait_for(answer.headers["Location"].partition("job=")[2].partition("&")[0])
    assert "repeats" not in job
    gone = sent(stack, prompt="with an image", repeats=job["id"], input_image="input:0")
    assert gone.status_code == 409 and "were deleted. Add them again." in gone.text


def sent(stack: Stack, **fields: str) -> Response:
    """The answer to a form that is sent without a script."""
    visitor = Visitor(stack.installation.url, "submit")
    common = {"model": "flux-2-pro", "idempotency_key": secrets.token_hex(8)}
    return visitor.post("/submit", page="/submit", **common | fields)
