from __future__ import annotations

from collections.abc import Callable

from assetmill.manifest import Pack
from assetmill.manifest.models import Entity, Sheet

Load = Callable[..., Pack]
HEAD = "game: {id: g, title: G}\npack: {id: p, name: P}\nassets:\n"


def test_axes_make_every_combination_in_the_order_written(load: Load) -> None:
    pack = load(
        HEAD + "  - id: 'gem-{colour}-{size}'\n    type: entity\n    prompt: a {size} {colour} gem\n"
        "    tags: ['{colour}', gem]\n    matrix: {axes: {colour: [red, blue], size: [s, m, l]}}\n"
    )
    assert [asset.id for asset in pack.assets] == [f"gem-{c}-{s}" for c in ("red", "blue") for s in "sml"]
    assert pack.assets[4].prompt == "a m blue gem"
    assert pack.assets[4].tags == ("blue", "gem")


def test_rows_make_one_asset_each_and_keep_the_sort_of_their_values(load: Load) -> None:
    pack = load(
        HEAD + "  - id: 'gem-{n}'\n    type: entity\n    prompt: gem {n}\n    width: '{w}'\n    color: '{paint}'\n"
        "    silhouette: {canvas: '{side}x{side}'}\n"
        "    matrix:\n      include:\n        - {n: 1, w: 0.5, paint: '#ff0000', side: 64}\n"
        "        - {n: 2, w: 2, paint: '#00ff00', side: 128}\n"
    )
    first, second = pack.assets
    assert isinstance(first, Entity)
    assert isinstance(second, Entity)
    assert (first.id, first.prompt, first.width, first.color) == ("gem-1", "gem 1", 0.5, "#ff0000")
    assert (second.width, second.silhouette.canvas) == (2, (128, 128))


def test_braces_that_are_no_placeholder_stay_and_doubled_ones_are_written_once(load: Load) -> None:
    prompt = '{{c}} is {c}; {"a": {}} and { c } and {1} stay'
    pack = load(
        HEAD + f"  - id: g-{{c}}\n    type: entity\n    prompt: '{prompt}'\n    matrix: {{axes: {{c: [red]}}}}\n"
    )
    assert pack.assets[0].prompt == '{c} is red; {"a": {}} and { c } and {1} stay'


def test_without_a_matrix_a_prompt_is_never_touched(load: Load) -> None:
    prompt = "{c} {{c}} \\n 'quoted' \U0001f438 %s $x"
    pack = load(HEAD + '  - id: a\n    type: entity\n    prompt: "' + prompt.replace("\\", "\\\\") + '"\n')
    assert pack.assets[0].prompt == prompt


def test_a_value_with_braces_is_not_replaced_again(load: Load) -> None:
    pack = load(
        HEAD + "  - id: a-{n}\n    type: entity\n    prompt: '{p} {n}'\n    matrix: {include: [{n: 1, p: '{n}'}]}\n"
    )
    assert pack.assets[0].prompt == "{n} 1"


def test_a_matrix_reaches_nested_texts(load: Load) -> None:
    pack = load(
        HEAD + "  - id: sheet-{who}\n    type: sheet\n    kind: variation\n    prompt: '{who}'\n"
        "    layout: {frame_count: 1, cell: 32x32}\n    variants: [{key: '{who}', prompt: 'the {who}'}]\n"
        "    matrix: {axes: {who: [cat, dog]}}\n"
    )
    sheets = [asset for asset in pack.assets if isinstance(asset, Sheet)]
    assert [sheet.variants[0].prompt for sheet in sheets] == ["the cat", "the dog"]
    assert [sheet.cell_ids() for sheet in sheets] == [{0: "cat"}, {0: "dog"}]


def test_references_may_be_placeholders(load: Load) -> None:
    pack = load(
        HEAD + "  - {id: 'base-{c}', type: entity, prompt: x, matrix: {axes: {c: [a, b]}}}\n"
        "  - {id: 'hat-{c}', type: entity, prompt: x, references: ['base-{c}'], matrix: {axes: {c: [a, b]}}}\n"
    )
    assert [asset.references for asset in pack.assets[2:]] == [("base-a",), ("base-b",)]
