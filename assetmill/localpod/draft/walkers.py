"""Creatures on two feet: heroes, animals and goblins from one body, told apart by ears, hats and tails.

Feet and arms swing with the pose, so that frames of a sheet walk. Parts lie in a unit square;
proportions are taste.
"""

from __future__ import annotations

from dataclasses import replace

from assetmill.localpod.draft.faces import face
from assetmill.localpod.draft.forms import INK, WHITE, Box, Disc, Part, Poly, Stroke, mark, moved, part
from assetmill.localpod.draft.kinds import ANIMALS, FOES, FOLK, LONG_EARS, Pose
from assetmill.localpod.draft.palette import word_set
from assetmill.localpod.draft.pixels import Rgb

Table = tuple[tuple[frozenset[str], tuple[Part, ...]], ...]
"""Words -> parts; the first row that is said counts."""

SKIN: Rgb = (250, 208, 170)


def walker(words: frozenset[str], pose: Pose, foe: bool) -> list[Part]:
    """Parts of a creature on two feet, back to front."""
    swing, dip = pose.swing, pose.bob
    folk = bool(words & FOLK) and not words & ANIMALS
    arms = (
        Disc(0.15 + 0.05 * swing, 0.68 + dip - 0.05 * swing, 0.09, 0.13),
        Disc(0.85 + 0.05 * swing, 0.68 + dip + 0.05 * swing, 0.09, 0.13),
    )
    return [
        *_behind(words, dip, swing),
        part("main", *arms, shade=0.86),
        *_feet("second" if folk else "main", swing),
        part("main", Box(0.19, 0.42 + dip, 0.81, 0.9 + dip / 2, 0.45)),
        *_front_of_body(folk, dip),
        *_worn(words, dip),
        *_first(words, _EARS, dip),
        part(SKIN if folk else "main", Disc(0.5, 0.35 + dip, 0.37, 0.29)),
        *_front(words, dip),
        *face(0.52, 0.36 + dip, 0.27, foe),
        *_first(words, _HATS, dip),
    ]


def _feet(tint: str, swing: float) -> list[Part]:
    """Two feet, the one that swings forward lifted."""
    left = Disc(0.37 + 0.13 * swing, 0.915 - 0.07 * max(0, swing), 0.15, 0.08)
    right = Disc(0.63 - 0.13 * swing, 0.915 - 0.07 * max(0, -swing), 0.15, 0.08)
    return [part(tint, left, shade=0.78), part(tint, right, shade=0.9)]


def _front_of_body(folk: bool, dip: float) -> list[Part]:
    """A belt with a buckle for people, a pale belly for everybody else."""
    if not folk:
        return [part("light", Disc(0.5, 0.76 + dip, 0.19, 0.13), gloss=0.2)]
    belt = part("second", Box(0.1, 0.68 + dip, 0.9, 0.755 + dip), clip=True)
    return [belt, part("accent", Box(0.44, 0.67 + dip, 0.56, 0.765 + dip, 0.2))]


def _worn(words: frozenset[str], dip: float) -> list[Part]:
    """A scarf about the neck, or a belt."""
    if words & {"scarf", "bandana"}:
        end = Poly(((0.64, 0.62 + dip), (0.78, 0.6 + dip), (0.84, 0.84 + dip), (0.7, 0.86 + dip)))
        return [part("second", end), part("second", Box(0.2, 0.56 + dip, 0.8, 0.69 + dip, 0.5))]
    if "belt" in words:
        return [part("second", Box(0.1, 0.72 + dip, 0.9, 0.79 + dip), clip=True)]
    return []


def _behind(words: frozenset[str], dip: float, swing: float) -> list[Part]:
    if words & {"dragon", "demon", "bat"}:
        wings = tuple(
            Poly(
                (
                    (0.5, 0.5 + dip),
                    (0.5 + s * 0.5, 0.26 + dip + 0.06 * swing),
                    (0.5 + s * 0.44, 0.5 + dip),
                    (0.5 + s * 0.48, 0.66 + dip),
                )
            )
            for s in (-1, 1)
        )
        return [part("second", *wings)]
    if words & {"fox", "squirrel", "cat", "wolf", "raccoon", "lion", "dog", "puppy"}:
        tail = Stroke(((0.7, 0.82), (0.9, 0.74 - 0.05 * swing), (0.93, 0.52 - 0.08 * swing)), 0.15)
        return [part("main", tail, shade=0.9), part(WHITE, Disc(0.93, 0.5 - 0.08 * swing, 0.065, 0.07))]
    if words & {"knight", "king", "queen", "prince", "wizard", "witch", "vampire", "cape", "cloak"}:
        return [
            part(
                "second",
                Poly(((0.28, 0.46 + dip), (0.72, 0.46 + dip), (0.9 + 0.05 * swing, 0.9), (0.1 + 0.05 * swing, 0.9))),
                shade=0.85,
            )
        ]
    return []


def _front(words: frozenset[str], dip: float) -> list[Part]:
    if words & {"fox", "dog", "puppy", "wolf", "bear", "cat", "tiger", "raccoon", "pig", "mouse", "cow"}:
        return [
            part(WHITE, Disc(0.52, 0.49 + dip, 0.2, 0.12), gloss=0.2, clip=True),
            mark(INK, Disc(0.52, 0.45 + dip, 0.035, 0.025)),
        ]
    return []


def _first(words: frozenset[str], table: Table, dip: float) -> list[Part]:
    """The parts of the first row whose words are said, sunk by `dip`."""
    found = next((parts for names, parts in table if words & names), ())
    return moved(found, (0.0, dip, 1.0, 1.0 + dip))


def _pair(tint: str | Rgb, x: float, y: float, rx: float, ry: float, shade: float = 1.0) -> Part:
    return part(tint, Disc(0.5 - x, y, rx, ry), Disc(0.5 + x, y, rx, ry), shade=shade)


def _points(tint: str | Rgb, *dots: tuple[float, float]) -> Part:
    """A polygon right of the middle, and its mirror image."""
    sides = (tuple((0.5 + side * x, y) for x, y in dots) for side in (-1, 1))
    return part(tint, *(Poly(side) for side in sides))


_PINK: Rgb = (255, 176, 176)
_STEEL: Rgb = (172, 182, 200)
_GOLD: Rgb = (250, 204, 66)
_HORN: Rgb = (250, 236, 200)
_EARS: Table = (
    (
        word_set("cat fox wolf lion tiger raccoon squirrel goat"),
        (
            _points("main", (0.1, 0.14), (0.36, 0.0), (0.37, 0.32)),
            replace(_points(_PINK, (0.2, 0.14), (0.33, 0.06), (0.33, 0.22)), flat=True),
        ),
    ),
    (LONG_EARS, (_pair("main", 0.17, -0.05, 0.09, 0.22), replace(_pair(_PINK, 0.17, -0.07, 0.045, 0.13), flat=True))),
    (
        word_set("bear mouse rat panda monkey pig hedgehog frog"),
        (_pair("main", 0.28, 0.13, 0.13, 0.115), replace(_pair(_PINK, 0.28, 0.13, 0.065, 0.06), flat=True)),
    ),
    (word_set("dog puppy sheep cow"), (_pair("main", 0.38, 0.36, 0.1, 0.18, shade=0.72),)),
    (word_set("dragon dinosaur") | FOES, (_points(_HORN, (0.14, 0.13), (0.3, 0.0), (0.3, 0.18)),)),
)
_HATS: Table = (
    (
        word_set("knight soldier warrior"),
        (
            part(_STEEL, Poly(((0.13, 0.3), (0.2, 0.12), (0.5, 0.03), (0.8, 0.12), (0.87, 0.3), (0.5, 0.2)))),
            part("second", Disc(0.5, 0.06, 0.07, 0.06)),
        ),
    ),
    (
        word_set("wizard witch mage elf"),
        (
            part("second", Poly(((0.5, 0.0), (0.78, 0.24), (0.22, 0.24)))),
            part("second", Disc(0.5, 0.235, 0.44, 0.05), shade=0.85),
        ),
    ),
    (
        word_set("king queen prince princess"),
        (
            part(
                _GOLD,
                Poly(((0.26, 0.2), (0.22, 0.02), (0.38, 0.1), (0.5, 0.0), (0.62, 0.1), (0.78, 0.02), (0.74, 0.2))),
            ),
        ),
    ),
    (word_set("astronaut pilot"), (part((190, 226, 250), Disc(0.5, 0.14, 0.2, 0.06)),)),
    (ANIMALS, ()),
    (
        FOLK,
        (
            part(
                "main",
                Poly(((0.14, 0.3), (0.18, 0.14), (0.5, 0.04), (0.82, 0.14), (0.86, 0.3), (0.6, 0.19), (0.34, 0.22))),
                shade=0.8,
            ),
        ),
    ),
)
