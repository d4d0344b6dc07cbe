"""Fields of the studio's old sheet configurations that set fields elsewhere in the sheet.

`tileWidth` and `tileHeight` become the layout's cell, `promptConfig` the prompt, style and negative
prompt, `tileOverrides` the tiles' prompts. Values keep the place where the author wrote them.
"""

from __future__ import annotations

from typing import Any

from assetmill.manifest.blocks import Block, Items, Spot

_CELL = {
    "tileWidth": "cell_width",
    "tile_width": "cell_width",
    "tileHeight": "cell_height",
    "tile_height": "cell_height",
}
_PROMPT = {"basePrompt": "prompt", "stylePreset": "style", "negativePrompt": "negative_prompt"}
_SPELT = {"cell_width": ("cell_width", "cellWidth", "cell"), "cell_height": ("cell_height", "cellHeight", "cell")}


def move_sheet_field(block: Block, key: str, result: Block, spots: dict[str, Spot]) -> str:
    """Put one such field of `block` where it belongs in `result`.

    Args:
        block: the sheet as written.
        key: the field.
        result: the sheet so far; its other fields have their final names.
        spots: the spots of `result`.

    Returns:
        What is wrong with the field, or an empty string.
    """
    if key in _CELL:
        return _cell(block, key, result, spots)
    value = block[key]
    if not isinstance(value, Block):
        return f"`{key}` has to be a map"
    if key == "promptConfig":
        return _prompt(value, block, result, spots)
    return _tiles(value, block, key, result, spots)


def _moved(source: Block, key: str, target: Block, name: str) -> Spot:
    """The spot of a field as seen from another block."""
    spot = source.spots.get(key, Spot(0, source.column, 0, source.column))
    by = source.line - target.line
    kept = spot.name if source.cells else name
    return spot._replace(line=spot.line + by, value_line=spot.value_line + by, name=kept)


def _nested(
    result: Block, key: str, block: Block, written: str, spots: dict[str, Spot]
) -> tuple[Block, dict[str, Spot]]:
    """A copy of a nested block of `result` that may be added to; a new one if there is none."""
    earlier = result.get(key)
    place = block.place(written)
    inner_spots = dict(earlier.spots) if isinstance(earlier, Block) else {}
    if isinstance(earlier, Block):
        inner = earlier.twin(inner_spots)
        inner.update(earlier)
    else:
        inner = Block(place.file, place.line, place.column, inner_spots, cells=block.cells)
        spots[key] = block.spots.get(written, Spot(0, block.column, 0, block.column))
    result[key] = inner
    return inner, inner_spots


def _cell(block: Block, key: str, result: Block, spots: dict[str, Spot]) -> str:
    name = _CELL[key]
    layout, inner_spots = _nested(result, "layout", block, key, spots)
    for other in _SPELT[name]:
        if other in layout:
            return f"`{key}` and `layout.{other}` are the same field: give one of them"
    layout[name] = block[key]
    inner_spots[name] = _moved(block, key, layout, key)
    return ""


def _prompt(config: Block, block: Block, result: Block, spots: dict[str, Spot]) -> str:
    for old, value in config.items():
        name = _PROMPT.get(old)
        if name is None and old != "commonModifiers":
            return f"unknown field `{old}`: expected one of {', '.join([*_PROMPT, 'commonModifiers'])}"
        if name is not None and name in result:
            return f"`promptConfig.{old}` and `{result.written(name)}` are the same field: give one of them"
        if name is not None:
            result[name] = value
            spots[name] = _moved(config, old, block, f"promptConfig.{old}")
    return _modifiers(config.get("commonModifiers"), result)


def _modifiers(words: Any, result: Block) -> str:
    if words is None:
        return ""
    if not isinstance(words, Items) or not all(isinstance(word, str) for word in words):
        return "`promptConfig.commonModifiers` has to be a list of text"
    prompt = result.get("prompt")
    if not isinstance(prompt, str):
        return "`promptConfig.commonModifiers` needs a prompt to be added to"
    result["prompt"] = ", ".join([prompt, *words])
    return ""


def _tiles(prompts: Block, block: Block, key: str, result: Block, spots: dict[str, Spot]) -> str:
    tiles, tile_spots = _nested(result, "tiles", block, key, spots)
    for index, prompt in prompts.items():
        earlier = tiles.get(index)
        spot = _moved(prompts, index, tiles, index)
        inner_spots = dict(earlier.spots) if isinstance(earlier, Block) else {}
        tile = earlier.twin(inner_spots) if isinstance(earlier, Block) else Block(
            block.file, tiles.line + spot.line, spot.column, inner_spots, cells=block.cells
        )  # fmt: skip
        tile.update(earlier if isinstance(earlier, Block) else {"name": earlier} if isinstance(earlier, str) else {})
        if "prompt" in tile:
            return f"`{key}.{index}` and `tiles.{index}.prompt` are the same field: give one of them"
        tile["prompt"] = prompt
        inner_spots["prompt"] = _moved(prompts, index, tile, "prompt")
        tile_spots.setdefault(index, spot)
        tiles[index] = tile
    return ""
