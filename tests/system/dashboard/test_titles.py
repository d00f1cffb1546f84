"""Titles of cards, countdowns, code in the pages of the API, and the header on phones."""

import base64

import pytest
from PIL import ImageFont

from receiver.context import current_services
from receiver.dashboard.template_filters import remaining
from tests.harness import Stack
from tests.harness.chromium import Chromium
from tests.harness.in_process_dashboard import MakeApp
from tests.harness.visitor import Visitor, log_in

ENHANCED = "a very detailed fox, in evening light"


def titles(stack: Stack, scope: str = "admin") -> str:
    return Visitor(stack.installation.url, scope).get("/").text


@pytest.mark.parametrize(
    "switches",
    [
        {"outcome": "error"},
        {"outcome": "content_moderated"},
        {"seconds": 3600},
        {"extra_result": {"prompt": ENHANCED}},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_card_has_the_prompt_of_the_caller(stack: Stack, switches: dict[str, object]) -> None:
    prompt = f"a fox {min(switches)}"
    job = stack.client.submit(prompt=prompt, sandbox=switches)
    if "seconds" not in switches:
        stack.client.wait_for(job["id"])
    assert f'<p class="prompt">{prompt}</p>' in titles(stack)
    # The API shows inputs to keys of scope `submit`.
    assert f'<p class="prompt">{prompt}</p>' not in titles(stack, "read")


@pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
def test_code_is_shown_as_code(stack: Stack, path: str) -> None:
    page = stack.installation.client("").get(path).text
    assert "<code>" in page and "&lt;code" not in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "any moment"), (59.9, "in 59 s"), (250.9, "in 4:10"), (7199.9, "in 1:59:59")],
)
def test_a_countdown_shows_the_seconds_left(make_app: MakeApp, seconds: float, text: str) -> None:
    with make_app().app_context():
        assert remaining(current_services().store.now() + seconds) == text


@pytest.mark.browser
@pytest.mark.parametrize("scale", [100, 150], ids=["font", "wide-font"])
def test_the_header_takes_two_lines_on_a_phone_and_one_on_a_tablet(
    chromium: Chromium, stack: Stack, scale: int
) -> None:
    with chromium.window(bypass_csp=True) as window:
        page = log_in(window, stack.installation.url)
        page.add_style_tag(content=font_face(scale))
        page.evaluate("document.fonts.load('16px Test')")
        for width, lines in ((320, 2), (360, 2), (390, 2), (768, 1), (1440, 1)):
            page.set_viewport_size({"width": width, "height": 800})
            middles = page.evaluate(
                """() => [".brand", ".site-header nav a", ".account"].flatMap(
                    selector => [...document.querySelectorAll(selector)].map(element => {
                        const box = element.getBoundingClientRect();
                        return Math.round((box.top + box.bottom) / 20);
                    }))"""
            )
            assert len(set(middles)) == lines, width
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def font_face(scale: int) -> str:
    """CSS that sets Pillow's own font; at 150 % it is wider than any usual font."""
    font = ImageFont.load_default(16)
    assert isinstance(font, ImageFont.FreeTypeFont)
    data = base64.b64encode(font.font_bytes).decode()
    return (
        f"@font-face {{ font-family: Test; src: url(data:font/ttf;base64,{data});"
        f" size-adjust: {scale}%; }} :root {{ --font-sans: Test; }}"
    )
