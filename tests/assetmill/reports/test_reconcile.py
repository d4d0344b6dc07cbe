"""Asking for bills and writing them down, against an endpoint that really charges."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from assetmill.cli.reconcile import exit_code, show_reconciliation
from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.ledger import Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.localpod import PodConfig, gpus_named, running_pod, scaled
from assetmill.money import attempt_cost
from assetmill.reports.reconcile import reconcile
from assetmill.settings import Settings, variables_of

KEY = "made-up-key"
PRICE = Decimal("0.00031")
SettingsMaker = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SettingsMaker:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        for variable in variables_of(name):
            monkeypatch.delenv(variable, raising=False)

    def make(**variables: str) -> Settings:
        for name, value in {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_SERVE_KEY": KEY, **variables}.items():
            monkeypatch.setenv(name, value)
        return Settings()

    return make


def kept(settings: Settings, url: str, began: datetime, seconds: float, name: str = "a") -> None:
    """Write one picture into the books that took its worker so long."""
    with Ledger.open(settings.ledger_url) as ledger:
        ledger.begin_run(Run(name, "hop", "art", "hop.yaml", "runpod", "gpu", draft=False, started_at=began))
        ledger.intend(
            Intent(
                attempt_id=name, run_id=name, game="hop", pack="art", asset_id=name, asset_type="entity",
                candidate=0, try_no=1, fingerprint=name, inputs={}, provider="runpod", endpoint="gpu",
                endpoint_url=url, gpu=None, seed=1, workflow="w", workflow_hash="h", width=1, height=1,
                expected_outputs={"image": name}, price_per_s_usd=PRICE, price_source="test", draft=False,
                intended_at=began,
            )
        )  # fmt: skip
        ledger.submitted(name, job_id=f"job-{name}", at=began)
        ms = round(seconds * 1000)
        ledger.collected(name, outputs=(Output("image", f"blobs/{name}.png", "ab" * 32, 9, 1, 1),), at=began)
        facts = Facts("w", None, began, began + timedelta(seconds=seconds), execution_ms=ms, cold=True)
        ledger.settle(name, Settlement(Status.KEPT, began, attempt_cost(PRICE, ms, 0), facts))


def echo(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"seen": dict(job_input)}


async def test_what_was_charged_comes_into_the_books_and_settles_when_it_is_asked_for_later(
    make_settings: SettingsMaker,
) -> None:
    settings = make_settings()
    clock = scaled(Clock(), 100, wall=True)
    config = PodConfig("gpu", KEY, gpus=gpus_named(["ADA_24"]), cold_start_s=100, idle_timeout_s=50)
    async with running_pod(config, echo, clock) as pod:
        began = clock.now()
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client:
            await client.post(f"{pod.url}/runsync", json={"input": {"n": 1}})
        at = clock.now()
        kept(settings, pod.url, began, 20)
        early = await reconcile(settings, replace(clock, now=lambda: at))
        while any(charge.running for charge in pod.charges()):
            await clock.sleep(1)
        (charge,) = pod.charges()
        late = replace(clock, now=lambda: clock.now() + timedelta(hours=2))
        done = await reconcile(settings, late, endpoint=pod.url)
        named = await reconcile(settings, late, since=began, until=late.now())
    assert {hour.state for hour in early.hours} == {"settling"}
    assert sum(hour.billed_usd for hour in early.hours) <= charge.usd + Decimal("2e-8"), "it may have been running on"
    assert {hour.state for hour in done.hours} == {"settled"}
    assert sum(hour.billed_usd for hour in done.hours) == pytest.approx(charge.usd, abs=Decimal("2e-8"))
    assert sum(hour.execution_usd or 0 for hour in done.hours) == PRICE * 20
    assert named.hours == done.hours
    assert (done.failures, done.refused, exit_code(done)) == ({}, False, 0)
    assert "billed per kept image" in done.sentence


async def test_an_hour_of_ours_that_has_no_record_was_billed_nothing(make_settings: SettingsMaker) -> None:
    settings, now = make_settings(), Clock().now()
    async with running_pod(PodConfig("gpu", KEY), echo) as pod:
        kept(settings, pod.url, now - timedelta(hours=5), 20)
        done = await reconcile(settings, Clock())
    assert [(hour.billed_usd, hour.state, hour.other_usd) for hour in done.hours] == [
        (Decimal(0), "settled", -PRICE * 20)
    ]


async def test_an_endpoint_that_tells_no_bill_does_not_keep_the_others_waiting(make_settings: SettingsMaker) -> None:
    settings, now = make_settings(), Clock().now()
    async with running_pod(PodConfig("gpu", KEY), echo) as pod:
        kept(settings, pod.url, now - timedelta(hours=5), 20, "a")
        kept(settings, "http://127.0.0.1:9/v2/gpu", now - timedelta(hours=5), 20, "b")
        done = await reconcile(settings, Clock())
        assert (len(done.hours), list(done.failures), exit_code(done)) == (1, ["http://127.0.0.1:9/v2/gpu"], 1)
        kept(settings, "https://api.runpod.ai/v2/abcdefghijklm", now - timedelta(hours=5), 20, "c")
        done = await reconcile(settings, Clock())
    assert (done.refused, exit_code(done)) == (True, 4)
    assert "RUNPOD_API_KEY" in done.failures["https://api.runpod.ai/v2/abcdefghijklm"]


async def test_drafts_have_no_bill_and_empty_books_ask_nobody(make_settings: SettingsMaker) -> None:
    settings = make_settings(RUNPOD_API_KEY="made-up", RUNPOD_MANAGEMENT_URL="https://127.0.0.1:9/v2")
    with pytest.raises(UsageError, match="drafts"):
        await reconcile(settings, Clock(), endpoint="draft")
    done = await reconcile(settings, Clock())
    assert (done.hours, done.failures, done.sentence) == ((), {}, "0 hours settled")


async def test_the_command_prints_a_table_or_one_object(
    make_settings: SettingsMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, at = make_settings(), datetime(2026, 8, 5, 10, tzinfo=UTC)
    async with running_pod(PodConfig("gpu", KEY), echo) as pod:
        kept(settings, pod.url, at, 20)
        window = (None, "2026-08-05", "2026-08-06", "Europe/Berlin")
        words = await asyncio.to_thread(show_reconciliation, *window, as_json=False)
        told = capsys.readouterr()
        code = await asyncio.to_thread(show_reconciliation, *window, as_json=True)
        document = json.loads(capsys.readouterr().out)
    assert (words, code, document["exit_code"]) == (0, 0, 0)
    assert "2026-08-05 12:00" in told.out, "ten in UTC"
    assert "Europe/Berlin" in told.out
    assert "$0.0062" in told.out
    (hour,) = document["hours"]
    assert (hour["began_at"], hour["billed_usd"]) == ("2026-08-05T12:00:00+02:00", "0.00000000")
    assert (hour["execution_usd"], hour["other_usd"], hour["state"]) == ("0.00620000", "-0.00620000", "settled")
