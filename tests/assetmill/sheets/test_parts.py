"""Whose content is it, drawn by hand: two or three cells, and something that does not keep to them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from assetmill.sheets.boxes import Box, Sides
from assetmill.sheets.parts import NOBODY, Content, sort_out

A, B = Box(4, 4, 44, 44), Box(52, 4, 92, 44)
SIZE = (96, 60)


def inked(*rects: tuple[int, int, int, int], level: int = 255) -> Image.Image:
    """Alpha of a picture with filled rectangles (left, top, right, bottom), the last two not inside."""
    image = Image.new("L", SIZE, 0)
    pen = ImageDraw.Draw(image)
    for left, top, right, bottom in rects:
        pen.rectangle((left, top, right - 1, bottom - 1), fill=level)
    return image


def sorted_out(image: Image.Image, *, keep: bool = True) -> Content:
    return sort_out(np.asarray(image), (A, B), ("a", "b"), keep=keep)


BODY_A, BODY_B = (12, 12, 36, 40), (60, 12, 84, 40)


def test_what_lies_in_its_cell_is_its_own_and_nothing_is_recorded() -> None:
    made = sorted_out(inked(BODY_A, BODY_B))
    assert (made.owner == 0).sum() == 24 * 28
    assert (made.owner[12:40, 60:84] == 1).all()
    assert (made.spills, made.overhang) == ((), Sides())


def test_an_arm_that_reaches_into_the_neighbours_cell_stays_with_its_body() -> None:
    made = sorted_out(inked(BODY_A, (36, 14, 56, 18), BODY_B))
    assert (made.owner[14:18, 36:56] == 0).all()
    assert (made.owner == 1).sum() == 24 * 28
    (spill,) = made.spills
    assert (spill.frame, spill.kept, spill.into) == ("a", True, ("b",))
    assert (spill.pixels, spill.over) == (12 * 4, 12)
    assert made.overhang == Sides(right=12)


def test_an_arm_is_cut_off_and_leaves_the_neighbour_too_where_frames_may_not_grow() -> None:
    made = sorted_out(inked(BODY_A, (36, 14, 56, 18), BODY_B), keep=False)
    assert (made.owner[14:18, 36:44] == 0).all()
    assert (made.owner[14:18, 44:56] == NOBODY).all()
    (spill,) = made.spills
    assert (spill.frame, spill.kept, spill.pixels, made.overhang) == ("a", False, 12 * 4, Sides())


def test_overhang_is_measured_on_each_side() -> None:
    made = sorted_out(inked(BODY_A, (2, 20, 12, 24), (20, 1, 24, 12), (20, 40, 24, 50)))
    assert made.overhang == Sides(left=2, top=3, right=0, bottom=6)
    (spill,) = made.spills
    assert (spill.over, spill.pixels) == (6, 2 * 4 + 3 * 4 + 6 * 4)


def test_frames_that_melted_into_one_are_cut_at_their_cells() -> None:
    made = sorted_out(inked(BODY_A, (36, 20, 60, 24), BODY_B))
    assert (made.owner[20:24, 36:44] == 0).all()
    assert (made.owner[20:24, 44:52] == NOBODY).all()
    assert (made.owner[20:24, 52:60] == 1).all()
    (spill,) = made.spills
    assert (spill.frame, spill.kept, spill.into) == (None, False, ("a", "b"))
    assert spill.pixels == 8 * 4 + 8 * 4 + 24 * 28
    assert made.overhang == Sides()


@pytest.mark.parametrize(("height", "whole"), ((17, True), (18, False)))
def test_an_owner_holds_three_quarters_of_what_lies_in_cells(height: int, whole: bool) -> None:
    made = sorted_out(inked((8, 8, 32, 40), (32, 8, 71, 8 + height)))
    assert (made.owner[8 : 8 + height, 44:52] == (0 if whole else NOBODY)).all()
    assert (made.owner[8 : 8 + height, 52:71] == (0 if whole else 1)).all()
    (spill,) = made.spills
    assert (spill.frame, spill.kept) == (("a", True) if whole else (None, False))


SMALL_B = (66, 20, 78, 32)


@pytest.mark.parametrize("bridge", ((36, 24, 66, 26), (36, 36, 78, 38)), ids=["an arm", "ground"])
def test_a_large_drawing_never_takes_a_small_one_that_it_touches(bridge: tuple[int, int, int, int]) -> None:
    made = sorted_out(inked(BODY_A, bridge, SMALL_B, (70, 30, 72, 38)))
    assert (made.owner[20:32, 66:78] == 1).all()
    assert (made.owner[12:40, 12:36] == 0).all()
    (spill,) = made.spills
    assert (spill.frame, spill.into, made.overhang) == (None, ("a", "b"), Sides())


@pytest.mark.parametrize(("reach", "whole"), ((71, True), (73, False)))
def test_an_arm_is_its_bodys_as_long_as_it_ends_before_the_neighbours_middle(reach: int, whole: bool) -> None:
    made = sorted_out(inked(BODY_A, (36, 14, reach, 18)))
    assert bool((made.owner[14:18, 52:reach] == 0).all()) is whole


def test_a_long_edge_along_the_neighbour_is_no_reach_to_its_middle() -> None:
    made = sorted_out(inked((12, 5, 46, 43), (46, 20, 54, 24), (50, 5, 56, 43)))
    assert (made.owner[5:43, 52:56] == 0).all()


def test_frames_that_only_a_veil_holds_together_come_apart() -> None:
    image = inked((36, 12, 60, 40), level=40)
    ImageDraw.Draw(image).rectangle((12, 12, 45, 39), fill=255)
    ImageDraw.Draw(image).rectangle((60, 12, 83, 39), fill=255)
    made = sorted_out(image)
    assert (made.owner[12:40, 12:46] == 0).all()
    assert (made.owner[12:40, 60:84] == 1).all()
    assert (made.owner[12:40, 46:53] == 0).all()
    assert (made.owner[12:40, 53:60] == 1).all()
    (spill,) = made.spills
    assert (spill.frame, spill.kept, spill.into, spill.over) == ("a", True, ("b",), 9)


@pytest.mark.parametrize(("x", "owner"), ((44, 0), (46, 0), (47, NOBODY), (48, 1), (50, 1)))
def test_a_speck_between_cells_is_the_nearest_ones_unless_both_are_as_near(x: int, owner: int) -> None:
    made = sorted_out(inked((x, 20, x + 2, 22)))
    assert (made.owner[20:22, x : x + 2] == owner).all()
    (spill,) = made.spills
    assert (spill.kept, spill.pixels) == (owner != NOBODY, 4)


def test_specks_far_from_any_cell_and_large_things_near_one_are_nobodys() -> None:
    far, large = sorted_out(inked((20, 54, 22, 56))), sorted_out(inked((10, 46, 40, 50)))
    for made, pixels in ((far, 4), (large, 120)):
        assert (made.owner == NOBODY).all()
        (spill,) = made.spills
        assert (spill.frame, spill.pixels, spill.kept, spill.into) == (None, pixels, False, ())


def test_something_mostly_outside_the_only_cell_that_it_touches_is_cut_at_its_edge() -> None:
    made = sorted_out(inked((10, 40, 40, 60)))
    assert (made.owner[40:44, 10:40] == 0).all()
    assert (made.owner[44:] == NOBODY).all()
    (spill,) = made.spills
    assert (spill.frame, spill.into, spill.kept) == (None, ("a",), False)


def test_haze_goes_with_the_part_that_it_clings_to() -> None:
    image = inked((36, 12, 57, 20), level=4)
    pen = ImageDraw.Draw(image)
    pen.rectangle((12, 12, 35, 39), fill=255)
    pen.rectangle((36, 14, 54, 17), fill=255)
    made = sorted_out(image)
    assert (made.owner[12:20, 36:57] == 0).all()
    assert made.overhang == Sides(right=57 - 44)


def test_a_veil_over_everything_neither_crashes_nor_loses_what_lies_in_cells() -> None:
    alpha = np.maximum(np.asarray(inked(BODY_A, BODY_B)), 20)
    made = sort_out(alpha, (A, B), ("a", "b"), keep=True)
    assert (made.owner[A.window] == 0).mean() > 0.9
    assert (made.owner[12:40, 12:36] == 0).all()
    assert (made.owner[12:40, 60:84] == 1).all()


def test_an_empty_picture_has_no_owners() -> None:
    made = sorted_out(inked())
    assert (made.owner == NOBODY).all()
    assert made.spills == ()
