"""What a player stands on: platforms and tiles of grass, stone, wood, lava and so on.

A material knows its body, its top and its marks; a platform is a wide piece of it with rounded ends, a
tile a square that joins its neighbours. Parts lie in a unit square; materials are chosen by words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from assetmill.localpod.draft.forms import Box, Disc, Form, Part, Poly, Stroke, mark, part
from assetmill.localpod.draft.palette import word_set
from assetmill.localpod.draft.pixels import Rgb

PLATFORM_WORDS = word_set("platform ledge ground floor island bridge terrain wall tile block brick")


@dataclass(frozen=True, slots=True)
class Material:
    """How a ground looks.

    Args:
        body: colour of the mass; None takes the picture's main colour.
        top: colour of what covers it; None for bare ground.
        pattern: marks on the body: bricks, planks, pebbles, waves, cracks, shine, puffs.
        fringe: how far the cover hangs down, as a share of a square's height.
        natural: colour of the mass when nobody names one; None where `body` says it.
    """

    body: Rgb | None
    top: Rgb | None = None
    pattern: str = "pebbles"
    fringe: float = 0.0
    natural: Rgb | None = None


_DIRT: Rgb = (158, 110, 74)
MATERIALS: dict[str, Material] = {
    "grass": Material(_DIRT, (112, 194, 72), "pebbles", 0.12),
    "dirt": Material(_DIRT, None, "pebbles"),
    "stone": Material(None, None, "bricks", natural=(150, 154, 166)),
    "wood": Material(None, None, "planks", natural=(176, 122, 74)),
    "sand": Material(None, (250, 228, 164), "ripples", 0.05, natural=(232, 200, 132)),
    "snow": Material((128, 150, 188), (246, 250, 255), "pebbles", 0.14),
    "ice": Material(None, (236, 248, 255), "shine", 0.05, natural=(164, 216, 242)),
    "lava": Material(None, (255, 206, 84), "waves", 0.05, natural=(236, 92, 44)),
    "water": Material(None, (206, 238, 252), "waves", 0.05, natural=(72, 150, 222)),
    "cloud": Material(None, None, "puffs", natural=(240, 245, 253)),
    "metal": Material(None, None, "rivets", natural=(146, 154, 168)),
    "crystal": Material(None, None, "shine", natural=(140, 200, 240)),
    "plain": Material(None, None, "pebbles"),
}
_SAME = {
    "grassy": "grass", "moss": "grass", "mossy": "grass", "meadow": "grass", "leaf": "grass", "forest": "grass",
    "earth": "dirt", "mud": "dirt", "soil": "dirt", "rock": "stone", "rocky": "stone", "brick": "stone",
    "cobblestone": "stone", "dungeon": "stone", "castle": "stone", "cave": "stone", "marble": "stone",
    "wooden": "wood", "plank": "wood", "log": "wood", "bridge": "wood", "sandy": "sand", "desert": "sand",
    "beach": "sand", "snowy": "snow", "frost": "snow", "frozen": "ice", "icy": "ice", "magma": "lava",
    "fire": "lava", "river": "water", "ocean": "water", "sea": "water", "cloudy": "cloud", "puffy": "cloud",
    "iron": "metal", "steel": "metal", "gem": "crystal", "diamond": "crystal",
}  # fmt: skip


def material_of(words: tuple[str, ...]) -> Material | None:
    """The first material that the words name; None when they name none."""
    return next(iter(materials_of(words)), None)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of ground.

    Args:
        material: what it is made of.
        aspect: width over height.
        tile: whether it must join its neighbours (square corners, even edges).
        open_sides: sides without a neighbour, of `nesw`.
        turn: shifts the marks, so that neighbours differ.
    """

    material: Material
    aspect: float = 1.0
    tile: bool = False
    open_sides: frozenset[str] = field(default_factory=lambda: frozenset("n"))
    turn: int = 0


def ground(piece: Piece) -> list[Part]:
    """Parts of a piece of ground, back to front."""
    material = piece.material
    body: str | Rgb = "main" if material.body is None else material.body
    whole = Box(-0.02, -0.02, 1.02, 1.02) if piece.tile else Box(0, 0, 1, 1, 0.32)
    if material.pattern == "puffs":
        return _puffs(piece, body)
    mass = Part(body, (whole,), gloss=0.15, flat=piece.tile)
    return [mass, *_pattern(piece, body), *_cover(piece)]


CORNERS = {1: (1.0, 0.0), 2: (1.0, 1.0), 4: (0.0, 1.0), 8: (0.0, 0.0)}
"""Bit of a corner tile's number -> where that corner is: the usual weights, clockwise from the upper right."""


def corner_tile(upper: Material, lower: Material, number: int) -> list[Part]:
    """One tile of a set of 16: `upper` ground on the corners whose bits are set in `number`, `lower` elsewhere."""
    base = ground(
        Piece(
            replace(lower, top=None, body=lower.body or lower.natural), tile=True, open_sides=frozenset(), turn=number
        )
    )
    forms: list[Form] = [Disc(x, y, 0.5, 0.5) for bit, (x, y) in CORNERS.items() if number & bit]
    forms += [
        Box(x0 - 0.02, y0 - 0.02, x1 + 0.02, y1 + 0.02)
        for pair, (x0, y0, x1, y1) in _HALVES.items()
        if number & pair == pair
    ]
    if number == sum(CORNERS):
        forms.append(Box(-0.02, -0.02, 1.02, 1.02))
    if not forms:
        return base
    tint: str | Rgb = upper.top or upper.body or upper.natural or "main"
    dots = tuple(Disc(0.17 + 0.22 * (i % 4), 0.2 + 0.2 * (i // 4) + 0.05 * (i % 2), 0.03, 0.016) for i in range(16))
    return [
        *base,
        mark(tint, *forms, shade=0.7),
        mark(tint, *(_shrunk(form) for form in forms)),
        *_only(tint, dots, number),
    ]


_LIP = 0.045  # width of a ground's darker edge
_HALVES = {9: (0.0, 0.0, 1.0, 0.5), 3: (0.5, 0.0, 1.0, 1.0), 6: (0.0, 0.5, 1.0, 1.0), 12: (0.0, 0.0, 0.5, 1.0)}


def _shrunk(form: Form) -> Form:
    """A little smaller towards its own middle line, so that the darker shape behind shows as an edge."""
    if isinstance(form, Disc):
        return Disc(form.x, form.y, form.rx - _LIP, form.ry - _LIP)
    if isinstance(form, Box):
        x0, y0 = (low + _LIP * (low > 0.1) for low in (form.x0, form.y0))  # noqa: PLR2004  not at the tile's edge
        x1, y1 = (high - _LIP * (high < 0.9) for high in (form.x1, form.y1))  # noqa: PLR2004  as above
        return Box(x0, y0, x1, y1)
    return form


def _only(tint: str | Rgb, dots: tuple[Disc, ...], number: int) -> list[Part]:
    """Marks of the upper ground, on its own corners only."""
    inside = tuple(dot for dot in dots if number & _corner_at(dot.x, dot.y))
    return [mark(tint, *inside, shade=1.25)] if inside else []


def _corner_at(x: float, y: float) -> int:
    return next(bit for bit, (cx, cy) in CORNERS.items() if abs(x - cx) <= 0.5 and abs(y - cy) <= 0.5)  # noqa: PLR2004  half a tile


def materials_of(words: tuple[str, ...]) -> list[Material]:
    """All materials that the words name, in order, each once."""
    names = [_SAME.get(word, word) for word in words]
    return [MATERIALS[name] for name in dict.fromkeys(names) if name in MATERIALS]


def _puffs(piece: Piece, body: str | Rgb) -> list[Part]:
    if piece.tile:
        dots = tuple(Disc(0.2 + 0.3 * (i % 3), 0.24 + 0.27 * (i // 3) + 0.06 * (i % 2), 0.12, 0.07) for i in range(9))
        whole = mark(body, Box(-0.02, -0.02, 1.02, 1.02))
        return [whole, mark(body, *dots, shade=0.94), mark(body, *(_lifted(dot, 0.025) for dot in dots), shade=1.5)]
    count = max(3, round(2.4 * piece.aspect))
    rx = 0.72 / count
    row = tuple(Disc((i + 0.5) / count, 0.46 + 0.09 * math.sin(2.4 * i), rx, 0.34) for i in range(count))
    return [part(body, Box(0.01, 0.4, 0.99, 0.94, 0.5), *row, gloss=0.4)]


def _cover(piece: Piece) -> list[Part]:
    """What lies on top, hanging down in tongues."""
    top, fringe = piece.material.top, piece.material.fringe
    if top is None or not piece.open_sides & {"n"}:
        return []
    depth = 0.2 if piece.tile else 0.34
    count = max(3, round(3 * piece.aspect))
    tongues: list[Form] = [Box(-0.02, -0.03, 1.02, depth)]
    for i in range(count):
        width = 0.5 / count
        drop = fringe * (1.0 + 0.6 * math.sin(2.1 * i + piece.turn)) * (1 if piece.tile else 1.6)
        tongues.append(Disc((i + 0.5) / count, depth, width, max(0.02, drop)))
    return [
        Part(top, tuple(tongues), clip=True, shade=0.72, flat=True),
        Part(top, tuple(_lifted(form, 0.03) for form in tongues), clip=True, flat=True),
        mark(top, Box(-0.02, -0.03, 1.02, depth * 0.3), clip=True, shade=1.35),
    ]


def _lifted(form: Form, by: float) -> Form:
    if isinstance(form, Disc):
        return Disc(form.x, form.y - by, form.rx, form.ry)
    if isinstance(form, Box):
        return Box(form.x0, form.y0, form.x1, form.y1 - by, form.r)
    return form


def _pattern(piece: Piece, body: str | Rgb) -> list[Part]:
    makers = {
        "pebbles": _pebbles, "bricks": _bricks, "planks": _planks, "ripples": _ripples,
        "waves": _waves, "shine": _shine, "rivets": _rivets,
    }  # fmt: skip
    return makers[piece.material.pattern](piece, body)


def _pebbles(piece: Piece, body: str | Rgb) -> list[Part]:
    columns = max(2, round(3 * piece.aspect))
    dots: list[Form] = []
    lights: list[Form] = []
    for i in range(columns * 3):
        x = (i % columns + 0.5 + 0.3 * math.sin(5.1 * i + 1.7 * piece.turn)) / columns
        y = 0.36 + 0.22 * (i // columns) + 0.06 * math.sin(3.7 * i + piece.turn)
        rx = (0.055 + 0.03 * math.sin(7.3 * i + piece.turn)) / piece.aspect * min(1.0, piece.aspect)
        (dots if i % 3 else lights).append(Disc(x, y, rx, 0.04 + 0.015 * math.sin(4.1 * i)))
    return [mark(body, *dots, clip=True, shade=0.82), mark(body, *lights, clip=True, shade=1.14)]


def _bricks(piece: Piece, body: str | Rgb) -> list[Part]:
    rows, columns = (4, 2) if piece.tile else (3, max(2, round(2 * piece.aspect)))
    joint, light = 0.022, []
    dark: list[Form] = [Box(-0.02, row / rows - joint, 1.02, row / rows + joint) for row in range(rows + 1)]
    tones: list[Part] = []
    for row in range(rows):
        shift = 0.5 if row % 2 else 0.0
        for column in range(-1, columns + 1):
            x = (column + shift) / columns
            dark.append(Box(x - joint / piece.aspect, row / rows, x + joint / piece.aspect, (row + 1) / rows))
            light.append(Box(x, row / rows + joint, x + 1 / columns, row / rows + joint * 2.6))
            if (row * 5 + column % columns * 3 + piece.turn) % 4 == 0:
                tones.append(mark(body, Box(x, row / rows, x + 1 / columns, (row + 1) / rows), clip=True, shade=1.12))
    return [*tones, mark(body, *light, clip=True, shade=1.25), mark(body, *dark, clip=True, shade=0.66)]


def _planks(piece: Piece, body: str | Rgb) -> list[Part]:
    rows = 3 if piece.tile or piece.aspect > 1.6 else 4  # noqa: PLR2004  wide boards for wide pieces
    seams = tuple(Box(-0.02, row / rows - 0.018, 1.02, row / rows + 0.018) for row in range(rows + 1))
    ends = tuple(
        Box(x - 0.012 / piece.aspect, row / rows, x + 0.012 / piece.aspect, (row + 1) / rows)
        for row in range(rows)
        for x in (0.3 + 0.35 * ((row + piece.turn) % 2),)
    )
    grain = tuple(
        Stroke(((0.08 + 0.1 * (row % 2), (row + 0.4) / rows), (0.6 + 0.1 * (row % 3), (row + 0.52) / rows)), 0.014)
        for row in range(rows)
    )
    tones = tuple(Box(-0.02, row / rows, 1.02, (row + 1) / rows) for row in range(0, rows, 2))
    return [
        mark(body, *tones, clip=True, shade=1.1),
        mark(body, *grain, clip=True, shade=0.8),
        mark(body, *seams, *ends, clip=True, shade=0.58),
    ]


def _curve(y: float, height: float, turns: float, phase: float) -> tuple[tuple[float, float], ...]:
    return tuple((i / 24, y + height * math.sin(2 * math.pi * turns * i / 24 + phase)) for i in range(25))


def _ripples(piece: Piece, body: str | Rgb) -> list[Part]:
    turns = max(1, round(piece.aspect))
    lines = tuple(Stroke(_curve(0.36 + 0.2 * i, 0.03, turns, 1.9 * i), 0.025) for i in range(4))
    return [mark(body, *lines, clip=True, shade=0.88)]


def _waves(piece: Piece, body: str | Rgb) -> list[Part]:
    turns = max(1, round(2 * piece.aspect))
    deep = tuple(Stroke(_curve(0.5 + 0.24 * i, 0.04, turns, 2.2 * i), 0.06) for i in range(3))
    light = tuple(Stroke(_curve(0.38 + 0.24 * i, 0.03, turns, 2.2 * i + 1), 0.03) for i in range(3))
    return [mark(body, Box(-0.02, 0.55, 1.02, 1.02), clip=True, shade=0.9), mark(body, *deep, clip=True, shade=0.84),
            mark(body, *light, clip=True, shade=1.35)]  # fmt: skip


def _shine(piece: Piece, body: str | Rgb) -> list[Part]:
    step = 0.62 / piece.aspect
    slants = []
    for i in range(max(1, round(1.6 * piece.aspect))):
        x = 0.12 / piece.aspect + i * step
        slants.append(
            Poly(
                (
                    (x + 0.2 / piece.aspect, 0.24),
                    (x + 0.34 / piece.aspect, 0.24),
                    (x + 0.14 / piece.aspect, 0.92),
                    (x, 0.92),
                )
            )
        )
    cracks = Stroke(((0.66, 0.3), (0.6, 0.5), (0.7, 0.62), (0.64, 0.8)), 0.012)
    return [mark(body, *slants, clip=True, shade=1.3), mark(body, cracks, clip=True, shade=0.75)]


def _rivets(piece: Piece, body: str | Rgb) -> list[Part]:
    count = max(1, round(piece.aspect))
    seams = tuple(
        Box(i / count - 0.012 / piece.aspect, -0.02, i / count + 0.012 / piece.aspect, 1.02) for i in range(count + 1)
    )
    rims = (Box(-0.02, -0.02, 1.02, 0.06), Box(-0.02, 0.94, 1.02, 1.02))
    dots = tuple(
        Disc((i + d) / count, y, 0.03 / piece.aspect, 0.03)
        for i in range(count)
        for d in (0.14, 0.86)
        for y in (0.16, 0.84)
    )
    return [
        mark(body, Box(-0.02, -0.02, 1.02, 0.5), clip=True, shade=1.08),
        mark(body, *seams, *rims, clip=True, shade=0.66),
        mark(body, *dots, clip=True, shade=1.4),
    ]
