"""Placeholder figures of things: coins, crates, trees, doors and what else lies about in a level.

Each figure is a function of nothing that returns parts in a unit square (x right, y down), so a reader
sees a picture in a few lines. A word chooses the figure; `natural` is its colour when the prompt names
none. Proportions are taste.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assetmill.localpod.draft import landmarks, nature
from assetmill.localpod.draft.forms import INK, WHITE, Box, Disc, Part, Poly, Stroke, burst, mark, part
from assetmill.localpod.draft.pixels import Rgb

WOOD: Rgb = (168, 112, 66)
LEAF: Rgb = (98, 180, 76)
STONE: Rgb = (150, 154, 166)
GOLD: Rgb = (250, 200, 62)
IRON: Rgb = (150, 158, 174)


@dataclass(frozen=True, slots=True)
class Figure:
    """How a thing is drawn.

    Args:
        parts: makes them, back to front.
        natural: its colour when nobody says.
        eyes: x, y and distance of small eyes; None for things without a face.
        lifeless: never gets a face, not even as an enemy.
    """

    parts: Callable[[], list[Part]]
    natural: Rgb | None = None
    eyes: tuple[float, float, float] | None = None
    lifeless: bool = False


def _coin() -> list[Part]:
    return [
        part("main", Disc(0.5, 0.5, 0.46, 0.47)),
        part("main", Disc(0.5, 0.5, 0.34, 0.35), shade=0.86, gloss=0.3),
        part("main", Poly(burst(0.5, 0.51, 0.24, 0.11, 5)), shade=1.25),
    ]


def _star() -> list[Part]:
    return [part("main", Poly(burst(0.5, 0.54, 0.5, 0.25, 5)))]


def _heart() -> list[Part]:
    return [
        part(
            "main",
            Disc(0.29, 0.32, 0.25, 0.26),
            Disc(0.71, 0.32, 0.25, 0.26),
            Poly(((0.055, 0.42), (0.5, 0.96), (0.945, 0.42), (0.5, 0.2))),
            gloss=1.4,
        ),
        mark(WHITE, Disc(0.27, 0.25, 0.075, 0.055), clip=True),
    ]


def _gem() -> list[Part]:
    top, girdle, tip = 0.1, 0.38, 0.95
    return [
        part("main", Poly(((0.24, top), (0.76, top), (0.98, girdle), (0.5, tip), (0.02, girdle))), gloss=1.5),
        mark("main", Poly(((0.24, top), (0.36, girdle), (0.02, girdle))), shade=1.35),
        mark("main", Poly(((0.24, top), (0.76, top), (0.64, girdle), (0.36, girdle))), shade=1.62),
        mark("main", Poly(((0.76, top), (0.98, girdle), (0.64, girdle))), shade=1.15),
        mark("main", Poly(((0.02, girdle), (0.36, girdle), (0.5, tip))), shade=1.08),
        mark("main", Poly(((0.36, girdle), (0.64, girdle), (0.5, tip))), shade=0.9),
        mark("main", Poly(((0.64, girdle), (0.98, girdle), (0.5, tip))), shade=0.66),
        mark(WHITE, Poly(((0.28, 0.15), (0.42, 0.15), (0.35, 0.21), (0.24, 0.21)))),
    ]


def _crystal() -> list[Part]:
    return [
        part("main", Poly(((0.14, 0.95), (0.04, 0.56), (0.16, 0.38), (0.32, 0.6), (0.34, 0.95))), shade=0.8),
        part("main", Poly(((0.64, 0.95), (0.68, 0.52), (0.86, 0.3), (0.96, 0.56), (0.84, 0.95))), shade=0.9),
        part("main", Poly(((0.28, 0.96), (0.26, 0.34), (0.5, 0.03), (0.72, 0.34), (0.72, 0.96))), gloss=1.5),
        mark("main", Poly(((0.28, 0.96), (0.26, 0.34), (0.5, 0.03), (0.46, 0.42), (0.46, 0.96))), shade=1.45),
        mark("main", Poly(((0.62, 0.96), (0.6, 0.42), (0.5, 0.03), (0.72, 0.34), (0.72, 0.96))), shade=0.72),
    ]


def _key() -> list[Part]:
    return [
        part(
            "main",
            Stroke(((0.34, 0.36), (0.8, 0.82)), 0.13),
            Stroke(((0.66, 0.68), (0.8, 0.55)), 0.11),
            Stroke(((0.79, 0.81), (0.92, 0.68)), 0.11),
            Disc(0.3, 0.31, 0.26, 0.27),
        ),
        mark("deep", Disc(0.28, 0.29, 0.11, 0.11)),
    ]


def _potion() -> list[Part]:
    return [
        part((214, 232, 244), Disc(0.5, 0.64, 0.37, 0.33), Box(0.39, 0.14, 0.61, 0.45, 0.1), gloss=0.6),
        part("main", Disc(0.5, 0.69, 0.3, 0.25)),
        mark("light", Disc(0.5, 0.53, 0.26, 0.06), clip=True),
        mark(WHITE, Disc(0.42, 0.7, 0.035, 0.035), Disc(0.58, 0.78, 0.03, 0.03), Disc(0.55, 0.64, 0.022, 0.022)),
        part(WOOD, Box(0.37, 0.04, 0.63, 0.19, 0.25)),
        mark(WHITE, Stroke(((0.26, 0.56), (0.22, 0.68)), 0.045)),
    ]


def _mushroom() -> list[Part]:
    return [
        part((246, 232, 208), Box(0.32, 0.46, 0.68, 0.95, 0.4)),
        part("main", Disc(0.5, 0.43, 0.48, 0.38), shade=1.0),
        mark((226, 204, 176), Disc(0.5, 0.64, 0.34, 0.09), clip=True),
        mark(
            WHITE,
            Disc(0.32, 0.3, 0.1, 0.085),
            Disc(0.66, 0.22, 0.08, 0.065),
            Disc(0.74, 0.46, 0.085, 0.07),
            Disc(0.14, 0.47, 0.06, 0.06),
            clip=True,
        ),
    ]


def _bomb() -> list[Part]:
    return [
        part(WOOD, Stroke(((0.58, 0.26), (0.66, 0.14), (0.8, 0.15)), 0.06)),
        part("main", Disc(0.47, 0.6, 0.37, 0.36), Box(0.48, 0.18, 0.68, 0.36, 0.2), gloss=1.8),
        mark((255, 150, 40), Poly(burst(0.83, 0.14, 0.15, 0.06, 7))),
        mark((255, 236, 130), Disc(0.83, 0.14, 0.05, 0.05)),
    ]


def _apple() -> list[Part]:
    return [
        part(WOOD, Stroke(((0.5, 0.3), (0.53, 0.1)), 0.07)),
        part("main", Disc(0.34, 0.58, 0.3, 0.36), Disc(0.66, 0.58, 0.3, 0.36)),
        part(LEAF, Poly(((0.54, 0.22), (0.66, 0.06), (0.9, 0.08), (0.76, 0.24)))),
        mark(WHITE, Disc(0.24, 0.46, 0.06, 0.09)),
    ]


def _crate() -> list[Part]:
    rims = (
        Box(0.04, 0.04, 0.96, 0.2),
        Box(0.04, 0.8, 0.96, 0.96),
        Box(0.04, 0.04, 0.2, 0.96),
        Box(0.8, 0.04, 0.96, 0.96),
    )
    return [
        part("main", Box(0.04, 0.04, 0.96, 0.96, 0.06), shade=0.78, gloss=0.2),
        mark("deep", *(Stroke(((0.2, y), (0.8, y)), 0.015) for y in (0.35, 0.5, 0.65))),
        part("main", Stroke(((0.2, 0.8), (0.8, 0.2)), 0.15), shade=0.95, gloss=0.2, clip=True),
        part("main", *rims, gloss=0.2),
        mark("deep", *(Disc(x, y, 0.022, 0.022) for x in (0.12, 0.88) for y in (0.12, 0.88))),
    ]


def _chest() -> list[Part]:
    return [
        part("main", Box(0.05, 0.42, 0.95, 0.95, 0.1), shade=0.9),
        part("main", Box(0.03, 0.1, 0.97, 0.56, 0.45)),
        part(GOLD, Box(0.03, 0.48, 0.97, 0.58), Box(0.16, 0.1, 0.26, 0.95), Box(0.74, 0.1, 0.84, 0.95), clip=True),
        part(GOLD, Box(0.41, 0.42, 0.59, 0.7, 0.3)),
        mark(INK, Disc(0.5, 0.53, 0.035, 0.035), Box(0.485, 0.53, 0.515, 0.63)),
    ]


def _barrel() -> list[Part]:
    return [
        part("main", Box(0.1, 0.04, 0.9, 0.96, 0.3), Disc(0.5, 0.5, 0.46, 0.4)),
        mark("deep", *(Stroke(((x, 0.05), (x, 0.95)), 0.014) for x in (0.3, 0.5, 0.7)), clip=True),
        part(IRON, Box(0, 0.2, 1, 0.3), Box(0, 0.7, 1, 0.8), clip=True),
    ]


def _door() -> list[Part]:
    return [
        part(STONE, Box(0.06, 0.02, 0.94, 0.98, 0.4), Box(0.06, 0.5, 0.94, 0.98)),
        part("main", Box(0.18, 0.13, 0.82, 0.98, 0.42), Box(0.18, 0.5, 0.82, 0.98)),
        mark("deep", *(Stroke(((x, 0.2), (x, 0.96)), 0.02) for x in (0.39, 0.61)), clip=True),
        part(GOLD, Disc(0.72, 0.58, 0.05, 0.04)),
    ]


def _flag() -> list[Part]:
    return [
        part(WOOD, Stroke(((0.2, 0.08), (0.2, 0.95)), 0.08)),
        part(
            "main", Poly(((0.22, 0.1), (0.6, 0.16), (0.94, 0.1), (0.82, 0.32), (0.94, 0.54), (0.6, 0.58), (0.22, 0.52)))
        ),
        part(GOLD, Disc(0.2, 0.07, 0.07, 0.06)),
        mark(WHITE, Poly(burst(0.5, 0.34, 0.12, 0.055, 5))),
    ]


def _spikes() -> list[Part]:
    teeth = tuple(Poly(((i / 4 + 0.01, 0.88), (i / 4 + 0.125, 0.06), (i / 4 + 0.24, 0.88))) for i in range(4))
    return [
        part("main", *teeth, gloss=1.2),
        mark("light", *(Poly(((i / 4 + 0.04, 0.86), (i / 4 + 0.12, 0.14), (i / 4 + 0.1, 0.86))) for i in range(4))),
        part("deep", Box(0.0, 0.8, 1.0, 0.98, 0.2)),
    ]


def _sword() -> list[Part]:
    return [
        part((206, 218, 234), Poly(((0.5, 0.02), (0.59, 0.14), (0.58, 0.66), (0.42, 0.66), (0.41, 0.14)))),
        mark(WHITE, Poly(((0.5, 0.06), (0.5, 0.66), (0.45, 0.66), (0.44, 0.15)))),
        part("main", Box(0.24, 0.64, 0.76, 0.73, 0.5)),
        part(WOOD, Box(0.44, 0.72, 0.56, 0.92, 0.2)),
        part("main", Disc(0.5, 0.93, 0.08, 0.05)),
    ]


def _shield() -> list[Part]:
    def heater(m: float) -> Poly:
        return Poly(
            (
                (m, 0.05 + m),
                (1 - m, 0.05 + m),
                (1 - m, 0.5),
                (0.8 - m / 3, 0.78),
                (0.5, 0.98 - m),
                (0.2 + m / 3, 0.78),
                (m, 0.5),
            )
        )

    return [part(IRON, heater(0.04)), part("main", heater(0.14)), part("accent", Poly(burst(0.5, 0.43, 0.2, 0.09, 5)))]


def _crown() -> list[Part]:
    return [
        part(
            "main",
            Poly(((0.06, 0.28), (0.3, 0.52), (0.5, 0.14), (0.7, 0.52), (0.94, 0.28), (0.86, 0.88), (0.14, 0.88))),
        ),
        part("main", Disc(0.06, 0.26, 0.06, 0.06), Disc(0.5, 0.12, 0.07, 0.07), Disc(0.94, 0.26, 0.06, 0.06)),
        part("second", Disc(0.5, 0.7, 0.09, 0.09), Disc(0.26, 0.73, 0.05, 0.06), Disc(0.74, 0.73, 0.05, 0.06)),
    ]


def _spring() -> list[Part]:
    coils = ((0.2, 0.86), (0.8, 0.76), (0.2, 0.62), (0.8, 0.5), (0.2, 0.38), (0.8, 0.28))
    return [
        part(IRON, Stroke(coils, 0.09)),
        part("main", Box(0.04, 0.06, 0.96, 0.3, 0.4)),
        part("deep", Box(0.08, 0.84, 0.92, 0.97, 0.3)),
    ]


def _torch() -> list[Part]:
    return [
        part(WOOD, Poly(((0.4, 0.48), (0.6, 0.48), (0.55, 0.97), (0.45, 0.97)))),
        part(IRON, Box(0.32, 0.44, 0.68, 0.56, 0.3)),
        part(
            "main",
            Poly(((0.5, 0.02), (0.72, 0.28), (0.66, 0.46), (0.34, 0.46), (0.28, 0.28))),
            Disc(0.5, 0.34, 0.21, 0.13),
        ),
        mark((255, 236, 130), Poly(((0.5, 0.16), (0.6, 0.34), (0.56, 0.44), (0.44, 0.44), (0.4, 0.34)))),
    ]


def _sign() -> list[Part]:
    return [
        part(WOOD, Box(0.44, 0.4, 0.56, 0.97, 0.1), shade=0.75),
        part("main", Poly(((0.06, 0.12), (0.74, 0.12), (0.96, 0.33), (0.74, 0.54), (0.06, 0.54)))),
        mark("deep", Stroke(((0.18, 0.26), (0.66, 0.26)), 0.03), Stroke(((0.18, 0.4), (0.58, 0.4)), 0.03)),
    ]


def _balloon() -> list[Part]:
    return [
        mark(INK, Stroke(((0.5, 0.7), (0.46, 0.84), (0.53, 0.96)), 0.02)),
        part("main", Disc(0.5, 0.37, 0.34, 0.34), Poly(((0.5, 0.66), (0.58, 0.76), (0.42, 0.76))), gloss=1.5),
    ]


def _feather() -> list[Part]:
    return [
        part(
            "main", Poly(((0.14, 0.86), (0.22, 0.5), (0.5, 0.2), (0.9, 0.06), (0.84, 0.42), (0.6, 0.7), (0.26, 0.84)))
        ),
        mark("deep", Stroke(((0.08, 0.94), (0.4, 0.58), (0.82, 0.16)), 0.03)),
    ]


def _rocket() -> list[Part]:
    return [
        mark((255, 160, 50), Poly(((0.38, 0.8), (0.62, 0.8), (0.5, 1.0)))),
        part("second", Poly(((0.32, 0.52), (0.1, 0.88), (0.34, 0.8))), Poly(((0.68, 0.52), (0.9, 0.88), (0.66, 0.8)))),
        part("main", Disc(0.5, 0.46, 0.22, 0.44), gloss=1.2),
        part((150, 214, 250), Disc(0.5, 0.36, 0.1, 0.1)),
    ]


def small_eyes(x: float, y: float, gap: float) -> list[Part]:
    """Two friendly dots about (x, y), `gap` apart."""
    return [
        mark(INK, Disc(x - gap / 2, y, 0.026, 0.048), Disc(x + gap / 2, y, 0.026, 0.048)),
        mark(
            WHITE, Disc(x - gap / 2 + 0.008, y - 0.018, 0.01, 0.014), Disc(x + gap / 2 + 0.008, y - 0.018, 0.01, 0.014)
        ),
    ]


_TABLE: tuple[tuple[str, Figure], ...] = (
    ("house hut cottage cabin home shop", Figure(landmarks.house, (214, 92, 76))),
    ("tower lighthouse watchtower", Figure(landmarks.tower, (222, 78, 70))),
    ("windmill mill", Figure(landmarks.windmill, (206, 96, 74))),
    ("ladder", Figure(landmarks.ladder, WOOD)),
    ("fence picket railing", Figure(landmarks.fence, (244, 240, 230))),
    ("drop droplet", Figure(landmarks.drop, (86, 164, 238))),
    ("bolt lightning spark", Figure(landmarks.bolt, GOLD)),
    ("sun", Figure(landmarks.sun, (254, 206, 76))),
    ("moon planet", Figure(landmarks.moon, (232, 228, 206))),
    ("kite", Figure(landmarks.kite)),
    ("egg", Figure(landmarks.egg, (248, 236, 214))),
    ("nut hazelnut acorn walnut chestnut", Figure(landmarks.nut, (190, 124, 70))),
    ("gear cog wheel", Figure(landmarks.gear, IRON)),
    ("bell", Figure(landmarks.bell, GOLD)),
    ("boat ship sailboat airship", Figure(landmarks.boat, (226, 86, 78))),
    ("coin", Figure(_coin, GOLD)),
    ("star", Figure(_star, (255, 210, 74), (0.5, 0.52, 0.13))),
    ("heart", Figure(_heart, (238, 66, 94))),
    ("gem jewel ruby emerald sapphire", Figure(_gem)),
    ("diamond", Figure(_gem, (140, 214, 250))),
    ("crystal", Figure(_crystal, (128, 206, 246))),
    ("key", Figure(_key, GOLD)),
    ("potion bottle flask", Figure(_potion)),
    ("mushroom toadstool", Figure(_mushroom, (222, 66, 58), (0.5, 0.78, 0.16))),
    ("bomb", Figure(_bomb, (72, 72, 90))),
    ("apple", Figure(_apple, (222, 58, 52))),
    ("fruit", Figure(_apple, (240, 120, 60))),
    ("cherry", Figure(_apple, (206, 38, 64))),
    ("flower tulip daisy blossom", Figure(nature.flower)),
    ("tree palm oak", Figure(nature.tree, LEAF)),
    ("pine fir", Figure(nature.pine, (58, 138, 92))),
    ("bush shrub", Figure(nature.bush, LEAF)),
    ("cloud puff", Figure(nature.cloud, (240, 246, 255))),
    ("rock boulder stone", Figure(nature.rock, STONE)),
    ("crate box", Figure(_crate, WOOD)),
    ("chest", Figure(_chest, (158, 96, 58))),
    ("barrel", Figure(_barrel, WOOD)),
    ("door gate", Figure(_door, WOOD)),
    ("portal", Figure(_door, (126, 92, 220))),
    ("flag banner checkpoint", Figure(_flag)),
    ("spike icicle stalactite", Figure(_spikes, IRON, lifeless=True)),
    ("thorn", Figure(_spikes, (92, 130, 70), lifeless=True)),
    ("sword", Figure(_sword, GOLD)),
    ("shield", Figure(_shield)),
    ("crown", Figure(_crown, GOLD)),
    ("spring trampoline", Figure(_spring, (232, 72, 72))),
    ("torch flame", Figure(_torch, (250, 140, 44))),
    ("lantern", Figure(_torch, (250, 170, 60))),
    ("sign signpost", Figure(_sign, WOOD)),
    ("balloon", Figure(_balloon, (238, 74, 86))),
    ("feather", Figure(_feather)),
    ("leaf", Figure(_feather, LEAF)),
    ("rocket", Figure(_rocket, (232, 238, 246))),
)
FIGURES: dict[str, Figure] = {word: figure for words, figure in _TABLE for word in words.split()}
"""Word of a prompt -> figure."""
