"""Shapes in a unit square, and the brush that paints them.

A figure is a list of parts, back to front; a part is a few simple forms of one colour. Figures are
tables of such parts, so a new placeholder is a few lines, and every one scales to any cell. The brush
knows light and outlines, not what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageDraw, ImageOps

from assetmill.localpod.draft.palette import Palette, toned
from assetmill.localpod.draft.pixels import Array, Rgb
from assetmill.localpod.draft.relief import Finish, edge, ink_of, surface

PAINT_SIDE = 704
"""Longest side in pixels at which figures are painted; finished subjects are seldom larger."""

Dot = tuple[float, float]
WHITE: Rgb = (252, 252, 250)
INK: Rgb = (38, 30, 54)


@dataclass(frozen=True, slots=True)
class Disc:
    """An ellipse by centre and radii."""

    x: float
    y: float
    rx: float
    ry: float


@dataclass(frozen=True, slots=True)
class Poly:
    """A polygon."""

    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with rounded corners; `r` is a share of its shorter side, up to a half."""

    x0: float
    y0: float
    x1: float
    y1: float
    r: float = 0.0


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line with round ends; `width` is a share of the shorter side of the square."""

    dots: tuple[Dot, ...]
    width: float


Form = Disc | Poly | Box | Stroke


@dataclass(frozen=True, slots=True)
class Part:
    """Forms of one colour.

    Args:
        tint: a role of the palette (main, second, accent, light, deep) or a colour of its own.
        forms: what is filled.
        gloss: factor on highlights.
        flat: paint plainly, without light or line (eyes, marks).
        clip: paint only where something is already painted.
        shade: factor on the colour's brightness.
    """

    tint: str | Rgb
    forms: tuple[Form, ...]
    gloss: float = 1.0
    flat: bool = False
    clip: bool = False
    shade: float = 1.0


def part(tint: str | Rgb, *forms: Form, gloss: float = 1.0, shade: float = 1.0, clip: bool = False) -> Part:
    """A lit part."""
    return Part(tint, forms, gloss=gloss, shade=shade, clip=clip)


def mark(tint: str | Rgb, *forms: Form, clip: bool = False, shade: float = 1.0) -> Part:
    """A plain part: no light, no line."""
    return Part(tint, forms, flat=True, clip=clip, shade=shade)


def ring(x: float, y: float, rx: float, ry: float, corners: int, turn: float = -90.0) -> tuple[Dot, ...]:
    """Corners of a regular polygon; `turn` is the first corner's angle in degrees."""
    angles = [math.radians(turn + 360 * i / corners) for i in range(corners)]
    return tuple((x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles)


def burst(x: float, y: float, outer: float, inner: float, points: int, turn: float = -90.0) -> tuple[Dot, ...]:
    """Corners of a star."""
    angles = [math.radians(turn + 180 * i / points) for i in range(2 * points)]
    return tuple(
        (x + r * math.cos(a), y + r * math.sin(a)) for i, a in enumerate(angles) for r in ((outer, inner)[i % 2],)
    )


def raster(forms: Sequence[Form], size: tuple[int, int]) -> Image.Image:
    """Mode L image of `size`: the forms filled white, edges smooth."""
    fine = 2 if max(size) > 160 else 4  # noqa: PLR2004  small cells show their edges more
    width, height = size[0] * fine, size[1] * fine
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    for form in forms:
        _fill(pen, form, width, height)
    return canvas.reduce(fine)


def _fill(pen: ImageDraw.ImageDraw, form: Form, width: int, height: int) -> None:
    if isinstance(form, Disc):
        _oval(pen, form.x * width, form.y * height, form.rx * width, form.ry * height)
    elif isinstance(form, Poly):
        pen.polygon([(x * width, y * height) for x, y in form.dots], fill=255)
    elif isinstance(form, Box):
        x0, y0, x1, y1 = form.x0 * width, form.y0 * height, form.x1 * width, form.y1 * height
        if x1 > x0 and y1 > y0:
            pen.rounded_rectangle((x0, y0, x1, y1), radius=form.r * min(x1 - x0, y1 - y0), fill=255)
    else:
        thick = form.width * min(width, height)
        dots = [(x * width, y * height) for x, y in form.dots]
        pen.line(dots, fill=255, width=max(1, round(thick)), joint="curve")
        for x, y in dots:
            _oval(pen, x, y, thick / 2, thick / 2)


def _oval(pen: ImageDraw.ImageDraw, x: float, y: float, rx: float, ry: float) -> None:
    if rx > 0 and ry > 0:
        pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=255)


def tint_of(tint: str | Rgb, palette: Palette, shade: float = 1.0) -> Rgb:
    """The colour of a role, lightened or darkened."""
    roles = {
        "main": palette.main, "second": palette.second, "accent": palette.accent,
        "light": toned(palette.main, 1.5), "deep": toned(palette.main, 0.6),
    }  # fmt: skip
    return toned(roles[tint] if isinstance(tint, str) else tint, shade)


def paint(parts: Sequence[Part], size: tuple[int, int], palette: Palette, finish: Finish,
          grain: Array | None = None, within: Image.Image | None = None) -> Image.Image:  # fmt: skip
    """An RGBA image of `size` with the parts painted back to front and outlined.

    Args:
        parts: back to front, in a unit square that is stretched to `size`.
        size: (width, height) in pixels.
        palette: what the roles mean.
        finish: light and line.
        grain: noise for the surfaces.
        within: mode L of `size`; nothing is painted outside it.
    """
    share = PAINT_SIDE / max(size)
    if share < 1:
        small = (max(1, round(size[0] * share)), max(1, round(size[1] * share)))
        inner = None if within is None else within.resize(small, Image.Resampling.BOX)
        return paint(parts, small, palette, finish, grain, inner).resize(size, Image.Resampling.BICUBIC)
    rgb, alpha = Image.new("RGB", size, ink_of(palette.main)), Image.new("L", size)
    line = finish.outline * (size[0] * size[1]) ** 0.5
    for one in parts:
        mask = raster(one.forms, size)
        if within is not None:
            mask = ImageChops.multiply(mask, within)
        if one.clip:
            mask = ImageChops.multiply(mask, alpha)
        _lay(rgb, mask, one, tint_of(one.tint, palette, one.shade), finish, line * 0.55, grain)
        alpha = ImageChops.lighter(alpha, mask)
    if line >= 0.5:  # noqa: PLR2004  thinner is only dirt
        rgb.paste(ink_of(palette.main), mask=_line(alpha, line))
    rgb.putalpha(alpha)
    return rgb


def _lay(rgb: Image.Image, mask: Image.Image, one: Part, base: Rgb, finish: Finish, line: float,
         grain: Array | None) -> None:  # fmt: skip
    """Paint one part, working only inside its bounding box."""
    box = mask.getbbox()
    if box is None:
        return
    shape = mask.crop(box)
    if one.flat:
        rgb.paste(base, box, shape)
        return
    lit = surface(shape, base, finish, gloss=one.gloss, grain=grain)
    if line >= 0.5:  # noqa: PLR2004  thinner is only dirt
        lit.paste(ink_of(base), mask=_line(shape, line))
    rgb.paste(lit, box, shape)


def _line(shape: Image.Image, width: float) -> Image.Image:
    """The inner line of a shape; the border of its canvas counts as an edge."""
    pad = round(width * 2) + 2
    framed = ImageOps.expand(shape, pad)
    return edge(framed, width).crop((pad, pad, pad + shape.width, pad + shape.height))


def moved(parts: Sequence[Part], box: tuple[float, float, float, float]) -> list[Part]:
    """The parts drawn into `box` (x0, y0, x1, y1) of the unit square instead of all of it."""
    return [replace(one, forms=tuple(_moved(form, box) for form in one.forms)) for one in parts]


def _moved(form: Form, box: tuple[float, float, float, float]) -> Form:
    x0, y0, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
    if isinstance(form, Disc):
        return Disc(x0 + form.x * w, y0 + form.y * h, form.rx * w, form.ry * h)
    if isinstance(form, Box):
        return Box(x0 + form.x0 * w, y0 + form.y0 * h, x0 + form.x1 * w, y0 + form.y1 * h, form.r)
    dots = tuple((x0 + x * w, y0 + y * h) for x, y in form.dots)
    return Poly(dots) if isinstance(form, Poly) else Stroke(dots, form.width * min(w, h))
