"""The words that a picture model is given, built from asset, theme and style.

A prompt is data. What the manifest says goes in as it stands, in full and unescaped: braces, quotes, line
breaks and emoji mean nothing here. (One exception, for titles: see `_lettering`.) The same asset, theme
and style give the same words; a changed word here is a changed picture, and is paid for again.

The negative prompt holds the manifest's own words only. On Flux a negative prompt doubles the sampling
time, so none is made up: what every picture should avoid is said in positive words instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assetmill import colours
from assetmill.manifest.models import AssetBase, Background, Entity, Pack, Parallax, ParallaxLayer, Sheet, TitleHero
from assetmill.manifest.parallax import layers_of
from assetmill.sheets.cells import cells_of, columns_of, rows_of

STYLE_WORDS = {
    "pixel": "Pixel art on a coarse, even grid: hard square pixels, few colours, clear clusters, no blur, "
    "like a sprite from a 16-bit console",
    "cartoon": "Hand-drawn cartoon: confident dark outlines of varying width, saturated colours, "
    "two or three tones of cel shading",
    "3d": "Rendered toy-like 3D model: rounded simple volumes, matte materials, soft studio light, "
    "gentle shading in the creases",
    "flat": "Flat vector illustration: plain geometric shapes, even areas of colour, crisp edges, no outlines, "
    "no shading",
}
"""Built-in looks (`BUILTIN_STYLES` of the manifest) -> their words."""

ROLE_WORDS = {
    "character": "one playable character, full figure, in a pose that reads at a glance",
    "enemy": "one enemy creature, full figure, with a silhouette of its own",
    "item": "one game item",
    "platform": "one platform seen straight from the side, with a level top edge to stand on",
    "background": "one piece of scenery",
    "ui": "one symbol for the user interface",
}
"""`entity_type` -> what the picture has to show."""

SHAPE_WORDS = {
    "box": "a compact rectangular outline",
    "circle": "a round outline",
    "ellipse": "an oval outline",
    "capsule": "an outline with rounded ends",
    "polygon": "exactly the angular outline that is given",
}

COMPONENT_WORDS = {
    "button": "push button with an empty face for a label",
    "checkbox": "square checkbox",
    "radio": "round radio button",
    "slider": "slider: a track with a knob on it",
    "panel": "window panel: an ornamented frame around a calm, empty middle",
    "progress_bar": "progress bar: a long framed track with a filling",
    "scroll_bar_h": "horizontal scroll bar: a track with a handle",
    "scroll_bar_v": "vertical scroll bar: a track with a handle",
    "tab_bar": "tab, open at its lower edge",
    "list_item": "row of a list, wide and empty",
    "dropdown": "drop-down field with a small arrow at its right end",
    "toggle_switch": "toggle switch: a rounded track with a knob",
}
"""User interface element -> what it looks like."""

STATE_WORDS = {
    "normal": "at rest",
    "hover": "under the pointer: a little brighter",
    "pressed": "pushed in: darker, its light from inside",
    "disabled": "out of use: pale and grey",
    "focus": "in focus: with a bright ring around it",
    "selected": "chosen: marked and lit",
    "unselected": "not chosen: unmarked and calm",
}
"""State of a user interface element -> how it differs."""

AUTOTILE_WORDS = {
    "wang16": "The squares are one set of 16 terrain tiles, one for each way in which the two grounds can share "
    "the four corners; wherever corners agree, the ground runs on without a visible join",
    "blob47": "The squares are one set of 47 terrain tiles, one for each way in which neighbours can surround "
    "a tile; wherever edges and corners agree, the ground runs on without a visible join",
}
"""Autotile set -> how its tiles belong together."""

_SEAMLESS_WORDS = {
    "x": "The left edge continues the right edge, so that it can repeat sideways",
    "y": "The top edge continues the bottom edge, so that it can repeat upwards",
    "xy": "Opposite edges continue each other, so that it can repeat in every direction",
}
_EMPTY_STAGE = "An empty stage: nobody in it, no interface, no writing"
_DISTANCES = ("Far away", "In the middle distance", "Close to the viewer")
_LAYER_WORDS = (
    ("Far away", "rising from the lower edge to the middle of the picture"),
    ("Behind the middle distance", "rising from the lower edge almost to the middle of the picture"),
    ("In the middle distance", "in the lower two fifths of the picture"),
    ("Rather close", "in the lower third of the picture"),
    ("Close to the viewer", "along the lower edge of the picture, cut off by it"),
)
"""How far away a layer lies that is drawn by itself, and where it stands if its own words do not say."""

_ENDINGS = (".", "!", "?", ":", ";", "…")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is told.

    Args:
        positive: what to show.
        negative: what to avoid.
        far: of a parallax, what lies behind its nearer layers.
        layers: of a parallax, what each layer shows that is drawn by itself, farthest first.
    """

    positive: str
    negative: str
    far: str | None = None
    layers: tuple[str, ...] = ()


def build(asset: AssetBase, pack: Pack) -> Prompt:
    """Words for one asset."""
    return Prompt(
        positive=_text([*_subject(asset), *_look(asset, pack)]),
        negative=_negative(asset, pack),
        far=_text([_far_scene(asset), *_look(asset, pack)]) if isinstance(asset, Parallax) else None,
        layers=tuple(_layer_prompts(asset, pack)) if isinstance(asset, Parallax) else (),
    )


def _subject(asset: AssetBase) -> Iterable[str]:
    if isinstance(asset, Entity):
        return _entity(asset)
    if isinstance(asset, Background):
        return _background(asset)
    if isinstance(asset, TitleHero):
        return _title(asset)
    if isinstance(asset, Parallax):
        return _parallax(asset)
    if isinstance(asset, Sheet):
        return _sheet(asset)
    raise TypeError(f"no words for a {type(asset).__name__}")


def _look(asset: AssetBase, pack: Pack) -> Iterable[str]:
    """What all pictures of the pack share: its world and its style."""
    style = pack.style_of(asset)
    if pack.pack.theme:
        yield f"The game's world: {pack.pack.theme}"
    if style is not None and style.base is not None:
        yield STYLE_WORDS[style.base]
    if style is not None:
        yield style.prompt_suffix


def _negative(asset: AssetBase, pack: Pack) -> str:
    style = pack.style_of(asset)
    parts = (asset.negative_prompt, style.negative_prompt if style is not None else "")
    return ", ".join(dict.fromkeys(part for part in parts if part))


def _text(sentences: Iterable[str]) -> str:
    """Sentences in a row; each one ends with a mark, none is altered otherwise."""
    return " ".join(text if text.rstrip().endswith(_ENDINGS) else f"{text}." for text in sentences if text)


def _entity(asset: Entity) -> Iterable[str]:
    yield asset.prompt
    main = f", mainly {colours.name_of(asset.color)}" if asset.color else ""
    yield f"A game sprite of {ROLE_WORDS[asset.entity_type]}, with {SHAPE_WORDS[asset.shape]}{main}"
    yield "Alone and whole in the middle of the picture, seen from the front or side without perspective"
    yield "A plain light backdrop, no shadow on the ground, no writing"


def _background(asset: Background) -> Iterable[str]:
    yield asset.prompt
    yield "The backdrop of a game level, wide and rich in depth, calm where the game is played"
    yield _EMPTY_STAGE
    yield _SEAMLESS_WORDS.get(asset.seamless, "")


def _title(asset: TitleHero) -> Iterable[str]:
    yield f'A game logo: big, chunky, decorated lettering that reads "{_lettering(asset.title)}"'
    yield asset.prompt
    yield "Every letter easy to read, spelled exactly so, filling the picture from side to side, nothing else written"
    yield "The lettering stands alone on a plain light backdrop" if asset.transparent else ""


def _lettering(title: str) -> str:
    """A title between straight double quotes: its own double quotes become curly ones, in pairs.

    Otherwise the title would seem to end at the first of them. Letterers set curly quotes anyway.
    """
    parts = title.split('"')
    return parts[0] + "".join(("“" if at % 2 == 0 else "”") + part for at, part in enumerate(parts[1:]))


def _parallax(asset: Parallax) -> Iterable[str]:
    yield asset.prompt
    yield "A wide scene for a side-scrolling game, in clearly separate planes one behind the other"
    layers = sorted(asset.layers, key=lambda layer: layer.depth)
    yield from (f"{_distance(layer)}: {layer.prompt}" for layer in layers if layer.prompt)
    yield _EMPTY_STAGE
    yield _SEAMLESS_WORDS.get(asset.seamless, "")


def _distance(layer: ParallaxLayer) -> str:
    return _DISTANCES[min(len(_DISTANCES) - 1, int(layer.depth * len(_DISTANCES)))]


def _far_scene(asset: Parallax) -> str:
    """Words for what fills the holes that nearer layers leave: the farthest layer's own, or the scene's."""
    farthest = min(asset.layers, key=lambda layer: layer.depth, default=None)
    scene = farthest.prompt if farthest is not None and farthest.prompt else asset.prompt
    return f"Only what lies farthest away, open and undisturbed, nothing in front of it: {scene}"


def _layer_prompts(asset: Parallax, pack: Pack) -> Iterable[str]:
    """Words for each layer where every one is drawn by itself, farthest first."""
    look = tuple(_look(asset, pack))
    for index, layer in enumerate(layers_of(asset)):
        subject = _near_layer(asset, layer) if index else (_far_scene(asset), _EMPTY_STAGE)
        yield _text([*subject, _SEAMLESS_WORDS.get(asset.seamless, ""), *look])


def _near_layer(asset: Parallax, layer: ParallaxLayer) -> Iterable[str]:
    """A layer that is cut out: background removal needs it to stand alone before something plain."""
    distance, height = _LAYER_WORDS[min(len(_LAYER_WORDS) - 1, int(layer.depth * len(_LAYER_WORDS)))]
    kind = f"One layer of a side-scrolling game's backdrop. {distance}, seen straight from the side"
    if layer.prompt:
        yield layer.prompt
        yield kind
    else:
        yield f"{kind}: {asset.prompt}"
        yield f"Only what stands at this distance, {height}"
    yield "It runs from the left edge to the right edge, with gaps to see through"
    yield "Above and behind it only a plain, even, light backdrop: no sky, no shadow, nobody in it, no writing"


def _sheet(asset: Sheet) -> Iterable[str]:
    columns, rows = columns_of(asset), rows_of(asset)
    yield asset.prompt
    if asset.kind == "tile":
        yield f"A tile sheet for a game: {_count(len(asset.cell_ids()), 'square')} in {_grid(columns, rows)}"
        yield "Each square is filled to its edges with its own ground, seen straight on, without frame or shadow"
        yield AUTOTILE_WORDS.get(asset.autotile or "", "")
    else:
        yield f"A game sheet: {_count(len(asset.cell_ids()), 'picture')} in {_grid(columns, rows)}"
        yield _kind_words(asset)
        yield "Each one stands in for one coloured shape: same place, same size, same main colour, nothing beyond it"
        yield "All in one style and scale on a plain light backdrop, without lines between them, without writing"
    yield from _animations(asset)
    yield from _cell_words(asset)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _grid(columns: int, rows: int) -> str:
    return f"{_count(columns, 'column')} and {_count(rows, 'row')}"


def _kind_words(asset: Sheet) -> str:
    if asset.kind == "sprite":
        return "They are frames of one and the same figure in motion: same face, same clothes, feet on the same line"
    if asset.kind == "variation":
        return "They are variants of one and the same thing, told apart by colour and detail"
    words = COMPONENT_WORDS[asset.component] if asset.component else "element"
    return f"They are states of one user interface element, seen straight from the front: a {words}"


def _animations(asset: Sheet) -> Iterable[str]:
    """Which pictures show which motion. How it is played (fps, loop) is no word here: changing that is free."""
    if asset.kind != "sprite":
        return
    places = {cell_id: index + 1 for index, cell_id in asset.cell_ids().items()}
    for name in asset.animations:
        at = [places[frame] for frame in asset.frame_ids(name)]
        span = f"{at[0]} to {at[-1]}" if at == list(range(at[0], at[-1] + 1)) and len(at) > 1 else _listed(at)
        yield f"Pictures {span}, counted row by row: {_spoken(name)}"


def _listed(places: list[int]) -> str:
    return ", ".join(str(place) for place in places)


def _cell_words(asset: Sheet) -> Iterable[str]:
    """A sentence for every cell that differs from the others, in reading order, with its place."""
    columns = columns_of(asset)
    for cell in cells_of(asset):
        words = ", ".join(
            part for part in (_cell_name(asset, cell.id), cell.prompt, _cell_colour(asset, cell.id)) if part
        )
        if words:
            yield f"Row {cell.index // columns + 1}, column {cell.index % columns + 1}: {words}"


def _cell_name(asset: Sheet, cell_id: str) -> str:
    """What a cell's id says to a reader; frames and unnamed autotiles say it by their place already."""
    if asset.kind == "sprite" or (asset.autotile and cell_id.startswith(f"{asset.autotile}_")):
        return ""
    return STATE_WORDS.get(cell_id, "") if asset.kind == "ui_component" else _spoken(cell_id)


def _cell_colour(asset: Sheet, cell_id: str) -> str:
    color = next((variant.color for variant in asset.variants if variant.key == cell_id), None)
    return f"mainly {colours.name_of(color)}" if color else ""


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")
