"""The title of a game as a picture: big, bouncing, outlined letters.

Words are stacked into the lines that fill the picture best, and every letter leans and hops a little on
an arc. The typeface is the one that Pillow brings along, so nothing is read from the machine; characters
that it lacks are left out, and a title without any letter becomes a star.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from assetmill.localpod.draft.forms import Poly, burst, raster
from assetmill.localpod.draft.palette import Palette, apart, toned, turned
from assetmill.localpod.draft.pixels import Rgb, grow, noise, rng_of
from assetmill.localpod.draft.relief import Finish, edge, ink_of, surface

_EM = 200  # px at which letters are measured
_WIDE, _HIGH = 0.84, 0.76  # share of the picture that lettering may fill
_BOLD = 0.045  # thickening of the strokes, in ems
_PALE = 190  # letters this light in every part get a coloured rim
_MAX_LINES = 4
_MAX_LETTERS = 60


@dataclass(frozen=True, slots=True)
class _Layout:
    """Lines of words and their type size in pixels."""

    lines: tuple[str, ...]
    em: float


def letter(title: str, size: tuple[int, int], palette: Palette, finish: Finish, seed: int) -> Image.Image:
    """RGBA of `size` (width, height) with the title lettered in the middle of it."""
    mask = _letters(_printable(title), size, seed)
    em = max(8.0, (mask.getbbox() or (0, 0, *size))[3] - (mask.getbbox() or (0, 0, *size))[1])
    thick = max(2, round(min(size) * 0.02 + em * 0.012))
    face, dark, rim = _colours(palette)
    rim_mask = _smooth(grow(mask, thick))
    outer = _smooth(grow(mask, thick * 2))
    cast = ImageChops.offset(outer, 0, round(thick * 0.9))
    alpha = ImageChops.lighter(outer, cast)
    rgb = Image.new("RGB", size, toned(dark, 0.7))
    rgb.paste(dark, mask=outer)
    rgb.paste(rim, mask=rim_mask)
    rgb.paste(_faces(mask, face, palette, finish, seed, size), mask=mask)
    rgb.paste(ink_of(face), mask=edge(mask, thick * 0.22))
    rgb.putalpha(alpha)
    return rgb


def _colours(palette: Palette) -> tuple[Rgb, Rgb, Rgb]:
    """(letters, outline, rim): the letters bright, the outline dark of another hue."""
    face = palette.main if max(palette.main) > 120 else toned(palette.main, 1.5)  # noqa: PLR2004  bright enough to read
    other = palette.second if apart(palette.second, face) else turned(face, 0.5)
    rim = palette.second if min(face) > _PALE and apart(palette.second, face) else (255, 252, 240)
    return face, toned(ink_of(other), 1.05), rim


def _faces(
    mask: Image.Image, face: Rgb, palette: Palette, finish: Finish, seed: int, size: tuple[int, int]
) -> Image.Image:
    """The letters' own surface: lit, paler above, with a gleam across the upper half of each line."""
    box = mask.getbbox() or (0, 0, *size)
    grain = noise((64, 128), 18, rng_of("letters", seed))
    lit = Image.new("RGB", size, face)
    lit.paste(surface(mask.crop(box), face, finish, round_=0.035, grain=grain), box)
    height = box[3] - box[1]
    column = np.linspace(0, 1, height, dtype=np.float32)
    fall = Image.fromarray((np.clip(column - 0.35, 0, 1) * 150).astype(np.uint8)[:, None]).resize(
        (box[2] - box[0], height)
    )
    lower = palette.accent if apart(palette.accent, face) else turned(face, 0.06)
    shaded = lit.crop(box)
    shaded.paste(toned(lower, 0.92), mask=fall)
    lit.paste(shaded, box)
    return lit


def _smooth(mask: Image.Image) -> Image.Image:
    """Rounds off the corners that square growth leaves."""
    radius = max(1.0, mask.width / 260)
    return mask.filter(ImageFilter.GaussianBlur(radius)).point(
        [max(0, min(255, round((v - 96) * 4))) for v in range(256)]
    )


def _printable(title: str) -> str:
    """The title in characters that the typeface has."""
    return "".join(one if one.isspace() or _drawable(one) else "" for one in title)[:_MAX_LETTERS].strip()


@lru_cache(maxsize=512)
def _drawable(character: str) -> bool:
    font = _font(32)
    missing = font.getmask("\U0010ffff")
    mask = font.getmask(character)
    return mask.size != missing.size or bytes(mask) != bytes(missing)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=max(4, size))
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType; lettering needs it")
    return font


def _letters(title: str, size: tuple[int, int], seed: int) -> Image.Image:
    """Mode L of `size`: the letters, each turned and lifted a little."""
    if not title:
        return raster([Poly(burst(0.5, 0.52, 0.42, 0.2, 5))], size)
    layout = _best(title.split(), size)
    canvas = Image.new("L", size)
    pitch = layout.em * 1.02
    top = (size[1] - pitch * len(layout.lines)) / 2
    rng = rng_of("bounce", seed, title)
    for index, line in enumerate(layout.lines):
        _line(canvas, line, layout.em, (size[0] / 2, top + pitch * (index + 0.5)), rng, arc=len(layout.lines) <= 2)  # noqa: PLR2004  tall stacks stand straight
    return canvas


def _line(
    canvas: Image.Image, line: str, em: float, middle: tuple[float, float], rng: np.random.Generator, *, arc: bool
) -> None:
    widths = [_advance(one) * em for one in line]
    x = middle[0] - sum(widths) / 2
    for place, (one, width) in enumerate(zip(line, widths, strict=True)):
        share = ((x + width / 2) - middle[0]) / max(1.0, canvas.width / 2)
        bend = 0.16 * em * share * share if arc else 0.0
        turn = -9.0 * share if arc else 0.0
        hop = em * 0.035 * (1 if place % 2 else -1)
        if not one.isspace():
            glyph = _glyph(one, em).rotate(
                turn + 5.0 * (float(rng.random()) - 0.5), Image.Resampling.BICUBIC, expand=True
            )
            at = (round(x + width / 2 - glyph.width / 2), round(middle[1] + bend + hop - glyph.height / 2))
            canvas.paste(255, at, glyph)
        x += width


def _glyph(character: str, em: float) -> Image.Image:
    """One letter, thickened, on a square of two ems, its cap height in the middle."""
    side = round(em * 2)
    tile = Image.new("L", (side, side))
    bold = max(1, round(em * _BOLD))
    cap = em * 0.36  # half of Aileron's cap height: the middle of a capital stands on the middle of the line
    ImageDraw.Draw(tile).text(
        (side / 2, side / 2 + cap), character, fill=255, font=_font(round(em)), anchor="ms", stroke_width=bold
    )
    return tile


def _advance(character: str) -> float:
    """Width of a character in ems, with room for its thickening."""
    return _font(_EM).getlength(character) / _EM + 1.5 * _BOLD


def _best(words: list[str], size: tuple[int, int]) -> _Layout:
    """The stacking of words that allows the largest type."""
    options = [_Layout(lines, _fit(lines, size)) for lines in _stackings(words)]
    return max(options, key=lambda option: option.em)


def _fit(lines: tuple[str, ...], size: tuple[int, int]) -> float:
    widest = max(sum(_advance(one) for one in line) for line in lines)
    return min(size[0] * _WIDE / widest, size[1] * _HIGH / (1.04 * len(lines) + 0.1))


def _stackings(words: list[str]) -> list[tuple[str, ...]]:
    """Words in one to four lines, each line as even as can be."""
    lengths = [len(word) + 1 for word in words]
    found = []
    for count in range(1, min(_MAX_LINES, len(words)) + 1):
        per_line = sum(lengths) / count
        ends = np.cumsum(lengths)
        cuts = [int(np.argmin(abs(ends - per_line * (i + 1)))) + 1 for i in range(count - 1)]
        bounds = sorted({0, *cuts, len(words)})
        found.append(tuple(" ".join(words[a:b]) for a, b in pairwise(bounds)))
    return found


def sparkles(size: tuple[int, int], seed: int, title_box: tuple[int, int, int, int]) -> Image.Image:
    """Mode L: a few four-pointed gleams near the corners of the lettering."""
    rng = rng_of("sparkle", seed)
    unit = min(size)
    left, top, right, bottom = title_box
    forms = []
    inset = 0.05 * unit
    rows = (max(top, inset), min(bottom, size[1] - inset))
    for x, y in product((max(left, inset), min(right, size[0] - inset)), rows):
        if rng.random() < 0.75:  # noqa: PLR2004  most corners
            r = 0.03 + 0.03 * float(rng.random())
            cx, cy = x / size[0] + 0.01 * math.cos(float(rng.random()) * 6), y / size[1]
            stretch = unit / size[0], unit / size[1]
            dots = tuple((cx + dx * stretch[0], cy + dy * stretch[1]) for dx, dy in burst(0, 0, r, r * 0.24, 4))
            forms.append(Poly(dots))
    return raster(forms, size)
