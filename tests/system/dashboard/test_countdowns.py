"""Countdowns: the server writes what times.js shows a moment later."""

import pytest

from receiver.context import services
from receiver.dashboard.template_filters import remaining
from tests.system.dashboard.conftest import MakeApp


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "any moment"), (59.9, "in 59 s"), (250.9, "in 4:10"), (7199.9, "in 1:59:59")],
)
def test_a_countdown_shows_the_whole_seconds_that_are_left(
    make_app: MakeApp, seconds: float, text: str
) -> None:
    with make_app().app_context():
        assert remaining(services().store.now() + seconds) == text
