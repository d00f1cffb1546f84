"""Jobs that are selected in the gallery are starred, rescued and deleted."""

import re
from html import unescape
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.harness import Stack, wait_for
from tests.harness.chromium import Window
from tests.harness.screenshots.sample_jobs import finish_job, store_image
from tests.harness.visitor import Visitor, log_in, problems_seen, readable
from tests.system.dashboard.form_page import FormPage

TARGET = re.compile(r'id="confirmation" action="(/selection[^"]*)"')
COVERED = """() => {
    scrollTo(0, document.body.scrollHeight);
    const bar = document.querySelector("#selection").getBoundingClientRect();
    return [...document.querySelectorAll(".select")].filter(box => {
        const found = box.getBoundingClientRect();
        return found.bottom > bar.top && found.right > bar.left && found.left < bar.right;
    }).length;
}"""


def selected(page: Page) -> str:
    return page.locator("#selection [role=status]").inner_text()


@pytest.mark.browser
def test_selected_jobs_are_starred_and_deleted(stack: Stack, window: Window) -> None:
    body = {"metadata": {"album": "fog"}}
    ids = [store_image(stack, n, 640, 480, body=body) for n in range(5)][::-1]  # newest first
    page = log_in(window, stack.installation.url, "/?metadata.album=fog&limit=5")
    cards, boxes = page.locator(".card a"), page.locator(".select")
    cards.nth(0).focus()
    page.keyboard.press("Enter")
    article = page.locator("article.job")
    expect(article).to_have_attribute("data-id", ids[0])
    page.wait_for_load_state()
    page.keyboard.press("z")
    expect(page.get_by_role("dialog", name="Zoomed image")).to_be_visible()
    page.keyboard.press("Escape")
    for key, n in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        expect(article).to_have_attribute("data-id", ids[n])
    assert problems_seen(window) == []
    page.get_by_role("link", name="All jobs").click()
    cards.nth(0).press("x")
    cards.nth(2).press("Shift+X")
    assert selected(page) == "3 selected"
    page.keyboard.press("a")
    assert selected(page) == "5 selected"
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()
    boxes.nth(1).press("Space")
    boxes.nth(3).click(modifiers=["Shift"])
    assert selected(page) == "3 selected"
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate(COVERED) == 0, "the bar covers a box at the end of the page"
        assert page.locator("#selection [role=status]").bounding_box()["height"] < 30, "one line"
    assert problems_seen(window) == []

    page.get_by_role("button", name="Star").click()
    expect(page.get_by_text("3 jobs are starred.")).to_be_visible()
    assert selected(page) == "3 selected", "they stay selected for what comes next"
    page.get_by_role("link", name="Starred", exact=True).click()
    expect(page.locator(".card")).to_have_count(3)
    assert stack.client.job(ids[1])["metadata"] == {"album": "fog", "starred": True}
    sidecar = next(stack.installation.media.glob(f"*/*/*/{ids[1]}-*.json"))
    assert '"starred"' in sidecar.read_text()

    cards.nth(0).focus()
    page.keyboard.press("x")
    page.get_by_role("button", name="Unstar").click()
    expect(page.locator(".card")).to_have_count(2)
    boxes.nth(0).check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete 1 job for good").click()
    expect(page.get_by_text("1 job is deleted.")).to_be_visible()
    assert page.url.endswith("/?limit=5&metadata.album=fog&metadata.starred=true")
    assert [job["id"] for job in stack.client.jobs(**{"metadata.album": "fog"})] == [
        *ids[:2],
        *ids[3:],
    ]
    assert (window.complaints, window.strangers) == ([], [])


@pytest.mark.browser
def test_a_card_that_changes_keeps_the_focus_of_the_keyboard(stack: Stack, window: Window) -> None:
    task = stack.announced(seconds=3600)
    stack.announce(task, metadata={"album": "focus"})
    page = log_in(window, stack.installation.url, "/?metadata.album=focus")
    link = page.locator(".card.submitted a")
    link.focus()
    stack.client.callback({"id": task.id, "status": "Content Moderated"}).raise_for_status()
    expect(page.locator(".card.moderated")).to_have_count(1)
    expect(page.locator(".card.moderated a")).to_be_focused()


def test_all_that_match_are_starred_downloaded_and_deleted_after_their_number(stack: Stack) -> None:
    body = {"metadata": {"album": "all of it"}}
    ids = [finish_job(stack, body=body, prompt=f"a harbour {n}") for n in range(3)]
    other, visitor = finish_job(stack), Visitor(stack.installation.url)
    path = "/selection?q=harbour&metadata.album=all of it"
    early = stack.client.job(ids[1])["created_at"]
    question = visitor.post(f"{path}&until={early}", action="star", all="yes").text
    target = unescape(TARGET.findall(question)[0])
    assert "Star 1 job?" in question
    assert "the one job that now matches words: harbour , album: all of it" in readable(question)
    visitor.post(target, **FormPage(question, "confirmation").fields)
    starred = {"metadata.album": "all of it", "metadata.starred": "true"}
    assert [job["id"] for job in stack.client.jobs(**starred)] == ids[:1]
    page = visitor.get("/", q="harbour", limit=1).text
    assert "All that match" in page and "All that match" not in visitor.get("/", limit=1).text

    def confirmed(action: str) -> requests.Response:
        question = visitor.post(path, action=action, all="yes").text
        assert f"{action.capitalize()} 3 jobs?" in question
        form = FormPage(question, "confirmation").fields
        later = finish_job(stack, body=body, prompt="a harbour that is new")
        answer = visitor.post(unescape(TARGET.findall(question)[0]), **form)
        stack.client.request("DELETE", f"/api/jobs/{later}").raise_for_status()
        return answer

    assert confirmed("star").status_code == 303
    assert {job["id"] for job in stack.client.jobs(**starred)} == {*ids}
    for path_of_file in stack.installation.media.glob(f"*/*/*/{ids[0]}-*"):
        path_of_file.unlink()
    with ZipFile(BytesIO(confirmed("download").content)) as archive:
        assert archive.testzip() is None
        names = {name for name in archive.namelist() if name.endswith(".json")}
        assert names == {f"{job_id}-0.json" for job_id in ids[1:]}
        lost = archive.read("MISSING.txt").decode().splitlines()
        assert len(lost) == 1 and lost[0].startswith(f"{ids[0]}-0.")
        (image,) = (
            name for name in {*archive.namelist()} - names if name.startswith(f"{ids[1]}-0.")
        )
        assert archive.read(image) == stack.client.media(stack.client.job(ids[1]))
    answer = confirmed("delete")
    assert "3 jobs will be deleted" in visitor.text(answer.headers["Location"])
    wait_for("they are gone", lambda: not any(map(stack.client.find, ids)))
    assert stack.client.find(other)
    assert visitor.post("/selection", action="delete", all="yes").status_code == 400
    changed = visitor.post("/selection?q=fog", action="delete", all="yes", count="99").text
    assert "Another number of jobs matches by now. Delete" in readable(changed)
    nothing = _said(visitor, path, action="delete", all="yes", count="0")
    assert "None of these jobs is left." in nothing


def test_a_selection_works_without_a_script_for_those_who_may(stack: Stack) -> None:
    failed, stored = finish_job(stack, outcome="error"), store_image(stack, 1, 640, 480)
    visitor = Visitor(stack.installation.url)
    send = {"page": "/submit", "back": "/?limit=9", "job": stored}
    assert "No job is selected" in _said(visitor, action="delete", page="/submit")
    nothing = send | {"job": failed}
    assert "None of these jobs has a file." in _said(visitor, action="download", **nothing)
    question = visitor.post("/selection", action="delete", **send)
    assert "Delete 1 job?" in question.text and stack.client.find(stored)
    for every in ("/selection?status=stored", "/selection?q=nosuchword"):
        assert "None of these jobs can be replayed" in _said(
            visitor, every, action="replay", all="yes", **send
        )
    assert "None of these jobs can be replayed" in _said(visitor, action="replay", **send)
    assert "None of these jobs is left." in _said(visitor, action="delete", **send | {"job": "no"})
    assert "only a job that failed" in _said(visitor, action="replay", confirmed="yes", **send)
    said = _said(visitor, action="replay", confirmed="yes", **send | {"job": failed})
    assert "1 job is replayed." in said
    assert "1 job is deleted." in _said(visitor, action="delete", confirmed="yes", **send)
    assert stack.client.find(stored) is None
    assert visitor.post("/selection", action="erase", **send).status_code == 400
    many: Any = [f"job-{n}" for n in range(1001)]
    assert visitor.post("/selection", action="delete", **send | {"job": many}).status_code == 400
    for scope, action in (("read", "star"), ("submit", "delete"), ("submit", "replay")):
        other = Visitor(stack.installation.url, scope)
        answer = other.post("/selection", action=action, page="/", confirmed="yes", job=failed)
        assert answer.status_code == 403
    other = Visitor(stack.installation.url, "submit")
    said = _said(other, action="star", page="/submit", job=failed)
    assert "0 jobs are starred. 1 could not be" in said, "another key brought it"
    outside = visitor.post("/selection", action="star", **send | {"back": "//elsewhere.example"})
    assert outside.headers["Location"] == "/"


def _said(visitor: Visitor, path: str = "/selection", **fields: str) -> str:
    """The text of the page that comes after."""
    answer = visitor.post(path, **fields)
    assert answer.status_code == 303, readable(answer.text)
    return visitor.text(answer.headers["Location"])
