"""More placeholder figures: buildings, weather and other things that are larger or stranger than loot.

Made like those of things.py: parts in a unit square, back to front; proportions are taste.
"""

from __future__ import annotations

import math

from assetmill.localpod.draft.forms import INK, WHITE, Box, Disc, Part, Poly, Stroke, burst, mark, part

WOOD = (168, 112, 66)
STONE = (150, 154, 166)
GLASS = (255, 226, 140)


def house() -> list[Part]:
    """A cottage with a pitched roof."""
    return [
        part(WOOD, Box(0.7, 0.06, 0.82, 0.34), shade=0.8),
        part((246, 232, 206), Box(0.12, 0.42, 0.88, 0.97)),
        part("main", Poly(((0.5, 0.06), (0.99, 0.5), (0.01, 0.5)))),
        part(WOOD, Box(0.4, 0.62, 0.6, 0.97, 0.3)),
        part(GLASS, Box(0.18, 0.6, 0.33, 0.76, 0.2), Box(0.67, 0.6, 0.82, 0.76, 0.2)),
    ]


def tower() -> list[Part]:
    """A lighthouse or watch tower: striped, with a lit top."""
    stripes = tuple(Box(0.0, y, 1.0, y + 0.12) for y in (0.36, 0.6, 0.84))
    return [
        part((244, 240, 230), Poly(((0.3, 0.27), (0.7, 0.27), (0.84, 0.97), (0.16, 0.97)))),
        part("main", *stripes, clip=True),
        part(GLASS, Box(0.32, 0.14, 0.68, 0.29)),
        part("deep", Box(0.2, 0.26, 0.8, 0.31, 0.5)),
        part("main", Poly(((0.5, 0.01), (0.8, 0.16), (0.2, 0.16)))),
    ]


def windmill() -> list[Part]:
    """A mill with four sails."""
    hub, parts = (0.5, 0.36), []
    for turn in (0.4, 0.4 + math.pi / 2, 0.4 + math.pi, 0.4 + 3 * math.pi / 2):
        dx, dy = math.cos(turn), math.sin(turn)
        near, far = (hub[0] + dx * 0.1, hub[1] + dy * 0.08), (hub[0] + dx * 0.44, hub[1] + dy * 0.33)
        side = (-dy * 0.13, dx * 0.1)
        sail = (near, far, (far[0] + side[0], far[1] + side[1]), (near[0] + side[0], near[1] + side[1]))
        parts.append(part((250, 242, 222), Poly(sail)))
    body = part((238, 220, 190), Poly(((0.36, 0.3), (0.64, 0.3), (0.76, 0.98), (0.24, 0.98))))
    roof = part("main", Poly(((0.5, 0.12), (0.7, 0.34), (0.3, 0.34))))
    return [body, roof, part(WOOD, Box(0.43, 0.78, 0.57, 0.98, 0.3)), *parts, part(WOOD, Disc(*hub, 0.05, 0.04))]


def ladder() -> list[Part]:
    """Two rails and their rungs."""
    rungs = tuple(Box(0.1, y, 0.9, y + 0.045, 0.4) for y in (0.08, 0.22, 0.36, 0.5, 0.64, 0.78, 0.9))
    return [
        part("main", *rungs, shade=0.9),
        part("main", Box(0.04, 0.01, 0.22, 0.99, 0.4), Box(0.78, 0.01, 0.96, 0.99, 0.4)),
    ]


def fence() -> list[Part]:
    """Pickets on two rails."""
    pickets = tuple(
        Poly(((x, 0.97), (x, 0.26), (x + 0.085, 0.12), (x + 0.17, 0.26), (x + 0.17, 0.97)))
        for x in (0.03, 0.29, 0.55, 0.8)
    )
    return [part("main", Box(0.0, 0.4, 1.0, 0.5), Box(0.0, 0.7, 1.0, 0.8), shade=0.85), part("main", *pickets)]


def drop() -> list[Part]:
    """A drop of water."""
    return [
        part("main", Disc(0.5, 0.64, 0.36, 0.34), Poly(((0.5, 0.02), (0.8, 0.5), (0.2, 0.5))), gloss=1.5),
        mark(WHITE, Disc(0.36, 0.6, 0.05, 0.09)),
    ]


def bolt() -> list[Part]:
    """A flash of lightning."""
    return [
        part(
            "main",
            Poly(((0.56, 0.02), (0.16, 0.56), (0.44, 0.56), (0.34, 0.98), (0.84, 0.4), (0.54, 0.4), (0.76, 0.02))),
        )
    ]


def sun() -> list[Part]:
    """A sun with rays."""
    return [part("main", Poly(burst(0.5, 0.5, 0.49, 0.34, 12)), shade=0.92), part("main", Disc(0.5, 0.5, 0.31, 0.31))]


def moon() -> list[Part]:
    """A full moon with craters."""
    craters = (Disc(0.34, 0.38, 0.09, 0.08), Disc(0.62, 0.62, 0.12, 0.1), Disc(0.62, 0.28, 0.06, 0.05))
    return [part("main", Disc(0.5, 0.5, 0.46, 0.46)), mark("main", *craters, shade=0.86)]


def kite() -> list[Part]:
    """A paper kite with its tail."""
    return [
        mark(INK, Stroke(((0.5, 0.7), (0.42, 0.82), (0.54, 0.9), (0.46, 0.98)), 0.02)),
        part("main", Poly(((0.5, 0.02), (0.92, 0.3), (0.5, 0.76), (0.08, 0.3)))),
        part("second", Poly(((0.5, 0.02), (0.92, 0.3), (0.5, 0.3))), Poly(((0.5, 0.76), (0.08, 0.3), (0.5, 0.3)))),
    ]


def egg() -> list[Part]:
    """A spotted egg."""
    spots = (Disc(0.36, 0.4, 0.07, 0.06), Disc(0.62, 0.55, 0.09, 0.07), Disc(0.42, 0.76, 0.07, 0.055))
    return [part("main", Disc(0.5, 0.6, 0.4, 0.37), Disc(0.5, 0.42, 0.3, 0.4)), mark("second", *spots, clip=True)]


def nut() -> list[Part]:
    """A hazelnut or acorn with its cap."""
    return [
        part("main", Disc(0.5, 0.6, 0.4, 0.37), Poly(((0.4, 0.92), (0.6, 0.92), (0.5, 0.99)))),
        part("deep", Box(0.08, 0.16, 0.92, 0.46, 0.5)),
        part("deep", Box(0.45, 0.03, 0.55, 0.2, 0.4)),
    ]


def gear() -> list[Part]:
    """A cog wheel."""
    teeth = tuple(
        Disc(0.5 + 0.38 * math.cos(math.tau * i / 8), 0.5 + 0.38 * math.sin(math.tau * i / 8), 0.11, 0.11)
        for i in range(8)
    )
    return [part("main", *teeth, Disc(0.5, 0.5, 0.37, 0.37)), mark("deep", Disc(0.5, 0.5, 0.15, 0.15))]


def bell() -> list[Part]:
    """A hand bell."""
    return [
        part("deep", Disc(0.5, 0.88, 0.12, 0.1)),
        part("main", Disc(0.5, 0.4, 0.3, 0.32), Poly(((0.2, 0.4), (0.8, 0.4), (0.94, 0.84), (0.06, 0.84)))),
        part("main", Box(0.03, 0.76, 0.97, 0.88, 0.5), shade=0.85),
    ]


def boat() -> list[Part]:
    """A sailing boat."""
    return [
        part(WOOD, Box(0.47, 0.06, 0.53, 0.74)),
        part("main", Poly(((0.54, 0.06), (0.94, 0.62), (0.54, 0.62)))),
        part((250, 244, 228), Poly(((0.46, 0.14), (0.46, 0.62), (0.12, 0.62)))),
        part(WOOD, Poly(((0.04, 0.7), (0.96, 0.7), (0.8, 0.95), (0.2, 0.95)))),
    ]
