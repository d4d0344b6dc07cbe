"""TexturePacker's JSON Hash: the one file from which Pixi and Phaser both load a sheet.

Where the two differ it says everything twice: `anchor` and `borders` are Pixi's words, `pivot` and
`scale9Borders` Phaser's. What neither format has a word for stands in fields that other readers skip: `tile`,
`tags` and `weight` of a frame; `smooth`, `tiles` and `animations` of `meta`, with the times that Pixi needs for an
AnimatedSprite. Frames are named `<asset>/<frame>`, because Pixi keeps those of all sheets in one cache.

Nothing may ever be rotated here: Phaser 3.90 and 4.2.1 draw rotated frames wrong.
"""

from __future__ import annotations

from typing import Any

from assetmill.exports.base import JSON, Place, encoded
from assetmill.exports.play import played
from assetmill.sheets.model import Animation, Borders, Frame, SheetModel, Size, Tile, TileGrid

ROLE = "texturepacker"
APP = "assetmill"
VERSION = "1.0"  # of the format, as TexturePacker writes it


def write(model: SheetModel, place: Place) -> None:
    """Put one document for each page: roles `texturepacker`, `texturepacker_1`, ...

    Page 0 names the others (`related_multi_packs`), so Pixi loads them all when it loads that one; an animation
    stands in the document of a page that holds all of its frames, because Pixi looks for them nowhere else.
    """
    frames = frame_entries(model)
    related: list[str] = []
    for number in range(len(model.pages) - 1, -1, -1):  # page 0 last, when the addresses of the others are known
        ids = [frame.id for frame in model.frames if frame.page == number]
        document = {
            "frames": {frame_name(model, frame_id): frames[frame_id] for frame_id in ids},
            "animations": _animations(model, set(ids)),
            "meta": page_meta(model, number, place)
            | ({"related_multi_packs": related} if related and not number else {}),
        }
        suffix = f".{number}" if number else ""
        address = place.put(role_of_page(number), f"{model.id}{suffix}.json", encoded(document), JSON)
        related = [address, *related]


def role_of_page(number: int) -> str:
    """Role of the document of a page."""
    return f"{ROLE}_{number}" if number else ROLE


def frame_name(model: SheetModel, frame_id: str) -> str:
    """Name of a frame in every web engine."""
    return f"{model.id}/{frame_id}"


def animation_name(model: SheetModel, animation: Animation) -> str:
    """Name of an animation in every web engine."""
    return f"{model.id}/{animation.name}"


def frame_entries(model: SheetModel) -> dict[str, dict[str, Any]]:
    """What the format says of each frame, by its id in the model."""
    durations = _first_durations(model)
    tiles = {tile.frame: tile for tile in reversed(model.tiles)}
    weights = {variant.frame: variant.weight for variant in reversed(model.variants)}
    entries = {}
    for frame in model.frames:
        extra = {"duration": durations.get(frame.id), "weight": weights.get(frame.id)}
        entries[frame.id] = (
            _placed(frame)
            | {name: value for name, value in extra.items() if value is not None}
            | _words(frame, tiles.get(frame.id))
            | (_nine_slice(model.borders, frame.source) if model.borders else {})
        )
    return entries


def page_meta(model: SheetModel, number: int, place: Place) -> dict[str, Any]:
    """`meta` of one page, with what games want to know of the whole sheet."""
    page = model.pages[number]
    return {
        "app": APP,
        "version": VERSION,
        "image": place.image(page.role),
        "format": "RGBA8888",
        "size": _size(page.size),
        "scale": "1",
        "smooth": model.smooth,
        **({"tiles": _tiles(model.grid) | _autotile(model)} if model.grid else {}),
        **({"animations": _played(model)} if model.animations else {}),
    }


def _placed(frame: Frame) -> dict[str, Any]:
    pivot = {"x": frame.pivot[0], "y": frame.pivot[1]}
    size = {"w": frame.rect.w, "h": frame.rect.h}
    return {
        "frame": {"x": frame.rect.x, "y": frame.rect.y, **size},
        "rotated": False,
        "trimmed": frame.trimmed,
        "spriteSourceSize": {"x": frame.offset[0], "y": frame.offset[1], **size},
        "sourceSize": _size(frame.source),
        "anchor": pivot,
        "pivot": pivot,
    }


def _words(frame: Frame, tile: Tile | None) -> dict[str, Any]:
    tags = list(dict.fromkeys((*frame.tags, *(tile.tags if tile else ()))))
    return ({"tile": {"index": tile.index, "collision": tile.collision}} if tile else {}) | (
        {"tags": tags} if tags else {}
    )


def _nine_slice(borders: Borders, source: Size) -> dict[str, Any]:
    centre = {
        "x": borders.left,
        "y": borders.top,
        "w": source[0] - borders.left - borders.right,
        "h": source[1] - borders.top - borders.bottom,
    }
    return {"borders": borders.model_dump(), "scale9Borders": centre}


def _first_durations(model: SheetModel) -> dict[str, int]:
    """How long a frame is shown in the first animation that shows it, in ms."""
    durations: dict[str, int] = {}
    for animation in model.animations:
        for frame_id, duration_ms in zip(animation.frames, animation.durations_ms, strict=True):
            durations.setdefault(frame_id, duration_ms)
    return durations


def _animations(model: SheetModel, on_page: set[str]) -> dict[str, list[str]]:
    return {
        animation_name(model, animation): [frame_name(model, step.frame) for step in played(animation)]
        for animation in model.animations
        if on_page.issuperset(animation.frames)
    }


def _played(model: SheetModel) -> dict[str, Any]:
    return {
        animation_name(model, animation): {
            "frames": [frame_name(model, step.frame) for step in played(animation)],
            "durations": [step.duration_ms for step in played(animation)],
            "loop": animation.loop,
        }
        for animation in model.animations
    }


def _tiles(grid: TileGrid) -> dict[str, Any]:
    return {
        "tileWidth": grid.tile[0],
        "tileHeight": grid.tile[1],
        "tileMargin": grid.margin,
        "tileSpacing": grid.spacing,
        "columns": grid.columns,
        "rows": grid.rows,
    }


def _autotile(model: SheetModel) -> dict[str, str]:
    return {"autotile": model.autotile} if model.autotile else {}


def _size(size: Size) -> dict[str, int]:
    return {"w": size[0], "h": size[1]}
