"""The studio's older configurations, and the short forms of the present one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assetmill.manifest import ManifestError, Pack
from assetmill.manifest.models import Entity, Grid, Parallax, Sheet, Strip, TitleHero

Load = Callable[..., Pack]
HEAD = "game: {id: g, title: G}\npack: {id: p, name: P}\nassets:\n"


def only_sheet(pack: Pack) -> Sheet:
    (sheet,) = pack.assets
    assert isinstance(sheet, Sheet)
    return sheet


def test_an_old_configuration_is_read(load: Load) -> None:
    pack = load(
        "gameId: gem-crush\ngameTitle: Gem Crush\ntheme: sweets\nstyle: cartoon\npack: {id: p, name: P}\nassets:\n"
        "  - {id: hero, type: entity, shape: circle, width: 1, height: 2, entityType: character, description: a cat}\n"
        "  - {id: logo, type: title_hero, title: Gem Crush, themeDescription: sweet letters}\n"
        "  - {id: logo-cut, type: title_hero_no_bg, title: Gem Crush, themeDescription: sweet letters}\n"
        "  - {id: hills, type: parallax, prompt: hills, layerCount: 3}\n"
    )
    hero, logo, cut, hills = pack.assets
    assert isinstance(hero, Entity)
    assert isinstance(logo, TitleHero)
    assert isinstance(cut, TitleHero)
    assert isinstance(hills, Parallax)
    assert (pack.game.id, pack.game.title, pack.pack.theme, pack.pack.style) == (
        "gem-crush",
        "Gem Crush",
        "sweets",
        "cartoon",
    )
    assert (hero.prompt, hero.entity_type) == ("a cat", "character")
    assert (logo.prompt, cut.type, cut.transparent) == ("sweet letters", "title_hero", True)
    assert hills.layer_count == 3


def test_an_old_variation_sheet_is_read(load: Load) -> None:
    sheet = only_sheet(load(
        HEAD + "  - id: gems\n    type: sheet\n    kind: variation\n"
        "    layout: {type: grid, columns: 2, rows: 1, cellWidth: 64, cellHeight: 32}\n"
        "    promptConfig: {basePrompt: gems, commonModifiers: [shiny, round], stylePreset: pixel,"
        " negativePrompt: dull}\n"
        "    entryOverrides: {red: a ruby}\n"
        "    variants: [{key: red, description: a red one}, {key: blue, promptOverride: a blue one}]\n"
    ))  # fmt: skip
    assert sheet.layout == Grid(columns=2, rows=1, cell_width=64, cell_height=32)
    assert (sheet.prompt, sheet.style, sheet.negative_prompt) == ("gems, shiny, round", "pixel", "dull")
    assert sheet.overrides == {"red": "a ruby"}
    assert [variant.prompt for variant in sheet.variants] == ["a red one", "a blue one"]


def test_an_old_tile_sheet_is_read(load: Load) -> None:
    sheet = only_sheet(load(
        HEAD + "  - id: t\n    type: sheet\n    kind: tile\n    prompt: ground\n    tileWidth: 16\n    tileHeight: 24\n"
        "    layout: {columns: 2, rows: 2}\n    tiles: {0: grass}\n    tileOverrides: {0: long grass, 3: mud}\n"
    ))  # fmt: skip
    assert (sheet.layout.cell_width, sheet.layout.cell_height) == (16, 24)
    assert {index: (tile.name, tile.prompt) for index, tile in sheet.tiles.items()} == {
        0: ("grass", "long grass"),
        3: ("tile_03", "mud"),
    }


def test_an_old_interface_sheet_is_read(load: Load) -> None:
    sheet = only_sheet(load(
        HEAD + "  - id: b\n    type: sheet\n    kind: ui_component\n    prompt: button\n    componentType: button\n"
        "    states: [normal, hover]\n    layout: {direction: vertical, frameCount: 2, cellWidth: 64, cellHeight: 32}\n"
        "    ninePatchMargins: {left: 4, right: 4, top: 4, bottom: 4}\n"
    ))  # fmt: skip
    assert sheet.component == "button"
    assert sheet.layout == Strip(kind="strip", direction="vertical", frame_count=2, cell_width=64, cell_height=32)
    assert sheet.nine_slice is not None
    assert sheet.nine_slice.left == 4


@pytest.mark.parametrize(
    ("fields", "line", "path"),
    (
        ("tileWidth: 16\n    layout: {columns: 4, rows: 4, cell: 8x8}", 9, "assets[0].tileWidth"),
        ("promptConfig: {basePrompt: x}", 9, "assets[0].promptConfig"),
        ("promptConfig: {base: x}", 9, "assets[0].promptConfig"),
        ("tiles: {0: {name: a, prompt: x}}\n    tileOverrides: {0: y}", 10, "assets[0].tileOverrides"),
    ),
)
def test_an_old_field_beside_its_new_one_is_refused_at_its_place(load: Load, fields: str, line: int, path: str) -> None:
    base = "  - id: t\n    type: sheet\n    kind: tile\n    prompt: ground\n    autotile: wang16\n"
    layout = "" if "layout" in fields else "    layout: {columns: 4, rows: 4, cell: 8x8}\n"
    with pytest.raises(ManifestError) as caught:
        load(HEAD + base + f"    {fields}\n" + layout)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (line, 5, path)


def test_an_error_in_a_moved_value_stays_where_it_was_written(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load(
            HEAD + "  - id: t\n    type: sheet\n    kind: tile\n    prompt: x\n    autotile: wang16\n"
            "    layout:\n      columns: 4\n      rows: 4\n    tileHeight: 16\n    tileWidth: 2\n"
        )
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (13, 16, "assets[0].layout.tileWidth")


def test_sizes_points_pivots_and_bare_words_are_short_forms(load: Load) -> None:
    pack = load(
        HEAD + "  - {id: a, type: background, prompt: x, size: [64, 32]}\n"
        "  - {id: b, type: background, prompt: x, size: 64 x 32}\n"
        "  - {id: c, type: entity, prompt: x, silhouette: {canvas: [64, 32]}, shape: polygon,"
        " points: [[0, 0], {x: 1, y: 0}, [0, 1]]}\n"
        "  - {id: d, type: sheet, kind: tile, prompt: x, layout: {columns: 2, rows: 1, cell: [8, 8]},"
        " pivot: [0.5, 1], tiles: {0: grass, 1: {prompt: mud}}}\n"
    )
    first, second, entity, sheet = pack.assets
    assert first.model_dump(exclude={"id"}) == second.model_dump(exclude={"id"})
    assert isinstance(entity, Entity)
    assert isinstance(sheet, Sheet)
    assert entity.silhouette.canvas == (64, 32)
    assert [(point.x, point.y) for point in entity.points] == [(0, 0), (1, 0), (0, 1)]
    assert (sheet.pivot.x, sheet.pivot.y) == (0.5, 1)
    assert sheet.cell_ids() == {0: "grass", 1: "tile_01"}


def test_nameless_tiles_of_an_autotile_set_keep_the_set_s_names(load: Load) -> None:
    sheet = only_sheet(load(
        HEAD + "  - {id: d, type: sheet, kind: tile, prompt: x, layout: {columns: 4, rows: 5, cell: 8x8},"
        " autotile: wang16, tiles: {3: {prompt: mud}, 17: {prompt: moss}}}\n"
    ))  # fmt: skip
    assert (sheet.cell_ids()[3], sheet.cell_ids()[17]) == ("wang16_03", "tile_17")
