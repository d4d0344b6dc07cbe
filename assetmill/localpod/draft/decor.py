"""What grows and stands in a landscape: one silhouette a kind, drawn with a pen on a mask.

Each function draws one thing with its foot at (x, y) and height `s`, in pixels of the mask. Scenery
repeats it along a ground line and lights it; nothing here knows a colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

Pen = ImageDraw.ImageDraw
Chance = np.random.Generator


def _oval(pen: Pen, x: float, y: float, rx: float, ry: float) -> None:
    pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=255)


def _tree(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    pen.polygon(
        [
            (x - s * 0.05, y - s * 0.5),
            (x + s * 0.05, y - s * 0.5),
            (x + s * 0.08, y + s * 0.08),
            (x - s * 0.08, y + s * 0.08),
        ],
        fill=255,
    )
    for dx, dy, r in ((-0.2, -0.55, 0.2), (0.2, -0.55, 0.2), (0.0, -0.76, 0.26), (0.0, -0.5, 0.22)):
        _oval(pen, x + s * (dx + 0.04 * chance.random()), y + s * dy, s * r, s * r * 0.92)


def _pine(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    pen.rectangle((x - s * 0.035, y - s * 0.2, x + s * 0.035, y + s * 0.1), fill=255)
    lean = s * 0.03 * (chance.random() - 0.5)
    for top, low, half in ((1.0, 0.62, 0.15), (0.8, 0.36, 0.21), (0.56, 0.1, 0.27)):
        pen.polygon([(x + lean, y - s * top), (x + s * half, y - s * low), (x - s * half, y - s * low)], fill=255)


def _bush(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    for dx, r in ((-0.5, 0.42), (0.0, 0.6), (0.5, 0.45)):
        _oval(pen, x + s * dx, y - s * (r * 0.5 + 0.1 * chance.random()), s * r, s * r)


def _tuft(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    for i in range(5):
        tip = (i - 2) * 0.28 + 0.2 * (chance.random() - 0.5)
        pen.polygon(
            [
                (x + s * (i - 2.6) * 0.13, y + s * 0.2),
                (x + s * (i - 1.4) * 0.13, y + s * 0.2),
                (x + s * tip, y - s * (0.95 - 0.12 * abs(i - 2))),
            ],
            fill=255,
        )


def _rock(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    top = 0.9 + 0.2 * chance.random()
    pen.polygon(
        [
            (x - s, y + s * 0.3),
            (x - s * 0.8, y - s * 0.4),
            (x - s * 0.2, y - s * top),
            (x + s * 0.5, y - s * 0.75),
            (x + s, y + s * 0.3),
        ],
        fill=255,
    )


def _cactus(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    thick = max(1, round(s * 0.15))
    _post(pen, x, y + s * 0.05, y - s, thick)
    for side in (-1, 1):
        low, high = y - s * (0.35 + 0.15 * chance.random()), y - s * (0.62 + 0.15 * chance.random())
        pen.line([(x, low), (x + side * s * 0.26, low)], fill=255, width=thick)
        _post(pen, x + side * s * 0.26, low, high, thick)


def _post(pen: Pen, x: float, low: float, high: float, thick: float) -> None:
    pen.line([(x, low), (x, high)], fill=255, width=round(thick))
    for y in (low, high):
        _oval(pen, x, y, thick / 2, thick / 2)


def _spire(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    lean = s * 0.12 * (chance.random() - 0.5)
    pen.polygon(
        [
            (x - s * 0.24, y + s * 0.2),
            (x - s * 0.08 + lean, y - s * 0.5),
            (x + lean, y - s),
            (x + s * 0.09 + lean, y - s * 0.45),
            (x + s * 0.24, y + s * 0.2),
        ],
        fill=255,
    )


def _fang(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    lean = s * 0.1 * (chance.random() - 0.5)
    pen.polygon(
        [
            (x - s * 0.22, y - s * 0.25),
            (x - s * 0.07 + lean, y + s * 0.5),
            (x + lean, y + s),
            (x + s * 0.08 + lean, y + s * 0.45),
            (x + s * 0.22, y - s * 0.25),
        ],
        fill=255,
    )


def _crystal(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    for tilt, size in ((-0.4, 0.7), (0.38, 0.62), (0.04 * chance.random(), 1.0)):
        tx, ty = math.sin(tilt), -math.cos(tilt)
        a, b = (x + tx * s * size * 0.72, y + ty * s * size * 0.72), (x + tx * s * size, y + ty * s * size)
        half = s * 0.12 * size
        pen.polygon(
            [
                (x - half * 0.8, y + s * 0.15),
                (a[0] - half, a[1]),
                b,
                (a[0] + half, a[1]),
                (x + half * 0.8, y + s * 0.15),
            ],
            fill=255,
        )


def _weed(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    phase = 6.28 * chance.random()
    dots = [
        (x + s * 0.08 * math.sin(phase + i * 1.1), y + s * 0.1 - s * i * 0.11 * (0.7 + 0.3 * chance.random()))
        for i in range(11)
    ]
    pen.line(dots, fill=255, width=max(2, round(s * 0.07)), joint="curve")
    for i in range(2, 10, 2):
        _oval(pen, dots[i][0] + s * 0.06 * (1 if i % 4 else -1), dots[i][1], s * 0.07, s * 0.035)


def _coral(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    for i in range(5):
        turn = (i - 2) * 0.42 + 0.15 * chance.random()
        end = (x + math.sin(turn) * s * 0.8, y - math.cos(turn) * s * 0.85)
        pen.line([(x, y + s * 0.1), end], fill=255, width=max(2, round(s * 0.13)))
        _oval(pen, *end, s * 0.1, s * 0.1)


def _tower(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    height, half = s * (0.45 + 0.6 * chance.random()), s * (0.13 + 0.09 * chance.random())
    pen.rectangle((x - half, y - height, x + half, y + s), fill=255)
    if chance.random() < 0.5:  # noqa: PLR2004  every second one has a roof house
        pen.rectangle((x - half * 0.5, y - height * 1.1, x + half * 0.4, y - height), fill=255)
        pen.line([(x, y - height * 1.1), (x, y - height * 1.28)], fill=255, width=max(1, round(s * 0.012)))


def _keep(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    pen.rectangle((x - s * 0.34, y - s * 0.42, x + s * 0.34, y + s * 0.3), fill=255)
    for dx, high in ((-0.36, 0.66), (0.36, 0.6 + 0.1 * chance.random()), (0.02, 0.86)):
        pen.rectangle((x + s * (dx - 0.1), y - s * high, x + s * (dx + 0.1), y + s * 0.3), fill=255)
        pen.polygon(
            [
                (x + s * (dx - 0.14), y - s * high),
                (x + s * dx, y - s * (high + 0.26)),
                (x + s * (dx + 0.14), y - s * high),
            ],
            fill=255,
        )


def _merlon(pen: Pen, x: float, y: float, s: float, _chance: Chance) -> None:
    pen.rectangle((x - s * 0.55, y - s, x + s * 0.55, y + s), fill=255)


def _island(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    w = s * (0.8 + 0.35 * chance.random())
    _oval(pen, x, y, w, s * 0.16)
    under = [
        (x - w * 0.95, y + s * 0.03),
        (x - w * 0.5, y + s * 0.4),
        (x - w * 0.12, y + s * 0.78),
        (x + w * 0.2, y + s * 0.5),
        (x + w * 0.6, y + s * 0.3),
        (x + w * 0.95, y + s * 0.03),
    ]
    pen.polygon(under, fill=255)
    _tree(pen, x - w * 0.36, y - s * 0.1, s * 0.62, chance)
    _bush(pen, x + w * 0.4, y - s * 0.1, s * 0.2, chance)


def _isle(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    _oval(pen, x, y, s * 1.6, s * 0.5)
    _oval(pen, x + s * (0.6 + 0.2 * chance.random()), y - s * 0.1, s * 0.7, s * 0.7)


def _planet(pen: Pen, x: float, y: float, s: float, chance: Chance) -> None:
    r = s * (0.3 + 0.35 * chance.random())
    _oval(pen, x, y, r, r)


def _crater(pen: Pen, x: float, y: float, s: float, _chance: Chance) -> None:
    _oval(pen, x, y, s * 1.2, s * 0.4)


GROWTH: dict[str, Callable[[Pen, float, float, float, Chance], None]] = {
    "tree": _tree, "pine": _pine, "bush": _bush, "tuft": _tuft, "rock": _rock, "cactus": _cactus, "spire": _spire,
    "fang": _fang, "crystal": _crystal, "weed": _weed, "coral": _coral, "tower": _tower, "keep": _keep,
    "merlon": _merlon, "island": _island, "isle": _isle, "planet": _planet, "crater": _crater,
}  # fmt: skip
"""Kind of a stratum's growth -> the pen that draws one."""
