"""The vectors of the studio's earlier pipeline: the figures that it really drew and stored."""

import pytest

from assetmill.guides import compat


@pytest.mark.parametrize(
    ("world", "rect", "stroke"),
    (
        ((1, 1), (26, 26, 460, 460), None),
        ((3, 0.5), (26, 218, 460, 76), None),
        ((0.7, 1), (95, 26, 322, 460), None),
        ((0.5, 2), (198, 26, 115, 460), None),
        ((4, 0.2), (26, 244, 460, 23), 6),
    ),
)
def test_silhouettes_stand_where_they_stood(
    world: tuple[float, float], rect: tuple[int, int, int, int], stroke: int | None
) -> None:
    made = compat.silhouette(*world)
    assert (made.x, made.y, made.width, made.height) == rect
    assert made.stroke == stroke


def test_a_circle_is_as_wide_as_the_shorter_side() -> None:
    assert compat.silhouette(3, 0.5).radius == 38


def test_the_stroke_of_very_thin_things_is_never_below_four_pixels() -> None:
    assert compat.silhouette(46, 1).stroke == 4


@pytest.mark.parametrize(
    ("colour", "expected"),
    (
        ("#ffffff", 0.87),
        ("#000000", 0.93),
        ("#808080", 0.899882),
        ("#ff0000", 0.91206),
        ("#00ff00", 0.89478),
        ("#0000ff", 0.92316),
        ("#ffd700", 0.882365),
        (None, 0.925),
    ),
)
def test_strength_follows_the_lightness_of_the_colour(colour: str | None, expected: float) -> None:
    assert compat.strength(colour) == pytest.approx(expected, abs=5e-7)


def test_regions_of_a_plain_grid() -> None:
    regions = compat.regions(4, 2, 64, 64)
    assert [region.x for region in regions[:4]] == [26, 141, 256, 371]
    assert [region.y for region in regions] == [141] * 4 + [256] * 4
    assert {(region.w, region.h) for region in regions} == {(115, 115)}


def test_regions_of_a_grid_with_margin_and_spacing() -> None:
    regions = compat.regions(3, 2, 64, 64, spacing=4, margin=2)
    assert [region.x for region in regions[:3]] == [30, 184, 337]
    assert [regions[0].y, regions[3].y] == [107, 261]
    assert {(region.w, region.h) for region in regions} == {(145, 145)}


def test_scale_and_offset_of_a_tile_grid() -> None:
    fit = compat.grid_fit(*compat.grid_size(4, 4, 32, 32, spacing=2, margin=1))
    assert fit.scale == pytest.approx(3.388235, abs=5e-7)
    assert [fit.offset_x, fit.offset_y] == pytest.approx([25.6, 25.6])


def test_circles_of_a_guide_fill_four_fifths_of_their_cell() -> None:
    assert compat.circle_radius(64, 32, 2.0) == pytest.approx(25.6)


@pytest.mark.parametrize(("value", "expected"), ((0.5, 1), (1.5, 2), (2.5, 3), (-0.5, 0), (-1.5, -1), (2.4999, 2)))
def test_halves_are_rounded_upwards(value: float, expected: int) -> None:
    assert compat.js_round(value) == expected


def test_variants_have_the_colour_of_their_key_or_of_their_place() -> None:
    assert compat.variation_colour("gold", 5) == "#ffd700"
    assert compat.variation_colour("glass", 4) == "#aa44ff"
    assert compat.variation_colour("glass", 12) == compat.variation_colour("glass", 4)
