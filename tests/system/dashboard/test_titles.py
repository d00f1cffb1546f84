"""Cards are titled with the caller's prompt, and the API's pages show code as code."""

import pytest

from tests.harness import Stack
from tests.harness.visitor import Visitor

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
