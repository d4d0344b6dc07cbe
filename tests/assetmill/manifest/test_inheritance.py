from __future__ import annotations

from collections.abc import Callable

import pytest

from assetmill.manifest import ManifestError, Pack
from assetmill.manifest.models import Entity, Parallax, Sheet, Strip

Load = Callable[..., Pack]
HEAD = "game: {id: g, title: G}\npack: {id: p, name: P}\n"
SLIME = "assets: [{id: slime, type: entity, prompt: a slime}]\n"


def test_each_layer_goes_before_the_one_below(load: Load) -> None:
    layers = {
        "common": "defaults: {common: {candidates: 2}}\n",
        "type": "defaults: {common: {candidates: 2}, entity: {candidates: 3}}\n",
    }
    styled = layers["type"] + "styles: {soft: {candidates: 4}}\n"
    plain = "assets: [{id: a, type: entity, prompt: x}]\n"
    soft = "assets: [{id: a, type: entity, prompt: x, style: soft}]\n"
    own = "assets: [{id: a, type: entity, prompt: x, style: soft, candidates: 5}]\n"

    def candidates(text: str, **overrides: object) -> int:
        return load(HEAD + text, overrides=overrides).assets[0].candidates

    assert candidates(plain) == 1
    assert candidates(layers["common"] + plain) == 2
    assert candidates(layers["type"] + plain) == 3
    assert candidates(styled + soft) == 4
    assert candidates(styled + own) == 5
    assert candidates(styled + own, candidates="6") == 6


def test_maps_merge_field_by_field_and_lists_are_replaced(load: Load) -> None:
    pack = load(
        HEAD + "defaults:\n  common: {post: {trim: true, pad: 2}, tags: [a, b]}\n  entity: {post: {pad: 3}}\n"
        "assets: [{id: a, type: entity, prompt: x, post: {colors: 8}, tags: [c]}]\n"
    )
    asset = pack.assets[0]
    assert (asset.post.trim, asset.post.pad, asset.post.colors) == (True, 3, 8)
    assert asset.tags == ("c",)


def test_a_style_extends_another_and_its_words_are_joined_from_the_base(load: Load) -> None:
    pack = load(
        HEAD + "styles:\n"
        "  dusk: {extends: book, prompt_suffix: low sun, negative_prompt: noon, strength: 0.5}\n"
        "  book: {extends: cartoon, prompt_suffix: 'gouache, ', negative_prompt: photo, candidates: 3}\n"
        "assets: [{id: a, type: entity, prompt: x, style: dusk}]\n"
    )
    style = pack.styles["dusk"]
    assert (style.base, style.prompt_suffix, style.negative_prompt) == ("cartoon", "gouache, low sun", "photo, noon")
    assert (pack.assets[0].strength, pack.assets[0].candidates) == (0.5, 3)
    assert pack.assets[0].negative_prompt == "", "the style's words stay with the style"
    assert pack.style_of(pack.assets[0]) == style


def test_the_style_of_the_pack_and_of_defaults_brings_its_fields(load: Load) -> None:
    text = "styles: {soft: {post: {pad: 7}}}\n" + SLIME
    of_pack = load("game: {id: g, title: G}\npack: {id: p, name: P, style: soft}\n" + text)
    of_defaults = load(HEAD + "defaults: {entity: {style: soft}}\n" + text)
    assert of_pack.assets[0].post.pad == of_defaults.assets[0].post.pad == 7
    assert of_defaults.assets[0].style == "soft"


def test_a_style_field_goes_only_to_types_that_have_it(load: Load) -> None:
    pack = load(
        HEAD + "styles: {s: {color: '#FF0000', seamless: x, pivot: [0, 1]}}\n"
        "defaults: {common: {style: s}}\n"
        "assets:\n  - {id: a, type: entity, prompt: x}\n  - {id: b, type: background, prompt: x}\n"
    )
    entity, background = pack.assets
    assert isinstance(entity, Entity)
    assert entity.color == "#ff0000"
    assert background.model_dump()["seamless"] == "x"


def test_a_tilde_takes_an_inherited_value_back(load: Load) -> None:
    pack = load(HEAD + "defaults: {entity: {seed: 5}}\nassets: [{id: a, type: entity, prompt: x, seed: ~}]\n")
    assert pack.assets[0].seed is None


def test_layers_and_layer_count_take_each_other_back(load: Load) -> None:
    three = "[" + ", ".join(f"{{id: l{number}, depth: 0, scroll_factor: 1}}" for number in range(3)) + "]"
    counted = load(
        HEAD + f"defaults: {{parallax: {{layers: {three}}}}}\n"
        "assets: [{id: a, type: parallax, prompt: x, layer_count: 3}]\n"
    ).assets[0]
    listed = load(
        HEAD + "defaults: {parallax: {layer_count: 3}}\n"
        f"assets: [{{id: a, type: parallax, prompt: x, layers: {three}}}]\n"
    ).assets[0]
    assert isinstance(counted, Parallax)
    assert isinstance(listed, Parallax)
    assert (counted.layer_count, counted.layers) == (3, ())
    assert (listed.layer_count, len(listed.layers)) == (None, 3)


def test_a_strip_takes_an_inherited_grid_back_and_keeps_the_cell(load: Load) -> None:
    sheet = load(
        HEAD + "defaults: {sheet: {layout: {columns: 2, rows: 2, cell: 32x16, spacing: 1}}}\n"
        "assets: [{id: a, type: sheet, kind: variation, prompt: x, variants: [a, b], layout: {frame_count: 2}}]\n"
    ).assets[0]
    assert isinstance(sheet, Sheet)
    assert sheet.layout == Strip(kind="strip", frame_count=2, cell_width=32, cell_height=16, spacing=1)


def test_another_shape_takes_inherited_points_back(load: Load) -> None:
    entity = load(
        HEAD + "defaults: {entity: {shape: polygon, points: [[0, 0], [1, 0], [0, 1]]}}\n"
        "assets: [{id: a, type: entity, prompt: x, shape: circle}]\n"
    ).assets[0]
    assert isinstance(entity, Entity)
    assert (entity.shape, entity.points) == ("circle", ())


def test_overrides_go_to_every_type_that_has_the_field(load: Load) -> None:
    pack = load(
        HEAD
        + "assets:\n  - {id: a, type: entity, prompt: x, color: '#ffffff'}\n  - {id: b, type: background, prompt: x}\n",
        overrides={
            "color": "#000000",
            "post.pad": "4",
            "background.size": "64x32",
            "tags": "one|two",
            "pack.seed": "9",
        },
    )
    entity, background = (asset.model_dump() for asset in pack.assets)
    assert (entity["color"], entity["post"]["pad"], entity["tags"]) == ("#000000", 4, ("one", "two"))
    assert (background["width"], background["height"], background["post"]["pad"]) == (64, 32, 4)
    assert pack.pack.seed == 9


def test_overrides_may_be_values_and_not_only_text(load: Load) -> None:
    pack = load(HEAD + SLIME, overrides={"post": {"trim": True}, "tags": ["a"], "qa": {"min_coverage": 0.2}})
    assert (pack.assets[0].post.trim, pack.assets[0].tags, pack.qa.min_coverage) == (True, ("a",), 0.2)


@pytest.mark.parametrize(
    ("key", "value", "path", "nearest"),
    (
        ("candidate", "2", "candidate", "candidates"),
        ("candidates", "99", "candidates", ""),
        ("entity.shap", "box", "entity.shap", "shape"),
        ("style", "pixle", "style", "pixel"),
        ("pack.sead", "1", "pack.sead", "seed"),
    ),
)
def test_a_wrong_override_is_named_on_the_command_line(
    load: Load, key: str, value: str, path: str, nearest: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        load(HEAD + SLIME, overrides={key: value})
    (problem,) = caught.value.problems
    assert (problem.file, problem.path, problem.nearest) == ("command line", path, nearest)


def test_loading_twice_gives_equal_packs(load: Load) -> None:
    assert load(HEAD + SLIME) == load(HEAD + SLIME)
