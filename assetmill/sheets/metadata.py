"""The canonical AssetSheet JSON: what a game needs to cut a sheet and play it.

The form is the studio's own `AssetSheet` type: `entries` is a record of id -> {id, region {x, y, w, h},
pivot}, and each kind adds its part (animations, tiles, groups). It is about the picture in its layout,
not about the packed pages. `layout` is what the manifest asked for; regions, pivots, tile sizes and borders
are scaled to the size of the picture as it was decoded; no size is ever assumed.

Beyond that type, each addition optional for a reader: animations carry `direction` and `durationsMs`;
tiles carry `entryId`, and their sheet `autotile`; the kind ui_component, which the type does not know,
has `componentType`, `states` (state -> entryId and region), `defaultState` and `nineSlice`.
"""

from __future__ import annotations

from datetime import datetime
from math import floor
from typing import Any

from assetmill.manifest.models import Grid, Sheet
from assetmill.sheets.cells import Cell, cells_of, scaled, sheet_size

_PREFERRED_ANIMATION = "idle"
_PREFERRED_STATE = "normal"


def asset_sheet(
    sheet: Sheet,
    *,
    pack_id: str,
    image_key: str,
    image_size: tuple[int, int],
    created_at: datetime,
    with_prompts: bool = True,
) -> dict[str, Any]:
    """AssetSheet JSON of one sheet.

    Args:
        sheet: the asset.
        pack_id: pack that it belongs to.
        image_key: blob key or relative address of the picture.
        image_size: (width, height) in pixels of the published picture, as decoded.
        created_at: aware time; written as milliseconds since 1970.
        with_prompts: write the prompt of each cell that has words of its own; False leaves them out.
    """
    cells, size, tags = cells_of(sheet), sheet_size(sheet), tags_of(sheet)
    regions = {cell.id: _region(cell, size, image_size) for cell in cells}
    return {
        "id": sheet.id,
        "packId": pack_id,
        "kind": sheet.kind,
        "source": "generated",
        "imageUrl": image_key,
        "imageWidth": image_size[0],
        "imageHeight": image_size[1],
        "layout": _layout(sheet),
        "entries": {
            cell.id: _entry(sheet, cell, regions[cell.id], tags.get(cell.id, ()), with_prompts) for cell in cells
        },
        **_kind_part(sheet, cells, regions, image_size, with_prompts),
        "createdAt": int(created_at.timestamp() * 1000),
    }


def _region(cell: Cell, size: tuple[int, int], image_size: tuple[int, int]) -> dict[str, int]:
    return dict(zip(("x", "y", "w", "h"), scaled(cell, size, image_size), strict=True))


def _layout(sheet: Sheet) -> dict[str, Any]:
    layout = sheet.layout
    cell = {
        "cellWidth": layout.cell_width,
        "cellHeight": layout.cell_height,
        "spacing": layout.spacing,
        "margin": layout.margin,
    }
    if isinstance(layout, Grid):
        return {"type": "grid", "columns": layout.columns, "rows": layout.rows, **cell, "origin": "top-left"}
    return {"type": "strip", "direction": layout.direction, "frameCount": layout.frame_count, **cell}


def _entry(
    sheet: Sheet, cell: Cell, region: dict[str, int], tags: tuple[str, ...], with_prompts: bool
) -> dict[str, Any]:
    pivot = {"x": _number(sheet.pivot.x * region["w"]), "y": _number(sheet.pivot.y * region["h"])}
    entry: dict[str, Any] = {"id": cell.id, "region": region, "pivot": pivot, "tags": list(tags)}
    return entry | _words(sheet, cell.prompt, with_prompts)


def _words(sheet: Sheet, words: str, wanted: bool) -> dict[str, str]:
    """`promptOverride` stands alone in the studio's type: it replaces the sheet's prompt, so it repeats it."""
    return {"promptOverride": f"{sheet.prompt}, {words}"} if wanted and words else {}


def _number(value: float) -> float:
    """A whole number as int: JSON readers and people like 32 better than 32.0."""
    return int(value) if value == int(value) else round(value, 3)


def tags_of(sheet: Sheet) -> dict[str, tuple[str, ...]]:
    """Free words on cells, by cell id: the animations that show a frame, what the manifest says of a tile."""
    if sheet.kind == "tile":
        return {tile.name: tile.tags for tile in sheet.tiles.values()}
    tags: dict[str, tuple[str, ...]] = {}
    for name in sheet.animations:
        for frame in dict.fromkeys(sheet.frame_ids(name)):
            tags[frame] = (*tags.get(frame, ()), name)
    return tags


def _kind_part(
    sheet: Sheet,
    cells: tuple[Cell, ...],
    regions: dict[str, dict[str, int]],
    image_size: tuple[int, int],
    with_prompts: bool,
) -> dict[str, Any]:
    if sheet.kind == "sprite":
        return _sprite(sheet)
    if sheet.kind == "tile":
        return _tiles(sheet, cells, image_size)
    if sheet.kind == "variation":
        return _variation(sheet, with_prompts)
    return _component(sheet, regions, image_size)


def _sprite(sheet: Sheet) -> dict[str, Any]:
    animations = {
        name: {
            "id": name,
            "frames": list(sheet.frame_ids(name)),
            "fps": animation.fps,
            "loop": animation.loop,
            "direction": animation.direction,
            **({"durationsMs": list(animation.durations_ms)} if animation.durations_ms else {}),
        }
        for name, animation in sheet.animations.items()
    }
    return {"animations": animations, "defaultAnimationId": _first(animations, _PREFERRED_ANIMATION)}


def _tiles(sheet: Sheet, cells: tuple[Cell, ...], image_size: tuple[int, int]) -> dict[str, Any]:
    (width, height), layout = sheet_size(sheet), sheet.layout
    return {
        "tileWidth": _px(layout.cell_width, image_size[0] / width),
        "tileHeight": _px(layout.cell_height, image_size[1] / height),
        "tiles": {str(cell.index): _tile(sheet, cell) for cell in cells},
        **({"autotile": sheet.autotile} if sheet.autotile else {}),
    }


def _tile(sheet: Sheet, cell: Cell) -> dict[str, Any]:
    tile = sheet.tiles.get(cell.index)
    collision = tile.collision if tile else "none"
    return {
        "name": cell.id,
        "entryId": cell.id,
        "tags": list(tile.tags if tile else ()),
        "collision": {"type": collision},
    }


def _variation(sheet: Sheet, with_prompts: bool) -> dict[str, Any]:
    variants = {
        variant.key: {
            "entryId": variant.key,
            "tags": [],
            "weight": variant.weight,
            **_words(sheet, variant.prompt, with_prompts),
        }
        for variant in sheet.variants
    }
    group = {"id": "default", "variants": variants, "order": list(variants)}
    return {
        "groups": {"default": group},
        "defaultGroupId": "default",
        "defaultVariantKey": next(iter(variants), None),
    }


def _component(sheet: Sheet, regions: dict[str, dict[str, int]], image_size: tuple[int, int]) -> dict[str, Any]:
    states: dict[str, Any] = {state: {"entryId": state, "region": regions[state]} for state in sheet.states}
    part: dict[str, Any] = {
        "componentType": sheet.component,
        "states": states,
        "defaultState": _first(states, _PREFERRED_STATE),
    }
    return part | ({"nineSlice": _nine_slice(sheet, image_size)} if sheet.nine_slice else {})


def _nine_slice(sheet: Sheet, image_size: tuple[int, int]) -> dict[str, int]:
    borders = sheet.nine_slice.model_dump() if sheet.nine_slice else {}
    width, height = sheet_size(sheet)
    across, down = image_size[0] / width, image_size[1] / height
    return {side: _px(value, across if side in ("left", "right") else down) for side, value in borders.items()}


def _px(length: int, factor: float) -> int:
    return floor(length * factor + 0.5)


def _first(names: dict[str, Any], preferred: str) -> str | None:
    return preferred if preferred in names else next(iter(names), None)
