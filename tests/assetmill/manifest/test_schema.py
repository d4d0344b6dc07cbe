from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from assetmill.manifest.reference import reference_markdown
from assetmill.manifest.schema import authoring_schema, schema_text
from assetmill.manifest.shapes import asset_shapes

ROOT = Path(__file__).parents[3]
STRUCTURAL = (
    "unknown: asset", "unknown: top level", "unknown: game", "unknown: nested", "unknown: layout",
    "unknown: in a list item", "unknown: in a map value", "unknown: defaults", "unknown: defaults of no type",
    "unknown: a field of another type", "unknown: style prompt", "unknown: entity size",
    "value: no type", "value: wrong type", "value: no id", "value: no pack name", "value: no game",
    "value: too large", "value: choice", "value: nested choice", "value: a fraction for a whole number",
    "value: quoted number", "value: list for text", "value: text for a list", "value: text for a map",
    "value: colour", "value: palette colour", "value: id that escapes", "value: upper-case id",
    "value: size", "value: asset that is text", "value: assets that are a map", "value: version",
    "trap: no for text", "trap: number as id", "trap: empty value",
    "sheet: state", "sheet: frames", "matrix: axis that is text", "matrix: unknown part",
    "include: text for the list",
)  # fmt: skip


def read_as_json(text: str) -> Any:
    """A YAML text as an editor sees it."""
    return json.loads(json.dumps(yaml.safe_load(text)))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = authoring_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def malformed_manifest(name: str) -> str:
    """The YAML of one case of tests/fixtures/manifests/malformed/, named `group: case`."""
    group, _, case = name.partition(": ")
    text = (ROOT / "tests" / "fixtures" / "manifests" / "malformed" / f"{group}.txt").read_text(encoding="utf-8")
    part = next(part for part in text.split("### ") if part.startswith(f"{case}\n"))
    return part.partition(">>> game.yaml\n")[2].partition("\n>>> ")[0]


def test_the_written_schema_is_up_to_date() -> None:
    written = (ROOT / "manifests" / "manifest.schema.json").read_text(encoding="utf-8")
    assert written == schema_text(), "run: assetmill schema --out manifests/manifest.schema.json"


def test_the_written_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
    assert written == reference_markdown(), "write docs/manifest.md again from assetmill.manifest.reference"


def test_the_example_keeps_the_schema(validator: Draft202012Validator) -> None:
    text = (ROOT / "manifests" / "cloud-hop" / "cloud-hop.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../manifest.schema.json\n")
    assert [error.message for error in validator.iter_errors(read_as_json(text))] == []


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_structural_mistake_breaks_the_schema(name: str, validator: Draft202012Validator) -> None:
    assert list(validator.iter_errors(read_as_json(malformed_manifest(name))))


def test_placeholders_short_forms_and_old_names_keep_the_schema(validator: Draft202012Validator) -> None:
    text = """
    gameId: g
    gameTitle: G
    pack: {id: p, name: P}
    defaults: {sheet: {layout: {cell: 8x8}}}
    assets:
      - {id: 'a-{n}', type: entity, description: x, width: '{w}', shape: '{s}', color: '{c}', entityType: item,
         silhouette: {canvas: '{w}x{w}'}, matrix: {axes: {n: [1, a]}}}
      - {id: b, type: title_hero_no_bg, title: T, themeDescription: x, size: [8, 8], seed: null}
      - {id: c, type: sheet, kind: tile, layout: {columns: 1, rows: 1}, tileWidth: 8, tiles: {0: grass, 1: {prompt: x}}}
      - {id: d, type: sheet, kind: variation, layout: {frameCount: 2}, variants: [a, {key: b}], pivot: [0, 1]}
    """
    assert [error.message for error in validator.iter_errors(read_as_json(text))] == []


def properties_in(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield name, inner
        for inner in schema.values():
            yield from properties_in(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from properties_in(inner)


def test_every_property_is_described_and_no_object_is_open() -> None:
    schema = authoring_schema()
    described = list(properties_in(schema))
    assert len(described) > 200
    assert [name for name, inner in described if not inner.get("description")] == []
    records = [record for record in (schema, *schema["$defs"].values()) if "properties" in record]
    assert all(record["additionalProperties"] is False for record in records)


def test_every_field_of_every_model_is_in_the_schema_and_in_the_reference() -> None:
    schema, reference = authoring_schema(), reference_markdown()
    names = {
        "entity": "Entity",
        "background": "Background",
        "title_hero": "TitleHero",
        "parallax": "Parallax",
        "sheet": "Sheet",
    }
    for kind, shape in asset_shapes().items():
        properties = schema["$defs"][names[kind]]["properties"]
        for field in shape.fields:
            assert field in properties, (kind, field)
            assert f"`{field}`" in reference, (kind, field)
