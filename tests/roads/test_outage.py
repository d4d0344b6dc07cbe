"""RunPod fails from its 20th job on: with Scenario named to take over the batch ends well, without it stops cleanly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import Faults, Pod, PodConfig, running_pod, scaled
from assetmill.localpod.draft import render
from assetmill.localpod.faults import Kind, Rule
from assetmill.localpod.gpus import Gpu
from assetmill.localpod.scenario import LocalScenario, ScenarioConfig, running_scenario
from assetmill.planning.plan import ALL
from assetmill.settings import Settings

PICTURES = 60
HEALTHY = 20
SPEED = 30.0
HEAD = "version: 1\ngame: {id: tiny, title: Tiny}\npack: {id: default, name: Default, seed: 1}\nassets:\n"
CARD = Gpu("NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, Decimal("1.116"))
UNITS = Decimal("0.01")
BROKEN = {"error": "Job processing failed", "details": ["CUDA error: device-side assert triggered"]}


@dataclass
class Painter:
    """Draws as the draft worker does, the same picture for all, and does not say so; breaks from some job on."""

    breaks: bool = True
    executed: list[str] = field(default_factory=list)
    drawn: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        self.executed.append(str(job_input.get("assetmill_attempt")))
        if self.breaks and len(self.executed) > HEALTHY:
            return BROKEN
        if not self.drawn:  # one does for all: to draw sixty takes half a minute
            self.drawn += render(job_input)["images"]
        nodes = job_input["workflow"].values()
        (prefix,) = (node["inputs"]["filename_prefix"] for node in nodes if node["class_type"] == "SaveImage")
        return {"images": [{**self.drawn[0], "filename": f"{prefix}_00001_.png"}]}


@dataclass
class Scene:
    folder: Path
    pod: Pod
    scenario: LocalScenario
    painter: Painter

    @property
    def chain(self) -> str:
        return f"{self.pod.url},scenario+{self.scenario.url}"

    async def run(self, endpoint: str) -> Any:
        clock = scaled(Clock(), SPEED)
        async with open_batch(Settings(), Request(self.folder / "tiny.yaml", endpoint), clock, clock.new_id()) as batch:
            report, _ = await run_batch(batch, ALL, "main", Steps())
        return report

    def rows(self) -> list[dict[str, Any]]:
        with Ledger.open(Settings().ledger_url) as ledger:
            return ledger.rows()


@asynccontextmanager
async def scene(folder: Path, faults: Faults, *, breaks: bool) -> AsyncIterator[Scene]:
    lines = (f"  - {{id: e{n}, type: background, prompt: view {n}, width: 64, height: 64}}\n" for n in range(PICTURES))
    (folder / "tiny.yaml").write_text(HEAD + "".join(lines))
    painter = Painter(breaks=breaks)
    clock = scaled(Clock(), SPEED)
    config = PodConfig(endpoint_id="gpu", api_key="made-up", workers=3, faults=faults, gpus=(CARD,), catalog=(CARD,))
    scenario = ScenarioConfig(api_key="made-up", secret="made-up", placeholders=False)
    async with running_pod(config, painter, clock) as pod, running_scenario(scenario, clock) as other:
        yield Scene(folder, pod, other, painter)


VARIABLES = {
    "ASSETMILL_SERVE_KEY": "made-up",
    "SCENARIO_API_KEY": "made-up",
    "SCENARIO_SECRET_API_KEY": "made-up",
    "SCENARIO_USD_PER_UNIT": str(UNITS),
    "ASSETMILL_WORKER_IDLE_S": "5",
    "ASSETMILL_LOOK_FOR_S": "5",
}
DOWN = Faults(
    rules=(
        Rule(Kind.BAD_GATEWAY, after=HEALTHY, operation="run"),
        *(Rule(Kind.BAD_GATEWAY, after=5 * HEALTHY, operation=name) for name in ("requests", "health")),
    )
)


@pytest.mark.parametrize("way", ("jobs fail", "calls fail"))
async def test_with_somebody_to_take_over_all_sixty_are_made_and_each_row_says_by_whom_and_for_how_much(
    environment, tmp_path, way
):
    environment(**VARIABLES)
    breaks = way == "jobs fail"
    async with scene(tmp_path, Faults() if breaks else DOWN, breaks=breaks) as stage:
        report = await stage.run(stage.chain)
        assert [(line.asset, line.message) for line in report.failures] == []
        assert (report.exit_code, report.generated) == (0, PICTURES)
        rows = stage.rows()
        kept = [row for row in rows if row["status"] == "kept"]
        by = {kind: [row for row in kept if row["provider"] == kind] for kind in ("runpod", "scenario")}
        assert len(by["runpod"]) == HEALTHY
        assert len(by["scenario"]) == PICTURES - HEALTHY == len(report.taken_over)
        assert {row["instead_of"] for row in by["runpod"]} == {None}
        assert {row["instead_of"] for row in by["scenario"]} == {f"gpu@{stage.pod.url.split('/')[2]}"}
        assert all(row["instead_why"] for row in by["scenario"])
        assert all(row["cost_estimate_usd"] > 0 for row in kept), "each says what it cost"
        charged = sum((row["cost_estimate_usd"] for row in by["scenario"]), Decimal(0))
        assert charged == Decimal(str(stage.scenario.charged_units)) * UNITS
        assert stage.scenario.executions() == {"txt2img": PICTURES - HEALTHY}, "nothing was paid twice"


async def test_with_nobody_to_take_over_it_stops_and_the_next_run_makes_the_rest(environment, tmp_path):
    environment(**VARIABLES)
    async with scene(tmp_path, Faults(), breaks=True) as stage:
        report = await stage.run(stage.pod.url)
        assert (report.exit_code, report.generated) == (4, HEALTHY)
        assert "of the last" in report.stopped
        stage.painter.breaks = False
        report = await stage.run(stage.pod.url)
        assert (report.exit_code, report.generated, report.cached) == (0, PICTURES - HEALTHY, HEALTHY)
        assert stage.scenario.executions() == {}
