"""The JSON Schema that editors use while a manifest is written.

It is made from the same shapes that loading checks against, so a new field of a model is known to
editors as well; `manifests/manifest.schema.json` is this, written out. It describes one file before
inheritance: what `defaults` may bring is optional, short forms and old names are allowed, and a value
may be a matrix placeholder. It cannot say everything that loading says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assetmill.manifest import models
from assetmill.manifest.authoring import (
    OLD_TYPES,
    PAIRS,
    SHEET_ONLY,
    TOP_OLD,
    WORDS,
    authored_assets,
    camel,
    manifest_shape,
    old_names,
)
from assetmill.manifest.shapes import Shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SIZE_TEXT = {"type": "string", "pattern": r"^\s*(\d+|\{\w+\})\s*[x×*]\s*(\d+|\{\w+\})\s*$|^\{\w+\}$"}  # noqa: RUF001  people type the sign
_ID_OR_PLACEHOLDER = r"^([a-z0-9]|\{[A-Za-z_]\w*\})([a-z0-9_-]|\{[A-Za-z_]\w*\})*$"
_OLD_SHEET = {
    "tileWidth": "Old name of `layout.cell_width`.",
    "tileHeight": "Old name of `layout.cell_height`.",
    "tile_width": "Short for `layout.cell_width`.",
    "tile_height": "Short for `layout.cell_height`.",
    "promptConfig": "Old form of `prompt`, `style` and `negative_prompt`.",
    "tileOverrides": "Old form of the tiles' prompts, by index.",
}


def authoring_schema() -> dict[str, Any]:
    """The schema of a manifest file, draft 2020-12."""
    return _Writer().manifest()


def schema_text() -> str:
    """The schema as the text of `manifests/manifest.schema.json`."""
    return json.dumps(authoring_schema(), indent=2, ensure_ascii=False) + "\n"


class _Writer:
    """Writes shapes as schemas and gathers records under $defs."""

    def __init__(self) -> None:
        self._defs: dict[str, Any] = {
            "placeholder": {
                "type": "string", "pattern": r"^\{[A-Za-z_]\w*\}$", "description": "A value of the asset's matrix.",
            },
        }  # fmt: skip

    def manifest(self) -> dict[str, Any]:
        top = manifest_shape()
        properties: dict[str, Any] = {
            name: self._field(shape, placeholders=name in ("styles", "defaults"))
            for name, shape in top.fields.items()
            if name != "assets"
        }
        assets = [self._record(shape, placeholders=True) for shape in authored_assets().values()]
        properties["assets"] = {
            "type": "array", "items": {"oneOf": assets}, "description": top.fields["assets"].description,
        }  # fmt: skip
        for old, (section, field) in TOP_OLD.items():
            inner = self._field(top.fields[section].fields[field], placeholders=False)
            properties[old] = _deprecated(inner, f"{section}.{field}")
        return {
            "$schema": DIALECT,
            "title": "assetmill manifest",
            "description": "The art of a game: what is wanted, in which looks, and what is shared.",
            "type": "object",
            "properties": properties,
            "required": ["pack"],
            "allOf": [
                {"anyOf": [{"required": ["game"]}, {"required": ["gameId", "gameTitle"]}]},
                {"anyOf": [{"required": ["assets"]}, {"required": ["include"]}]},
            ],
            "additionalProperties": False,
            "$defs": dict(sorted(self._defs.items())),
        }

    def _field(self, shape: Shape, *, placeholders: bool) -> dict[str, Any]:
        options = self._options(shape, placeholders=placeholders)
        if shape.nullable:
            options.append({"type": "null"})
        schema: dict[str, Any] = dict(options[0]) if len(options) == 1 else {"anyOf": options}
        if shape.description:
            schema["description"] = shape.description
        if shape.default not in (None, {}, []):
            schema["default"] = shape.default
        return schema

    def _options(self, shape: Shape, *, placeholders: bool) -> list[dict[str, Any]]:
        """Every form in which a value may be written."""
        if shape.kind == "either":
            return [form for option in shape.options for form in self._options(option, placeholders=placeholders)]
        if shape.kind == "record":
            return self._record_forms(shape, placeholders=placeholders)
        if shape.kind in ("list", "map"):
            return self._collection_forms(shape, placeholders=placeholders)
        if shape.kind == "text" and placeholders and shape.schema.get("pattern") == models.ID_PATTERN:
            return [{"type": "string", "pattern": _ID_OR_PLACEHOLDER}]
        plain = dict(shape.schema) or {"type": {"text": "string"}.get(shape.kind, shape.kind)}
        bound = shape.kind != "text" or "pattern" in plain
        return [plain, {"$ref": "#/$defs/placeholder"}] if placeholders and bound else [plain]

    def _collection_forms(self, shape: Shape, *, placeholders: bool) -> list[dict[str, Any]]:
        inner = self._field(shape.item, placeholders=placeholders) if shape.item is not None else {}
        if shape.kind == "map":
            rest = {key: value for key, value in shape.schema.items() if key == "propertyNames"}
            if shape.item is not None and shape.item.name == "Tile":
                rest = {"propertyNames": {"pattern": r"^\d+$"}}
            return [{"type": "object", "additionalProperties": inner, **rest}]
        limits = {key: value for key, value in shape.schema.items() if key in ("minItems", "maxItems")}
        listed = {"type": "array", "items": inner, **limits}
        return [_SIZE_TEXT, listed] if shape.name == "pair" else [listed]

    def _record_forms(self, shape: Shape, *, placeholders: bool) -> list[dict[str, Any]]:
        record = self._record(shape, placeholders=placeholders)
        if shape.name == "Point":
            number = self._field(shape.fields["x"], placeholders=placeholders)
            return [{"type": "array", "items": number, "minItems": 2, "maxItems": 2}, record]
        if shape.name in WORDS:
            return [self._field(shape.fields[WORDS[shape.name]], placeholders=placeholders), record]
        return [record]

    def _record(self, shape: Shape, *, placeholders: bool) -> dict[str, Any]:
        """A reference to the record's schema, which is written once."""
        name = _def_name(shape)
        if name not in self._defs:
            self._defs[name] = {}
            self._defs[name] = self._whole_record(shape, placeholders=placeholders)
        return {"$ref": f"#/$defs/{name}"}

    def _whole_record(self, shape: Shape, *, placeholders: bool) -> dict[str, Any]:
        properties = {name: self._field(field, placeholders=placeholders) for name, field in shape.fields.items()}
        if "type" in properties and "id" in properties:
            properties["type"] = self._type(shape)
        for (owner, short), (first, second) in PAIRS.items():
            if owner == shape.name and first in properties:
                both = {
                    "anyOf": [_SIZE_TEXT, {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}]
                }
                properties[short] = {**both, "description": f"Short for `{first}` and `{second}`: 64x64 or [64, 64]."}
        for old, name in old_names(shape.name, tuple(shape.fields)).items():
            properties[old] = _deprecated({"$ref": f"#/$defs/{_def_name(shape)}/properties/{name}"}, name)
        if shape.name == "Sheet":
            properties |= {old: self._old_sheet(old) for old in SHEET_ONLY}
        renamed = old_names(shape.name, tuple(shape.fields)).values()
        required = [name for name, field in shape.fields.items() if field.required and name not in renamed]
        record: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required and ("id" in shape.fields or shape.name in _NEVER_MERGED):
            record["required"] = required
        return record

    def _type(self, shape: Shape) -> dict[str, Any]:
        (name,) = shape.fields["type"].choices
        old = [old for old, new in OLD_TYPES.items() if new == name]
        names: dict[str, Any] = {"enum": [name, *old]} if old else {"const": name}
        return {**names, "description": shape.fields["type"].description}

    def _old_sheet(self, name: str) -> dict[str, Any]:
        text = {"type": "string", "description": "Words for the prompt."}
        old = {"deprecated": True} if camel(name) == name else {}
        forms: Mapping[str, dict[str, Any]] = {
            "promptConfig": {
                "type": "object", "additionalProperties": False,
                "properties": {
                    "basePrompt": text, "stylePreset": text, "negativePrompt": text,
                    "commonModifiers": {"type": "array", "items": text, "description": "Words added to the prompt."},
                },
            },
            "tileOverrides": {"type": "object", "additionalProperties": text},
        }  # fmt: skip
        return {**forms.get(name, {"type": "integer"}), **old, "description": _OLD_SHEET[name]}


def _deprecated(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {**schema, "description": f"Old name of `{name}`.", "deprecated": True}


def _def_name(shape: Shape) -> str:
    """Name under $defs; records of `defaults` have the same fields as assets, but other requirements."""
    name = shape.name.replace("Grid|Strip", "Layout")
    return f"{name}Defaults" if name in _ASSET_RECORDS and "id" not in shape.fields else name


_NEVER_MERGED = ("Game", "PackInfo", "ParallaxLayer", "Variant")
"""Records whose fields no inheritance brings: they are whole where they stand."""
_ASSET_RECORDS = ("Entity", "Background", "TitleHero", "Parallax", "Sheet")
