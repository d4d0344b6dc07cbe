"""What a tile means to a level editor: where it collides, and which neighbours it was drawn for.

Tiled and Godot ask the same two questions and spell the answers differently; they take them from here, or a level
would have other walls in one than in the other. The cells of an autotile set stand in the usual order of the
field: Wang's corner tiles by the sum of their corners, a blob's tiles by the sum of their neighbours.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from assetmill.errors import StorageError
from assetmill.sheets.model import Collision, SheetModel, Size, TileGrid

Autotile = Literal["wang16", "blob47"]
SIDES = ("top", "top_right", "right", "bottom_right", "bottom", "bottom_left", "left", "top_left")
"""The eight neighbours of a tile, clockwise from the top: Tiled's order of a Wang id."""

PLATFORM_SHARE = 0.25  # of a tile's height: whoever jumps up through it is soon out of it again


class Box(NamedTuple):
    """A rectangle in pixels from a tile's upper left corner."""

    x: int
    y: int
    w: int
    h: int


def collision_box(collision: Collision, tile: Size) -> Box | None:
    """What of a tile stops a body: all of it, the upper strip of a platform (from above only), or nothing."""
    if collision == "none":
        return None
    height = tile[1] if collision == "full" else max(1, round(tile[1] * PLATFORM_SHARE))
    return Box(0, 0, tile[0], height)


def ground_around(autotile: Autotile, index: int) -> tuple[bool, ...] | None:
    """On which of the eight `SIDES` the set's ground goes on; None for a cell that is not of the set.

    wang16: `index` is the sum of the corners that are ground: upper right 1, lower right 2, lower left 4, upper
    left 8; only corners count, and cell 0 is the other ground all over. blob47: the neighbours that are ground are
    summed (top 1, upper right 2, right 4, and so on clockwise to upper left 128; a corner counts only between two
    sides), and the 47 sums that can be stand in rising order: cell 0 is 0, cell 46 is 255.
    """
    if autotile == "wang16":
        known = index < 16  # noqa: PLR2004  four corners, each one ground or the other
        return tuple(side % 2 == 1 and bool(index >> side // 2 & 1) for side in range(8)) if known else None
    masks = _blob_masks()
    return tuple(bool(masks[index] >> side & 1) for side in range(8)) if index < len(masks) else None


def grid_of(model: SheetModel) -> TileGrid:
    """How the tiles of a tile sheet lie.

    Raises:
        StorageError: the model says nothing of it, so it is damaged: a tile sheet always has a grid.
    """
    if model.grid is None:
        raise StorageError(f"the model of {model.id} has tiles and no grid", hint="finish the sheet again")
    return model.grid


@cache
def _blob_masks() -> tuple[int, ...]:
    """Sums of neighbours that can be, rising."""
    return tuple(mask for mask in range(256) if all(_held(mask, corner) for corner in (1, 3, 5, 7)))


def _held(mask: int, corner: int) -> bool:
    """Whether a corner that is ground stands between two sides that are."""
    both = (1 << corner - 1) | (1 << (corner + 1) % 8)
    return not mask >> corner & 1 or mask & both == both
