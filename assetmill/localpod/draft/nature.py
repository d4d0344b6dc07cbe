"""Placeholder figures that grow or lie about: plants, clouds and rocks.

Made like those of things.py: parts in a unit square, back to front; proportions are taste.
"""

from __future__ import annotations

from assetmill.localpod.draft.forms import Box, Disc, Part, Poly, Stroke, mark, part, ring
from assetmill.localpod.draft.pixels import Rgb

WOOD: Rgb = (168, 112, 66)


def flower() -> list[Part]:
    """A flower with two leaves."""
    petals = tuple(Disc(x, y, 0.17, 0.14) for x, y in ring(0.5, 0.34, 0.23, 0.19, 6))
    return [
        part(
            (88, 160, 72),
            Stroke(((0.5, 0.45), (0.48, 0.95)), 0.07),
            Disc(0.34, 0.78, 0.15, 0.06),
            Disc(0.64, 0.7, 0.15, 0.06),
        ),
        part("main", *petals),
        part("accent", Disc(0.5, 0.33, 0.14, 0.12)),
    ]


def tree() -> list[Part]:
    """A broad-leaved tree."""
    return [
        part(WOOD, Poly(((0.43, 0.5), (0.57, 0.5), (0.64, 0.97), (0.36, 0.97))), shade=0.85),
        part(
            "main",
            Disc(0.28, 0.45, 0.25, 0.2),
            Disc(0.72, 0.45, 0.25, 0.2),
            Disc(0.5, 0.27, 0.3, 0.24),
            Disc(0.5, 0.5, 0.28, 0.17),
        ),
        mark(
            "light", Disc(0.38, 0.2, 0.09, 0.04), Disc(0.2, 0.4, 0.07, 0.03), Disc(0.64, 0.36, 0.08, 0.035), clip=True
        ),
    ]


def pine() -> list[Part]:
    """A fir of three tiers."""
    tiers = ((0.62, 0.92, 0.45), (0.36, 0.68, 0.36), (0.04, 0.42, 0.27))
    return [
        part(WOOD, Box(0.43, 0.8, 0.57, 0.98, 0.1), shade=0.8),
        *(
            part(
                "main",
                Poly(((0.5, max(0.04, top - 0.1)), (0.5 + half, low), (0.5 - half, low))),
                shade=0.86 + 0.1 * i,
            )
            for i, (top, low, half) in enumerate(tiers)
        ),
    ]


def bush() -> list[Part]:
    """A round bush with berries."""
    return [
        part(
            "main",
            Disc(0.24, 0.66, 0.23, 0.28),
            Disc(0.76, 0.66, 0.23, 0.28),
            Disc(0.5, 0.5, 0.3, 0.4),
            Box(0.05, 0.68, 0.95, 0.96, 0.4),
        ),
        mark("accent", Disc(0.32, 0.56, 0.03, 0.045), Disc(0.58, 0.36, 0.03, 0.045), Disc(0.72, 0.7, 0.03, 0.045)),
    ]


def cloud() -> list[Part]:
    """A puffy cloud."""
    return [
        part(
            "main",
            Disc(0.25, 0.6, 0.23, 0.28),
            Disc(0.48, 0.42, 0.26, 0.36),
            Disc(0.74, 0.56, 0.24, 0.3),
            Box(0.06, 0.58, 0.95, 0.92, 0.5),
            gloss=0.5,
        ),
    ]


def rock() -> list[Part]:
    """A boulder."""
    return [
        part(
            "main", Poly(((0.04, 0.9), (0.1, 0.5), (0.34, 0.14), (0.68, 0.1), (0.92, 0.44), (0.97, 0.9), (0.5, 0.97)))
        ),
        mark("light", Poly(((0.36, 0.18), (0.66, 0.14), (0.6, 0.34), (0.3, 0.42))), shade=0.94),
        mark("deep", Stroke(((0.68, 0.5), (0.6, 0.66), (0.7, 0.8)), 0.02)),
    ]
