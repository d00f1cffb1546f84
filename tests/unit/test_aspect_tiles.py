"""Tiles of aspect ratios stand for sizes that BFL takes, and give way to what is typed."""

from jobs.bfl.openapi_document import shipped_endpoints
from receiver.dashboard.form.aspect_tiles import fill_in_tile, tile_values

OLD, ULTRA, NEW = (
    shipped_endpoints()[model].modes[""].fields
    for model in ("flux-pro-1.1", "flux-pro-1.1-ultra", "flux-2-pro")
)


def test_sizes_are_within_the_bounds_of_each_model() -> None:
    for fields in (
        mode.fields for one in shipped_endpoints().values() for mode in one.modes.values()
    ):
        for size in (value for value in tile_values(fields).values() if "x" in value):
            for name, side in zip(("width", "height"), map(int, size.split("x")), strict=True):
                bounds = fields[name].bounds
                assert bounds.get("minimum", 0) <= side <= bounds.get("maximum", 4096)
                assert side % bounds.get("multipleOf", 16) == 0
    assert (tile_values(OLD)["21:9"], tile_values(NEW)["21:9"]) == ("1440x672", "1568x672")
    assert tile_values(ULTRA)["16:9"] == "16:9"
    assert tile_values(shipped_endpoints()["flux-3-image"].modes[""].fields) == {}, (
        "BFL lists its own"
    )


def test_a_tile_fills_in_what_is_empty() -> None:
    assert fill_in_tile(NEW, {"aspect": "1024x1024"}) == {
        "aspect": "1024x1024",
        "width": "1024",
        "height": "1024",
    }
    for typed in ({"width": "640"}, {"height": "640"}):
        assert fill_in_tile(NEW, {"aspect": "1024x1024", **typed}) == {
            "aspect": "1024x1024",
            **typed,
        }
    assert fill_in_tile(ULTRA, {"aspect": "2:3"})["aspect_ratio"] == "2:3"
    assert fill_in_tile(ULTRA, {"aspect": "1024x1024"}) == {"aspect": "1024x1024"}
