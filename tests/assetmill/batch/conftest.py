"""A studio in a folder: manifest, store, books and a real local endpoint whose worker does what a test says."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from assetmill.batch.prepare import Request
from assetmill.batch.report import BatchReport
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import NO_FAULTS, Faults, Pod, PodConfig, running_pod
from assetmill.planning.plan import ALL, Plan, Selection
from assetmill.settings import Settings
from assetmill.storage import open_store

HEAD = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
"""
THREE = """  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}}
  - {id: crate, type: entity, prompt: a crate, silhouette: {canvas: 64x64}}
  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}
"""

SHEETS = """  - id: hop
    type: sheet
    kind: sprite
    prompt: a frog
    export: [png, assetsheet, texturepacker, phaser, pixi, godot, tiled, aseprite, unity]
    layout: {columns: 2, rows: 1, cell: 64x64}
    animations: {hop: {frames: 2, fps: 8}}
  - id: grass
    type: sheet
    kind: tile
    prompt: grass
    export: [png, assetsheet, texturepacker, phaser, pixi, godot, tiled, aseprite, unity]
    layout: {columns: 2, rows: 1, cell: 64x64}
    tiles: {0: left, 1: right}
"""


def picture(graph: Mapping[str, Any], shape: str = "good") -> bytes:
    """What a worker might draw for a graph: a disc on transparency, or noise-like stripes where nothing is cut out."""
    kinds = {node["class_type"] for node in graph.values()}
    cut = "BiRefNetRMBG" in kinds
    image = Image.new("RGBA" if cut else "RGB", (128, 128), (0, 0, 0, 0) if cut else "navy")
    draw = ImageDraw.Draw(image)
    if cut and shape != "empty":
        draw.ellipse((12, 12, 116, 116) if shape == "good" else (60, 60, 64, 64), fill="red")
    if not cut:
        draw.rectangle((0, 64, 128, 128), fill="teal")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def prompt_of(graph: Mapping[str, Any]) -> str:
    return " ".join(str(n["inputs"].get("text", "")) for n in graph.values() if n["class_type"] == "CLIPTextEncode")


@dataclass
class Artist:
    """The worker: counts what it executes, and misbehaves for prompts that a test names."""

    executed: list[str] = field(default_factory=list)
    answers: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = field(default_factory=dict)
    before: Callable[[Mapping[str, Any]], None] | None = None

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        graph = job_input["workflow"]
        words = prompt_of(graph)
        self.executed.append(words)
        if self.before:
            self.before(job_input)
        for key, answer in self.answers.items():
            if key in words:
                return answer(graph)
        return answer_with(graph)


def answer_with(graph: Mapping[str, Any], shape: str = "good", leave_out: int = 0) -> Mapping[str, Any]:
    saves = [node["inputs"]["filename_prefix"] for node in graph.values() if node["class_type"] == "SaveImage"]
    data = base64.b64encode(picture(graph, shape)).decode()
    images = [{"filename": f"{prefix}_00001_.png", "type": "base64", "data": data} for prefix in saves]
    return {"images": images[leave_out:], "draft": True}


@dataclass
class Studio:
    folder: Path
    artist: Artist
    pod: Pod
    settings: Settings
    endpoint: str = ""
    clock: Clock = field(default_factory=Clock)

    def write(self, assets: str = THREE) -> Path:
        path = self.folder / "tiny.yaml"
        path.write_text(HEAD + assets)
        return path

    async def run(self, assets: str = THREE, *, selection: Selection = ALL, steps: Steps | None = None) -> BatchReport:
        report, self.plan = await self.run_and_plan(assets, selection=selection, steps=steps)
        return report

    async def run_and_plan(
        self, assets: str, *, selection: Selection = ALL, steps: Steps | None = None
    ) -> tuple[BatchReport, Plan]:
        request = Request(self.write(assets), self.endpoint or self.pod.url, selection)
        clock = self.clock
        async with open_batch(self.settings, request, clock, clock.new_id()) as batch:
            return await run_batch(batch, selection, "main", steps or Steps())

    def rows(self) -> list[dict[str, Any]]:
        with Ledger.open(self.settings.ledger_url) as ledger:
            return ledger.rows()

    def reopen(self, status: str = "submitted", *, asset_id: str = "%", job: bool = True) -> None:
        """Make settled attempts look like those of a run that was cut off after sending."""
        with Ledger.open(self.settings.ledger_url) as ledger, ledger._database.write() as connection:
            cut = "owner = null, claimed_until = null" + ("" if job else ", job_id = null")
            connection.exec_driver_sql(
                f"update attempts set status = ?, settled_at = null, execution_ms = null, {cut} where asset_id like ?",  # noqa: S608  our own words
                (status, asset_id),
            )
            connection.exec_driver_sql("delete from finishes")
        store = open_store(self.settings.store_url)
        for receipt in list(store.list("private/receipts/")):
            store.delete(receipt.key)


SettingsMaker = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path, monkeypatch) -> SettingsMaker:
    monkeypatch.chdir(tmp_path)

    def make(**variables: str) -> Settings:
        values = {
            "ASSETMILL_HOME": str(tmp_path / "out"),
            "ASSETMILL_SERVE_KEY": "made-up-key",
            "ASSETMILL_LOOK_FOR_S": "0",
            "ASSETMILL_WORKER_IDLE_S": "0",
            **variables,
        }
        for name in Settings.model_fields.values():
            monkeypatch.delenv(str(name.alias), raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return Settings()

    return make


@asynccontextmanager
async def open_studio(
    folder: Path,
    settings: Settings,
    *,
    endpoint_id: str = "draft",
    workers: int = 3,
    exec_seconds: float = 0.0,
    cold_start_s: float = 0.0,
    faults: Faults = NO_FAULTS,
) -> AsyncIterator[Studio]:
    artist = Artist()
    config = PodConfig(
        endpoint_id=endpoint_id, api_key="made-up-key", workers=workers, exec_seconds=exec_seconds,
        cold_start_s=cold_start_s, faults=faults,
    )  # fmt: skip
    async with running_pod(config, artist) as pod:
        yield Studio(folder, artist, pod, settings)


@pytest.fixture
async def studio(tmp_path, make_settings) -> AsyncIterator[Studio]:
    async with open_studio(tmp_path, make_settings()) as made:
        yield made


def fast_clock(naps: list[float] | None = None) -> Clock:
    """Time that passes only while somebody sleeps, and then at once; `naps` hears how long."""
    passed = [0.0]

    async def sleep(seconds: float) -> None:
        passed[0] += seconds
        if naps is not None:
            naps.append(seconds)
        await asyncio.sleep(0)

    return Clock(monotonic=lambda: passed[0], sleep=sleep)


@pytest.fixture
def tools() -> SimpleNamespace:
    """What tests call by name; importlib mode has no module to import it from."""
    return SimpleNamespace(
        answer=answer_with,
        prompt_of=prompt_of,
        open_studio=open_studio,
        artist=Artist,
        studio=Studio,
        fast_clock=fast_clock,
        three=THREE,
        sheets=SHEETS,
    )
