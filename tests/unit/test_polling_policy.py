"""Polling policy: how long a callback is waited for before the first poll."""

import pytest

from jobs.bfl.model_names import purpose, rank
from jobs.bfl.openapi_document import shipped_endpoints
from jobs.domain.bfl_report import URL_LIFE_SECONDS
from jobs.domain.polling_policy import Timeouts, callback_grace, typical_seconds

LIVE_FOR_AN_HOUR = {
    "flux-3-image": 540.0,
    "flux-3-video": 540.0,
    "flux-tools/video-edit-v1": 360.0,
    "flux-tools/video-upscale-v1": 360.0,
}
TOMORROW = ("flux-9-mega", "flux-3-image-max", "flux-3-image-4k-preview", "a/b", "", None)


@pytest.mark.parametrize("model", [*sorted(shipped_endpoints()), *TOMORROW])
def test_an_image_whose_callback_is_lost_is_polled_while_half_of_its_urls_life_is_left(
    model: str | None,
) -> None:
    grace = callback_grace(model)
    if model in LIVE_FOR_AN_HOUR:
        assert grace == LIVE_FOR_AN_HOUR[model]
    else:
        assert 10.0 <= grace <= URL_LIFE_SECONDS / 2


def test_a_wrong_guess_of_how_long_a_model_takes_costs_no_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobs.domain.polling_policy._TYPICAL_SECONDS", {"flux-2": 900.0})
    assert callback_grace("flux-2-pro") == URL_LIFE_SECONDS / 2
    own = Timeouts(callback_grace=450.0, give_up_after=3600.0)
    assert own.grace("flux-2-pro") == 450.0, "what an operator sets is not changed"


def test_flux_3_image_klein_is_a_fast_model_of_its_own() -> None:
    klein, image = "flux-3-image-klein", "flux-3-image"
    assert (typical_seconds(klein), typical_seconds(image)) == (5.0, 90.0)
    assert purpose(klein) != purpose(image) and rank(klein) < rank(image)
    fields = shipped_endpoints()[klein].modes[""].fields
    assert {"seed", "width", "height", "steps", "images", "output_format"} <= fields.keys()
    assert "seed" not in shipped_endpoints()[image].modes[""].fields
