"""The whole way from a file to a Pack: read, expand, inherit, validate, and hold assets against each other.

Everything that is wrong is gathered on the way; only the end raises. A manifest with one bad asset still
has its other assets checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assetmill.manifest import models
from assetmill.manifest.authoring import OLD_TYPES, authored_assets, default_shapes, manifest_shape
from assetmill.manifest.blocks import Block
from assetmill.manifest.canonical import Canonical
from assetmill.manifest.document import Document, read_document
from assetmill.manifest.frozen import Model
from assetmill.manifest.layers import Layer, Layered, validated
from assetmill.manifest.limits import MAX_ASSETS
from assetmill.manifest.matrix import expand
from assetmill.manifest.merge import completed, merge
from assetmill.manifest.overrides import Overrides, read_overrides
from assetmill.manifest.problems import ManifestError, Problems, nearest_name
from assetmill.manifest.relations import Known, check_ids, check_references
from assetmill.manifest.routing import Routing
from assetmill.manifest.rules import asset_flaws, qa_flaws
from assetmill.manifest.shapes import Shape
from assetmill.manifest.styles import StyleBook

_MODELS: dict[str, type[models.AssetBase]] = {
    "entity": models.Entity,
    "background": models.Background,
    "title_hero": models.TitleHero,
    "parallax": models.Parallax,
    "sheet": models.Sheet,
}
_SECTIONS: dict[str, type[Model]] = {
    "game": models.Game,
    "pack": models.PackInfo,
    "qa": models.Qa,
    "budget": models.Budget,
    "routing": Routing,
}
_OPTIONAL = ("qa", "budget", "routing")


def load_pack(path: Path, overrides: Mapping[str, Any] | None = None) -> models.Pack:
    """Read a manifest.

    Args:
        path: a YAML manifest, or a CSV or TSV table.
        overrides: fields that go before everything in the manifest, as the command line gives them:
            `candidates`, `post.trim`, `entity.shape`, `pack.seed`, `qa.min_coverage`; values may be text.

    Returns:
        The pack, with inheritance, matrix, old names and short forms resolved.

    Raises:
        ManifestError: with every problem of the manifest, each located.
    """
    problems = Problems()
    document = read_document(Path(path), problems)
    if document is None:
        raise ManifestError(problems)
    return _Loading(document, read_overrides(overrides or {}, problems), problems).pack()


@dataclass(frozen=True, slots=True)
class _Base:
    """What an asset of one type and style inherits."""

    fields: dict[str, Any]
    layers: tuple[Layer, ...]


class _Loading:
    """State of one loading."""

    def __init__(self, document: Document, overrides: Overrides, problems: Problems) -> None:
        self._problems = problems
        self._canonical = Canonical(problems)
        self._overrides = overrides
        self._document = document
        shape = manifest_shape()
        self._top = self._canonical.record(document.top, shape, "")
        self._shape = shape
        self._defaults: Mapping[str, Block] = self._top.get("defaults", {})
        styles = self._top.get("styles")
        self._styles = StyleBook(styles or {}, styles, problems)
        self._bases: dict[tuple[str, str | None], _Base] = {}

    def pack(self) -> models.Pack:
        """The pack, or ManifestError."""
        sections = {name: self._section(name) for name in _SECTIONS}
        self._check_version()
        self._check_shared()
        pack = sections["pack"]
        info = pack if isinstance(pack, models.PackInfo) else None
        if info is not None and info.style is not None:
            origin = self._section_origin("pack")
            self._check_style(info.style, origin, ("style",))
        if not self._document.assets and not len(self._problems):
            self._problems.add(
                self._document.at_assets, "assets", "the manifest has no assets", expected="at least one"
            )
        known = self._assets(info)
        check_ids(known, self._problems)
        check_references(known, self._problems)
        self._problems.raise_if_any()
        assets = tuple(entry.asset for entry in known)
        return models.Pack.model_validate(
            {"version": 1, **sections, "styles": self._styles.resolved(), "assets": assets}
        )

    def _section_origin(self, name: str) -> Layered:
        given = self._top.get(name)
        own = given if isinstance(given, Block) else self._top.twin({})
        layers = (Layer(own, name),)
        extra = self._overrides.sections.get(name)
        if extra is None:
            return Layered(layers, 0, self._canonical.refused)
        return Layered((Layer(extra, name), *layers), 1, self._canonical.refused)

    def _section(self, name: str) -> Model | None:
        origin = self._section_origin(name)
        if name not in self._top and name not in _OPTIONAL and name not in self._overrides.sections:
            if (self._document.top.file, name) not in self._canonical.refused:
                expected = f"`{name}:` with {_required(self._shape, name)}"
                self._problems.add(self._top.place(), name, f"`{name}` is missing", expected=expected)
            return None
        value: dict[str, Any] = {}
        for layer in reversed(origin.layers):
            value = merge(value, layer.block)
        result = validated(_SECTIONS[name], value, self._shape.fields[name], origin, self._problems)
        if isinstance(result, models.Qa):
            for flaw in qa_flaws(result):
                origin.note(self._problems, flaw.path, flaw.message)
        return result

    def _check_version(self) -> None:
        version = self._top.get("version", 1)
        if version != 1:
            self._problems.add(
                self._top.place("version", value=True), "version", f"version {version} is not known", expected="1"
            )  # fmt: skip

    def _check_shared(self) -> None:
        """Judge defaults and styles by themselves: an error in them is one error, used or not."""
        self._styles.check_names()
        shapes = default_shapes()
        for name, block in self._defaults.items():
            self._check_part(block, f"defaults.{name}", shapes[name], (name,) if name in _MODELS else tuple(_MODELS))
        for name in self._top.get("styles", {}):
            for layer in self._styles.layers(name)[:1]:
                self._check_part(layer.block, layer.path, self._shape.fields["styles"].item, tuple(_MODELS))

    def _check_part(self, block: Block, path: str, shape: Shape | None, types: tuple[str, ...]) -> None:
        origin = Layered((Layer(block, path),), 0, self._canonical.refused)
        for kind in types if shape is not None else ():
            model = _MODELS[kind]
            known = {key: value for key, value in block.items() if key in model.model_fields}
            validated(model, completed(known), authored_assets()[kind], origin, self._problems, part=True)
        if block.get("style") is not None:
            self._check_style(block["style"], origin, ("style",))

    def _assets(self, pack: models.PackInfo | None) -> list[Known]:
        known: list[Known] = []
        made = 0
        for path, block in self._document.assets:
            for asset in expand(block, path, MAX_ASSETS - made, self._canonical, self._problems):
                made += 1
                if made > MAX_ASSETS:
                    self._problems.add(block.place(), path, f"more than {MAX_ASSETS:,} assets")
                    return known
                entry = self._asset(asset, path, pack)
                if entry is not None:
                    known.append(entry)
        return known

    def _asset(self, block: Block, path: str, pack: models.PackInfo | None) -> Known | None:
        kind = self._type_of(block, path)
        if kind is None:
            return None
        shape = authored_assets()[kind]
        own = self._canonical.record(block, shape, path)
        over = self._overrides.by_type[kind]
        style = self._style_name(own, over, kind, pack)
        base = self._base(kind, style)
        merged = merge(base.fields, own)
        layers: tuple[Layer, ...] = (Layer(own, path), *base.layers)
        if over:
            merged = merge(merged, over)
            layers = (Layer(over, ""), *layers)
        origin = Layered(layers, 1 if over else 0, self._canonical.refused)
        chosen = merged.get("style")
        if isinstance(chosen, str):
            self._check_style(chosen, origin, ("style",))
        asset = validated(
            _MODELS[kind], completed(merged) if kind == "sheet" else merged, shape, origin, self._problems
        )
        if asset is None:
            return None
        for flaw in asset_flaws(asset, pack):
            origin.note(self._problems, flaw.path, flaw.message, expected=flaw.expected, nearest=flaw.nearest)
        return Known(asset, origin)

    def _type_of(self, block: Block, path: str) -> str | None:
        kind = block.get("type")
        expected = f"one of {', '.join(_MODELS)}"
        if kind is None and "type" not in block:
            self._problems.add(block.place(), f"{path}.type", "`type` is missing", expected=expected)
            return None
        if isinstance(kind, str) and (kind in _MODELS or kind in OLD_TYPES):
            return OLD_TYPES.get(kind, kind)
        place, nearest = block.place("type", value=True), nearest_name(str(kind), _MODELS)
        self._problems.add(place, f"{path}.type", f"{kind!r} is no asset type", expected=expected, nearest=nearest)
        return None

    def _style_name(self, own: Block, over: Block, kind: str, pack: models.PackInfo | None) -> str | None:
        shared = (self._defaults[name] for name in (kind, "common") if name in self._defaults)
        given = next((layer["style"] for layer in (over, own, *shared) if "style" in layer), None)
        return given if given is not None or pack is None else pack.style

    def _base(self, kind: str, style: str | None) -> _Base:
        key = (kind, style)
        if key not in self._bases:
            fields = _MODELS[kind].model_fields
            lowest_first = [
                *(
                    Layer(self._defaults[name], f"defaults.{name}")
                    for name in ("common", kind)
                    if name in self._defaults
                ),
                *reversed(self._styles.layers(style)),
            ]
            merged: dict[str, Any] = {}
            for layer in lowest_first:
                merged = merge(merged, {name: value for name, value in layer.block.items() if name in fields})
            self._bases[key] = _Base(merged, tuple(reversed(lowest_first)))
        return self._bases[key]

    def _check_style(self, name: str, origin: Layered, path: tuple[str]) -> None:
        if name not in self._styles.names:
            nearest = nearest_name(name, self._styles.names)
            expected = "" if nearest else f"one of {', '.join(self._styles.names)}"
            origin.note(self._problems, path, f"there is no style {name!r}", expected=expected, nearest=nearest)


def _required(shape: Shape, name: str) -> str:
    return " and ".join(f"`{field}`" for field, inner in shape.fields[name].fields.items() if inner.required)
