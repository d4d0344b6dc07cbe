from __future__ import annotations

import random
from itertools import starmap

import pytest

from assetmill.workflows import generation_size, keeps_aspect

SOURCE = random.Random(7)
ASKED = [(SOURCE.randint(1, 4096), SOURCE.randint(1, 4096)) for _ in range(4000)]
KEPT = [size for size in ASKED if keeps_aspect(*size)]


def test_every_size_is_on_the_grid_and_inside_the_limits() -> None:
    for width, height in starmap(generation_size, ASKED):
        assert width % 16 == height % 16 == 0
        assert 512 <= min(width, height) <= max(width, height) <= 1536
        assert width * height <= 1_600_000


def test_the_shape_is_kept_within_two_percent() -> None:
    for asked in KEPT:
        width, height = generation_size(*asked)
        assert width / height == pytest.approx(asked[0] / asked[1], rel=0.02)


def test_a_size_that_fits_is_returned_as_it_is() -> None:
    for size in starmap(generation_size, KEPT):
        assert generation_size(*size) == size


def test_turning_the_picture_turns_the_size() -> None:
    for width, height in ASKED[:500]:
        turned = generation_size(height, width)
        assert turned[0] * turned[1] == pytest.approx(
            generation_size(width, height)[0] * generation_size(width, height)[1], rel=0.07
        )


def test_a_larger_wish_is_never_drawn_smaller() -> None:
    for width, height in KEPT[:500]:
        small, large = generation_size(width, height), generation_size(width * 2, height * 2)
        assert large[0] * large[1] >= 0.93 * small[0] * small[1]


@pytest.mark.parametrize(
    ("asked", "size"),
    (
        ((1024, 1024), (1024, 1024)),
        ((1344, 768), (1344, 768)),
        ((64, 64), (512, 512)),
        ((256, 128), (1024, 512)),
        ((4096, 4096), (1264, 1264)),
        ((1024, 1792), (880, 1536)),
        ((512, 64), (1536, 512)),
        ((8, 4096), (512, 1536)),
    ),
)
def test_known_sizes(asked: tuple[int, int], size: tuple[int, int]) -> None:
    assert generation_size(*asked) == size


def test_a_shape_longer_than_three_to_one_is_known_not_to_hold() -> None:
    assert keeps_aspect(1536, 512)
    assert keeps_aspect(100, 300)
    assert not keeps_aspect(1537, 512)
    assert not keeps_aspect(100, 301)


@pytest.mark.parametrize("size", ((0, 10), (10, -1)))
def test_a_size_without_area_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        generation_size(*size)
