"""Two real runs at two local endpoints that speak different protocols, and the document that comes of them."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from assetmill.batch.report import BatchReport
from assetmill.batch.run import run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.compare.making import UnpublishedSteps, Wanted, channel_for, document, prepare
from assetmill.compare.values import Comparison
from assetmill.errors import BudgetExceeded, UsageError
from assetmill.ledger import Ledger
from assetmill.localpod import PodConfig, running_pod
from assetmill.localpod.comfyui import ComfyConfig, running_comfyui
from assetmill.planning.plan import Selection
from assetmill.settings import Settings
from assetmill.storage import FileStore

KEY = "made-up-key"
TINY = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}}
  - {id: crate, type: entity, prompt: a crate, silhouette: {canvas: 64x64}}
  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}
"""


@dataclass
class Painter:
    """A RunPod worker that paints discs, says that it is a draft, and fails for prompts that a test names."""

    executed: list[str] = field(default_factory=list)
    fails_at: str = ""

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        nodes = job_input["workflow"].values()
        words = " ".join(str(node["inputs"].get("text", "")) for node in nodes)
        self.executed.append(words)
        if self.fails_at and self.fails_at in words:
            return {"error": "RuntimeError: mat1 and mat2 shapes cannot be multiplied"}
        image = Image.new("RGBA", (128, 128))
        ImageDraw.Draw(image).ellipse((12, 12, 116, 116), fill="red")
        buffer = io.BytesIO()
        (image if "BiRefNetRMBG" in {node["class_type"] for node in nodes} else image.convert("RGB")).save(
            buffer, "PNG"
        )
        data = base64.b64encode(buffer.getvalue()).decode()
        saves = [node["inputs"]["filename_prefix"] for node in nodes if node["class_type"] == "SaveImage"]
        return {
            "images": [{"filename": f"{p}_00001_.png", "type": "base64", "data": data} for p in saves],
            "draft": True,
        }


@dataclass
class Studio:
    """A manifest, two endpoints, a store and books."""

    settings: Settings
    wanted: Wanted
    painter: Painter
    clock: Clock = field(default_factory=Clock)

    @property
    def store(self) -> FileStore:
        return FileStore(self.settings.home / "store")

    async def side(self, number: int) -> BatchReport:
        prepared = prepare(self.settings, self.wanted)
        request = self.wanted.request(number)
        async with open_batch(self.settings, request, self.clock, self.clock.new_id()) as batch:
            channel = channel_for(prepared.endpoints[number])
            return (await run_batch(batch, request.selection, channel, UnpublishedSteps()))[0]

    async def compare(self) -> tuple[Comparison, tuple[BatchReport, BatchReport]]:
        reports = (await self.side(0), await self.side(1))
        return document(self.settings, self.wanted, self.store, reports, self.clock.now()), reports


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(**variables: str) -> Settings:
        usual = {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_SERVE_KEY": KEY, "ASSETMILL_LOOK_FOR_S": "0"}
        for one in Settings.model_fields.values():
            monkeypatch.delenv(str(one.alias), raising=False)
        for name, value in (usual | variables).items():
            monkeypatch.setenv(name, value)
        return Settings()

    return make


@pytest.fixture
def manifest(tmp_path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
async def studio(settings, manifest) -> AsyncIterator[Studio]:
    painter = Painter()
    async with (
        running_pod(PodConfig(endpoint_id="draft", api_key=KEY), painter) as pod,
        running_comfyui(ComfyConfig(placeholders=True), Clock()) as comfy,
    ):
        yield Studio(settings(), Wanted(manifest, (pod.url, f"comfyui+{comfy.url}")), painter)


async def test_both_sides_make_the_same_pictures_and_nothing_is_published_or_paid_twice(studio):
    comparison, reports = await studio.compare()
    assert [pair.asset for pair in comparison.pairs] == ["slime", "crate", "sky"]
    assert all(pair.whole and pair.shots[0].seed == pair.shots[1].seed for pair in comparison.pairs)
    assert {shot.spent_usd for pair in comparison.pairs for shot in pair.shots} == {Decimal(0)}
    assert all(shot.latency_ms is not None for pair in comparison.pairs for shot in pair.shots)
    slime, _, sky = comparison.pairs
    assert slime.shots[0].figures.solid == pytest.approx(0.5, abs=0.1)
    assert 0 < slime.figures.silhouette_overlap < 1
    assert (sky.figures.silhouette_overlap, sky.figures.perceptual is not None) == (None, True)
    assert [view.label for view in slime.shots[0].views] == ["finished", "as it came"]
    assert all(studio.store.get(key) for key in comparison.blobs)
    assert [report.published for report in reports] == [False, False]
    assert not any(info.key.endswith("latest.json") for info in studio.store.list())
    jobs = len(studio.painter.executed)
    again, _ = await studio.compare()
    assert (again.id, len(studio.painter.executed)) == (comparison.id, jobs)
    with Ledger.open(studio.settings.ledger_url) as ledger:
        assert len(ledger.rows()) == 6


async def test_a_picture_that_one_side_cannot_make_counts_against_it_and_one_that_was_not_tried_does_not(studio):
    studio.painter.fails_at = "crate"
    studio.wanted = replace(studio.wanted, selection=Selection(("crate", "sky")))
    failed = await studio.side(0)
    studio.wanted = replace(studio.wanted, selection=Selection(("crate",)))
    done = await studio.side(1)
    studio.wanted = replace(studio.wanted, selection=Selection(("crate", "sky")))
    comparison = document(studio.settings, studio.wanted, studio.store, (failed, done), studio.clock.now())
    (crate,) = comparison.pairs
    assert (crate.asset, [shot.state for shot in crate.shots], crate.whole) == ("crate", ["missing", "kept"], False)
    assert "mat1" in crate.shots[0].why
    assert crate.shots[0].tries >= 1
    assert [(one.asset, one.why.partition(":")[0]) for one in comparison.left_out] == [("sky", "not made yet")]


def test_what_would_compare_nothing_is_refused_before_anything_is_sent(settings, manifest):
    made = settings(
        RUNPOD_API_KEY="made-up", RUNPOD_COMFYUI_ENDPOINT_ID="abc123def456",
        RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID="xyz123def456",
        SCENARIO_API_KEY="made-up", SCENARIO_SECRET_API_KEY="made-up", ASSETMILL_GPU_POOL="ADA_24",
    )  # fmt: skip
    for providers, words in (
        (("runpod",), "two providers"),
        (("runpod", "runpod"), "two providers"),
        (("runpod", "abc123def456"), "both runpod|cannot be told apart"),
        (("runpod", "custom"), "cannot be told apart"),
        (("draft", "scenario"), "placeholder beside a real picture"),
    ):
        with pytest.raises(UsageError, match=words):
            prepare(made, Wanted(manifest, providers))
    with pytest.raises(BudgetExceeded, match="both sides"):
        prepare(made, Wanted(manifest, ("runpod", "scenario"), budget_usd=Decimal("0.001")))
    assert prepare(made, Wanted(manifest, ("runpod", "scenario"), budget_usd=Decimal(50))).plans[0].to_pay
    assert not (made.home / "ledger.db").exists()


def test_the_second_side_has_what_the_first_one_leaves_of_the_budget(manifest):
    wanted = Wanted(manifest, ("runpod", "scenario"), budget_usd=Decimal(5))
    assert wanted.request(1, Decimal("3.5")).budget_usd == Decimal("1.5")
    assert wanted.request(1, Decimal(7)).budget_usd == 0
    assert replace(wanted, budget_usd=None).request(1, Decimal(7)).budget_usd is None
    assert [wanted.request(number).endpoint for number in (0, 1)] == ["runpod", "scenario"]
