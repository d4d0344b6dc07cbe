from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.sheets.packing import PageLayout, pack

SIZES = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=24)


def assert_well_laid(pages: Sequence[PageLayout], sizes: Sequence[tuple[int, int]], *, room: int, edge: int) -> None:
    assert sorted(number for page in pages for number in page.spots) == list(range(len(sizes)))
    for page in pages:
        width, height = page.size
        for number, (x, y) in page.spots.items():
            assert edge <= x <= width - edge - sizes[number][0]
            assert edge <= y <= height - edge - sizes[number][1]
        for (one, (ax, ay)), (other, (bx, by)) in combinations(page.spots.items(), 2):
            across = max(bx - ax - sizes[one][0], ax - bx - sizes[other][0])
            down = max(by - ay - sizes[one][1], ay - by - sizes[other][1])
            assert max(across, down) >= room


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(0, 1))
def test_frames_keep_their_distance_from_each_other_and_from_the_edge(
    sizes: list[tuple[int, int]], extrude: int
) -> None:
    pages = pack(sizes, extrude=extrude)
    assert len(pages) == 1
    assert_well_laid(pages, sizes, room=2 + 2 * extrude, edge=2 + extrude)
    assert pack(sizes, extrude=extrude) == pages


def test_a_page_is_no_larger_than_its_frames_need() -> None:
    (page,) = pack([(40, 20)])
    assert page.size == (44, 24)
    (page,) = pack([(40, 40)] * 4)
    assert page.size == (86, 86)


def test_many_alike_frames_fill_a_page_that_is_about_square() -> None:
    sizes = [(40 + number * 7 % 23, 60 + number * 11 % 31) for number in range(64)]
    (page,) = pack(sizes)
    assert max(page.size) / min(page.size) < 1.6
    assert sum(w * h for w, h in sizes) > 0.8 * page.size[0] * page.size[1]


@pytest.mark.parametrize(
    ("count", "side", "sizes"),
    (
        (4, 1020, [(2046, 2046)]),
        (5, 1020, [(2046, 3068)]),
        (9, 1300, [(3908, 3908)]),
        (16, 1500, [(3006, 3006)] * 4),
        (5, 1500, [(3006, 3006), (1504, 1504)]),
    ),
)
def test_a_page_stays_small_then_becomes_larger_then_there_are_several(
    count: int, side: int, sizes: list[tuple[int, int]]
) -> None:
    frames = [(side, side)] * count
    pages = pack(frames)
    assert [page.size for page in pages] in (sizes, [(size[1], size[0]) for size in sizes])
    assert_well_laid(pages, frames, room=2, edge=2)


def test_a_frame_too_large_for_padding_has_a_page_to_itself() -> None:
    pages = pack([(10, 10), (4096, 4000), (4093, 8), (20, 20)])
    assert [page.size for page in pages[1:]] == [(4096, 4000), (4093, 8)]
    assert [dict(page.spots) for page in pages[1:]] == [{1: (0, 0)}, {2: (0, 0)}]
    assert set(pages[0].spots) == {0, 3}
