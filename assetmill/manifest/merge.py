"""Inheritance: layers laid over each other, from defaults to the command line.

Maps merge key by key, everything else is replaced. A field that excludes another takes the inherited
other one back, so that an asset with `layers` may live under defaults with `layer_count`. Layers are
never changed: thousands of assets share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assetmill.manifest.models import AUTOTILE_CELLS

_EXCLUDES = {"layers": ("layer_count",), "layer_count": ("layers",)}
_GRID_ONLY = ("columns", "rows")
_STRIP_ONLY = ("frame_count", "direction")


def merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """`high` laid over `low`."""
    result = dict(low)
    for key, value in high.items():
        for other in _EXCLUDES.get(key, ()):
            if other not in high:
                result.pop(other, None)
        earlier = result.get(key)
        if isinstance(value, dict) and isinstance(earlier, dict):
            below = _same_kind(earlier, value) if key == "layout" else earlier
            result[key] = merge(below, value)
        else:
            result[key] = value
    if _is_plain(high.get("shape")) and "points" not in high:
        result.pop("points", None)
    return result


def layout_kind(layout: Mapping[str, Any]) -> str | None:
    """Kind of a layout: as given, or as its fields say; None if neither tells."""
    if "kind" in layout:
        return str(layout["kind"])
    if any(name in layout for name in _STRIP_ONLY):
        return "strip"
    return "grid" if any(name in layout for name in _GRID_ONLY) else None


def completed(asset: dict[str, Any]) -> dict[str, Any]:
    """A merged sheet with what its own fields imply: the layout's kind and names for nameless tiles."""
    layout = asset.get("layout")
    if isinstance(layout, Mapping) and "kind" not in layout:
        asset["layout"] = {**layout, "kind": layout_kind(layout) or "grid"}
    tiles = asset.get("tiles")
    if isinstance(tiles, Mapping) and any(isinstance(tile, Mapping) and "name" not in tile for tile in tiles.values()):
        asset["tiles"] = {index: _named(tile, str(index), asset) for index, tile in tiles.items()}
    return asset


def _is_plain(shape: Any) -> bool:
    return isinstance(shape, str) and shape != "polygon"


def _same_kind(low: Mapping[str, Any], high: Mapping[str, Any]) -> Mapping[str, Any]:
    """The inherited layout without the fields that belong only to another kind than the new one."""
    kind, earlier = layout_kind(high), layout_kind(low)
    if kind is None or kind == earlier:
        return low
    return {key: value for key, value in low.items() if key not in ("kind", *_GRID_ONLY, *_STRIP_ONLY)}


def _named(tile: Any, index: str, asset: Mapping[str, Any]) -> Any:
    if not isinstance(tile, Mapping) or "name" in tile or not index.isdecimal():
        return tile
    prefix = asset.get("autotile")
    known = isinstance(prefix, str) and int(index) < AUTOTILE_CELLS.get(prefix, 0)
    return {**tile, "name": f"{prefix if known else 'tile'}_{int(index):02d}"}
