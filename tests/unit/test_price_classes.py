"""Price classes: what BFL makes of an input, however it is written, and the most it may cost."""

from typing import Any

import pytest

from jobs.bfl.price_classes import PriceClass, bounded_price, price_class

IMAGE = "flux-2-pro"
VIDEO = "flux-3-video"
PLAIN = {"": 3.0}  # a prompt alone, at the size that BFL chooses


def most(model: str, prices: dict[str, float], **values: Any) -> float | None:
    return bounded_price(price_class(model, values), prices)[0]


@pytest.mark.parametrize(
    "side",
    [2048, 2048.0, "2048", " 2048 ", "2048.0", "2.048e3", "2_048", "02048", "+2048", "２０４８"],  # noqa: RUF001
)
def test_a_number_counts_however_it_is_written(side: Any) -> None:
    plain = price_class(IMAGE, {"width": 2048, "height": 2048})
    assert price_class(IMAGE, {"width": side, "height": side}) == plain
    assert plain.name == "4mp" and most(IMAGE, PLAIN, width=side, height=side) == 12


@pytest.mark.parametrize(
    "side", ["large", "", [2048], {"px": 2048}, "1e999", 10**400, "nan", "-inf"]
)
def test_a_size_that_cannot_be_read_counts_as_the_largest(side: Any) -> None:
    asked = price_class(IMAGE, {"width": side})
    assert not asked.is_certain and asked.area >= 8
    price = most(IMAGE, PLAIN, width=side)
    assert price is not None and price >= 24


@pytest.mark.parametrize("side", [None, 0, "0", 0.0, False, -5])
def test_what_leaves_the_size_to_bfl_is_the_usual_class(side: Any) -> None:
    assert price_class(IMAGE, {"width": side, "height": side}) == PriceClass()


def test_the_maximum_of_bfls_document_bounds_a_size() -> None:
    assert price_class("flux-dev", {"width": 99_999, "height": "99999"}).name == "2mp"
    assert price_class("flux-dev", {"width": "odd", "height": 1440}).area == 2


@pytest.mark.parametrize(
    "name",
    [
        *("number_of_generations", "num_images", "n", "batch_size", "variants", "numOutputs"),
        *("num_images_per_prompt", "numberOfImages", "quantity", "max_images", "image_count"),
        *("imageCount", "copies", "batchCount", "n_images", "total_images", "num_results", "N"),
    ],
)
@pytest.mark.parametrize("count", [459, "459", 459.0, " 459 ", 458.5, "4.59e2"])
def test_a_count_multiplies_the_price(name: str, count: Any) -> None:
    wanted = price_class(IMAGE, {name: count})
    assert wanted.multiplier == 459
    assert bounded_price(wanted, PLAIN) == (1377, True)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "num_inference_steps",
            "max_sequence_length",
            "max_output_tokens",
            "image_size",
            "output",
        ),
        *("sample", "batch_name", "prompt", "number_of_steps", "image_prompt_strength", "size"),
    ],
)
def test_what_counts_something_else_multiplies_nothing(name: str) -> None:
    assert price_class(IMAGE, {name: 50}).multiplier == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("megapixels", 16), ("size", "2048x2048"), ("resolution", "4MP"), ("num_frames", 200)],
)
def test_a_size_that_the_document_does_not_have_is_a_kind_without_a_price(
    name: str, value: Any
) -> None:
    assert bounded_price(price_class(IMAGE, {name: value}), PLAIN) == (3, True)


@pytest.mark.parametrize("count", ["many", [1], {"a": 1}, 10**400, "1e999"])
def test_a_count_that_cannot_be_read_costs_more_than_any_budget(count: Any) -> None:
    price = most(IMAGE, PLAIN, num_images=count)
    assert price is not None and price >= 3_000_000


@pytest.mark.parametrize("count", [None, 1, "1", 0, True])
def test_one_image_is_the_usual_class(count: Any) -> None:
    assert price_class(IMAGE, {"num_images": count}).name == ""


def test_a_field_that_the_model_does_not_have_lowers_no_price() -> None:
    """BFL ignores it: a price that it named for such an input is of no larger one."""
    priced = price_class(IMAGE, {"duration": 20, "num_images": 459})
    wanted = price_class(IMAGE, {"width": 4096, "height": 4096})
    assert bounded_price(wanted, {"": 3.0, priced.name: 3.0}) == (48, False)


def test_modes_words_and_flags_are_read_as_bfl_reads_them() -> None:
    assert price_class(VIDEO, {}) == price_class(VIDEO, {"mode": "t2v", "draft": "false"})
    draft = price_class(VIDEO, {"mode": "t2v", "draft": True, "duration": 5})
    for word in ("true", "1", 1, " True ", "yes"):
        assert price_class(VIDEO, {"mode": "t2v", "draft": word, "duration": "5"}) == draft
    assert not price_class(VIDEO, {"draft": "perhaps"}).is_certain
    assert price_class(VIDEO, {"resolution": "uhd"}).area == 9
    largest = price_class(VIDEO, {"resolution": "32k"})
    assert largest.area == 16 and not largest.is_certain
    assert price_class("flux-3-image", {"resolution": " 4k "}).name == "16mp"


def test_a_duration_is_bounded_by_the_shortest_known_one() -> None:
    five = price_class(VIDEO, {"mode": "t2v", "duration": 5})
    prices = {five.name: 30.0}
    for duration in (20, "20", 20.0, "2e1", 900, "inf"):
        assert most(VIDEO, prices, mode="t2v", duration=duration) == 120
    auto = price_class(VIDEO, {"mode": "t2v", "duration": "auto"})
    assert bounded_price(auto, prices) == (120, True)
    assert most(VIDEO, prices, mode="t2v", duration=20, resolution="uhd") == 1080


def test_a_class_that_differs_in_kind_is_a_guess() -> None:
    media = price_class(IMAGE, {"input_image": "input:0"})
    assert media.has_media and bounded_price(media, PLAIN) == (3, True)
    two = price_class(IMAGE, {"images": ["input:0", "https://a.example/b.png"]})
    assert two.name == "media=2"
    assert bounded_price(media, {"": 3.0, "media": 4.5}) == (4.5, False)
    assert bounded_price(media, {}) == (None, False)


@pytest.mark.parametrize("name", ["", "4mp", "mode=t2v 2.25mp 10s", "4mp media", "media=2 16mp"])
def test_a_name_is_read_back(name: str) -> None:
    parsed = PriceClass.parse(name)
    assert PriceClass.parse(parsed.name) == parsed
