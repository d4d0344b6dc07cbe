from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from assetmill import prompts
from assetmill.guides import recipe
from assetmill.manifest.models import (
    AUTOTILE_CELLS,
    BUILTIN_STYLES,
    Asset,
    Component,
    Entity,
    Pack,
    Style,
    UiState,
)

LAYOUT = {"kind": "grid", "columns": 3, "rows": 2, "cell_width": 64, "cell_height": 64}
NASTY = 'a {hero} says "hi"\nand {{waves}} 👋 %s $HOME \\n </script>'

SUBJECTS: dict[str, dict[str, Any]] = {
    "entity": {},
    "background": {},
    "title_hero": {"title": "Cloud Hop"},
    "parallax": {"layer_count": 3},
    "sheet": {"kind": "sprite", "layout": LAYOUT, "animations": {"run": {"frames": 4}}},
}


def words_asset(asset_type: str = "entity", /, **fields: Any) -> Asset:
    given = {"id": "thing", "type": asset_type, "prompt": "a small cloud"} | SUBJECTS[asset_type] | fields
    asset: Asset = TypeAdapter(Asset).validate_python(given)
    return asset


def words_pack(styles: dict[str, Style] | None = None, **pack: Any) -> Pack:
    info = {"id": "sky", "name": "Sky"} | pack
    return Pack.model_validate(
        {"game": {"id": "hop", "title": "Hop"}, "pack": info, "styles": styles or {}, "assets": ()}
    )


def words_for(asset_type: str = "entity", pack: Pack | None = None, /, **fields: Any) -> prompts.Prompt:
    return prompts.build(words_asset(asset_type, **fields), pack or words_pack())


def test_every_built_in_style_has_words_and_no_other() -> None:
    assert set(prompts.STYLE_WORDS) == set(BUILTIN_STYLES)
    assert len(set(prompts.STYLE_WORDS.values())) == len(BUILTIN_STYLES)


def test_every_choice_of_the_manifest_has_words() -> None:
    fields = Entity.model_fields
    assert set(prompts.ROLE_WORDS) == set(get_args(fields["entity_type"].annotation))
    assert set(prompts.SHAPE_WORDS) == set(get_args(fields["shape"].annotation))
    assert set(prompts.COMPONENT_WORDS) == set(get_args(Component))
    assert set(prompts.STATE_WORDS) == set(get_args(UiState))
    assert set(prompts.AUTOTILE_WORDS) == set(AUTOTILE_CELLS)


@pytest.mark.parametrize("kind", tuple(SUBJECTS))
def test_prompts_hold_the_subject_the_theme_and_the_style(kind: str) -> None:
    styles = {"ours": Style(name="ours", base="pixel", prompt_suffix="with a golden rim", negative_prompt="smoke")}
    made = words_for(kind, words_pack(styles, theme="Islands in an evening sky", style="ours"))
    for words in ("a small cloud", "Islands in an evening sky", prompts.STYLE_WORDS["pixel"], "with a golden rim"):
        assert words in made.positive
    assert made.negative == "smoke"


@pytest.mark.parametrize("kind", tuple(SUBJECTS))
def test_a_prompt_is_data(kind: str) -> None:
    made = words_for(kind, words_pack(theme=NASTY), prompt=NASTY, negative_prompt=NASTY)
    assert made.positive.count(NASTY) == 2
    assert made.negative == NASTY


@pytest.mark.parametrize("kind", tuple(SUBJECTS))
def test_the_same_asset_gives_the_same_words(kind: str) -> None:
    assert words_for(kind) == words_for(kind)


@pytest.mark.parametrize("style", BUILTIN_STYLES)
def test_an_asset_chooses_a_built_in_style_without_an_entry(style: str) -> None:
    others = set(prompts.STYLE_WORDS.values()) - {prompts.STYLE_WORDS[style]}
    positive = words_for(style=style).positive
    assert prompts.STYLE_WORDS[style] in positive
    assert not any(words in positive for words in others)


def test_without_style_theme_or_negative_nothing_is_made_up() -> None:
    made = words_for()
    assert made.negative == ""
    assert "world" not in made.positive
    assert made.far is None


def test_negative_words_of_asset_and_style_are_joined_once() -> None:
    styles = {"ours": Style(name="ours", negative_prompt="smoke")}
    pack = words_pack(styles, style="ours")
    assert words_for("entity", pack, negative_prompt="fog").negative == "fog, smoke"
    assert words_for("entity", pack, negative_prompt="smoke").negative == "smoke"


def test_tags_and_ids_never_reach_the_model() -> None:
    made = words_for(id="zz-secret-id", tags=["zz-tag"])
    assert "zz" not in made.positive + made.negative


def test_an_entity_says_its_role_outline_and_colour() -> None:
    made = words_for(entity_type="platform", shape="capsule", color="#3f76d6")
    assert prompts.ROLE_WORDS["platform"] in made.positive
    assert prompts.SHAPE_WORDS["capsule"] in made.positive
    assert "mainly blue" in made.positive


def test_sentences_end_with_one_mark() -> None:
    assert "a small cloud. A game" in words_for().positive
    assert "Watch out! A game" in words_for(prompt="Watch out!").positive


def test_a_title_stands_between_straight_double_quotes() -> None:
    assert 'that reads "Cloud Hop"' in words_for("title_hero").positive


def test_double_quotes_inside_a_title_become_curly_so_that_it_is_read_to_its_end() -> None:
    positive = words_for("title_hero", title='The "Big" Hop\'s\n{End}').positive
    assert 'that reads "The “Big” Hop\'s\n{End}"' in positive
    assert positive.count('"') == 2


def test_a_title_is_cut_out_only_when_asked() -> None:
    assert words_for("title_hero", transparent=False).positive != words_for("title_hero").positive


@pytest.mark.parametrize("kind", ("background", "parallax"))
@pytest.mark.parametrize(("seamless", "word"), (("x", "sideways"), ("y", "upwards"), ("xy", "every direction")))
def test_seamless_pictures_say_which_edges_join(kind: str, seamless: str, word: str) -> None:
    assert word in words_for(kind, seamless=seamless).positive
    assert word not in words_for(kind).positive


def test_layers_are_told_by_their_distance_and_the_farthest_gets_words_of_its_own() -> None:
    layers = [
        {"id": "near", "depth": 1, "scroll_factor": 1, "prompt": "tall reeds"},
        {"id": "mid", "depth": 0.5, "scroll_factor": 0.5, "prompt": "a floating village"},
        {"id": "far", "depth": 0, "scroll_factor": 0.1, "prompt": "a pink evening sky"},
    ]
    made = words_for("parallax", layer_count=None, layers=layers)
    order = [made.positive.index(words) for words in ("Far away: a pink", "In the middle distance: a f", "Close to")]
    assert order == sorted(order)
    assert made.far is not None
    assert "a pink evening sky" in made.far
    assert "reeds" not in made.far


def test_a_parallax_without_layers_fills_its_far_plane_with_the_scene() -> None:
    far = words_for("parallax", words_pack(theme="Islands", style="flat")).far
    assert far is not None
    for words in ("a small cloud", "Islands", prompts.STYLE_WORDS["flat"]):
        assert words in far


def test_animations_say_which_pictures_are_theirs() -> None:
    animations = {"run": {"frames": 3}, "jump_up": {"frames": ["run_02", "top"], "loop": False}}
    positive = words_for("sheet", animations=animations).positive
    assert "Pictures 1 to 3, counted row by row: run." in positive
    assert "Pictures 3 to 4, counted row by row: jump up." in positive
    assert "4 pictures in 3 columns and 2 rows" in positive


@pytest.mark.parametrize(
    "change",
    (
        {"animations": {"run": {"frames": 4, "fps": 3, "loop": False, "direction": "pingpong"}}},
        {"pivot": {"x": 0, "y": 1}},
        {"post": {"colors": 8}},
        {"export": ["png"]},
    ),
)
def test_what_is_free_to_change_changes_neither_words_nor_guide(change: dict[str, Any]) -> None:
    before, after = words_asset("sheet"), words_asset("sheet", **change)
    assert prompts.build(before, words_pack()) == prompts.build(after, words_pack())
    assert recipe(before, (512, 512)) == recipe(after, (512, 512))


def test_overrides_stand_at_the_place_of_their_cell() -> None:
    made = words_for("sheet", overrides={"run_03": 'eyes {closed} "zz"'})
    assert 'Row 2, column 1: eyes {closed} "zz".' in made.positive
    assert "Row 1" not in made.positive


def test_variants_are_told_in_reading_order_with_name_words_and_colour() -> None:
    variants = [{"key": "fire_gem", "prompt": "a flame inside", "color": "#d8403a"}, {"key": "ice"}]
    made = words_for("sheet", kind="variation", animations={}, variants=variants, overrides={"ice": "frosted"})
    first = made.positive.index("Row 1, column 1: fire gem, a flame inside, mainly red.")
    assert first < made.positive.index("Row 1, column 2: ice, frosted.")


def test_tiles_are_told_by_name_and_autotiles_by_their_set() -> None:
    layout = LAYOUT | {"columns": 4, "rows": 4}
    tiles = {2: {"name": "mossy_stone", "prompt": "wet"}}
    made = words_for("sheet", kind="tile", animations={}, autotile="wang16", layout=layout, tiles=tiles)
    assert "16 squares in 4 columns and 4 rows" in made.positive
    assert prompts.AUTOTILE_WORDS["wang16"] in made.positive
    assert "Row 1, column 3: mossy stone, wet." in made.positive
    assert "wang16" not in made.positive


def test_elements_are_told_by_component_and_state() -> None:
    made = words_for("sheet", kind="ui_component", animations={}, component="button", states=["normal", "pressed"])
    assert prompts.COMPONENT_WORDS["button"] in made.positive
    assert f"Row 1, column 2: {prompts.STATE_WORDS['pressed']}." in made.positive
