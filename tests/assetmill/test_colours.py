import re

import pytest

from assetmill import colours


def test_every_word_stands_for_a_colour() -> None:
    assert all(re.fullmatch(r"#[0-9a-f]{6}", value) for value in colours.COLOUR_WORDS.values())


@pytest.mark.parametrize("colour", ("#000000", "#ffffff", "#12abef"))
def test_hex_survives_the_way_there_and_back(colour: str) -> None:
    assert colours.to_hex(*colours.rgb(colour)) == colour


def test_channels_are_clipped() -> None:
    assert colours.to_hex(-4, 255.4, 300) == "#00ffff"


def test_the_first_colour_word_counts_and_parts_of_words_do_not() -> None:
    assert colours.colour_in("A Red dragon in a green forest") == colours.COLOUR_WORDS["red"]
    assert colours.colour_in("a bored redcap, tired") is None


def test_names_and_colours_agree() -> None:
    for word in ("red", "blue", "gold", "mint", "charcoal"):
        assert colours.name_of(colours.COLOUR_WORDS[word]) == word


def test_distance_is_symmetric_and_zero_only_for_equals() -> None:
    assert colours.distance("#d8403a", "#d8403a") == 0
    assert colours.distance("#d8403a", "#3f76d6") == colours.distance("#3f76d6", "#d8403a") > 0.3
    assert 0.9 < colours.distance("#000000", "#ffffff") <= 1.01


def test_a_row_of_distinct_colours_can_be_told_apart() -> None:
    row = [colours.distinct(index) for index in range(8)]
    assert min(colours.distance(a, b) for i, a in enumerate(row) for b in row[:i]) > 0.1


def test_a_colour_made_up_follows_from_the_name_alone() -> None:
    assert colours.subject_colour("a hero", "hero") == colours.subject_colour("another hero", "hero")
    assert colours.subject_colour("a hero", "hero") != colours.subject_colour("a hero", "enemy")


def test_mixing_ends_at_either_colour() -> None:
    assert colours.mix("#102030", "#f0e0d0", 0) == "#102030"
    assert colours.mix("#102030", "#f0e0d0", 1) == "#f0e0d0"
    assert colours.mix("#000000", "#ffffff", 0.5) == "#808080"
