"""One layer of a manifest (an asset, a style, a set of defaults) brought to the names and forms of the models.

Old names and short forms are resolved, unknown fields and values of the wrong sort are refused, and YAML
traps are named, while every value keeps its place in the file. Ranges, patterns and what fields mean
together are judged later, after inheritance. A value that is refused is left out, so that the rest of
the manifest is still checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assetmill.manifest.authoring import OLD_TYPES, PAIRS, SHEET_ONLY, WORDS, old_names
from assetmill.manifest.blocks import Block, Items, Spot
from assetmill.manifest.oldsheets import move_sheet_field
from assetmill.manifest.problems import Place, Problems, nearest_name
from assetmill.manifest.shapes import Shape
from assetmill.manifest.yaml_traps import hash_message, hex_comment, word_for_number, word_for_text

SIZE = re.compile(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*")  # noqa: RUF001  people type the multiplication sign
REFUSED: Any = object()
_TEXTS = ("text", "choice")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class Canonical:
    """Brings layers to canonical form and notes what is wrong with them.

    Args:
        problems: collector.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.refused: set[tuple[str, str]] = set()
        """(file, path) of values left out because they were refused already."""

    def record(self, block: Block, shape: Shape, path: str) -> Block:
        """The record with canonical names; `path` is its place in the document."""
        named = self._names(block, shape, path)
        result = named.twin()
        fields, cells = shape.fields, named.cells
        for key, value in named.items():
            if _is_plainly_right(value, fields[key].kind, named.raw(key), cells=cells):
                result[key] = value
                continue
            inner_path = _join(path, named.written(key))
            inner = self.value(
                value, shape.fields[key], inner_path, named.place(key, value=True), named.raw(key), named
            )
            if inner is not REFUSED:
                result[key] = inner
            else:
                self.refused.add((block.file, _join(path, key)))
        return result

    def value(self, value: Any, shape: Shape, path: str, place: Place, raw: str | None, parent: Block) -> Any:
        """The canonical value, or REFUSED after noting why."""
        if value is None:
            return self._null(shape, path, place, raw, parent)
        if parent.cells and isinstance(value, str):
            value = _from_cell(value, shape, parent, place)
        value = _short_form(value, shape, place)
        if shape.kind == "either":
            return self._either(value, shape, path, place, raw, parent)
        if shape.kind == "record":
            return self._record_or_refuse(value, shape, path, place)
        if shape.kind == "map":
            return self._map(value, shape, path, place)
        if shape.kind == "list":
            return self._list(value, shape, path, place, parent)
        return self._scalar(value, shape, path, place, raw, parent)

    def _names(self, block: Block, shape: Shape, path: str) -> Block:
        """The same record with canonical keys; unknown ones are noted and left out."""
        if all(key in shape.fields for key in block) and not _old_type(block, shape):
            return block
        aliases = old_names(shape.name, tuple(shape.fields))
        spots = dict(block.spots)
        result = block.twin(spots)
        for key, value in block.items():
            pair = PAIRS.get((shape.name, key))
            if key in shape.fields:
                self._set(result, spots, key, value, block, key, path)
            elif key in aliases:
                self._set(result, spots, aliases[key], value, block, key, path)
            elif pair is not None and pair[0] in shape.fields:
                self._pair(result, spots, pair, block, key, path)
            elif shape.name != "Sheet" or key not in SHEET_ONLY:
                self._unknown(block, key, shape, path)
        for key in SHEET_ONLY if shape.name == "Sheet" else ():
            if key in block and (message := move_sheet_field(block, key, result, spots)):
                self._note(block, key, path, message)
        if (old := _old_type(result, shape)) is not None:
            self._set(result, spots, "transparent", True, block, "type", path)
            result["type"] = OLD_TYPES[old]
        return result

    def _set(
        self, result: Block, spots: dict[str, Spot], key: str, value: Any, block: Block, written: str, path: str
    ) -> None:
        if key in result and written != key:
            other = result.written(key)
            self._note(block, written, path, f"`{written}` and `{other}` are the same field: give one of them")
            return
        if key in result:
            self._note(block, key, path, f"`{key}` and `{result.written(key)}` are the same field: give one of them")
            return
        result[key] = value
        spot = block.spots.get(written)
        if spot is not None:
            spots[key] = spot if block.cells or key == written else spot._replace(name=written)

    def _pair(
        self, result: Block, spots: dict[str, Spot], pair: tuple[str, str], block: Block, key: str, path: str
    ) -> None:
        values = two_wholes(block[key])
        if values is None:
            self._note(
                block, key, path, f"{_show(block[key])} is not a size", expected="a size such as 64x64 or [64, 64]"
            )
            self.refused.update((block.file, _join(path, field)) for field in pair)
            return
        for field, value in zip(pair, values, strict=True):
            self._set(result, spots, field, value, block, key, path)

    def _note(self, block: Block, key: str, path: str, message: str, *, expected: str = "", nearest: str = "") -> None:
        self._problems.add(block.place(key), _join(path, key), message, expected=expected, nearest=nearest)

    def _unknown(self, block: Block, key: str, shape: Shape, path: str) -> None:
        if block.flow and block[key] is None and not block.raw(key):
            self._note(
                block, key, path,
                f"`{key}` is no field but text after a comma: in {{...}} a comma starts a new key, "
                "so write text that holds one in 'quotes'",
            )  # fmt: skip
            return
        nearest = nearest_name(key, [*shape.fields, *old_names(shape.name, tuple(shape.fields)), *_pairs_of(shape)])
        if nearest:
            self.refused.add((block.file, _join(path, nearest)))
        hint = _HINTS.get((shape.name, key), "")
        self._note(
            block, key, path, f"unknown field `{key}`" + (f": {hint}" if hint else ""),
            expected="" if nearest or hint else f"one of {', '.join(shape.fields)}", nearest="" if hint else nearest,
        )  # fmt: skip

    def _null(self, shape: Shape, path: str, place: Place, raw: str | None, parent: Block) -> Any:
        if raw is not None and raw.startswith("#"):
            colour = hex_comment(f": {raw}")
            message = hash_message(colour) if colour else "the value is empty: unquoted # starts a comment in YAML"
        elif raw and shape.nullable:
            return None
        elif raw:
            message = f"{word_for_text(raw)}" if shape.kind == "text" else f"`{raw}` is no value for this field"
        else:
            message = "the value is empty" + (": in {...} a comma starts a new key" if parent.flow else "")
        self._problems.add(place, path, message, expected=shape.expected())
        return REFUSED

    def _either(self, value: Any, shape: Shape, path: str, place: Place, raw: str | None, parent: Block) -> Any:
        is_list = isinstance(value, Items)
        for option in shape.options:
            if (option.kind == "list") == is_list and (is_list or _fits(value, option, cells=parent.cells)):
                return self.value(value, option, path, place, raw, parent)
        self._wrong(value, shape, path, place, raw)
        return REFUSED

    def _record_or_refuse(self, value: Any, shape: Shape, path: str, place: Place) -> Any:
        if not isinstance(value, Block):
            self._wrong(value, shape, path, place, None)
            return REFUSED
        return self.record(value, shape, path)

    def _map(self, value: Any, shape: Shape, path: str, place: Place) -> Any:
        item = shape.item
        if not isinstance(value, Block) or item is None:
            self._wrong(value, shape, path, place, None)
            return REFUSED
        result = value.twin()
        for key, entry in value.items():
            inner_path = _join(path, key)
            if item.name == "Tile" and key.isdecimal() and key != str(int(key[:9])):
                self._note(
                    value, key, path, f"the cell number {key!r} is not written plainly", expected="such as 0, 7 or 12"
                )
                continue
            inner = self.value(entry, item, inner_path, value.place(key, value=True), value.raw(key), value)
            if inner is not REFUSED:
                result[key] = inner
        return result

    def _list(self, value: Any, shape: Shape, path: str, place: Place, parent: Block) -> Any:
        item = shape.item
        if not isinstance(value, Items) or item is None:
            self._wrong(value, shape, path, place, None)
            return REFUSED
        if item.kind in _TEXTS and all(type(entry) is str for entry in value):
            return value
        result = value.twin()
        for index, entry in enumerate(value):
            at = value.place(index) or place
            inner = self.value(entry, item, f"{path}[{index}]", at, value.raw(index), parent)
            if inner is REFUSED:
                return REFUSED
            result.append(inner)
        return result

    def _scalar(self, value: Any, shape: Shape, path: str, place: Place, raw: str | None, parent: Block) -> Any:
        if isinstance(value, Block | Items):
            self._wrong(value, shape, path, place, raw)
            return REFUSED
        if shape.kind in ("text", "choice"):
            return self._text(value, shape, path, place, raw)
        if not _fits(value, shape, cells=parent.cells):
            self._wrong(value, shape, path, place, raw)
            return REFUSED
        if "const" in shape.schema and isinstance(value, str) and value.isdecimal():
            return int(value)
        message = word_for_number(raw) if raw is not None and not isinstance(value, bool) else ""
        if message:
            self._problems.add(place, path, message, expected=shape.expected())
        return REFUSED if message else value

    def _text(self, value: Any, shape: Shape, path: str, place: Place, raw: str | None) -> Any:
        if isinstance(value, str):
            return value
        if raw is None:  # a number that a placeholder brought
            return str(value)
        self._problems.add(place, path, word_for_text(raw), expected=shape.expected())
        return REFUSED

    def _wrong(self, value: Any, shape: Shape, path: str, place: Place, raw: str | None) -> None:
        if isinstance(value, Block) and value.flow and list(value.values()) == [None]:
            name = next(iter(value))
            message = f"unquoted {{{name}}} is a map in YAML: write '{{{name}}}' in quotes"
        elif isinstance(value, bool) and raw and any(option.kind == "text" for option in shape.options):
            message = word_for_text(raw)
        elif isinstance(value, bool) and raw is not None and shape.kind in ("whole", "number"):
            message = f"`{raw}` is a truth value, not a number"
        elif isinstance(value, str) and raw is None and shape.kind in ("whole", "number", "flag"):
            message = f"{_show(value)} is text: take the quotes away"
        else:
            message = f"{_show(value)} does not belong here"
        self._problems.add(place, path, message, expected=shape.expected())


_HINTS = {
    ("Entity", "size"): "an entity's width and height are world units, its picture's size is silhouette.canvas",
    ("Style", "prompt"): "words that a style adds to every prompt are its prompt_suffix",
    ("Common", "prompt"): "a prompt belongs to an asset",
}


def _is_plainly_right(value: Any, kind: str, raw: str | None, *, cells: bool) -> bool:
    """Whether a value needs no closer look: most do not, and their places and paths are never worked out."""
    if type(value) is str:
        return kind in _TEXTS or (cells and kind == "number")
    if type(value) is float:
        return kind == "number" and raw is not None and raw[-1:].isdecimal() and ":" not in raw
    return type(value) is int and kind in ("whole", "number") and (raw is None or raw == str(value))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _show(value: Any) -> str:
    if isinstance(value, Block):
        return "a map"
    if isinstance(value, Items):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004  one line of a message


def _pairs_of(shape: Shape) -> list[str]:
    return [short for record, short in PAIRS if record == shape.name]


def _old_type(block: Mapping[str, Any], shape: Shape) -> str | None:
    kind = block.get("type") if shape.name == "TitleHero" else None
    return kind if isinstance(kind, str) and kind in OLD_TYPES else None


def two_wholes(value: Any) -> tuple[int, int] | None:
    """Two whole numbers from `64x64` or [64, 64]; None if it is neither."""
    if isinstance(value, str) and (found := SIZE.fullmatch(value)):
        return int(found[1]), int(found[2])
    if isinstance(value, Items) and [type(entry) for entry in value] == [int, int]:
        return value[0], value[1]
    return None


def _from_cell(value: str, shape: Shape, parent: Block, place: Place) -> Any:
    """A cell's text as the list that its column holds, if it holds one."""
    listed = shape if shape.kind == "list" else next((o for o in shape.options if o.kind == "list"), None)
    if listed is None or (shape.kind == "either" and _NUMBER.fullmatch(value)):
        return value
    if listed.name == "pair":
        return value
    items = Items(parent.file, place.line, place.column)
    items.extend(part.replace("\\|", "|").strip() for part in re.split(r"(?<!\\)\|", value))
    return items


def _short_form(value: Any, shape: Shape, place: Place) -> Any:
    """A value with its short form written out; other values as they are."""
    if shape.kind == "list" and shape.name == "pair" and isinstance(value, str) and (two := two_wholes(value)):
        items = Items(place.file, place.line, place.column)
        items.extend(two)
        return items
    if shape.kind != "record":
        return value
    if shape.name == "Point":
        return _point(value, place)
    if shape.name in WORDS and isinstance(value, str):
        return _fields({WORDS[shape.name]: value}, place)
    return value


def _point(value: Any, place: Place) -> Any:
    parts: Any = value
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        parts = [float(part) for part in parts] if all(map(_NUMBER.fullmatch, parts)) else []
    if isinstance(parts, list) and len(parts) == 2:  # noqa: PLR2004  x and y
        return _fields({"x": parts[0], "y": parts[1]}, place)
    return value


def _fields(values: Mapping[str, Any], place: Place) -> Block:
    block = Block(place.file, place.line, place.column)
    block.update(values)
    return block


def _fits(value: Any, shape: Shape, *, cells: bool) -> bool:
    if cells:
        return isinstance(value, str | int | float)
    if shape.kind == "flag":
        return isinstance(value, bool)
    if shape.kind == "text":
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and (shape.kind == "number" or value.is_integer()))
