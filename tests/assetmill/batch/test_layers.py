"""Parallax backgrounds by every method, from the manifest to the published pack, through a real local endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assetmill.batch.report import BatchReport
from assetmill.images import decode
from assetmill.localpod.draft import render
from assetmill.packs import PackAsset, PackIndex, load_latest
from assetmill.quality.layers import stacked
from assetmill.storage import Store, open_store

ALL_METHODS = """  - {id: cut, type: parallax, prompt: a forest valley, layer_count: 3, width: 512, height: 288}
  - id: drawn
    type: parallax
    method: per_layer
    prompt: a forest valley
    size: 512x288
    seamless: x
    export: [png, phaser, pixi]
    layers:
      - {id: sky, depth: 0, scroll_factor: 0.05, prompt: a pale sky}
      - {id: woods, depth: 0.5, scroll_factor: 0.4, prompt: a dark forest}
      - {id: reeds, depth: 1, scroll_factor: 1.2}
  - {id: taken, type: parallax, method: decompose, prompt: a forest valley, layer_count: 4, width: 512, height: 288}
"""


@pytest.fixture
def draft_studio(studio: Any) -> Any:
    studio.artist.answers[""] = lambda graph: render({"workflow": graph})
    return studio


def published(studio: Any) -> PackIndex:
    index = load_latest(open_store(studio.settings.store_url), "tiny", "draft")
    assert index is not None
    return index


async def test_every_method_is_drawn_published_and_paid_for_once(draft_studio: Any) -> None:
    report = await draft_studio.run(ALL_METHODS)
    assert (report.generated, report.failed) == (3, 0)
    store, index = open_store(draft_studio.settings.store_url), published(draft_studio)
    for asset_id, count in (("cut", 3), ("drawn", 3), ("taken", 4)):
        asset = index.assets[asset_id]
        pictures = [decode(store.get(layer.file)) for layer in asset.layers]
        assert [picture.mode for picture in pictures] == ["RGB"] + ["RGBA"] * (count - 1)
        assert {picture.size for picture in pictures} == {(512, 288)} == {(asset.width, asset.height)}
        assert [layer.opaque for layer in asset.layers] == [True] + [False] * (count - 1)
        depths, factors = ([getattr(layer, name) for layer in asset.layers] for name in ("depth", "scroll_factor"))
        assert (depths, factors) == (sorted(depths), sorted(factors))
        assert (depths[0], depths[-1]) == (0, 1)
    assert [layer.id for layer in index.assets["taken"].layers] == [f"layer_{number}" for number in range(4)]
    assert set(index.assets["cut"].files) == {"depth"}
    assert index.assets["drawn"].files == index.assets["taken"].files == {}
    stands_for_it(store, index.assets["drawn"])
    by_their_names(store, index, report)
    await only_what_decides_pixels_is_paid_for(draft_studio)


def stands_for_it(store: Store, asset: PackAsset) -> None:
    """Of layers that were drawn one by one, the picture of the whole is made of them."""
    assert [(layer.id, layer.scroll_factor) for layer in asset.layers] == [
        ("sky", 0.05),
        ("woods", 0.4),
        ("reeds", 1.2),
    ]
    together = stacked([decode(store.get(layer.file)) for layer in asset.layers])
    assert decode(store.get(asset.file)).tobytes() == together.tobytes()


def by_their_names(store: Store, index: PackIndex, report: BatchReport) -> None:
    """Engines and the gallery find layers by the manifest's names."""
    texts = {name: json.dumps(json.loads(store.get(key))) for name, key in index.files.items() if key.endswith(".json")}
    for layer in ("drawn/sky", "drawn/woods", "drawn/reeds"):
        assert sum(layer in text for text in texts.values()) == 2, "Phaser and Pixi"
    page = store.get(report.gallery or "").decode()
    items = json.loads(page.split('<script type="application/json" id="items">')[1].split("</script>")[0])
    shown = {item["asset_id"]: item for item in items}
    assert [layer["id"] for layer in shown["drawn"]["layers"]] == ["sky", "woods", "reeds"]
    assert [layer["opaque"] for layer in shown["taken"]["layers"]] == [True, False, False, False]
    assert (shown["drawn"]["endless"], shown["cut"]["endless"]) == (True, False)


async def only_what_decides_pixels_is_paid_for(studio: Any) -> None:
    """Other scroll factors are free; one more layer is another picture."""
    report = await studio.run(ALL_METHODS.replace("scroll_factor: 1.2", "scroll_factor: 2"))
    assert (report.generated, report.cached) == (0, 3)
    assert published(studio).assets["drawn"].layers[-1].scroll_factor == 2
    report = await studio.run(ALL_METHODS.replace("layer_count: 4", "layer_count: 5"))
    assert (report.generated, report.cached) == (1, 2)
    assert len(published(studio).assets["taken"].layers) == 5


async def test_after_a_blank_layer_every_layer_is_drawn_with_another_seed(studio: Any, tools: Any) -> None:
    seeds: list[list[int]] = []

    def answer(graph: Any) -> Any:
        seeds.append([node["inputs"]["seed"] for node in graph.values() if node["class_type"] == "KSampler"])
        return tools.answer(graph, "empty") if len(seeds) == 1 else render({"workflow": graph})

    studio.artist.answers[""] = answer
    report = await studio.run("  - {id: a, type: parallax, method: per_layer, prompt: a forest, layer_count: 2}\n")
    assert report.generated == 1
    first, second = seeds
    assert len(first) == 2
    assert not set(first) & set(second)
