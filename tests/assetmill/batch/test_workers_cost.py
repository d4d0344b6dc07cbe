"""What a run writes down of its workers: each job's share, the worker's own price, and workers that got no job.

The endpoint is a real one with prices; its own meter says what was charged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from assetmill.audit.costs import compare_costs
from assetmill.batch.pricing import FRESH, priced
from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.ledger import Ledger
from assetmill.localpod import Faults, Gpu, Kind, PodConfig, Rule, gpus_named, known_gpus, running_pod, scaled
from assetmill.money.kept import FILE, known_prices, read_kept
from assetmill.providers.base import EndpointFacts
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.providers.runpod import RunPodProvider
from assetmill.reports.run_costs import run_costs

SPEED = 20.0
LINES = [
    f"  - {{id: foe{n}, type: entity, prompt: foe number {n}, shape: circle, silhouette: {{canvas: 64x64}}}}\n"
    for n in range(6)
]
FOES = "".join(LINES[:3])
ODD = Gpu("NVIDIA Odd 1", "Odd 1", "ODD_1", 24, Decimal("3.6"))


@pytest.fixture
def studio_at(tmp_path: Path, make_settings: Any, tools: Any) -> Any:
    """A studio at an endpoint that costs money, by a clock that runs fast for both."""

    @asynccontextmanager
    async def opened(variables: dict[str, str] | None = None, **pod: Any) -> AsyncIterator[Any]:
        clock = scaled(Clock(random=Random(5)), SPEED, wall=True)
        values = {"ASSETMILL_LEASE_S": "3600", "ASSETMILL_MAX_WORKERS": "1"} | (variables or {})
        config = PodConfig(
            **{
                "endpoint_id": "gpu", "api_key": "made-up-key", "workers": 1, "gpus": gpus_named(["RTX 4090"]),
                "cold_start_s": 12.0, "exec_seconds": 4.0, "idle_timeout_s": 8.0,
            } | pod
        )  # fmt: skip
        artist = tools.artist()
        artist.answers["foe"] = lambda graph: {"images": tools.answer(graph)["images"]}  # real art, no draft
        async with running_pod(config, artist, clock) as made:
            studio = tools.studio(tmp_path, artist, made, make_settings(**values))
            studio.clock = clock
            yield studio

    return opened


def costs_of(studio: Any) -> Any:
    with Ledger.open(studio.settings.ledger_url) as ledger:
        [run] = ledger.runs()
        return run_costs(ledger, run["run_id"])


async def charged(studio: Any) -> Decimal:
    """What the endpoint charged, once its workers have gone."""
    while any(charge.running for charge in studio.pod.charges()):
        await studio.clock.sleep(1)
    return sum((charge.usd for charge in studio.pod.charges()), Decimal(0))


async def test_the_jobs_of_a_run_carry_the_whole_life_of_their_worker(studio_at):
    async with studio_at(idle_timeout_s=80.0) as studio:  # however long this machine takes between two jobs
        report = await studio.run(FOES)
        true = await charged(studio)
        rows, costs = studio.rows(), costs_of(studio)
    assert report.exit_code == 0
    assert sorted(row["cold"] for row in rows) == [False] * 2 + [True]
    [first] = [row for row in rows if row["cold"]]
    assert first["start_ms"] == pytest.approx(12_000, abs=1_500)
    assert first["idle_ms"] == 80_000
    assert all(row["gap_ms"] is not None and row["gap_ms"] < 80_000 for row in rows if not row["cold"])
    assert {row["cost_source"] for row in rows} == {"measured"}
    assert costs.low < true < costs.high
    assert float(costs.estimate) == pytest.approx(float(true), rel=0.1)
    assert not list(compare_costs(rows)), "each cost follows from its own row"


async def test_a_worker_costs_what_its_own_gpu_costs_and_the_row_says_where_that_stands(studio_at):
    variables = {"ASSETMILL_GPU_POOL": "ADA_24"}
    async with studio_at(variables, gpus=(ODD,), gpu_count=2, exec_seconds=1.0, cold_start_s=0.0) as studio:
        await studio.run(FOES)
        rows, address = studio.rows(), studio.pod.url.rpartition("/")[0]
        with Ledger.open(studio.settings.ledger_url) as ledger:
            life = ledger.workers.lives()[0]
    assert {row["gpu"] for row in rows} == {ODD.id}
    assert {row["price_per_s_usd"] for row in rows} == {Decimal("0.002")}
    assert all(row["price_source"].startswith(f"2 x {address}/catalog/gpus") for row in rows)
    assert (life.gpu, life.price_per_s_usd, life.idle_timeout_s) == (ODD.id, Decimal("0.002"), 8.0)
    assert not list(compare_costs(rows))


async def test_without_a_configured_pool_the_endpoint_says_which_it_has(studio_at):
    async with studio_at(gpus=gpus_named(["ADA_48_PRO"]), exec_seconds=0.0, cold_start_s=0.0) as studio:
        _, plan = await studio.run_and_plan(FOES)
    assert (plan.endpoint.gpu, plan.endpoint.usd_per_s) == ("ADA_48_PRO", Decimal("0.00053"))


async def test_workers_that_got_no_job_are_counted_apart_from_the_jobs(studio_at):
    slow = Faults((Rule(Kind.SLOW_COLD_START, seconds=4000.0, after=1),))  # the second worker is not ready in time
    variables = {"ASSETMILL_MAX_WORKERS": "2"}
    async with studio_at(variables, workers=2, faults=slow, cold_start_s=5.0, idle_timeout_s=80.0) as studio:
        await studio.run("".join(LINES))
        rows, costs, charges = studio.rows(), costs_of(studio), studio.pod.charges()
    [idle] = [charge for charge in charges if charge.worker_id not in {row["worker_id"] for row in rows}]
    assert costs.workers_without_job == 1
    assert costs.jobless.low == 0
    assert costs.jobless.estimate >= idle.gpu.usd_per_s * Decimal(idle.seconds - 3)
    assert costs.jobless.high > idle.usd
    assert costs.jobs.estimate == sum(row["cost_estimate_usd"] for row in rows)
    assert costs.estimate == costs.jobs.estimate + costs.jobless.estimate


async def test_failed_jobs_carry_their_share_too(studio_at):
    faults = Faults((Rule(Kind.EXECUTION_ERROR, times=1, seconds=6.0),))
    async with studio_at(faults=faults) as studio:
        await studio.run(FOES)
        rows, costs, true = studio.rows(), costs_of(studio), await charged(studio)
    [failed] = [row for row in rows if row["status"] == "failed"]
    assert (failed["cold"], failed["idle_ms"]) == (True, 8_000)
    assert failed["cost_estimate_usd"] > failed["cost_low_usd"] > 0
    assert costs.low < true < costs.high


async def test_a_picture_that_another_process_settles_has_its_share_from_the_books(studio_at):
    async with studio_at(idle_timeout_s=80.0) as studio:
        await studio.run(FOES)
        before = {row["attempt_id"]: row for row in studio.rows()}
        studio.reopen("collected", asset_id="foe2")
        with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
            told = {row["attempt_id"]: row["execution_ms"] for row in before.values()}
            for attempt_id, execution_ms in told.items():
                values = (execution_ms, attempt_id)
                connection.exec_driver_sql("update attempts set execution_ms = ? where attempt_id = ?", values)
        settled = await settle_everything(studio.settings, studio.clock)
        after = {row["attempt_id"]: row for row in studio.rows()}
    assert settled.settled == 1
    names = ("cold", "start_ms", "gap_ms", "idle_ms", "cost_low_usd", "cost_estimate_usd", "price_per_s_usd")
    [of_foe2] = [key for key, row in before.items() if row["asset_id"] == "foe2"]
    if before[of_foe2]["cold"]:  # nobody saw the start a second time
        names = ("cold", "gap_ms", "idle_ms", "cost_low_usd", "price_per_s_usd")
    assert {name: after[of_foe2][name] for name in names} == {name: before[of_foe2][name] for name in names}


async def test_drafts_are_free_and_nobody_looks_at_their_workers(studio):
    await studio.run()
    rows = studio.rows()
    assert {row["cost_high_usd"] for row in rows} == {Decimal(0)}
    assert {(row["cold"], row["gap_ms"]) for row in rows} == {(None, None)}
    with Ledger.open(studio.settings.ledger_url) as ledger:
        assert ledger.workers.lives() == []
    assert not (studio.settings.home / FILE).exists()


class Prices:
    """An endpoint whose price a test asks for, and what was said about it."""

    def __init__(self, settings: Any, url: str) -> None:
        self.settings = settings
        self.endpoint = resolve_endpoint(settings, url)
        self.said: list[str] = []

    async def ask(self, clock: Clock | None = None, **changes: Any) -> tuple[Any, EndpointFacts]:
        clock = clock or Clock()
        endpoint = replace(self.endpoint, **changes)
        provider = RunPodProvider(endpoint, clock, window=1, stall_s=60.0)
        try:
            return await priced(endpoint, provider, self.settings, clock, self.said.append)
        finally:
            await provider.aclose()


async def test_prices_that_cannot_be_refreshed_are_told_and_those_that_are_known_serve(make_settings):
    prices = Prices(make_settings(ASSETMILL_GPU_POOL="ADA_24"), "http://127.0.0.1:9/v2/gpu")
    endpoint, facts = await prices.ask()
    assert (endpoint.usd_per_s, facts) == (Decimal("0.00031"), EndpointFacts())
    [words] = prices.said
    assert words.startswith("prices could not be refreshed, those of the package serve: ")
    assert not (prices.settings.home / FILE).exists()


async def test_what_the_catalogue_tells_is_kept_for_plans_that_ask_nobody(make_settings):
    config = PodConfig(endpoint_id="gpu", api_key="made-up-key", gpus=(ODD,), catalog=known_gpus())
    async with running_pod(config, lambda _: {}) as pod:
        prices = Prices(make_settings(), pod.url)
        assert prices.endpoint.usd_per_s is None
        endpoint, facts = await prices.ask()
        address = prices.endpoint.management_url
    assert (endpoint.usd_per_s, endpoint.gpu, facts.pools) == (Decimal("0.001"), "ODD_1", ("ODD_1",))
    assert prices.said == []
    assert known_prices(prices.settings.home, address).of_pool("ODD_1").usd_per_s == Decimal("0.001")
    configured = make_settings(ASSETMILL_GPU_POOL="ODD_1")
    assert resolve_endpoint(configured, pod.url).usd_per_s == Decimal("0.001"), "the endpoint is gone by now"
    with pytest.raises(UsageError, match="unknown GPU pool"):
        resolve_endpoint(configured, "http://127.0.0.1:9/v2/gpu")


async def test_prices_of_today_are_not_asked_for_again_except_on_this_machine(make_settings, monkeypatch):
    config = PodConfig(endpoint_id="gpu", api_key="made-up-key", gpus=(ODD,))
    async with running_pod(config, lambda _: {}) as pod:
        prices = Prices(make_settings(), pod.url)
        await prices.ask()
        [first] = read_kept(prices.settings.home).values()
        await prices.ask()
        [second] = read_kept(prices.settings.home).values()
        assert second.asked_at > first.asked_at, "a server on this machine may be another one by now"
        monkeypatch.setattr("assetmill.batch.pricing.LOOPBACK", frozenset())  # as if it stood elsewhere
        await prices.ask()
        [third] = read_kept(prices.settings.home).values()
        assert third.asked_at == second.asked_at
        late = Clock(now=lambda: second.asked_at + FRESH)
        await prices.ask(late)
        [fourth] = read_kept(prices.settings.home).values()
        assert fourth.asked_at == second.asked_at + FRESH


async def test_a_pool_that_nobody_has_a_price_for_is_unknown_and_named(make_settings):
    config = PodConfig(endpoint_id="gpu", api_key="made-up-key", gpus=(replace(ODD, usd_per_hour=None),))
    async with running_pod(config, lambda _: {}) as pod:
        endpoint, _ = await Prices(make_settings(), pod.url).ask()
    assert endpoint.usd_per_s is None
    assert endpoint.paid
