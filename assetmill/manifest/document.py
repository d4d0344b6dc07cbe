"""A manifest's files brought together: the document, and the lists of assets that it has and includes.

An included path stays inside the manifest's folder, whatever it says: a manifest may come from a
stranger. Nothing here knows the fields of an asset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from assetmill.manifest.authoring import PAIRS, SHEET_ONLY, TOP_OLD, authored_assets, old_names
from assetmill.manifest.blocks import Block, Items, Spot
from assetmill.manifest.csv_reader import Column, Table, read_table
from assetmill.manifest.limits import MAX_INCLUDES
from assetmill.manifest.problems import Place, Problems, nearest_name
from assetmill.manifest.shapes import Shape
from assetmill.manifest.textfile import read_text
from assetmill.manifest.yaml_reader import read_yaml

YAML_SUFFIXES = (".yaml", ".yml")
TABLE_SUFFIXES = (".csv", ".tsv")


@dataclass(slots=True)
class Document:
    """The top of the manifest, where assets are listed, and its assets as written: (path in their file, asset)."""

    top: Block
    at_assets: Place
    assets: list[tuple[str, Block]] = field(default_factory=list)


def read_document(path: Path, problems: Problems) -> Document | None:
    """Read a manifest and what it includes; None if nothing of it could be read."""
    file = str(path)
    text = read_text(path, file, problems)
    if text is None:
        return None
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return _table_document(text, path, problems)
    if suffix not in YAML_SUFFIXES:
        problems.add(Place(file), "", f"{suffix or 'no suffix'} is no manifest", expected=".yaml, .yml, .csv or .tsv")
        return None
    root = read_yaml(text, file, problems)
    if root is None and len(problems):
        return None
    if not isinstance(root, Block):
        what = "the file is empty" if root is None else "the file is not a map"
        problems.add(Place(file), "", what, expected="`game:`, `pack:` and `assets:` at the left margin")
        return None
    document = Document(_sectioned(root, problems), root.place("assets"))
    _take_assets(root, document, problems)
    _include(root, path, document, problems)
    return document


def _table_document(text: str, path: Path, problems: Problems) -> Document:
    table = read_table(text, str(path), problems)
    top = table.settings
    _name_by_file(top, path)
    document = Document(_sectioned(top, problems), Place(str(path)))
    _take_rows(table, document, problems)
    return document


def _name_by_file(top: Block, path: Path) -> None:
    """Game and pack of a table that does not name them: its file name."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_") or "pack"
    title = path.stem.replace("-", " ").replace("_", " ").title()
    for section, name in (("game", "title"), ("pack", "name")):
        block = top.setdefault(section, Block(top.file, cells=True))
        if isinstance(block, Block):
            block.setdefault("id", plain[:64])
            block.setdefault(name, title)


def _sectioned(root: Block, problems: Problems) -> Block:
    """The top without assets; the studio's old top-level fields moved into their sections."""
    spots: dict[str, Spot] = dict(root.spots)
    top = root.twin(spots)
    top.update({key: value for key, value in root.items() if key not in ("assets", "include", *TOP_OLD)})
    for old, (section, name) in TOP_OLD.items():
        if old not in root:
            continue
        earlier = top.get(section)
        inner_spots = dict(earlier.spots) if isinstance(earlier, Block) else {}
        block = earlier.twin(inner_spots) if isinstance(earlier, Block) else Block(root.file, root.line, 1, inner_spots)
        block.update(earlier or {})
        if name in block:
            problems.add(root.place(old), old, f"`{old}` and `{section}.{name}` are the same field: give one of them")
            continue
        spot = root.spots[old]
        by = root.line - block.line
        block[name] = root[old]
        inner_spots[name] = spot._replace(line=spot.line + by, value_line=spot.value_line + by, name=old)
        top[section] = block
    return top


def _take_assets(root: Block, document: Document, problems: Problems) -> None:
    if "assets" not in root:
        return
    assets = root["assets"]
    if not isinstance(assets, Items):
        problems.add(
            root.place("assets", value=True),
            "assets",
            "`assets` is not a list",
            expected="entries that begin with `- id:`",
        )
        return
    for index, asset in enumerate(assets):
        path = f"assets[{index}]"
        if isinstance(asset, Block):
            document.assets.append((path, asset))
        else:
            problems.add(
                assets.place(index) or root.place("assets"), path, "an asset is a map of fields",
                expected="an entry such as `- {id: slime, type: entity, prompt: a green slime}`",
            )  # fmt: skip


def _include(root: Block, path: Path, document: Document, problems: Problems) -> None:
    if "include" not in root:
        return
    files = root["include"]
    place = root.place("include", value=True)
    if not isinstance(files, Items) or not all(isinstance(name, str) for name in files):
        problems.add(place, "include", "`include` is not a list of file names", expected="a list such as [enemies.csv]")
        return
    if len(files) > MAX_INCLUDES:
        problems.add(place, "include", f"{len(files)} files are included; at most {MAX_INCLUDES} are read")
        return
    for index, name in enumerate(files):
        at, where = files.place(index) or place, f"include[{index}]"
        if name in files[:index]:
            problems.add(at, where, f"{name} is included twice")
        elif (target := _inside(name, path.parent)) is None:
            problems.add(at, where, f"{name!r} leads out of the manifest's folder", expected="a file in it or below")
        else:
            _include_file(target, str(path.parent / name), at, where, document, problems)


def _inside(name: str, folder: Path) -> Path | None:
    """The included file, or None if its path leads (or its links lead) out of the folder."""
    steps = PurePosixPath(name).parts
    if not steps or "\\" in name or ".." in steps or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
        return None
    target = folder / name
    return target if target.resolve().is_relative_to(folder.resolve()) else None


def _include_file(target: Path, file: str, at: Place, where: str, document: Document, problems: Problems) -> None:
    suffix = target.suffix.lower()
    if suffix not in (*TABLE_SUFFIXES, *YAML_SUFFIXES):
        problems.add(at, where, f"{target.name} cannot be included", expected="a .csv, .tsv, .yaml or .yml file")
        return
    text = read_text(target, file, problems, at=at, named_by=where)
    if text is None:
        return
    if suffix in TABLE_SUFFIXES:
        table = read_table(text, file, problems)
        for key in table.settings:
            problems.add(table.settings.place(key), key, "an included table has no #@ lines: set this in the manifest")
        _take_rows(table, document, problems)
        return
    root = read_yaml(text, file, problems)
    if not isinstance(root, Block):
        if root is not None:
            problems.add(Place(file), "", "an included file is a map", expected="`assets:` at the left margin")
        return
    for key in root:
        if key != "assets":
            problems.add(root.place(key), key, f"an included file has only `assets`, not `{key}`")
    _take_assets(root, document, problems)


def _take_rows(table: Table, document: Document, problems: Problems) -> None:
    """Rows as assets; a column that no asset type has is noted once, at its header."""
    shapes = [*authored_assets().values()]
    for column in table.columns:
        if not any(_has(shape, column.steps) for shape in shapes):
            nearest = _nearest_column(column, shapes)
            problems.add(table.place(column), column.header, f"unknown column `{column.header}`", nearest=nearest)
    table.columns = [column for column in table.columns if any(_has(shape, column.steps) for shape in shapes)]
    document.assets.extend((f"assets[{index}]", block) for index, block in enumerate(table.blocks()))


def _has(shape: Shape | None, steps: tuple[str, ...]) -> bool:
    """Whether a dotted name leads to a field."""
    if not steps:
        return True
    if shape is None:
        return False
    if shape.kind == "map":
        return _has(shape.item, steps[1:])
    step = _canonical_step(shape, steps[0])
    if step == "":
        return True
    return step in shape.fields and _has(shape.fields[step], steps[1:])


def _canonical_step(shape: Shape, step: str) -> str:
    """The field's name; an empty string for a short form or an old field that is read elsewhere."""
    if (shape.name, step) in PAIRS or (shape.name == "Sheet" and step in SHEET_ONLY):
        return ""
    return old_names(shape.name, tuple(shape.fields)).get(step, step)


def _nearest_column(column: Column, shapes: list[Shape]) -> str:
    names: dict[str, None] = {}
    for shape in shapes:
        for name, inner in shape.fields.items():
            names[name] = None
            names.update(dict.fromkeys(f"{name}.{deeper}" for deeper in inner.fields))
        names.update(dict.fromkeys(old_names(shape.name, tuple(shape.fields))))
    return nearest_name(column.header, names)
