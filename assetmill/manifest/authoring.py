"""The manifest as authors write it: which fields stand where, their old names and their short forms.

Derived from the shapes of the models, so that a new field of a model can be authored, checked and
documented without a second list. What is listed by hand is only what no model can know: short forms, the
studio's old camelCase names, and where a field may be given for many assets at once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from assetmill.manifest import models
from assetmill.manifest.shapes import Shape, asset_shapes, model_shape

PAIRS = {
    ("Background", "size"): ("width", "height"),
    ("TitleHero", "size"): ("width", "height"),
    ("Parallax", "size"): ("width", "height"),
    ("Grid|Strip", "cell"): ("cell_width", "cell_height"),
}
"""(record, short field) -> the two fields that it sets, from `64x64` or [64, 64]."""

WORDS = {"Variant": "key", "Tile": "name"}
"""Record -> the field that a bare word sets."""

OLD_NAMES = {
    "Entity": {"description": "prompt"},
    "TitleHero": {"themeDescription": "prompt"},
    "Grid|Strip": {"type": "kind"},
    "Variant": {"description": "prompt", "promptOverride": "prompt"},
    "Sheet": {"entryOverrides": "overrides", "ninePatchMargins": "nine_slice", "componentType": "component"},
    "Manifest": {},
}
"""Record -> old name -> name. The camelCase spelling of every field is an old name as well."""

OLD_TYPES = {"title_hero_no_bg": "title_hero"}
"""Old asset type -> type; the old one also meant `transparent: true`."""

SHEET_ONLY = ("tileWidth", "tileHeight", "tile_width", "tile_height", "promptConfig", "tileOverrides")
"""Old and short fields of sheets that set fields elsewhere in the sheet."""

TOP_OLD = {
    "gameId": ("game", "id"),
    "gameTitle": ("game", "title"),
    "theme": ("pack", "theme"),
    "style": ("pack", "style"),
}
"""Old field at the top -> section and field."""

COMMON_FIELDS = (
    "style", "negative_prompt", "seed", "candidates", "strength", "provider", "workflow", "tags", "enabled", "locked",
    "is_style_anchor", "post", "export",
)  # fmt: skip
"""Fields that `defaults.common` may give: those that every type has and that make sense for all."""

STYLE_FIELDS = ("candidates", "strength", "provider", "workflow", "tags", "post", "export")
STYLE_TYPE_FIELDS = {"color": "entity", "silhouette": "entity", "pivot": "sheet", "seamless": "background"}
"""Fields of some types that a style may give, and the type that describes them."""

TOP_ORDER = ("version", "game", "pack", "styles", "defaults", "qa", "budget", "routing", "include", "assets")


def camel(name: str) -> str:
    """`frame_count` -> `frameCount`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


@lru_cache(maxsize=64)
def old_names(record: str, fields: tuple[str, ...]) -> dict[str, str]:
    """Old name -> name, for a record with these fields."""
    spelt = {camel(name): name for name in fields if "_" in name}
    return spelt | {old: name for old, name in OLD_NAMES.get(record, {}).items() if name in fields}


@lru_cache(maxsize=1)
def matrix_shape() -> Shape:
    """How an asset is multiplied."""
    value = Shape("either", options=(Shape("text"), Shape("number")))
    axes = Shape(
        "map", item=Shape("list", item=value, schema={"minItems": 1}),
        description="Axis -> values; one asset is made for every combination.",
    )  # fmt: skip
    rows = Shape(
        "list", item=Shape("map", item=value), schema={"minItems": 1},
        description="Rows of axis -> value instead; one asset is made for every row.",
    )  # fmt: skip
    return Shape(
        "record", name="Matrix", fields={"axes": axes, "include": rows},
        description="Make many assets of one: {axis} in any text of the asset is replaced by the axis's value.",
    )  # fmt: skip


@lru_cache(maxsize=1)
def authored_assets() -> dict[str, Shape]:
    """Asset type -> the fields that an author may write; only `id` and `type` are never inherited."""
    shapes: dict[str, Shape] = {}
    for name, shape in asset_shapes().items():
        loose = shape.optional()
        fields = dict(loose.fields)
        fields["id"] = replace(fields["id"], required=True)
        fields["type"] = replace(
            fields["type"], required=True, description="Sort of asset; it decides the other fields."
        )
        fields["matrix"] = matrix_shape()
        shapes[name] = replace(loose, fields=fields)
    return shapes


@lru_cache(maxsize=1)
def default_shapes() -> dict[str, Shape]:
    """`common` or an asset type -> the fields that `defaults` may give."""
    entity = asset_shapes()["entity"]
    common = replace(entity.only(*COMMON_FIELDS), name="Common", description="For assets of every type.").optional()
    typed = {
        name: replace(shape.without("id", "type", "matrix", "references"), description=f"For every {name}.")
        for name, shape in authored_assets().items()
    }
    return {"common": common, **typed}


@lru_cache(maxsize=1)
def style_shape() -> Shape:
    """Fields of a style as authors write it."""
    own = model_shape(models.Style).fields
    shapes = asset_shapes()
    fields = {
        "extends": Shape("text", description="Style that this one builds on: of this manifest, or built in."),
        "prompt_suffix": own["prompt_suffix"],
        "negative_prompt": own["negative_prompt"],
        **shapes["entity"].only(*STYLE_FIELDS).fields,
        **{field: shapes[kind].fields[field] for field, kind in STYLE_TYPE_FIELDS.items()},
    }
    return Shape(
        "record", name="Style", fields=fields,
        description="A named look: words for the prompt, and fields for all its assets.",
    ).optional()  # fmt: skip


@lru_cache(maxsize=1)
def manifest_shape() -> Shape:
    """The whole document; `assets` is read by type and described by `authored_assets`."""
    pack = model_shape(models.Pack).fields
    defaults = Shape("record", name="Defaults", fields=default_shapes(), description="Fields for many assets at once.")
    fields = {
        **{name: pack[name] for name in ("version", "game", "pack", "qa", "budget", "routing")},
        "styles": Shape("map", item=style_shape(), description="Looks by name; assets choose one with `style`."),
        "defaults": defaults.optional(),
        "include": Shape(
            "list", item=Shape("text"),
            description="Files in this folder or below with more assets: .csv, .tsv, .yaml, .yml.",
        ),
        "assets": Shape("list", item=Shape("record", name="Asset"), description="What is wanted, one entry each."),
    }  # fmt: skip
    return Shape("record", name="Manifest", fields={name: fields[name] for name in TOP_ORDER})
