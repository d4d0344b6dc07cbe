"""One manifest with all five asset types, through three protocols: nothing differs but the provider that is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import PodConfig, running_pod
from assetmill.localpod.comfyui import running_comfyui
from assetmill.localpod.draft import render
from assetmill.localpod.scenario import running_scenario
from assetmill.packs import load_latest
from assetmill.planning.plan import ALL, State
from assetmill.storage import open_store

MANIFEST = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, style: cartoon, seed: 1}
assets:
  - {id: slime, type: entity, prompt: a green slime, silhouette: {canvas: 256x256}}
  - {id: hat, type: entity, prompt: a hat on its head, references: [slime], silhouette: {canvas: 256x256}}
  - {id: sky, type: background, prompt: a wide sky, width: 384, height: 256}
  - {id: logo, type: title_hero, title: Tiny, prompt: letters of candy, width: 512, height: 256}
  - {id: hop, type: sheet, kind: sprite, prompt: a frog, layout: {columns: 2, rows: 1, cell: 128x128},
     animations: {hop: {frames: 2, fps: 8}}}
  - id: hills
    type: parallax
    prompt: rolling hills at dawn
    width: 512
    height: 256
    method: per_layer
    layers:
      - {id: sky, depth: 0, scroll_factor: 0.1, prompt: a dawn sky, opaque: true}
      - {id: hills, depth: 0.5, scroll_factor: 0.5, prompt: far hills}
      - {id: grass, depth: 1, scroll_factor: 0.9, prompt: grass in front}
"""


@asynccontextmanager
async def runpod() -> AsyncIterator[str]:
    async with running_pod(PodConfig(), render) as pod:
        yield pod.url


@asynccontextmanager
async def scenario() -> AsyncIterator[str]:
    async with running_scenario() as server:
        yield f"scenario+{server.url}"


@asynccontextmanager
async def comfyui() -> AsyncIterator[str]:
    async with running_comfyui() as server:
        yield f"comfyui+{server.url}"


@pytest.mark.parametrize("serving", (runpod, scenario, comfyui))
async def test_all_five_types_come_whole_and_a_second_run_pays_for_nothing(environment, tmp_path, serving):
    settings = environment()
    path = tmp_path / "tiny.yaml"
    path.write_text(MANIFEST)
    async with serving() as url:
        report = await run(path, url)
        assert [(line.asset, line.message) for line in report.failures] == []
        assert (report.exit_code, report.generated) == (0, 6)
        again = plan_only(settings, Request(path, url))
        assert {item.state for item in again.items} == {State.CACHED}
    kind = {runpod: "draft", scenario: "scenario", comfyui: "comfyui"}[serving]
    with Ledger.open(settings.ledger_url) as ledger:
        rows = ledger.rows()
    assert {row["provider"] for row in rows} == {kind}
    assert {row["asset_type"] for row in rows} == {"entity", "background", "title_hero", "sheet", "parallax"}
    index = load_latest(open_store(settings.store_url), "tiny", "draft")
    assert index is not None
    assert [layer.id for layer in index.assets["hills"].layers] == ["sky", "hills", "grass"]
    assert {(layer.width, layer.height) for layer in index.assets["hills"].layers} == {(512, 256)}
    assert (index.assets["slime"].width, index.assets["sky"].width, index.assets["logo"].width) == (256, 384, 512)


async def run(path: Path, url: str) -> Any:
    from assetmill.settings import Settings  # noqa: PLC0415  the environment is made by the test

    clock = Clock()
    async with open_batch(Settings(), Request(path, url), clock, clock.new_id()) as batch:
        report, _ = await run_batch(batch, ALL, "main", Steps())
    return report
