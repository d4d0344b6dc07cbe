import pytest

from assetmill.sheets.model import Spill
from assetmill.sheets.notes import empty_note, spill_notes


def note(*spills: Spill) -> str:
    (sentence,) = spill_notes(spills)
    return sentence


@pytest.mark.parametrize(
    ("frames", "kept", "wanted"),
    (
        (("run_00",), True, "content of run_00 reached out of its cell by up to 1 pixel and was kept"),
        (("a", "b"), False, "content of a and b reached out of their cells by up to 2 pixels and was cut off"),
        (
            tuple("abcdefg"),
            True,
            "content of a, b, c, d, e and 2 more reached out of their cells by up to 7 pixels and was kept",
        ),
    ),
)
def test_owners_of_what_left_its_cell_are_named(frames: tuple[str, ...], kept: bool, wanted: str) -> None:
    spills = [Spill(frame=name, pixels=9, over=over, kept=kept) for over, name in enumerate(frames, 1)]
    assert note(*spills) == wanted


def test_a_frame_is_named_once_and_with_its_widest_reach() -> None:
    first = Spill(frame="a", pixels=9, over=12, kept=True, into=("b",))
    assert note(first, Spill(frame="a", pixels=9, over=2, kept=True)) == (
        "content of a reached out of its cell by up to 12 pixels and was kept"
    )


def test_groups_that_melted_are_listed_and_many_are_counted() -> None:
    spills = [Spill(frame=None, pixels=9, over=3, kept=False, into=(f"a{n}", f"b{n}")) for n in range(5)]
    assert note(*spills) == (
        "these ran into each other and were cut apart at the edges of their cells: "
        "a0 and b0; a1 and b1; a2 and b2 and 2 more groups"
    )


def test_what_nobody_owns_is_counted() -> None:
    spills = [Spill(frame=None, pixels=9, over=3, kept=False), Spill(frame=None, pixels=5, over=3, kept=False)]
    assert note(*spills) == "content beside the cells belongs to no frame and was cut off: 14 pixels"
    assert note(Spill(frame=None, pixels=5, over=3, kept=False, into=("a",))) == (
        "content that lies mostly outside a cell was cut off at the edge: a"
    )


def test_nothing_is_said_when_there_is_nothing_to_say() -> None:
    assert list(spill_notes([])) == []
    assert list(empty_note([])) == []
    assert list(empty_note(["a"])) == ["nothing can be seen in a"]
