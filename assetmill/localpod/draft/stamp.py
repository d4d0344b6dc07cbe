"""A small tag that says `draft`, for the corner of an opaque scene.

It tells a player-facing picture from a placeholder at a glance and takes nothing from a level's layout:
it is pale, lies inside the picture (a repeating backdrop still joins), and no cut-out or layer bears it.
"""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

_HEIGHT = 0.022  # of the shorter side
_MARGIN = 0.014


def stamped(image: Image.Image) -> Image.Image:
    """A copy of an RGB image with the tag in its lower right corner; tiny images stay as they are."""
    unit = min(image.size)
    em = round(unit * _HEIGHT)
    if em < 7:  # noqa: PLR2004  px; smaller letters cannot be read
        return image
    font = ImageFont.load_default(size=em)
    width = round(font.getlength("draft") + em * 1.1)
    height = round(em * 1.6)
    x, y = image.width - width - round(unit * _MARGIN), image.height - height - round(unit * _MARGIN)
    mask = Image.new("L", (width * 2, height * 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width * 2 - 1, height * 2 - 1), radius=height, fill=92)
    marked = image.copy()
    marked.paste((24, 24, 40), (x, y), mask.reduce(2))
    text = Image.new("L", (width, height))
    ImageDraw.Draw(text).text((width / 2, height / 2), "draft", fill=200, font=font, anchor="mm")
    marked.paste((255, 255, 255), (x, y), text)
    return marked
