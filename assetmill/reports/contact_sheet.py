"""A run at a glance: every picture small, with its name, on one JPEG.

For places where a page cannot be shown: the Prefect UI, a message, a phone. Transparent art stands on a checkerboard,
so that its edges can be judged; a picture that is missing is crossed out and says so, never left out in silence. The
file stays within a size that can travel inside other documents.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

MAX_BYTES = 220_000
"""As base64 in a data: URI these are about 300 KB."""

MAX_THUMBS = 120
COLUMNS = 8
CELL, LABEL, GAP, HEAD = 104, 16, 8, 30
SQUARE = 8
PAPER, INK, FAINT, BAD = (24, 26, 32), (236, 238, 242), (140, 146, 158), (232, 80, 70)
LIGHT, DARK = (92, 96, 106), (74, 78, 88)
QUALITIES = (88, 80, 70, 60, 45, 30)


@dataclass(frozen=True, slots=True)
class Thumb:
    """One picture of a contact sheet.

    Args:
        label: its name.
        picture: the picture, as `small` makes it; None where there is none.
        mark: why there is none, in a word; on a picture, what is wrong with it. Empty for a good one.
        old: whether it was there before the run.
    """

    label: str
    picture: Image.Image | None
    mark: str = ""
    old: bool = False


def small(data: bytes) -> Image.Image:
    """A finished file as a picture of at most a cell's size: pixel art grows by whole numbers, all else shrinks."""
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGBA")
    largest = max(picture.size)
    if largest * 2 <= CELL:
        factor = CELL // largest
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def render_contact_sheet(thumbs: Sequence[Thumb], *, title: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Draw the sheet.

    Args:
        thumbs: pictures in the order in which they are shown; of more than 120, those that are good and old are left
            out first, and the sheet says how many.
        title: its first line.
        max_bytes: what the file may have; quality goes down until it fits, and then pictures are left out.

    Returns:
        A JPEG.
    """
    shown = _chosen(thumbs, MAX_THUMBS)
    while True:
        sheet = _drawn(shown, title, left_out=len(thumbs) - len(shown))
        for quality in QUALITIES:
            data = _jpeg(sheet, quality)
            if len(data) <= max_bytes:
                return data
        if len(shown) <= 1:
            return data
        shown = _chosen(shown, len(shown) // 2)


def _chosen(thumbs: Sequence[Thumb], most: int) -> list[Thumb]:
    """As many as there is room for, those that are missing and those that are new first, in their order."""
    ranked = sorted(range(len(thumbs)), key=lambda at: (not thumbs[at].mark, thumbs[at].old, at))
    return [thumbs[at] for at in sorted(ranked[:most])]


def _drawn(thumbs: Sequence[Thumb], title: str, *, left_out: int) -> Image.Image:
    columns = max(4, min(COLUMNS, len(thumbs)))
    rows = math.ceil(len(thumbs) / columns)
    width = GAP + columns * (CELL + GAP)
    sheet = Image.new("RGB", (width, HEAD + rows * (CELL + LABEL + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    more = f" ({left_out} more are not shown)" if left_out else ""
    font = ImageFont.load_default(14)
    pen.text((GAP, HEAD / 2), _fitting(title + more, font, width - 2 * GAP), INK, font, anchor="lm")
    board = _checkerboard()
    for at, thumb in enumerate(thumbs):
        corner = (GAP + at % columns * (CELL + GAP), HEAD + at // columns * (CELL + LABEL + GAP))
        _draw_thumb(sheet, pen, board, thumb, corner)
    return sheet


def _draw_thumb(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, board: Image.Image, thumb: Thumb, corner: tuple[int, int]
) -> None:
    x, y = corner
    box = (x, y, x + CELL - 1, y + CELL - 1)
    if thumb.picture is None:
        pen.line((x, y, x + CELL, y + CELL), BAD, 2)
        pen.line((x, y + CELL, x + CELL, y), BAD, 2)
    else:
        sheet.paste(board, corner)
        at = (x + (CELL - thumb.picture.width) // 2, y + (CELL - thumb.picture.height) // 2)
        sheet.paste(thumb.picture, at, thumb.picture)
    font = ImageFont.load_default(11)
    if thumb.mark:
        pen.rectangle(box, outline=BAD, width=2)
        words = _fitting(thumb.mark, font, CELL - 8)
        half = font.getlength(words) / 2 + 3
        middle = x + CELL / 2
        pen.rectangle((middle - half, y + CELL - 20, middle + half, y + CELL - 5), PAPER)
        pen.text((middle, y + CELL - 12.5), words, BAD, font, anchor="mm")
    ink = FAINT if thumb.old else INK
    pen.text((x + CELL / 2, y + CELL + LABEL / 2), _fitting(thumb.label, font, CELL), ink, font, anchor="mm")


def _checkerboard() -> Image.Image:
    board = Image.new("RGB", (CELL, CELL), LIGHT)
    pen = ImageDraw.Draw(board)
    for x in range(0, CELL, SQUARE):
        for y in range(0, CELL, SQUARE):
            if (x + y) // SQUARE % 2:
                pen.rectangle((x, y, x + SQUARE - 1, y + SQUARE - 1), DARK)
    return board


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """As much of a text as there is room for."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def _jpeg(sheet: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=quality, subsampling=0 if quality > QUALITIES[2] else 2)
    return out.getvalue()
