from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from assetmill.manifest.blocks import Block, Items
from assetmill.manifest.problems import Place, Problems
from assetmill.manifest.yaml_reader import plain_scalar, read_yaml


def read(text: str) -> Any:
    problems = Problems()
    value = read_yaml(text, "m.yaml", problems)
    assert list(problems) == []
    return value


WHOLE = ("0x_", "0b_", "-", "+", "0", "00", "-0", "1_000", "0x1F", "0b101", "017", "1:30", "-1:30")
FRACTIONS = ("._", "+._", "1:30.5", "1.5e+3", "1e3", ".5", "5.", "+.inf", "-.INF")
WORDS = ("yes", "No", "on", "OFF", "True", "y", "null", "Null", "~")


@pytest.mark.parametrize("raw", WHOLE + FRACTIONS + WORDS)
def test_unquoted_scalars_mean_what_pyyaml_says_they_mean(raw: str) -> None:
    try:
        theirs = yaml.safe_load(f"[{raw}]")[0]
    except ValueError:  # PyYAML fails on digits that are only underscores
        theirs = raw
    ours = plain_scalar(raw)
    assert (type(ours), ours) == (type(theirs), theirs)


def test_a_number_of_many_digits_is_read_as_too_large_and_nan_as_nan() -> None:
    assert plain_scalar("9" * 10_000) > 2**64
    assert math.isnan(plain_scalar(".nan"))


def test_every_value_knows_its_place() -> None:
    root = read("a: 1\nb:\n  - x\n  - {c: 'y', d: [z]}\n")
    assert root == {"a": 1, "b": ["x", {"c": "y", "d": ["z"]}]}
    assert root.place("b") == Place("m.yaml", 2, 1)
    inner = root["b"][1]
    assert isinstance(root["b"], Items)
    assert isinstance(inner, Block)
    assert root["b"].place(0) == Place("m.yaml", 3, 5)
    assert inner.place("c", value=True) == Place("m.yaml", 4, 9)
    assert inner["d"].place(0) == Place("m.yaml", 4, 18)
    assert (root.raw("a"), inner.raw("c")) == ("1", None)


def test_an_alias_repeats_the_anchored_value() -> None:
    root = read("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\n")
    assert root["b"] == root["c"][1] == {"k": [1, 2]}


def test_folded_and_literal_blocks_and_unicode_are_kept() -> None:
    root = read("a: |\n  one\n  two\nb: >-\n  three\n  four\n\u00e9: '\U0001f438'\n")
    assert root == {"a": "one\ntwo\n", "b": "three four", "\u00e9": "\U0001f438"}
    assert root.place("\u00e9") == Place("m.yaml", 7, 1)


def test_positions_count_characters_and_not_bytes() -> None:
    root = read("- {\u00e9\u00e9: 1, b: 2}\n")
    assert root[0].place("b") == Place("m.yaml", 1, 11)
