"""What a manifest may say of a parallax background: how many layers, in which order, which of them opaque."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assetmill.manifest import load_pack
from assetmill.manifest.models import Parallax
from assetmill.manifest.parallax import count_of, is_layer, layer_roles
from assetmill.manifest.problems import ManifestError

HEAD = "version: 1\ngame: {id: g, title: G}\npack: {id: p, name: P}\nassets:\n"
FAR = "{id: sky, depth: 0, scroll_factor: 0.1}"
MID = "{id: woods, depth: 0.4, scroll_factor: 0.5}"
NEAR = "{id: reeds, depth: 1, scroll_factor: 0.9}"
Load = Callable[[str], Parallax]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(fields: str) -> Parallax:
        path = tmp_path / "m.yaml"
        path.write_text(f"{HEAD}  - {{id: a, type: parallax, prompt: hills, {fields}}}\n")
        (asset,) = load_pack(path).assets
        assert isinstance(asset, Parallax)
        return asset

    return read


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize("method", ("per_layer", "decompose"))
def test_two_to_eight_layers_may_be_asked_for(load: Load, method: str, count: int) -> None:
    asset = load(f"method: {method}, layer_count: {count}")
    assert count_of(asset) == count
    assert layer_roles(asset) == tuple(f"layer_{index}" for index in range(count))


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    (
        (f"method: per_layer, layers: [{FAR}]", "layers", "nothing to scroll against"),
        ("method: decompose, layer_count: 9", "layer_count", "8"),
        (f"method: per_layer, layers: [{NEAR}, {FAR}]", "layers[1].depth", "'sky' lies farther away than 'reeds'"),
        (f"layers: [{FAR}, {NEAR}, {MID}]", "layers[2].depth", "the farthest first"),
        (
            f"method: decompose, layers: [{FAR}, {NEAR[:-1]}, opaque: true}}]",
            "layers[1].opaque",
            "would hide all that lie behind it",
        ),
        (f"method: per_layer, layers: [{FAR}, {FAR}]", "layers[1].id", "stands twice"),
        (f"layers: [{FAR}, {NEAR}]", "assets[0]", "method depth makes exactly 3 layers"),
        (f"method: per_layer, layer_count: 2, layers: [{FAR}, {NEAR}]", "assets[0]", "exactly one of"),
        ("method: per_layer", "assets[0]", "exactly one of"),
    ),
)
def test_layers_that_could_not_lie_on_each_other_are_refused_with_their_place(
    load: Load, fields: str, place: str, words: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        load(fields)
    assert words in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    (f"layers: [{FAR}, {MID}, {NEAR}]", f"method: per_layer, layers: [{FAR}, {MID}, {MID.replace('woods', 'hills')}]"),
)
def test_layers_may_lie_equally_far_away(load: Load, fields: str) -> None:
    assert count_of(load(fields)) == 3


def test_roles_of_layers_are_told_from_others() -> None:
    assert all(is_layer(role) for role in ("far", "mid", "near", "layer_0", "layer_7"))
    assert not any(is_layer(role) for role in ("full", "depth", "image", "layer_", "layer_x", "atlas_1"))


def test_the_documented_example_is_a_manifest(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "parallax.md"
    (tmp_path / "m.yaml").write_text(page.read_text().split("```yaml\n")[1].split("```")[0])
    assets = [asset for asset in load_pack(tmp_path / "m.yaml").assets if isinstance(asset, Parallax)]
    assert [(asset.method, count_of(asset)) for asset in assets] == [("depth", 3), ("per_layer", 3), ("decompose", 4)]
