"""Ground lines: the edge of a hill, a mountain range, a dune or a bank of cloud.

Each is a height for every column, in pixels from the top, and its ends meet: whatever is drawn below it
repeats sideways without a seam.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assetmill.localpod.draft.pixels import Array, smoothstep, wave

Chance = np.random.Generator


def crest(kind: str, shape: tuple[int, int], middle: float, swing: float, rng: Chance) -> Array:
    """The line of a stratum.

    Args:
        kind: peaks, mesas, dunes, swell, bank, flat; anything else is rolling hills.
        shape: (height, width) in pixels.
        middle: its middle, as a share of the height.
        swing: how far it rises and falls, as a share of the shorter side.
        rng: chance.
    """
    line = _LINES.get(kind, _hills)(shape[1], rng)
    return np.asarray(middle * shape[0] - line * (swing * min(shape)), dtype=np.float32)


def _around(width: int, turns: float) -> Array:
    return np.linspace(0, turns, width, endpoint=False, dtype=np.float32)


def _hills(width: int, rng: Chance) -> Array:
    return wave(width, rng, (1, 2, 3, 5, 9), 0.62)


def _peaks(width: int, rng: Chance) -> Array:
    teeth = np.zeros(width, dtype=np.float32)
    for count, strength in ((4, 1.0), (7, 0.55), (17, 0.2), (41, 0.07)):
        at = (_around(width, count) + np.float32(rng.random())) % 1
        teeth += np.float32(strength) * (1 - np.abs(at * 2 - 1))
    return teeth - np.float32(0.8)


def _mesas(width: int, rng: Chance) -> Array:
    return smoothstep(-0.05, 0.12, wave(width, rng, (2, 3, 5))) - np.float32(0.06) * wave(width, rng, (9, 23, 41))


def _dunes(width: int, rng: Chance) -> Array:
    return np.float32(1.2) * np.abs(wave(width, rng, (2, 3, 4))) - np.float32(0.4)


def _swell(width: int, rng: Chance) -> Array:
    line = np.abs(np.sin(_around(width, np.pi * 14) + np.float32(rng.random() * np.pi)))
    return np.asarray(line, dtype=np.float32)


def _bank(width: int, rng: Chance) -> Array:
    """Round puffs of three sizes: the greatest of each column."""
    arcs = [
        np.abs(np.sin(_around(width, np.pi * count) + np.float32(rng.random() * np.pi))) * np.float32(size)
        for count, size in ((4, 1.0), (6, 0.8), (11, 0.6))
    ]
    return np.asarray(np.sqrt(np.maximum.reduce(arcs)) * 1.6 - 0.8, dtype=np.float32)


def _flat(width: int, _rng: Chance) -> Array:
    return np.zeros(width, dtype=np.float32)


_LINES: dict[str, Callable[[int, Chance], Array]] = {
    "peaks": _peaks, "mesas": _mesas, "dunes": _dunes, "swell": _swell, "bank": _bank, "flat": _flat,
}  # fmt: skip
