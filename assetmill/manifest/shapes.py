"""What may stand where in a manifest, read off the models.

The models of models.py are the only place that says which fields there are. Everything else that has to
know (checks with positions, the editor's schema, the documentation) takes it from the shapes made here.
Nothing here reads a manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel

from assetmill.manifest import models

Kind = Literal["text", "whole", "number", "flag", "choice", "list", "map", "record", "either"]
_KINDS: dict[str, Kind] = {"string": "text", "integer": "whole", "number": "number", "boolean": "flag"}
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Shape:
    """What may stand at one place.

    Args:
        kind: the sort of value.
        name: a record's model, or its models joined by `|`.
        description: what it is for.
        schema: the JSON Schema that it was read from, without description, default and references.
        required: must be given.
        nullable: may be null, which takes back an inherited value.
        default: built-in value, as JSON.
        choices: the values of a choice.
        item: what a list or map holds.
        fields: what a record holds.
        options: the shapes of an either.
    """

    kind: Kind
    name: str = ""
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    required: bool = False
    nullable: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    item: Shape | None = None
    fields: Mapping[str, Shape] = field(default_factory=dict)
    options: tuple[Shape, ...] = ()

    def without(self, *names: str) -> Shape:
        """The record without some of its fields."""
        return replace(self, fields={name: shape for name, shape in self.fields.items() if name not in names})

    def only(self, *names: str) -> Shape:
        """The record with some of its fields, in the order given."""
        return replace(self, fields={name: self.fields[name] for name in names})

    def optional(self) -> Shape:
        """The record with every field optional, as inheritance may bring it."""
        return replace(self, fields={name: replace(shape, required=False) for name, shape in self.fields.items()})

    def expected(self) -> str:
        """What is right here, in words."""
        if self.kind == "choice":
            return _one_of(self.choices)
        if self.kind == "list":
            if self.item is None:
                return "a list"
            if self.name == "pair":
                return "two whole numbers such as 512x512"
            return f"a list, each item {self.item.expected()}"
        if self.kind == "either":
            return " or ".join(option.expected() for option in self.options)
        return self._plain()

    def _plain(self) -> str:
        pattern = self.schema.get("pattern")
        if self.kind == "flag":
            return "true or false"
        if "const" in self.schema:
            return str(self.schema["const"])
        if self.kind in ("whole", "number"):
            return ("a whole number" if self.kind == "whole" else "a number") + _bounds(self.schema)
        if pattern == models.ID_PATTERN:
            return "a plain name of a-z, 0-9, _ and -, at most 64 long"
        if pattern:
            return "a colour such as '#3fa34d'"
        longest = self.schema.get("maxLength")
        return {
            "text": "text" + (f" of at most {longest} characters" if longest else ""),
            "map": "a map of names and values",
        }.get(self.kind, "a map of fields")


def _one_of(choices: tuple[str, ...]) -> str:
    return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    first = f"from {low:g}" if low is not None else f"above {above:g}" if above is not None else ""
    last = f"to {high:g}" if high is not None else f"to {below - 1}" if below is not None else ""
    if first.startswith("above") and high is not None:
        last = f"and at most {high:g}"
    return "".join(f" {part}" for part in (first, last) if part)


def _read(schema: Mapping[str, Any], defs: Mapping[str, Any], *, required: bool = False) -> Shape:
    """A shape from a JSON Schema as pydantic writes it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        inner = _read(defs[name], defs)
        return _finish(inner, schema, required=required)
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return _finish(_branches(branches, defs), schema, required=required)
    return _finish(_simple(schema, defs), schema, required=required)


def _finish(shape: Shape, schema: Mapping[str, Any], *, required: bool) -> Shape:
    default = schema.get("default", _MISSING)
    return replace(
        shape,
        description=schema.get("description") or shape.description,
        default=shape.default if default is _MISSING else default,
        required=required,
    )


def _branches(branches: list[Mapping[str, Any]], defs: Mapping[str, Any]) -> Shape:
    shapes = [_read(branch, defs) for branch in branches if branch.get("type") != "null"]
    nullable = len(shapes) < len(branches)
    if len(shapes) == 1:
        return replace(shapes[0], nullable=nullable)
    if all(shape.kind == "record" for shape in shapes):
        return replace(_joined(shapes), nullable=nullable)
    return Shape("either", options=tuple(shapes), nullable=nullable)


def _joined(records: list[Shape]) -> Shape:
    """One record for a union of records; what tells them apart is found out later, after inheritance."""
    fields: dict[str, Shape] = {}
    for record in records:
        for name, shape in record.fields.items():
            fields[name] = replace(_widened(fields.get(name), shape), required=False)
    return Shape("record", name="|".join(record.name for record in records), fields=fields)


def _widened(earlier: Shape | None, shape: Shape) -> Shape:
    """One shape for a field that several records of a union have: choices are put together."""
    if earlier is None or shape.kind != "choice":
        return shape
    choices = (*earlier.choices, *(choice for choice in shape.choices if choice not in earlier.choices))
    told_apart = len(earlier.choices) == len(shape.choices) == 1
    words = f"{' or '.join(choices)}; the other fields tell if it is left out." if told_apart else shape.description
    return replace(shape, choices=choices, schema={"type": "string", "enum": list(choices)}, description=words)


def _simple(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Shape:
    core = {key: value for key, value in schema.items() if key not in ("description", "default", "title", "properties")}
    if isinstance(schema.get("const"), int):
        return Shape("whole", schema=core)
    if "enum" in schema or "const" in schema:
        choices = tuple(schema.get("enum") or (schema["const"],))
        return Shape("choice", choices=tuple(str(choice) for choice in choices), schema=core)
    if schema["type"] == "array":
        pair = schema.get("prefixItems")
        return Shape(
            "list", name="pair" if pair else "", item=_read(pair[0] if pair else schema["items"], defs), schema=core
        )
    if schema["type"] == "object" and "properties" in schema:
        needed = schema.get("required", ())
        fields = {name: _read(inner, defs, required=name in needed) for name, inner in schema["properties"].items()}
        return Shape("record", name=schema["title"], fields=fields)
    if schema["type"] == "object":
        inner = schema.get("additionalProperties") or next(iter(schema["patternProperties"].values()))
        return Shape("map", item=_read(inner, defs), schema=core)
    return Shape(_KINDS[schema["type"]], schema=core)


def model_shape(model: type[BaseModel]) -> Shape:
    """The shape of a model."""
    schema = model.model_json_schema()
    return _read(schema, schema.get("$defs", {}))


@lru_cache(maxsize=1)
def asset_shapes() -> dict[str, Shape]:
    """Asset type -> the fields of its model."""
    by_type = (models.Entity, models.Background, models.TitleHero, models.Parallax, models.Sheet)
    return dict(zip(models.ASSET_TYPES, (model_shape(model) for model in by_type), strict=True))
