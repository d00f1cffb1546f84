"""The header of every page on narrow screens, with any font."""

import base64
from collections.abc import Iterator

import pytest
from PIL import ImageFont

from tests.harness.chromium import Chromium
from tests.harness.visitor import log_in
from tests.system.bad_input.target import web_alone

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with web_alone(tmp_path_factory.mktemp("header")) as target:
        yield target.installation.url


@pytest.mark.parametrize("scale", [100, 150], ids=["font", "wide-font"])
def test_the_header_takes_two_lines_on_a_phone_and_one_on_a_tablet(
    chromium: Chromium, url: str, scale: int
) -> None:
    page = log_in(chromium.window(bypass_csp=True), url)
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
