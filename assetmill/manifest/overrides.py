"""What the command line sets for a whole run, read like one more layer above the manifest.

A field goes to every asset whose type has it; `entity.shape` goes to entities only; `pack.`, `game.`, `qa.` and
`budget.`, `routing.` address the sections. Values may be text, as in a CSV cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assetmill.manifest.authoring import PAIRS, SHEET_ONLY, default_shapes, manifest_shape, old_names
from assetmill.manifest.blocks import Block, Items
from assetmill.manifest.canonical import Canonical
from assetmill.manifest.models import ASSET_TYPES
from assetmill.manifest.problems import Place, Problems, nearest_name
from assetmill.manifest.shapes import Shape

FILE = "command line"
_SECTIONS = ("game", "pack", "qa", "budget", "routing")


@dataclass(frozen=True, slots=True)
class Overrides:
    """The highest layer: by asset type, and by section of the document."""

    by_type: Mapping[str, Block]
    sections: Mapping[str, Block]


def read_overrides(values: Mapping[str, Any], problems: Problems) -> Overrides:
    """Read overrides and note unknown ones."""
    root = _nested(values)
    canonical = Canonical(problems)
    by_type = {kind: _block() for kind in ASSET_TYPES}
    sections: dict[str, Block] = {}
    for key, value in root.items():
        if key in _SECTIONS and isinstance(value, Block):
            sections[key] = canonical.record(value, manifest_shape().fields[key], key)
        elif key in ASSET_TYPES and isinstance(value, Block):
            by_type[key].update(canonical.record(value, default_shapes()[key], key))
        else:
            _for_all(key, value, by_type, canonical, problems)
    return Overrides(by_type, sections)


def _for_all(key: str, value: Any, by_type: Mapping[str, Block], canonical: Canonical, problems: Problems) -> None:
    shapes = default_shapes()
    having = [kind for kind in ASSET_TYPES if _has(shapes[kind], key)]
    if not having:
        names = [name for kind in ASSET_TYPES for name in shapes[kind].fields] + [*_SECTIONS, *ASSET_TYPES]
        problems.add(Place(FILE), key, f"unknown field `{key}`", nearest=nearest_name(key, names))
    for kind in having:
        layer = _block()
        layer[key] = value
        by_type[kind].update(canonical.record(layer, shapes[kind], ""))


def _has(shape: Shape, key: str) -> bool:
    if key in shape.fields or key in old_names(shape.name, tuple(shape.fields)):
        return True
    return (shape.name, key) in PAIRS or (shape.name == "Sheet" and key in SHEET_ONLY)


def _block() -> Block:
    return Block(FILE, cells=True)


def _nested(values: Mapping[str, Any]) -> Block:
    root = _block()
    for dotted, value in values.items():
        *steps, last = str(dotted).split(".")
        here = root
        for step in steps:
            inner = here.get(step)
            if not isinstance(inner, Block):
                inner = _block()
                here[step] = inner
            here = inner
        here[last] = _plain(value)
    return root


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _nested(value)
    if isinstance(value, list | tuple):
        items = Items(FILE, 1, 1)
        items.extend(_plain(entry) for entry in value)
        return items
    return value
