"""What a parallax background is asked for, by each method: roles, words, seeds, sizes, and what it would take."""

from __future__ import annotations

import pytest

from assetmill.manifest import Pack, load_pack
from assetmill.manifest.parallax import layer_roles, layers_of
from assetmill.planning.estimate import Estimator
from assetmill.planning.fingerprint import Generation, Maker, generation, layer_seed, with_seed
from assetmill.planning.timings import kind_of
from assetmill.workflows import bind, ensure_sound
from assetmill.workflows.library import Library, load_library
from assetmill.workflows.sizes import SIZE_STEP, layer_size

HILLS = "assets:\n  - {{id: hills, type: parallax, prompt: hills, {}}}\n"
THREE = (
    "method: per_layer, layers: [{id: sky, depth: 0, scroll_factor: 0, prompt: a pale sky},"
    " {id: woods, depth: 0.5, scroll_factor: 0.4, prompt: dark woods}, {id: reeds, depth: 1, scroll_factor: 1}]"
)
RUNPOD = Maker("runpod", "flux")


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.fixture
def pack_of(tmp_path):
    def make(assets: str) -> Pack:
        path = tmp_path / "m.yaml"
        path.write_text("version: 1\ngame: {id: g, title: G}\npack: {id: p, name: P}\n" + assets)
        return load_pack(path)

    return make


@pytest.fixture
def made(pack_of, library):
    def make(fields: str, candidate: int = 0) -> Generation:
        pack = pack_of(HILLS.format(fields))
        return generation(pack.assets[0], pack, candidate, library=library, maker=RUNPOD)

    return make


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize(("method", "extra"), (("per_layer", ()), ("decompose", ("full",))))
def test_as_many_layers_are_asked_for_as_are_wanted(made, library, method, extra, count):
    picture = made(f"method: {method}, layer_count: {count}")
    assert set(picture.roles) == {*extra, *(f"layer_{index}" for index in range(count))}
    bound = bind(library.get(picture.workflow), picture.parameters, prefix="a", roles=picture.roles)
    ensure_sound(bound, library.contract)
    assert set(bound.outputs) == set(picture.roles)


def test_each_layer_has_words_and_a_seed_of_its_own(made):
    values = made(THREE).parameters
    words = [values[f"layer_{index}_prompt"] for index in range(3)]
    assert [part in whole for part, whole in zip(("a pale sky", "dark woods", "hills"), words, strict=True)] == [
        True
    ] * 3
    assert not any("a pale sky" in whole for whole in words[1:])
    assert "farthest away" in words[0]
    assert all("plain, even, light backdrop" in whole for whole in words[1:])
    assert len({values[f"layer_{index}_seed"] for index in range(3)}) == 3
    assert "layer_3_prompt" not in values


def test_a_layer_that_is_not_asked_for_changes_no_fingerprint(made, library, monkeypatch):
    """Its default words may be mended in the graph, and nobody pays again."""
    before = made("method: per_layer, layer_count: 3").fingerprint
    graph = library.get("parallax-layers").graph
    monkeypatch.setitem(graph["171"]["inputs"], "text", "something else")
    assert made("method: per_layer, layer_count: 3").fingerprint == before
    assert made("method: per_layer, layer_count: 4").fingerprint != before


def test_candidates_share_no_seed_even_where_the_manifest_counts_them_up(made):
    seeds = [
        value
        for candidate in range(3)
        for name, value in made(
            "method: per_layer, layer_count: 8, seed: 7, candidates: 3", candidate
        ).parameters.items()
        if name.endswith("_seed")
    ]
    assert len(seeds) == len(set(seeds)) == 24


def test_another_seed_reaches_every_layer(made):
    """A retry after a blank picture has to draw another one."""
    values = made("method: per_layer, layer_count: 2").parameters
    other = with_seed(values, 99)
    assert [other[f"layer_{index}_seed"] for index in range(2)] == [layer_seed(99, index) for index in range(2)]
    assert {name for name in values if values[name] != other[name]} == {"layer_0_seed", "layer_1_seed"}
    assert with_seed({"seed": 1, "prompt": "a"}, 5) == {"seed": 5, "prompt": "a"}
    assert with_seed({"prompt": "a"}, 5) == {"prompt": "a"}


def test_a_picture_is_taken_apart_into_the_layers_that_are_wanted_in_its_own_shape(made):
    values = made("method: decompose, layer_count: 5").parameters
    assert values["layer_count"] == 5
    assert values["layer_width"] * values["height"] == values["layer_height"] * values["width"]


@pytest.mark.parametrize("size", ((1344, 768), (1024, 1024), (1536, 512), (512, 1536), (1072, 1456), (1008, 560)))
def test_layers_have_the_shape_of_their_picture_and_a_size_that_the_model_likes(size):
    width, height = layer_size(*size)
    assert width % SIZE_STEP == height % SIZE_STEP == 0
    assert abs(width / height / (size[0] / size[1]) - 1) < 0.01
    assert 0.8 <= width * height / 640**2 <= 1.2


def test_layers_without_words_of_their_own_are_spread_evenly(pack_of):
    (asset,) = pack_of(HILLS.format("method: per_layer, layer_count: 5")).assets
    layers = layers_of(asset)
    assert [layer.id for layer in layers] == list(layer_roles(asset)) == [f"layer_{index}" for index in range(5)]
    assert [layer.depth for layer in layers] == [0, 0.25, 0.5, 0.75, 1]
    assert [layer.scroll_factor for layer in layers] == [0.1, 0.275, 0.45, 0.625, 0.8]
    assert [layer.opaque for layer in layers] == [True, False, False, False, False]


def test_layers_by_depth_keep_the_runtimes_factors(pack_of):
    (asset,) = pack_of(HILLS.format("layer_count: 3")).assets
    found = [(layer.id, layer.depth, layer.scroll_factor) for layer in layers_of(asset)]
    assert found == [("far", 0.0, 0.1), ("mid", 0.5, 0.5), ("near", 1.0, 0.8)]


def test_more_layers_are_expected_to_take_longer(made, pools):
    estimator = Estimator(lambda _: (), model="flux", pools=pools, draft=False)

    def usual(fields: str) -> float:
        picture = made(fields)
        kind = kind_of(picture.workflow, picture.size, picture.parameters)
        return estimator.expected(kind, None).seconds.estimate

    depth, three, six = (
        usual("layer_count: 3"),
        usual("method: per_layer, layer_count: 3"),
        usual("method: per_layer, layer_count: 6"),
    )
    assert depth < three < six
    assert usual("method: decompose, layer_count: 3") < usual("method: decompose, layer_count: 6")
