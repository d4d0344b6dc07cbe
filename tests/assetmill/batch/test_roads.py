"""Several endpoints in one run: who is asked, who takes over, and what the books, the pack and the report say of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from assetmill.batch import finish as finishing
from assetmill.batch.admission import Pass
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.errors import ProviderAway
from assetmill.ledger import Ledger
from assetmill.localpod import Faults
from assetmill.localpod.faults import Kind, Rule
from assetmill.localpod.scenario import ScenarioConfig, running_scenario
from assetmill.manifest.models import Asset
from assetmill.planning.plan import ALL, PlanItem, State

BROKEN = {"error": "Job processing failed", "details": ["CUDA error: device-side assert triggered"]}
LONG_S = 300


def impatient_clock() -> Clock:
    """Short naps are over at once, and the rest of an endpoint never is."""
    passed = [0.0]

    async def sleep(seconds: float) -> None:
        if seconds > LONG_S:
            await asyncio.get_running_loop().create_future()
        passed[0] += seconds
        await asyncio.sleep(0)

    return Clock(monotonic=lambda: passed[0], sleep=sleep)


@pytest.fixture
async def pair(studio, tools) -> AsyncIterator[tuple]:
    """A studio whose own endpoint comes first, and a second one that takes over."""
    async with tools.open_studio(studio.folder, studio.settings) as second:
        studio.clock = impatient_clock()
        studio.endpoint = f"{studio.pod.url},{second.pod.url}"
        yield studio, second


def netloc(studio) -> str:
    return studio.pod.url.split("/")[2]


def made_by(studio) -> dict[str, str]:
    return {row["asset_id"]: row["endpoint"] for row in studio.rows() if row["status"] == "kept"}


async def test_the_first_of_a_chain_makes_everything_as_long_as_it_can(pair):
    first, second = pair
    report = await first.run()
    assert (report.exit_code, report.generated) == (0, 3)
    assert second.artist.executed == []
    assert {row["instead_of"] for row in first.rows()} == {None}


async def test_where_every_job_fails_the_next_takes_over_and_each_row_says_in_whose_place(pair):
    first, second = pair
    first.artist.before = lambda _job: (_ for _ in ()).throw(RuntimeError("CUDA error: out of memory"))
    report = await first.run()
    assert (report.exit_code, report.generated, report.stopped) == (0, 3, None)
    kept = [row for row in first.rows() if row["status"] == "kept"]
    assert {row["instead_of"] for row in kept} == {f"draft@{netloc(first)}"}
    assert all("CUDA" in row["instead_why"] for row in kept)
    assert set(made_by(first).values()) == {f"draft@{netloc(second)}"}


async def test_an_endpoint_that_is_out_of_reach_is_left_alone_by_later_runs_until_it_has_rested(pair, make_settings):
    first, second = pair
    dead = first.pod.url.replace(netloc(first), "127.0.0.1:9")
    first.endpoint = f"{dead},{second.pod.url}"
    first.settings = make_settings(ASSETMILL_PROVIDER_REST_S="3600")
    report = await first.run()
    assert (report.exit_code, report.generated) == (0, 3)
    with Ledger.open(first.settings.ledger_url) as ledger:
        [outage] = ledger.outages.at(first.clock.now()).values()
    assert outage.endpoint_url == dead
    plan = plan_only(first.settings, Request(first.write(FOURTH), first.endpoint))
    item = next(item for item in plan.items if item.asset.id == "tree")
    assert (item.state, item.road.endpoint.url) == (State.NEW, second.pod.url)
    assert item.instead_of == "draft@127.0.0.1:9"
    assert "left alone until" in item.instead_why


FOURTH = "  - {id: tree, type: entity, prompt: a tree, silhouette: {canvas: 64x64}}\n"


async def test_without_anybody_to_take_over_the_run_stops_and_the_next_one_goes_on(studio):
    studio.clock = impatient_clock()
    alive = studio.pod.url
    studio.endpoint = alive.replace(netloc(studio), "127.0.0.1:9")
    report = await studio.run()
    assert (report.exit_code, report.generated) == (4, 0)
    assert "cannot be reached" in report.stopped
    studio.endpoint = alive
    report = await studio.run()
    assert (report.exit_code, report.generated) == (0, 3)


async def test_a_fault_of_the_asset_itself_is_nobody_elses(pair):
    first, second = pair
    first.artist.answers["a slime"] = lambda _graph: {
        "error": "Job processing failed",
        "details": ["Workflow execution error: Node Type: KSampler, Node ID: 17, Message: negative dimension"],
    }
    report = await first.run()
    assert [line.asset for line in report.failures] == ["slime"]
    assert second.artist.executed == []


async def test_a_workflow_that_one_cannot_run_is_made_by_the_other_and_the_rest_stays(pair):
    first, second = pair
    words = "Workflow validation failed:\n• Node 20 (errors): missing"
    first.artist.answers["a sky"] = lambda _graph: {"error": words}
    report = await first.run()
    assert (report.exit_code, report.generated) == (0, 3)
    assert made_by(first) == {
        "slime": f"draft@{netloc(first)}",
        "crate": f"draft@{netloc(first)}",
        "sky": f"draft@{netloc(second)}",
    }


async def test_what_is_drawn_from_a_picture_that_another_made_is_not_paid_for_again(pair):
    first, _ = pair
    first.artist.answers["a frog"] = lambda _graph: {"error": "Workflow validation failed: node 20"}
    assets = (
        "  - {id: frog, type: entity, prompt: a frog, silhouette: {canvas: 64x64}}\n"
        "  - {id: hat, type: entity, prompt: a hat on it, references: [frog], silhouette: {canvas: 64x64}}\n"
    )
    report = await first.run(assets)
    assert (report.exit_code, report.generated) == (0, 2)
    again = plan_only(first.settings, Request(first.write(assets), first.endpoint))
    assert {item.state for item in again.items} == {State.CACHED}


class AwayAtFirst(Steps):
    """The endpoint that is asked first is out of reach when the first picture is to be sent there."""

    def __init__(self) -> None:
        self.away = True

    async def generate(self, batch: Batch, item: PlanItem, entry: Pass) -> Outcome:
        if self.away:
            self.away = False
            raise ProviderAway("it is out of reach")
        return await super().generate(batch, item, entry)


@pytest.mark.parametrize(("rest_s", "sooner"), (("0", True), ("3600", False)))
async def test_an_endpoint_that_has_rested_is_asked_again_in_the_same_run(pair, make_settings, rest_s, sooner):
    first, second = pair
    first.settings = make_settings(ASSETMILL_PROVIDER_REST_S=rest_s)
    report = await first.run(steps=AwayAtFirst())
    assert (report.exit_code, report.generated) == (0, 3)
    assert sooner or f"draft@{netloc(second)}" in made_by(first).values()
    with Ledger.open(first.settings.ledger_url) as ledger:
        assert bool(ledger.outages.at(datetime.now(UTC))) is not sooner


async def test_report_and_pack_name_who_made_what(pair):
    first, _ = pair
    first.artist.answers["a sky"] = lambda _graph: {"error": "Workflow validation failed: node 20"}
    report = await first.run()
    [line] = report.taken_over
    assert (line.asset, line.by) == ("sky", "draft@" + first.endpoint.split("/")[-3])
    assert "Workflow validation failed" in line.why
    index = json.loads((first.settings.home / "store" / report.index).read_text())
    assert index["assets"]["sky"]["stand_in"] == "draft"
    assert "stand_in" not in index["assets"]["slime"] or index["assets"]["slime"]["stand_in"] is None


OUT_OF_MEMORY = {"error": "CUDA error: out of memory"}
REAL = ScenarioConfig(api_key="made-up", secret="made-up", placeholders=False)
SKY = "  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}\n"
DRAWN = (
    "  - {id: frog, type: entity, prompt: a frog, silhouette: {canvas: 64x64}}\n"
    "  - {id: hat, type: entity, prompt: a hat on it, references: [frog], silhouette: {canvas: 64x64}}\n"
)


async def test_what_is_drawn_from_a_picture_of_another_kind_of_provider_is_bound_to_that_picture(studio):
    studio.artist.answers["a frog"] = lambda _graph: OUT_OF_MEMORY
    async with running_scenario() as scenario:
        studio.endpoint = f"{studio.pod.url},scenario+{scenario.url}"
        report = await studio.run(DRAWN)
        assert (report.exit_code, report.generated) == (0, 2)
        again = plan_only(studio.settings, Request(studio.write(DRAWN), studio.endpoint))
        assert {item.state for item in again.items} == {State.CACHED}


async def test_a_picture_that_cannot_be_finished_here_is_there_and_is_bought_from_nobody_else(pair, monkeypatch):
    first, second = pair
    finish = finishing.finish

    def tripping(asset: Asset, *rest: Any, **options: Any) -> Any:
        if asset.id == "slime":
            raise RuntimeError("an image library tripped")
        return finish(asset, *rest, **options)

    monkeypatch.setattr(finishing, "finish", tripping)
    report = await first.run()
    assert [(line.asset, line.state) for line in report.failures] == [("slime", "rejected")]
    assert second.artist.executed == []


async def test_an_endpoint_that_need_not_rest_does_not_keep_the_next_from_taking_over(pair, make_settings):
    first, second = pair
    first.settings = make_settings(ASSETMILL_PROVIDER_REST_S="0")
    first.endpoint = f"{first.pod.url.replace(netloc(first), '127.0.0.1:9')},{second.pod.url}"
    report = await first.run(FOURTH)
    assert (report.exit_code, report.generated) == (0, 1)


class AwayBut(Steps):
    """The endpoint that is asked first makes one asset, and is out of reach for all others."""

    def __init__(self, url: str, asset: str) -> None:
        self.url, self.asset = url, asset

    async def generate(self, batch: Batch, item: PlanItem, entry: Pass) -> Outcome:
        if batch.endpoint.url == self.url and item.asset.id != self.asset:
            raise ProviderAway("it is out of reach")
        return await super().generate(batch, item, entry)


async def test_a_picture_that_failed_by_itself_does_not_end_a_run_whose_others_were_taken_over(pair):
    first, _ = pair
    first.artist.answers["a slime"] = lambda _graph: {
        "error": "Job processing failed",
        "details": ["Workflow execution error: Node Type: KSampler, Node ID: 17, Message: negative dimension"],
    }
    report = await first.run(steps=AwayBut(first.pod.url, "slime"))
    assert [line.asset for line in report.failures] == ["slime"]
    assert (report.exit_code, report.stopped, len(report.taken_over)) == (1, None, 2)


async def test_what_an_endpoint_has_charged_before_another_took_over_is_in_the_sum(studio, tools, make_settings):
    studio.clock = impatient_clock()
    studio.settings = make_settings(ASSETMILL_GPU_POOL="ADA_24")
    async with (
        tools.open_studio(studio.folder, studio.settings, endpoint_id="one") as first,
        tools.open_studio(studio.folder, studio.settings, endpoint_id="two") as second,
    ):
        first.artist.before = lambda _job: (_ for _ in ()).throw(RuntimeError("CUDA error: out of memory"))
        second.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
        studio.endpoint = f"{first.pod.url},{second.pod.url}"
        report = await studio.run(FOURTH)
        rows = studio.rows()
        assert len(rows) > 1
        assert report.retried == len(rows) - 1
        assert report.cost_usd == sum(row["cost_estimate_usd"] or 0 for row in rows)


STANDING = Faults(rules=(Rule(Kind.BAD_GATEWAY, operation="cancel"),))


@pytest.mark.parametrize("resend", (0, 1))
async def test_a_job_that_could_not_be_withdrawn_is_made_elsewhere_only_where_it_may_be_paid_for_twice(
    tmp_path, make_settings, tools, resend
):
    settings = make_settings(
        ASSETMILL_QUEUE_STALL_S="10", ASSETMILL_RESEND_UNKNOWN=str(resend), SCENARIO_API_KEY="made-up",
        SCENARIO_SECRET_API_KEY="made-up",
    )  # fmt: skip
    async with (
        tools.open_studio(tmp_path, settings, endpoint_id="one", cold_start_s=3600, faults=STANDING) as first,
        running_scenario(REAL) as other,
    ):
        first.clock = tools.fast_clock()
        first.endpoint = f"{first.pod.url},scenario+{other.url}"
        report = await first.run(SKY)
        rows = first.rows()
        assert [row["status"] for row in rows if row["provider"] == "runpod"] == ["submitted"]
        assert any(row["provider"] == "scenario" for row in rows) is bool(resend)
        assert resend or (report.exit_code, other.executions().total()) == (4, 0)


async def test_a_fallback_that_refuses_the_key_for_an_open_job_closes_nobody_else(tmp_path, make_settings, tools):
    keys = {"SCENARIO_API_KEY": "made-up", "SCENARIO_SECRET_API_KEY": "made-up"}
    async with (
        tools.open_studio(tmp_path, make_settings(**keys), endpoint_id="one") as studio,
        running_scenario(REAL) as scenario,
    ):
        studio.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
        studio.endpoint = f"scenario+{scenario.url}"
        assert (await studio.run(SKY)).exit_code == 0
        studio.reopen()
        studio.settings = make_settings(**keys | {"SCENARIO_API_KEY": "revoked", "ASSETMILL_RESEND_UNKNOWN": "0"})
        studio.endpoint = f"{studio.pod.url},{studio.endpoint}"
        report = await studio.run(SKY + FOURTH)
        assert [(line.asset, line.state) for line in report.failures] == [("sky", "open")]
        assert (report.exit_code, report.generated) == (4, 1)


async def test_a_backfill_that_nobody_takes_says_nothing_of_the_endpoint_to_other_runs(tmp_path, make_settings, tools):
    async with tools.open_studio(tmp_path, make_settings(ASSETMILL_QUEUE_STALL_S="10"), cold_start_s=3600) as studio:
        clock = tools.fast_clock()
        request = Request(studio.write(SKY), studio.pod.url, priority="backfill")
        async with open_batch(studio.settings, request, clock, clock.new_id()) as batch:
            report, _ = await run_batch(batch, ALL, "main", Steps())
            assert report.exit_code == 4
            assert batch.ledger.outages.at(clock.now()) == {}


async def test_after_a_rest_one_picture_tries_the_endpoint_out_while_the_others_are_made_elsewhere(pair, make_settings):
    first, second = pair
    first.settings = make_settings(ASSETMILL_PROVIDER_REST_S="0")
    many = "".join(f"  - {{id: e{n}, type: background, prompt: view {n}, width: 64, height: 64}}\n" for n in range(8))
    at_once, most = [0], [0]

    class Away(Steps):
        async def generate(self, batch: Batch, item: PlanItem, entry: Pass) -> Outcome:
            if batch.endpoint.url == first.pod.url:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
                for _ in range(50):
                    await asyncio.sleep(0)
                at_once[0] -= 1
                raise ProviderAway("it is out of reach")
            return await super().generate(batch, item, entry)

    report = await first.run(many, steps=Away())
    assert (report.exit_code, report.generated) == (0, 8)
    assert set(made_by(first).values()) == {f"draft@{netloc(second)}"}
    assert most == [1]


async def test_under_a_budget_nobody_takes_over_whose_price_is_unknown(studio, make_settings):
    keys = {"SCENARIO_API_KEY": "made-up", "SCENARIO_SECRET_API_KEY": "made-up", "ASSETMILL_RUN_BUDGET_USD": "1"}
    settings, clock = make_settings(**keys), impatient_clock()
    chain = "scenario+http://127.0.0.1:9/v1,comfyui+http://127.0.0.1:9"
    async with open_batch(settings, Request(studio.write(SKY), chain), clock, clock.new_id()) as batch:
        report, _ = await run_batch(batch, ALL, "main", Steps())
    assert (report.exit_code, report.generated) == (4, 0), "the provider is away; the budget is not to blame"
    assert {row["provider"] for row in studio.rows()} == {"scenario"}
