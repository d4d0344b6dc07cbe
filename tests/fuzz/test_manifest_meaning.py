"""A valid manifest that is damaged is a pack or located words; one that is only written otherwise is the same pack."""

from __future__ import annotations

import copy
import csv
import datetime as dt
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assetmill.errors import AssetmillError
from assetmill.manifest import ManifestError, Pack
from assetmill.planning.fingerprint import digest

EXAMPLE = Path(__file__).parents[2] / "manifests" / "cloud-hop"
WHOLE = yaml.safe_load((EXAMPLE / "cloud-hop.yaml").read_text(encoding="utf-8"))
TABLE = (EXAMPLE / "enemies.csv").read_text(encoding="utf-8")
NAMES = (
    "id",
    "type",
    "prompt",
    "size",
    "layout",
    "tiles",
    "post",
    "matrix",
    "style",
    "<<",
    "frameCount",
    "0",
    "",
    "no",
)
WRONG = (
    None, True, False, 0, -1, 3.5, 1e308, float("inf"), float("nan"), 2**53, 2**64, -(10**30), "", " ", "x",
    "a" * 5_000, "\u2028", "\u00e9\U0001f47e", "64x64", "{n}", "{{n}}", "#ff0000", "yes", "a: b", [], {}, [[]], [{}],
    [1, 2], ["a", "a"], {"a": 1}, {"x": None}, {1: 2}, dt.date(2026, 2, 28), b"\x00\xff", "../outside.csv", "entity",
    "polygon", "grid",
)  # fmt: skip


def part_of_example(kept: list[int]) -> dict[str, Any]:
    """The example with some of its assets, and without references to the others."""
    tree = copy.deepcopy(WHOLE)
    tree["assets"] = [asset for index, asset in enumerate(tree["assets"]) if index in kept]
    for asset in tree["assets"]:
        asset.pop("references", None)
    return tree


bases = st.lists(st.integers(0, len(WHOLE["assets"]) - 1), min_size=1, max_size=4).map(part_of_example)


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in entries:
        yield value, key
        if isinstance(inner, dict | list):
            yield from spots(inner)


def nested(value: Any, deep: int, key: str) -> Any:
    for _ in range(deep):
        value = {key: value} if key else [value]
    return value


@st.composite
def damaged(draw) -> dict[str, Any]:
    tree = draw(bases)
    for _ in range(draw(st.integers(1, 4))):
        found = list(spots(tree))
        if not found:
            break
        container, key = found[draw(st.integers(0, len(found) - 1))]
        kind = draw(st.sampled_from(("drop", "rename", "retype", "nest", "repeat", "move", "text")))
        if kind == "drop":
            del container[key]
        elif kind == "rename" and isinstance(container, dict):
            container[draw(st.sampled_from(NAMES) | st.text(max_size=6))] = container.pop(key)
        elif kind == "nest":
            container[key] = nested(container[key], draw(st.integers(1, 40)), draw(st.sampled_from(("", "a", "type"))))
        elif kind == "repeat" and isinstance(container, list):
            container.extend([container[key]] * draw(st.integers(1, 70)))  # dumped as aliases
        elif kind == "move":
            other, place = found[draw(st.integers(0, len(found) - 1))]
            other[place] = copy.deepcopy(container[key])
        elif kind == "text":
            container[key] = draw(st.text(max_size=20))
        else:
            container[key] = copy.deepcopy(draw(st.sampled_from(WRONG)))
    return tree


def as_text(tree: Any, flow: bool, width: int) -> str:
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=width > 50, default_flow_style=flow, width=width)


@st.composite
def damaged_lines(draw) -> str:
    lines = as_text(draw(bases), draw(st.booleans()), draw(st.sampled_from((40, 120)))).split("\n")
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(("twice", "drop", "indent", "cut", "value", "swap", "comment")))
        if how == "twice":
            lines.insert(index, lines[index])
        elif how == "drop":
            lines[index] = ""
        elif how == "indent":
            lines[index] = draw(st.sampled_from((" ", "  ", "\t", "- "))) + lines[index]
        elif how == "cut":
            lines[index] = lines[index][: draw(st.integers(0, 60))]
        elif how == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[index], lines[other] = lines[other], lines[index]
        elif how == "comment":
            lines[index] = lines[index].replace(" ", " #", 1)
        else:
            value = draw(
                st.sampled_from(("010", "1:30", "no", "~", "*a", "&a x", "!!binary aGk=", "{a}", "[", "'", "|"))
            )
            lines[index] = re.sub(r":.*", ": " + value, lines[index])
    return "\n".join(lines)


@pytest.fixture(scope="module")
def reads(judge):
    """Loads a manifest with the example's table beside it, and plans what is a pack."""
    judge.write("enemies.csv", TABLE)

    def run(text: str) -> None:
        result = judge.load("damaged.yaml", text)
        if isinstance(result, Pack):
            try:
                judge.plan(result)
            except AssetmillError:
                return

    return run


@given(tree=damaged(), flow=st.booleans(), width=st.sampled_from((40, 120)))
def test_a_manifest_with_damaged_fields_is_a_pack_or_located_problems(reads, tree, flow, width):
    reads(as_text(tree, flow, width))


@given(text=damaged_lines())
@settings(max_examples=settings().max_examples // 2)
def test_a_manifest_with_damaged_lines_is_a_pack_or_located_problems(reads, text):
    reads(text)


@given(edits=st.lists(st.tuples(st.integers(0, len(TABLE)), st.integers(0, 4), st.sampled_from((
    "", ",", '"', "\n", "\r", ";", "\t", "|", "#", "#@ a: b\n", "\u2028", "\x85", "x", ".", "\x00", "1e9", "-1",
))), min_size=1, max_size=5))  # fmt: skip
@settings(max_examples=settings().max_examples // 2)
def test_a_damaged_table_is_a_pack_or_located_problems(judge, edits):
    text = TABLE
    for place, length, new in edits:
        text = text[:place] + new + text[place + length :]
    result = judge.load("damaged.csv", text)
    if isinstance(result, Pack):
        judge.plan(result)


# --- what is written otherwise means the same -------------------------------------------------------------------------

plain = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff"), max_size=30)
words = plain.map(str.strip).filter(bool)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True).filter(
    lambda name: name not in ("no", "yes", "on", "off")
)
colours = st.integers(0, 2**24 - 1).map(lambda value: f"#{value:06x}")
assets = st.fixed_dictionaries(
    {"id": names, "type": st.just("entity"), "prompt": words},
    optional={
        "shape": st.sampled_from(("box", "circle", "capsule")),
        "width": st.floats(0.01, 1000, allow_subnormal=False),
        "height": st.integers(1, 1000),
        "color": colours,
        "seed": st.integers(0, 2**53 - 1),
        "candidates": st.integers(1, 3),
        "enabled": st.booleans(),
        "negative_prompt": words,
        "tags": st.lists(words, min_size=1, max_size=3),
        "silhouette": st.fixed_dictionaries({"canvas": st.just("64x32"), "fill": st.floats(0.2, 1)}),
        "post": st.fixed_dictionaries({"pad": st.integers(0, 15), "trim": st.booleans()}),
    },
)
asset_lists = st.lists(assets, min_size=1, max_size=4, unique_by=lambda asset: asset["id"])
HEAD = {"game": {"id": "g", "title": "G"}, "pack": {"id": "p", "name": "P"}}


def loaded(judge, tree: Any, **overrides: Any) -> Pack:
    result = judge.load("written.yaml", as_text(tree, False, 10_000), **overrides)
    assert isinstance(result, Pack), str(result)
    return result


def cells_of(asset: dict[str, Any], before: str = "") -> dict[str, str]:
    cells: dict[str, str] = {}
    for key, value in asset.items():
        if isinstance(value, dict):
            cells |= cells_of(value, f"{before}{key}.")
        elif isinstance(value, list):
            cells[before + key] = "|".join(part.replace("|", "\\|") for part in value)
        else:
            cells[before + key] = json.dumps(value) if not isinstance(value, str) else value
    return cells


def as_table(assets: list[dict[str, Any]], mark: str, first: str) -> str:
    rows = [cells_of(asset) for asset in assets]
    header = list(dict.fromkeys((first, *(key for row in rows for key in row))))
    text = io.StringIO()
    writer = csv.DictWriter(text, header, delimiter=mark, quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def without_backslashes_at_ends(assets: list[dict[str, Any]]) -> bool:
    """A backslash before | would take its meaning away."""
    return not any(tag.endswith("\\") or "\\|" in tag for asset in assets for tag in asset.get("tags", ()))


@given(assets=asset_lists.filter(without_backslashes_at_ends), mark=st.sampled_from((",", ";", "\t")),
       first=st.sampled_from(("id", "type", "color")))  # fmt: skip
@example(
    assets=[{"id": "a", "type": "entity", "prompt": "one\u2028two\u2029three", "tags": ["x|y", "z"]}],
    mark=",",
    first="id",
)
@example(assets=[{"id": "a", "type": "entity", "prompt": "x", "color": "#00ff00"}], mark=";", first="color")
def test_assets_in_a_table_are_the_assets_in_yaml(judge, assets, mark, first):
    in_yaml = loaded(judge, {**HEAD, "assets": assets})
    judge.write("rows.csv", as_table(assets, mark, first))
    assert loaded(judge, {**HEAD, "include": ["rows.csv"]}).assets == in_yaml.assets


@given(assets=asset_lists, seed=st.integers(0, 2**32))
def test_the_order_of_keys_changes_neither_pack_nor_fingerprints(judge, assets, seed):
    shuffle = random.Random(seed)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            shuffle.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(inner) for inner in value] if isinstance(value, list) else value

    tree = {**HEAD, "assets": assets}
    first, second = loaded(judge, tree), loaded(judge, shuffled(tree))
    assert first == second
    assert [item.made for item in judge.plan(first).items] == [item.made for item in judge.plan(second).items]


def canonical(pack: Pack, *, full: bool) -> dict[str, Any]:
    """A pack written out as a manifest."""
    tree = pack.model_dump(mode="json", exclude_none=not full, exclude_defaults=False)
    tree["styles"] = {
        name: {
            **({"extends": style.base} if style.base else {}),
            "prompt_suffix": style.prompt_suffix,
            "negative_prompt": style.negative_prompt,
        }
        for name, style in pack.styles.items()
    }
    return tree


@given(base=bases, full=st.booleans(), as_json=st.booleans())
@settings(max_examples=settings().max_examples // 2)
def test_a_pack_written_out_in_full_is_the_same_pack(judge, base, full, as_json):
    judge.write("enemies.csv", TABLE)
    pack = loaded(judge, base)
    tree = canonical(pack, full=full)
    text = orjson.dumps(tree, option=orjson.OPT_NON_STR_KEYS) if as_json else as_text(tree, False, 80)
    again = judge.load("full.yaml", text)
    assert again == pack, str(again)


@given(
    assets=asset_lists,
    key=st.sampled_from(("width", "seed", "candidates", "shape", "negative_prompt", "tags")),
    own=assets,
)
@settings(max_examples=settings().max_examples // 2)
def test_an_override_is_the_field_written_into_every_asset(judge, assets, key, own):
    if key not in own:
        own = {"width": 2.5, "seed": 7, "candidates": 2, "shape": "ellipse", "negative_prompt": "x", "tags": ["t"]}
    changed = [{**asset, key: own[key]} for asset in assets]
    overridden = loaded(judge, {**HEAD, "assets": assets}, **{key: own[key]})
    assert overridden == loaded(judge, {**HEAD, "assets": changed})


@given(key=st.sampled_from((*NAMES, "entity.shape", "pack.seed", "qa.min_coverage", "a..b", "post.trim", "pack", ".")),
       value=st.sampled_from(WRONG) | st.text(max_size=9))  # fmt: skip
def test_any_override_is_a_pack_or_problems_of_the_command_line(judge, key, value):
    result = judge.load("written.yaml", as_text({**HEAD, "assets": [{"id": "a", "type": "entity", "prompt": "x"}]},
                                                False, 80), **{key: copy.deepcopy(value)})  # fmt: skip
    if isinstance(result, ManifestError):
        assert {problem.file for problem in result.problems} <= {"command line", str(judge.folder / "written.yaml")}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    fields=st.dictionaries(st.text("abcd", max_size=3), json_values, min_size=1, max_size=6), seed=st.integers(0, 99)
)
def test_a_digest_knows_values_and_not_the_order_of_keys(fields, seed):
    keys = list(fields)
    random.Random(seed).shuffle(keys)
    assert digest({key: fields[key] for key in keys}) == digest(fields)
    assert digest({**fields, keys[0]: [fields[keys[0]]]}) != digest(fields)
