"""Every picture of a run on one sheet that is small enough to travel in a document."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence

import pytest
from PIL import Image, ImageChops

from assetmill.reports.contact_sheet import (
    CELL,
    COLUMNS,
    GAP,
    HEAD,
    LABEL,
    MAX_BYTES,
    Thumb,
    render_contact_sheet,
    small,
)


def png(size: tuple[int, int], colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", size, colour).save(out, "PNG")
    return out.getvalue()


def noise(seed: int) -> Image.Image:
    return Image.frombytes("RGBA", (CELL, CELL), random.Random(seed).randbytes(CELL * CELL * 4))


def drawn(*thumbs: Thumb, title: str = "Tiny") -> Image.Image:
    return Image.open(io.BytesIO(render_contact_sheet(thumbs, title=title)))


def cell(sheet: Image.Image, at: int) -> Image.Image:
    x, y = GAP + at % COLUMNS * (CELL + GAP), HEAD + at // COLUMNS * (CELL + LABEL + GAP)
    return sheet.crop((x, y, x + CELL, y + CELL))


def reddish(pixel: Sequence[int]) -> bool:
    return pixel[0] - pixel[2] > 150


@pytest.mark.parametrize(
    ("size", "shown"), (((16, 16), (96, 96)), ((48, 24), (96, 48)), ((80, 90), (80, 90)), ((1024, 512), (104, 52)))
)
def test_pixel_art_grows_by_whole_numbers_and_large_pictures_shrink(size, shown):
    assert small(png(size)).size == shown


def test_each_picture_stands_in_its_place_on_a_checkerboard():
    sheet = drawn(Thumb("red", small(png((48, 48)))), Thumb("blue", small(png((48, 48), "blue"))))
    red, blue = (cell(sheet, at).getpixel((CELL // 2, CELL // 2)) for at in (0, 1))
    assert reddish(red)
    assert reddish(blue[::-1])
    assert len({cell(sheet, 0).getpixel(corner) for corner in ((1, 1), (9, 1))}) > 1


def test_a_missing_picture_is_marked_and_a_good_one_is_not():
    def redness(image: Image.Image) -> int:
        red, green, _ = image.split()
        return sum(ImageChops.subtract(red, green).histogram()[90:])

    sheet = drawn(Thumb("there", small(png((48, 48), "gray"))), Thumb("gone", None, "failed"))
    assert redness(cell(sheet, 0)) == 0
    assert redness(cell(sheet, 1)) > 400


def test_the_worst_sheet_still_fits_and_says_what_is_left_out():
    data = render_contact_sheet([Thumb(f"asset-{n}", noise(n)) for n in range(24)], title="Tiny", max_bytes=40_000)
    assert len(data) <= 40_000 < MAX_BYTES
    assert Image.open(io.BytesIO(data)).format == "JPEG"


def test_of_too_many_the_old_and_good_are_left_out_first():
    old = [Thumb(f"old-{n}", small(png((48, 48), "gray")), old=True) for n in range(130)]
    before = drawn(*old[:119], Thumb("new", small(png((48, 48)))))
    sheet = drawn(*old[:60], Thumb("bad", None, "failed"), *old[60:], Thumb("new", small(png((48, 48)))))
    assert sheet.height == before.height
    assert reddish(cell(sheet, 119).getpixel((CELL // 2, CELL // 2))), "the new one is the last of 120"


def test_names_and_titles_of_any_length_are_drawn():
    sheet = drawn(Thumb("x" * 200, None, "y" * 200), title="Ünïcode — 漢字 " * 40)
    assert sheet.width < 1000


def test_nothing_at_all_is_a_sheet_with_a_title():
    assert drawn().height == HEAD
