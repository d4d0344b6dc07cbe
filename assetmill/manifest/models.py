"""The resolved manifest: what the rest of assetmill sees, after inheritance, matrix and aliases.

Every model is frozen and forbids unknown fields. The descriptions are the documentation: the JSON
Schema and docs/manifest.md are made from them. Nothing here reads a file or writes a prompt.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from assetmill.manifest.frozen import Model
from assetmill.manifest.routing import Routing

BUILTIN_STYLES = ("pixel", "cartoon", "3d", "flat")
ID_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
MAX_CANDIDATES = 32
MAX_SIDE = 4096
MAX_LAYERS = 8
DEPTH_LAYERS = ("far", "mid", "near")
AUTOTILE_CELLS = {"wang16": 16, "blob47": 47}
Export = Literal["png", "assetsheet", "texturepacker", "phaser", "pixi", "godot", "tiled", "aseprite", "unity"]
EXPORTS: tuple[str, ...] = get_args(Export)

Identifier = Annotated[str, Field(pattern=ID_PATTERN, max_length=64)]
Pixels = Annotated[int, Field(ge=8, le=MAX_SIDE)]
Words = Annotated[str, Field(min_length=1, max_length=4000)]
Usd = Annotated[float, Field(ge=0, lt=1_000_000)]
Unit = Annotated[float, Field(ge=0, le=1)]


def _hex_colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError(
            "a colour is written '#rrggbb' in YAML (an unquoted # starts a comment) and #rrggbb in a table"
        )
    return value.lower()


Colour = Annotated[str, AfterValidator(_hex_colour), Field(json_schema_extra={"pattern": r"^#[0-9a-fA-F]{6}$"})]
Tag = Annotated[str, Field(min_length=1, max_length=64)]


class Post(Model):
    """Finishing options. All of them start from the stored raw image, so changing one never pays."""

    trim: bool = Field(
        False, description="Cut a cut-out's transparent borders before fitting; sheets and parallax layers keep theirs."
    )
    pad: Annotated[int, Field(ge=0, le=512)] = Field(
        0, description="Transparent pixels kept on each side of a cut-out; sheets and parallax layers get none."
    )
    fit: Literal["contain", "cover", "stretch"] = Field(
        "contain",
        description="How the picture is brought to the asked size when the aspect differs. Opaque pictures get no "
        "bars: `contain` crops them as `cover` does. Sheets are always stretched.",
    )
    resample: Literal["lanczos", "bicubic", "bilinear", "nearest", "box"] = Field(
        "lanczos", description="Filter used when the picture is resized."
    )
    pixel_scale: Annotated[int, Field(ge=1, le=32)] = Field(
        1, description="Pixel art: draw on a grid this many times coarser, then scale up without smoothing."
    )
    alpha_threshold: Annotated[int, Field(ge=0, le=255)] = Field(
        0, description="Alpha at or above this becomes opaque, below transparent; 0 keeps soft edges."
    )
    colors: Annotated[int, Field(ge=0, le=256)] = Field(0, description="Reduce to this many colours; 0 keeps all.")
    palette: Literal["none", "pack"] = Field("none", description="`pack` maps every pixel to the pack palette.")
    dither: bool = Field(False, description="Dither when colours are reduced.")
    defringe: bool = Field(
        False,
        description="Give half transparent edge pixels of a cut-out the colour of the nearest solid one: removes the "
        "rim that the old background left, and would spoil glows and smoke.",
    )


class Qa(Model):
    """Limits that a picture has to keep before it is published."""

    min_coverage: Unit = Field(0.03, description="Least share of opaque pixels in a cut-out.")
    max_coverage: Unit = Field(0.95, description="Greatest share of opaque pixels in a cut-out.")
    border_touch: Literal["ignore", "warn", "fail"] = Field(
        "warn", description="What to do when a cut-out touches the edge of its canvas."
    )


class Style(Model):
    """A named look. `extends` is already followed; `base` is the built-in look at the end of the chain."""

    name: str = Field(description="Name by which assets choose this style.")
    base: Literal["pixel", "cartoon", "3d", "flat"] | None = Field(None, description="Built-in look, if any.")
    prompt_suffix: str = Field("", description="Words added to every prompt of this style.")
    negative_prompt: str = Field(
        "", description="Words to avoid in every picture of this style; any at all doubles the sampling time."
    )


@cache
def _built_in(name: str) -> Style:
    """A built-in look as a style of its own."""
    return Style.model_validate({"name": name, "base": name})


class Game(Model):
    """The game that the art is for."""

    id: Identifier = Field(description="Short name used in keys and reports.")
    title: Words = Field(description="Name of the game as players read it.")


class PackInfo(Model):
    """The pack: one look of one game."""

    id: Identifier = Field(description="Short name of the pack.")
    name: Words = Field(description="Name of the pack as artists read it.")
    theme: str = Field("", max_length=2000, description="One or two sentences that every prompt shares.")
    style: str | None = Field(None, description="Style of every asset that names none.")
    seed: Annotated[int, Field(ge=0, lt=2**53)] = Field(0, description="Root of every seed in the pack.")
    palette: tuple[Colour, ...] = Field((), max_length=256, description="Colours of the pack, as '#rrggbb'.")


class Budget(Model):
    """The most that may be spent, US dollars. It can lower what the settings allow, and never raise it."""

    run_usd: Usd | None = Field(None, description="By one run.")
    game_usd: Usd | None = Field(None, description="By all runs of this game, ever.")
    month_usd: Usd | None = Field(None, description="By all games together in a calendar month (UTC).")


class AssetBase(Model):
    """Fields that every asset has."""

    id: Identifier = Field(description="Unique name of the asset; also its name in the published pack.")
    prompt: Words = Field(description="What to show: the subject, in plain words.")
    style: str | None = Field(None, description="A style of this manifest, or pixel, cartoon, 3d, flat.")
    negative_prompt: str = Field(
        "",
        max_length=4000,
        description="What must not be seen; it makes the model sample twice a step, so about twice the time.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = Field(
        None, description="Fixed seed; without it the seed follows from pack seed, asset id and candidate."
    )
    candidates: Annotated[int, Field(ge=1, le=MAX_CANDIDATES)] = Field(
        1, description="Pictures made to choose the best from; each one is paid for."
    )
    strength: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="How far the guide may be redrawn (denoise); higher leaves less of it."
    )
    provider: Literal["runpod", "scenario", "comfyui"] | None = Field(
        None, description="Who makes it, with nobody to take over; without it whoever `routing` or the settings name."
    )
    workflow: Identifier | None = Field(None, description="Another workflow than the type's own, by name.")
    references: tuple[Identifier, ...] = Field(
        (),
        max_length=1,
        description="Entity or sheet whose picture is redrawn in place of the silhouette; it is made first. At most "
        "one, and of entities and sheets only.",
    )
    tags: tuple[Tag, ...] = Field((), description="Free words for filtering; they reach the pack index.")
    enabled: bool = Field(True, description="false leaves the asset out of plans and keeps what is published.")
    locked: bool = Field(False, description="true never generates it again, whatever changes.")
    is_style_anchor: bool = Field(False, description="Made before the others, to judge the look by.")
    post: Post = Field(default_factory=Post, description="Finishing options; changing them never pays.")
    export: tuple[Export, ...] = Field(
        ("png", "assetsheet"),
        description="Files that are published for the asset. The picture always is; a format that has nothing to say "
        "about an asset's type adds nothing.",
    )


class Point(Model):
    """A point in a unit square."""

    x: Unit = Field(description="0 left to 1 right.")
    y: Unit = Field(description="0 top to 1 bottom.")


class Silhouette(Model):
    """How the guide of an entity is drawn."""

    canvas: tuple[Pixels, Pixels] = Field((512, 512), description="Finished picture (width, height) in pixels.")
    fill: Annotated[float, Field(ge=0.2, le=1)] = Field(
        0.9, description="Share of the canvas that the subject fills; 0.9 is what the game runtime assumes."
    )
    texture: Annotated[float, Field(ge=0, le=1)] = Field(
        0.35, description="How lively the guide's surface is; a flat guide leaks into the result."
    )


class Entity(AssetBase):
    """A thing in the game: character, enemy, item, platform; cut out on transparency."""

    type: Literal["entity"] = Field(description="entity")
    entity_type: Literal["character", "enemy", "item", "platform", "background", "ui"] = Field(
        "item", description="Role in the game."
    )
    shape: Literal["box", "circle", "ellipse", "capsule", "polygon"] = Field(
        "box", description="Outline that the picture keeps to."
    )
    points: tuple[Point, ...] = Field((), max_length=64, description="Corners of a polygon, in a unit square.")
    width: Annotated[float, Field(gt=0, le=1000)] = Field(1.0, description="Width in world units.")
    height: Annotated[float, Field(gt=0, le=1000)] = Field(1.0, description="Height in world units.")
    color: Colour | None = Field(None, description="Main colour of the subject, '#rrggbb'.")
    silhouette: Silhouette = Field(default_factory=Silhouette, description="How the guide is drawn.")

    @model_validator(mode="after")
    def _polygon_has_corners(self) -> Entity:
        corners = len(self.points)
        if self.shape == "polygon" and corners < 3:  # noqa: PLR2004  a triangle is the least polygon
            raise ValueError("shape polygon needs `points` with at least 3 corners")
        if self.shape != "polygon" and corners:
            raise ValueError(f"`points` belong to shape polygon, not to {self.shape}")
        return self


class Background(AssetBase):
    """A full picture behind the game; opaque."""

    type: Literal["background"] = Field(description="background")
    width: Pixels = Field(1024, description="Finished width in pixels.")
    height: Pixels = Field(1792, description="Finished height in pixels.")
    seamless: Literal["none", "x", "y", "xy"] = Field("none", description="Edges that must join when repeated.")


class TitleHero(AssetBase):
    """The game's title as a picture."""

    type: Literal["title_hero"] = Field(description="title_hero")
    title: Words = Field(description="The words to letter.")
    width: Pixels = Field(1024, description="Finished width in pixels.")
    height: Pixels = Field(1024, description="Finished height in pixels.")
    transparent: bool = Field(True, description="Cut the lettering out of its background.")


class ParallaxLayer(Model):
    """One layer of a parallax background, farthest first."""

    id: Identifier = Field(description="Name of the layer.")
    depth: Unit = Field(description="0 far to 1 near.")
    scroll_factor: Annotated[float, Field(ge=0, le=4)] = Field(description="Speed relative to the camera.")
    prompt: str = Field("", max_length=4000, description="What this layer shows.")
    opaque: bool = Field(False, description="true for the layer behind all others, the first; it is opaque either way.")


class Parallax(AssetBase):
    """A background in layers that scroll at different speeds."""

    type: Literal["parallax"] = Field(description="parallax")
    width: Pixels = Field(1344, description="Finished width in pixels.")
    height: Pixels = Field(768, description="Finished height in pixels.")
    seamless: Literal["none", "x", "y", "xy"] = Field("none", description="Edges that must join when repeated.")
    method: Literal["depth", "per_layer", "decompose"] = Field(
        "depth", description="How layers are made: split by depth, one picture a layer, or decomposed."
    )
    layers: tuple[ParallaxLayer, ...] = Field((), max_length=MAX_LAYERS, description="Layers, farthest first.")
    layer_count: Annotated[int, Field(ge=2, le=MAX_LAYERS)] | None = Field(
        None, description="Number of layers instead; depths and scroll factors are then spread evenly."
    )

    @model_validator(mode="after")
    def _layers_or_count(self) -> Parallax:
        if bool(self.layers) == (self.layer_count is not None):
            raise ValueError("give exactly one of `layers` and `layer_count`")
        count = len(self.layers) or self.layer_count
        if self.method == "depth" and count != len(DEPTH_LAYERS):
            raise ValueError(
                f"method depth makes exactly {len(DEPTH_LAYERS)} layers ({', '.join(DEPTH_LAYERS)}), "
                f"and `layers` or `layer_count` asks for {count}"
            )
        return self


class Grid(Model):
    """Cells in rows and columns."""

    kind: Literal["grid"] = Field("grid", description="grid")
    columns: Annotated[int, Field(ge=1, le=64)] = Field(description="Cells in a row.")
    rows: Annotated[int, Field(ge=1, le=64)] = Field(description="Rows of cells.")
    cell_width: Pixels = Field(description="Width of a cell in pixels.")
    cell_height: Pixels = Field(description="Height of a cell in pixels.")
    spacing: Annotated[int, Field(ge=0, le=256)] = Field(0, description="Pixels between cells.")
    margin: Annotated[int, Field(ge=0, le=256)] = Field(0, description="Pixels around the cells.")


class Strip(Model):
    """Cells in one row or one column."""

    kind: Literal["strip"] = Field(description="strip")
    direction: Literal["horizontal", "vertical"] = Field("horizontal", description="Way the cells run.")
    frame_count: Annotated[int, Field(ge=1, le=64)] = Field(description="Number of cells.")
    cell_width: Pixels = Field(description="Width of a cell in pixels.")
    cell_height: Pixels = Field(description="Height of a cell in pixels.")
    spacing: Annotated[int, Field(ge=0, le=256)] = Field(0, description="Pixels between cells.")
    margin: Annotated[int, Field(ge=0, le=256)] = Field(0, description="Pixels around the cells.")


Layout = Annotated[Grid | Strip, Field(discriminator="kind")]


class Animation(Model):
    """Frames played one after another."""

    frames: Annotated[int, Field(ge=1, le=64)] | tuple[Identifier, ...] = Field(
        description="Number of frames (named run_00, run_01 ...), or the frames' own names."
    )
    fps: Annotated[float, Field(gt=0, le=120)] = Field(10, description="Frames a second.")
    loop: bool = Field(True, description="Start again at the end.")
    direction: Literal["forward", "reverse", "pingpong"] = Field("forward", description="Order of play.")
    durations_ms: tuple[Annotated[int, Field(ge=1, le=60000)], ...] = Field(
        (), description="Length of each frame, instead of fps."
    )


class Variant(Model):
    """One cell of a variation sheet."""

    key: Identifier = Field(description="Name of the variant.")
    prompt: str = Field("", max_length=4000, description="What is different about it.")
    color: Colour | None = Field(None, description="Its main colour, '#rrggbb'.")
    weight: Annotated[float, Field(gt=0, le=1000)] = Field(1.0, description="How often the game picks it.")


class Tile(Model):
    """One cell of a tile sheet."""

    name: Identifier = Field(description="Name of the tile.")
    prompt: str = Field("", max_length=4000, description="What this tile shows.")
    collision: Literal["none", "full", "platform"] = Field("none", description="How the game collides with it.")
    tags: tuple[Tag, ...] = Field((), description="Free words.")


class NineSlice(Model):
    """Borders that keep their size when the element is stretched, in pixels of a cell."""

    left: Annotated[int, Field(ge=0, le=2048)] = Field(description="Left border.")
    right: Annotated[int, Field(ge=0, le=2048)] = Field(description="Right border.")
    top: Annotated[int, Field(ge=0, le=2048)] = Field(description="Top border.")
    bottom: Annotated[int, Field(ge=0, le=2048)] = Field(description="Bottom border.")


UiState = Literal["normal", "hover", "pressed", "disabled", "focus", "selected", "unselected"]
Component = Literal[
    "button", "checkbox", "radio", "slider", "panel", "progress_bar", "scroll_bar_h", "scroll_bar_v",
    "tab_bar", "list_item", "dropdown", "toggle_switch",
]  # fmt: skip


class Sheet(AssetBase):
    """Many small pictures on one sheet, with metadata that says where each one is."""

    type: Literal["sheet"] = Field(description="sheet")
    kind: Literal["sprite", "tile", "variation", "ui_component"] = Field(description="What the cells are.")
    layout: Layout = Field(description="Where the cells are.")
    pivot: Point = Field(default_factory=lambda: Point(x=0.5, y=0.5), description="Pivot of every cell.")
    shape: Literal["box", "circle", "ellipse", "capsule"] = Field("capsule", description="Outline of a cell's guide.")
    color: Colour | None = Field(None, description="Main colour of the cells, '#rrggbb'.")
    overrides: dict[str, str] = Field(
        default_factory=dict, description="Extra words for single cells, by cell id (run_00, grass, hover ...)."
    )
    animations: dict[Identifier, Animation] = Field(default_factory=dict, description="sprite: animations by name.")
    variants: tuple[Variant, ...] = Field((), max_length=256, description="variation: one cell each.")
    tiles: dict[int, Tile] = Field(default_factory=dict, description="tile: what stands in which cell, from 0.")
    autotile: Literal["wang16", "blob47"] | None = Field(
        None, description="tile: cells form an autotile set, in the order that docs/exports.md gives."
    )
    component: Component | None = Field(None, description="ui_component: which element.")
    states: tuple[UiState, ...] = Field((), description="ui_component: one cell each.")
    nine_slice: NineSlice | None = Field(None, description="ui_component: borders that do not stretch.")
    transparent: bool | None = Field(
        None, description="Cut the cells out of their background; by default all kinds but tile are."
    )

    @property
    def cutout(self) -> bool:
        """Whether the cells are cut out of their background."""
        return self.kind != "tile" if self.transparent is None else self.transparent

    @property
    def cell_count(self) -> int:
        """Cells that the layout offers."""
        layout = self.layout
        return layout.columns * layout.rows if isinstance(layout, Grid) else layout.frame_count

    def frame_ids(self, animation: str) -> tuple[str, ...]:
        """Frame names of one animation: as given, or `<animation>_00` and so on."""
        frames = self.animations[animation].frames
        return frames if isinstance(frames, tuple) else tuple(f"{animation}_{i:02d}" for i in range(frames))

    def cell_ids(self) -> dict[int, str]:
        """Cell index (row by row, from 0) -> cell id, for every cell that is used.

        sprite: frames in the order of the animations, a shared frame once; tile: the tile's name;
        variation: the variant's key; ui_component: the state.
        """
        if self.kind == "tile":
            spare = AUTOTILE_CELLS.get(self.autotile or "", 0)
            names = {i: f"{self.autotile}_{i:02d}" for i in range(spare)}
            return dict(sorted((names | {i: tile.name for i, tile in self.tiles.items()}).items()))
        if self.kind == "sprite":
            ids = dict.fromkeys(frame for name in self.animations for frame in self.frame_ids(name))
        elif self.kind == "variation":
            ids = dict.fromkeys(variant.key for variant in self.variants)
        else:
            ids = dict.fromkeys(self.states)
        return dict(enumerate(ids))


Asset = Annotated[Entity | Background | TitleHero | Parallax | Sheet, Field(discriminator="type")]
AssetType = Literal["entity", "background", "title_hero", "parallax", "sheet"]
ASSET_TYPES: tuple[str, ...] = get_args(AssetType)


class Pack(Model):
    """A whole manifest, resolved: what is wanted, and nothing about how it is made."""

    version: Literal[1] = Field(1, description="Version of the manifest format.")
    game: Game = Field(description="The game that the art is for.")
    pack: PackInfo = Field(description="The pack.")
    styles: dict[str, Style] = Field(default_factory=dict, description="Styles by name, `extends` followed.")
    qa: Qa = Field(default_factory=Qa, description="Limits that pictures have to keep.")
    budget: Budget = Field(default_factory=Budget, description="The most that may be spent on it.")
    routing: Routing = Field(default_factory=Routing, description="Who makes what, and who takes over.")
    assets: tuple[Asset, ...] = Field(description="Assets, in the order of the manifest.")

    def style_of(self, asset: AssetBase) -> Style | None:
        """Style of an asset: its own, the pack's, or none. Built-in names need no entry in `styles`."""
        name = asset.style or self.pack.style
        if name is None:
            return None
        if name in self.styles:
            return self.styles[name]
        return _built_in(name)
