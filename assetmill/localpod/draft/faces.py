"""Eyes, brows and mouths: what makes a shape somebody.

Friends smile and have cheeks, foes frown and have fangs. Everything is sized by the distance between the
eyes, so a face fits any head.
"""

from __future__ import annotations

import math

from assetmill.localpod.draft.forms import INK, WHITE, Box, Disc, Part, Poly, Stroke, mark


def face(x: float, y: float, size: float, foe: bool) -> list[Part]:
    """Eyes, brows and mouth about (x, y); `size` is the distance between the eyes."""
    left, right, r = x - size / 2, x + size / 2, size * 0.3
    look = size * 0.06
    parts = [
        mark(WHITE, Disc(left, y, r, r * 1.25), Disc(right, y, r, r * 1.25)),
        mark(
            INK, Disc(left + look, y + r * 0.15, r * 0.58, r * 0.8), Disc(right + look, y + r * 0.15, r * 0.58, r * 0.8)
        ),
        mark(
            WHITE,
            Disc(left + look - r * 0.2, y - r * 0.25, r * 0.2, r * 0.26),
            Disc(right + look - r * 0.2, y - r * 0.25, r * 0.2, r * 0.26),
        ),
    ]
    return parts + (_scowl(x, y, size) if foe else _smile(x, y, size))


def _smile(x: float, y: float, size: float) -> list[Part]:
    low, half = y + size * 0.52, size * 0.2
    arc = tuple((x + half * math.cos(a), low + half * 0.75 * math.sin(a)) for a in (0.2, 0.8, 1.57, 2.34, 2.94))
    cheeks = (
        Disc(x - size * 0.85, y + size * 0.42, size * 0.17, size * 0.11),
        Disc(x + size * 0.85, y + size * 0.42, size * 0.17, size * 0.11),
    )
    return [mark((255, 140, 140), *cheeks, clip=True), mark(INK, Stroke(arc, size * 0.1))]


def _scowl(x: float, y: float, size: float) -> list[Part]:
    brows = (
        Poly(
            (
                (x - size * 0.92, y - size * 0.52),
                (x - size * 0.1, y - size * 0.18),
                (x - size * 0.14, y - size * 0.02),
                (x - size * 0.95, y - size * 0.32),
            )
        ),
        Poly(
            (
                (x + size * 0.92, y - size * 0.52),
                (x + size * 0.1, y - size * 0.18),
                (x + size * 0.14, y - size * 0.02),
                (x + size * 0.95, y - size * 0.32),
            )
        ),
    )
    low = y + size * 0.68
    fangs = tuple(
        Poly(
            (
                (x + d - size * 0.09, low - size * 0.07),
                (x + d + size * 0.09, low - size * 0.07),
                (x + d, low + size * 0.14),
            )
        )
        for d in (-size * 0.22, size * 0.22)
    )
    return [
        mark(INK, *brows, clip=True),
        mark(INK, Box(x - size * 0.42, low - size * 0.1, x + size * 0.42, low + size * 0.06, 0.5)),
        mark(WHITE, *fangs),
    ]
