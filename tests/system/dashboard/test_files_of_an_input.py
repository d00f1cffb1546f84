"""Files in the form: keyframes with their times, references in their order, URLs among them."""

import base64
import secrets
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.harness import Stack, wait_for
from tests.harness.chromium import Window
from tests.harness.smallest_inputs import smallest_input
from tests.harness.visitor import Visitor, choose_model, log_in, problems_seen, readable
from tests.sandbox.formats import gradient
from tests.system.dashboard.form_page import PASTE, FormPage

FIRST, SECOND, THIRD = (gradient(n) for n in (11, 12, 13))
ENCODED = [base64.b64encode(body).decode() for body in (FIRST, SECOND, THIRD)]
URL = "https://images.example/a.png"
VIDEO = {"model": "flux-3-video", "mode": "i2v"}


def image(body: bytes) -> FilePayload:
    return {"name": "image.png", "mimeType": "image/png", "buffer": body}


def choose(page: Page, control: str, *bodies: bytes) -> None:
    place = page.locator(f"[data-control={control}]")
    place.locator("[type=file]").set_input_files([image(body) for body in bodies])
    expect(place.locator("canvas").nth(len(bodies) - 1)).to_be_visible()


def sent(stack: Stack, prompt: str, n: int = 1) -> dict[str, Any]:
    """The input of the newest of n tasks with a prompt."""

    def found() -> list[dict[str, Any]]:
        inputs = [dict(task.input) for task in stack.sandbox.tasks()]
        mine = [one for one in inputs if one.get("prompt") == prompt]
        return mine if len(mine) >= n else []

    return wait_for(f"{n} tasks", found)[-1]


def send(stack: Stack, files: Any = None, **fields: str) -> Any:
    visitor = Visitor(stack.installation.url, "submit")
    fields = {"idempotency_key": secrets.token_hex(8), **fields}
    return visitor.post("/submit", page="/submit", files=files or [], **fields)


@pytest.mark.browser
def test_keyframes_get_their_times_and_keep_them(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    choose_model(page, "flux-3-video")
    page.locator("#mode").select_option("i2v")
    choose(page, "keyframes", FIRST, SECOND)
    page.fill("#keyframes", URL)
    page.fill("#prompt", "from frame to frame")
    frames = page.locator("[data-control=keyframes] li")
    expect(frames).to_have_count(3)
    page.get_by_label("Move image 2 forward").click()
    for n, seconds in enumerate(("0", "2.5", "5")):
        frames.nth(n).get_by_label("Seconds of keyframe").fill(seconds)
    assert problems_seen(window) == []
    page.click("#submit")
    page.wait_for_selector("#result .preview video")
    keyframes = [[0.0, ENCODED[1]], [2.5, ENCODED[0]], [5.0, URL]]
    assert sent(stack, "from frame to frame")["keyframes"] == keyframes

    page.get_by_role("link", name="Open the job").click()
    expect(page.get_by_text("takes no seed: variants may look alike")).to_be_visible()
    page.get_by_role("link", name="Use again").click()
    expect(page.locator("#mode")).to_have_value("i2v")
    expect(frames).to_have_count(3)
    expect(frames.nth(1).get_by_label("Seconds of keyframe")).to_have_value("2.5")
    page.get_by_label("Remove image 1").click()
    page.locator("#draft").select_option("yes")
    page.click("#submit")
    page.wait_for_selector("#result .preview video")
    again = sent(stack, "from frame to frame", 2)
    assert (again["keyframes"], again["draft"]) == (keyframes[1:], True)
    assert (window.complaints, window.strangers) == ([], [])


@pytest.mark.browser
def test_what_was_typed_and_chosen_outlives_another_model(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    page.fill("#prompt", "a coat on a stranger")
    page.fill("#seed", "5")
    choose(page, "input_image", FIRST, SECOND)
    for model, field in (("flux-3-image", "#resolution"), ("flux-3-video", "#mode")):
        choose_model(page, model)
        expect(page.locator(field)).to_be_visible()
    assert page.locator(".images").count() == 0, "text to video takes no files"
    choose_model(page, "flux-tools/vto-v2")
    expect(page.locator("[data-control=person] canvas")).to_have_count(2)
    page.locator("[data-control=person]").get_by_label("Remove image 1").click()
    choose(page, "garment", THIRD)
    assert page.input_value("#seed") == "5"
    page.click("#submit")
    page.wait_for_selector("#result .preview img")
    assert sent(stack, "a coat on a stranger") == {
        "prompt": "a coat on a stranger",
        "person": ENCODED[1],
        "garment": ENCODED[2],
        "seed": 5,
    }


@pytest.mark.browser
def test_a_pasted_image_goes_where_there_is_room(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/submit", "submit")
    choose_model(page, "flux-tools/erase-v1")
    for name, encoded in zip(("image", "mask"), ENCODED, strict=False):
        page.evaluate(PASTE, encoded)
        expect(page.locator(f"[data-control={name}] canvas")).to_have_count(1)
    page.fill("#dilate_pixels", "7")
    page.click("#submit")
    page.wait_for_selector("#result .preview img")
    erased = [task.input for task in stack.sandbox.tasks() if "dilate_pixels" in task.input]
    assert erased == [{"image": ENCODED[0], "mask": ENCODED[1], "dilate_pixels": 7}]


def test_without_a_script_times_stand_before_the_files(stack: Stack) -> None:
    files = [("keyframes", ("a", FIRST)), ("keyframes", ("b", SECOND))]
    timed = {**VIDEO, "prompt": "timed", "keyframes": f"0 file:1\n2.5 {URL}\n5  file:0"}
    assert send(stack, files, **timed).status_code == 303
    assert sent(stack, "timed")["keyframes"] == [[0.0, ENCODED[1]], [2.5, URL], [5.0, ENCODED[0]]]
    assert send(stack, files, **VIDEO, prompt="untimed").status_code == 303
    assert sent(stack, "untimed")["keyframes"] == ENCODED[:2]


def test_either_all_files_have_times_or_none(stack: Stack) -> None:
    files = [("keyframes", ("a", FIRST)), ("keyframes", ("b", SECOND))]
    answer = send(stack, files, **VIDEO, prompt="timed", keyframes="1 file:0")
    assert answer.status_code == 422 and "its time in seconds, or none" in readable(answer.text)


@pytest.mark.parametrize(
    ("model", "fields", "files", "expected"),
    [
        (
            "flux-2-pro",
            {"input_image": f"{URL}?2\nfile:0\n{URL}?1"},
            [("input_image", FIRST)],
            {"input_image": f"{URL}?2", "input_image_2": ENCODED[0], "input_image_3": f"{URL}?1"},
        ),
        (
            "flux-2-pro",
            {"input_image_2": URL},
            [("files", FIRST), ("input_image_4", SECOND), ("files", THIRD)],
            {
                "input_image": ENCODED[0],
                "input_image_2": URL,
                "input_image_3": ENCODED[2],
                "input_image_4": ENCODED[1],
            },
        ),
        ("flux-3-image", {"images": URL}, [("files", FIRST)], {"images": [URL, ENCODED[0]]}),
        ("flux-9", {}, [("new_image", FIRST)], {"new_image": ENCODED[0]}),
        (
            "flux-2-pro",
            {},
            [("files", FIRST)] * 9,
            {"input_image": ENCODED[0]} | {f"input_image_{n}": ENCODED[0] for n in range(2, 10)},
        ),
    ],
)
def test_files_and_urls_go_into_their_fields(
    stack: Stack, model: str, fields: dict[str, str], files: Any, expected: Any
) -> None:
    stack.sandbox.settings.any_model = True  # a model of tomorrow
    prompt = f"no. {secrets.token_hex(4)}"
    uploads = [(name, ("file", body)) for name, body in files]
    answer = send(stack, uploads, model=model, prompt=prompt, **fields)
    assert answer.status_code == 303, readable(answer.text)
    assert sent(stack, prompt) == {"prompt": prompt, **expected}


def test_two_files_for_one_field_are_told(stack: Stack) -> None:
    files = [("image", ("a", FIRST)), ("image", ("b", SECOND))]
    answer = send(stack, files, model="flux-tools/deblur-v1")
    assert answer.status_code == 422 and "Give one: a file or a URL." in readable(answer.text)


def test_a_form_that_is_used_again_sends_the_same_in_the_same_order(stack: Stack) -> None:
    asked = {
        **smallest_input("flux-2-pro"),
        "prompt": "again",
        "input_image": URL,
        "input_image_2": ENCODED[0],
        "input_image_3": ENCODED[0],
        "seed": -3,
        "disable_pup": True,
        "width": None,
        "new": {"a": [1]},
    }
    job = stack.client.submit("flux-2-pro", **asked)
    stack.client.wait_for(job["id"])
    visitor = Visitor(stack.installation.url, "submit")
    form = FormPage(visitor.get("/submit", again=job["id"]).text, "submit-form")
    answer = visitor.post("/submit", files=[("files", ("", b""))], **form.fields)
    assert answer.status_code == 303, readable(answer.text)
    assert sent(stack, "again", 2) == asked


def test_variants_of_a_video_are_submitted_without_a_seed(stack: Stack) -> None:
    job = stack.client.submit("flux-3-video", mode="t2v", prompt="waves, and waves")
    stack.client.wait_for(job["id"])
    visitor = Visitor(stack.installation.url, "submit")
    fields = {"n": "2", "idempotency_key": secrets.token_hex(8)}
    assert visitor.post(f"/jobs/{job['id']}/variants", **fields).status_code == 303
    assert sent(stack, "waves, and waves", 3) == {"mode": "t2v", "prompt": "waves, and waves"}
    for one in stack.client.jobs(repeats=job["id"]):
        assert stack.client.wait_for(one["id"])["status"] == "stored"
