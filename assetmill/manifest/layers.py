"""A value with the layers that it was merged from, so that an error in it still finds its place.

Validation by the models happens once, on the merged value; this module runs it and says every error in
the author's terms: where the value stands (in the asset, its style, the defaults or on the command
line), what would be right, and which name was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from assetmill.manifest import models
from assetmill.manifest.blocks import Block, locate
from assetmill.manifest.problems import Place, Problems, nearest_name
from assetmill.manifest.shapes import Shape

ModelT = TypeVar("ModelT", bound=BaseModel)
Path = tuple[str | int, ...]
_WORDS = {
    "string_too_short": "the text is empty",
    "string_too_long": "the text is too long",
    "too_short": "the list is too short",
    "too_long": "the list is too long",
    "greater_than": "{value} is too small",
    "greater_than_equal": "{value} is too small",
    "less_than": "{value} is too large",
    "less_than_equal": "{value} is too large",
    "literal_error": "{value} is not known here",
    "string_pattern_mismatch": "{value} is not right here",
    "finite_number": "{value} is not a finite number",
}
_PARSING = re.compile(r"(int|float|bool)_(parsing|type|from_float)")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


@dataclass(frozen=True, slots=True)
class Layer:
    """One block that a value was merged from, and its path in its document."""

    block: Block
    path: str


@dataclass(frozen=True, slots=True)
class Layered:
    """Where a merged value came from.

    Args:
        layers: highest precedence first; `own` of them is the author's own entry.
        own: index of that entry.
        refused: (file, path) of values that were refused before, so that nobody calls them missing.
    """

    layers: tuple[Layer, ...]
    own: int = 0
    refused: set[tuple[str, str]] = field(default_factory=set)

    def find(self, path: Path) -> tuple[Place, str]:
        """Place and written path of a value: in the highest layer that has it, else in the own entry."""
        for layer in self.layers:
            place, names, whole = locate(layer.block, path)
            if whole and place is not None:
                return place, _join(layer.path, names)
        own = self.layers[self.own]
        place, names, _ = locate(own.block, path)
        return place or own.block.place(), _join(own.path, names)

    def note(self, problems: Problems, path: Path, message: str, *, expected: str = "", nearest: str = "") -> None:
        """Add a problem about the value at a path."""
        place, where = self.find(path)
        problems.add(place, where, message, expected=expected, nearest=nearest)


def validated(
    model: type[ModelT],
    value: Mapping[str, Any],
    shape: Shape,
    origin: Layered,
    problems: Problems,
    *,
    part: bool = False,
) -> ModelT | None:
    """The model of a merged value, or None after noting every error.

    Args:
        model: the model.
        value: merged, canonical fields.
        shape: the model's shape, for words about what is expected.
        origin: where the value came from.
        problems: collector.
        part: only some of the fields are given: nothing is called missing, and fields are not held
            against each other.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        seen: set[tuple[bool, Path]] = set()
        for detail in error.errors(include_url=False):
            if part and (detail["type"] == "missing" or not detail["loc"]):
                continue
            # a value that may be either of two sorts fails once for each: the first word about it is enough
            spot = (
                detail["type"] == "missing",
                detail["loc"] if detail["type"] == "missing" else _data_path(detail["loc"], value),
            )
            if spot not in seen:
                seen.add(spot)
                _note(detail, value, shape, origin, problems)
        return None


def _note(detail: ErrorDetails, value: Mapping[str, Any], shape: Shape, origin: Layered, problems: Problems) -> None:
    path = _data_path(detail["loc"], value)
    kind = detail["type"]
    if kind == "missing":
        _missing(str(detail["loc"][-1]), path, shape, origin, problems)
        return
    if kind == "value_error" and not path:
        path = _field_named_in(detail["msg"], value)
    if kind.startswith("union_tag"):
        path = (*path, "kind")
    at = _shape_at(shape, path)
    message = _message(detail)
    if detail["loc"] and detail["loc"][-1] == "[key]":
        number = kind.startswith("int_")
        message = f"{path[-1]!r} " + ("is no cell number" if number else "cannot be a name")
        origin.note(problems, path, message, expected="a whole number from 0" if number else _NAME)
        return
    if kind == "extra_forbidden":
        origin.note(
            problems, path, f"`{path[-1]}` does not belong to this kind of {path[-2] if len(path) > 1 else 'asset'}"
        )
        return
    nearest = ""
    if at is not None and at.choices and isinstance(detail["input"], str):
        nearest = nearest_name(detail["input"], at.choices)
    expected = at.expected() if at is not None and kind != "value_error" else ""
    origin.note(problems, path, message, expected=expected, nearest=nearest)


_NAME = Shape("text", schema={"pattern": models.ID_PATTERN}).expected()


def _missing(name: str, path: Path, shape: Shape, origin: Layered, problems: Problems) -> None:
    place, where = origin.find(path)
    full = _join(where, name)
    if any((layer.block.file, _join(where, name)) in origin.refused for layer in origin.layers):
        return
    at = _shape_at(shape, (*path, name))
    problems.add(place, full, f"`{name}` is missing", expected=at.expected() if at is not None else "")


def _message(detail: ErrorDetails) -> str:
    value = detail["input"]
    shown = repr(value if len(str(value)) <= 40 else str(value)[:37] + "...")  # noqa: PLR2004  one line of a message
    if detail["type"] in _WORDS:
        return _WORDS[detail["type"]].format(value=shown)
    if detail["type"].startswith("union_tag"):
        return f"{detail.get('ctx', {}).get('tag', 'this')!r} is not a kind of layout"
    if _PARSING.fullmatch(detail["type"]):
        if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
            return f"{shown} has a decimal comma: write {value.replace(',', '.')}"
        return f"{shown} does not belong here"
    return detail["msg"].removeprefix("Value error, ")


def _data_path(loc: Sequence[str | int], value: Any) -> Path:
    """The part of a validation error's location that is in the data: union tags are not."""
    path: list[str | int] = []
    here = value
    for step in loc:
        if isinstance(here, Mapping) and str(step) in here:
            path.append(str(step))
            here = here[str(step)]
        elif isinstance(here, list) and isinstance(step, int):
            path.append(step)
            here = here[step] if step < len(here) else None
    return tuple(path)


def _field_named_in(message: str, value: Mapping[str, Any]) -> Path:
    """The first field that a rule's message names and that was given; those in backticks go first."""
    names = [*re.findall(r"`(\w+)`", message), *re.findall(r"\w+", message)]
    return next(((name,) for name in names if name in value), ())


def _shape_at(shape: Shape | None, path: Path) -> Shape | None:
    for step in path:
        if shape is None:
            return None
        if shape.kind == "either" and isinstance(step, int):
            shape = next((option.item for option in shape.options if option.kind == "list"), None)
        elif shape.kind == "record":
            shape = shape.fields.get(str(step))
        else:
            shape = shape.item
    return shape


def _join(path: str, key: str) -> str:
    if not path or not key:
        return path or key
    return path + key if key.startswith("[") else f"{path}.{key}"
