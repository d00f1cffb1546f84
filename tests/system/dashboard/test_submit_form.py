"""Submitting from the dashboard: the API's own path, with a form in front of it."""

import base64
import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import expect

from jobs.config.settings import load
from jobs.services import for_web
from receiver.app import create_app
from tests.harness import KEYS, Stack
from tests.harness.chromium import Window
from tests.harness.screenshots.sample_jobs import finish_job
from tests.harness.visitor import Visitor, choose_model, csrf_token, log_in, problems_seen, readable
from tests.sandbox.formats import gradient

IMAGE = gradient(3)
ENCODED = base64.b64encode(IMAGE).decode()
HOSTILE = "<script>alert(1)</script> & \"a\" 'b'"


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack.installation.url, "submit")


def idempotency_key(visitor: Visitor) -> str:
    found = re.search(r'name="idempotency_key" value="([^"]+)"', visitor.get("/submit").text)
    assert found
    return found[1]


def send(visitor: Visitor, **fields: str) -> requests.Response:
    filled = {
        "model": "flux-2-pro",
        "prompt": "a lighthouse",
        "idempotency_key": idempotency_key(visitor),
        **fields,
    }
    return visitor.post("/submit", page="/submit", **filled)


def job_of(answer: requests.Response) -> str:
    assert answer.status_code == 303, readable(answer.text)
    return parse_qs(urlsplit(answer.headers["Location"]).query)["job"][0]


def test_the_result_is_on_the_page_that_comes_after(stack: Stack, visitor: Visitor) -> None:
    answer = send(visitor, prompt=HOSTILE)
    stack.client.wait_for(job_of(answer))
    page = visitor.get(answer.headers["Location"]).text
    assert "script" not in answer.headers["Location"], "no URL contains a prompt"
    assert f'href="/jobs/{job_of(answer)}"' in page
    assert "/media/" in page
    assert "<script>alert" not in page


def test_the_result_is_shown_under_any_name_of_ours(stack: Stack, visitor: Visitor) -> None:
    answer = send(visitor)
    stack.client.wait_for(job_of(answer))
    other = Visitor(stack.installation.url.replace("127.0.0.1", "localhost"), "submit")
    page = other.get(answer.headers["Location"]).text
    assert '<img src="/media/' in page, "the Content-Security-Policy allows no other origin"


def test_a_result_without_a_prompt_is_shown_too(stack: Stack, visitor: Visitor) -> None:
    job_id = finish_job(stack, payload="legacy")
    assert "prompt" not in stack.client.job(job_id)["result"]
    assert 'alt="The generated image"' in visitor.get("/submit", job=job_id).text


def test_the_form_is_asked_for_again_when_it_was_sent_with_other_words(visitor: Visitor) -> None:
    same = idempotency_key(visitor)
    job_of(send(visitor, idempotency_key=same))
    answer = send(visitor, idempotency_key=same, prompt="another")
    assert answer.status_code == 409
    assert "This form was sent before" in readable(answer.text)
    assert same not in answer.text


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model", "", "a path of A-Z a-z 0-9"),
        ("model", "../../v1/credits", "a path of A-Z a-z 0-9"),
        ("model", "x" * 300, "at most 200 characters"),
        ("prompt", " ", "BFL requires it."),
        ("width", "1.5", "Enter a whole number."),
        ("height", "1e3", "Enter a whole number."),
        ("seed", "٣", "Enter a whole number."),
    ],
)
def test_an_error_is_at_its_field(visitor: Visitor, field: str, value: str, message: str) -> None:
    answer = send(visitor, **{field: value})
    assert answer.status_code == 422
    found = re.search(f'id="{field}-error">(.*?)</p>', answer.text)
    assert found and message in found[1]
    assert 'aria-invalid="true"' in answer.text
    assert 'aria-describedby="' in answer.text


def test_all_errors_are_shown_at_once_and_no_input_is_lost(visitor: Visitor) -> None:
    filled = {"model": "flux-3-video", "mode": "v2v", "aspect_ratio": "16:9", "duration": "long"}
    answer = send(visitor, prompt=HOSTILE, **filled)
    marked = set(re.findall(r'id="(\w+)-error"', answer.text))
    assert marked == {"form", "duration", "start_video"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert 'value="long"' in answer.text and 'value="16:9" checked' in answer.text


def test_a_key_that_may_only_read_has_no_form(stack: Stack) -> None:
    reader = Visitor(stack.installation.url, "read")
    assert reader.get("/submit").status_code == 403
    before = len(stack.client.jobs())
    assert reader.post("/submit", model="flux-2-pro", prompt="x").status_code == 403
    assert "/submit" not in reader.get("/health").text
    assert len(stack.client.jobs()) == before


def test_the_form_counts_against_the_rate_of_its_key(stack: Stack) -> None:
    given = {**stack.installation.settings, "RATE_LIMIT": "1/day"}
    parts = for_web(load({name: value for name, value in given.items() if value is not None}))
    with create_app(parts).test_client() as client:
        token = csrf_token(client.get("/login").text)
        client.post("/login", data={"key": KEYS["submit"], "csrf_token": token})
        token = csrf_token(client.get("/submit").text)
        filled = {"model": "flux-2-pro", "prompt": "kept", "csrf_token": token}
        for n in range(3):
            answer = client.post("/submit", data={"idempotency_key": f"key-{n}", **filled})
    assert answer.status_code == 429
    assert ">kept</textarea>" in answer.text
    parts.redis.close()


@pytest.mark.browser
def test_the_result_appears_in_place(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    assert problems_seen(window) == []
    page.set_viewport_size({"width": 360, "height": 740})  # the result is below the form
    page.evaluate("window.stayed = true")
    page.fill("#prompt", HOSTILE)
    before = len(stack.client.jobs())
    page.locator("#submit").evaluate("button => { button.click(); button.click(); }")
    expect(page.locator("#result .preview img")).to_be_in_viewport()
    assert page.evaluate("window.stayed")
    assert page.input_value("#prompt") == HOSTILE
    assert page.inner_text("#result .status") == "stored"
    assert len(stack.client.jobs()) == before + 1
    assert problems_seen(window) == []
    assert (window.complaints, window.strangers) == ([], [])


@pytest.mark.browser
def test_what_is_wrong_is_shown_without_leaving_the_page(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    choose_model(page, "../x")
    page.fill("#prompt", "kept")
    page.click("#submit")
    page.wait_for_selector("#model-error")
    assert page.input_value("#prompt") == "kept"
    assert page.evaluate("document.activeElement.id") == "model"
    assert problems_seen(window) == []
