"""An examination names everything that is missing, runs nothing, and is in the books like any paid request."""

from __future__ import annotations

import asyncio
import json
import threading
from decimal import Decimal
from typing import Any

import pytest

from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.doctor import State, examine
from assetmill.errors import BudgetExceeded
from assetmill.ledger import Ledger
from assetmill.localpod import Ending, Faults, Kind, PodConfig, Rule, running_pod
from assetmill.localpod.comfyui import ComfyConfig, running_comfyui
from assetmill.localpod.draft import render
from assetmill.localpod.scenario import ScenarioConfig, running_scenario
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.workflows import load_library

FLUX = "flux1-dev-fp8.safetensors"


def able(found: Any) -> dict[str, bool | None]:
    return {one.workflow: one.able for one in found.abilities}


async def test_a_worker_that_has_everything_is_able_to_do_all_by_one_job_that_ran_nothing(clinic):
    async with clinic.pod() as pod:
        found = await clinic.examine(pod)
        assert [one.status for one in pod.executions()] == [Ending.FAILED]
    assert set(able(found).values()) == {True}
    assert (found.jobs, found.exit_code) == (1, 0)
    assert found.sentence == "ep@{}: can do entity, background, title_hero, sheet, parallax".format(
        pod.url.split("/")[2]
    )


async def test_every_node_and_model_that_is_missing_is_named_with_its_pack_and_its_folder(clinic):
    async with clinic.pod("BiRefNetRMBG", "DepthAnything_V2", FLUX) as pod:
        found = await clinic.examine(pod)
    by_name = {one.workflow: one for one in found.abilities}
    assert found.jobs == 3, "two classes that are not known, each named alone, and then the files"
    assert by_name["entity"].missing == ("BiRefNetRMBG", FLUX)
    assert by_name["entity"].why == (
        f"it has no node BiRefNetRMBG of the node pack comfyui-rmbg; it has no model {FLUX} in models/checkpoints"
    )
    assert by_name["background"].missing == (FLUX,)
    assert by_name["remove-background"].missing == ("BiRefNetRMBG",), "it needs no checkpoint"
    assert by_name["parallax-depth"].missing == ("DepthAnything_V2", FLUX)
    assert found.exit_code == 1


async def test_types_are_told_apart_by_what_makes_them(clinic):
    async with clinic.pod("BiRefNetRMBG") as pod:
        found = await clinic.examine(pod)
    ways = {way.name: way.able for way in found.ways}
    assert ways["entity"] is False
    assert ways["background (from words)"] is True
    assert ways["title_hero (on transparency)"] is False
    assert ways["title_hero (with its background)"] is True
    assert ways["sheet (opaque, such as tiles)"] is True
    assert ways["parallax (depth)"] is True
    assert "can do background, title_hero (with its background)" in found.sentence
    assert "cannot do entity, title_hero (on transparency)" in found.sentence


async def test_what_was_found_out_is_what_plans_read_as_long_as_the_graph_is_the_same(clinic):
    async with clinic.pod("BiRefNetRMBG") as pod:
        await clinic.examine(pod)
        with Ledger.open(clinic.settings.ledger_url) as ledger:
            hashes = {workflow.name: workflow.template_hash for workflow in load_library()}
            known = ledger.abilities.of(pod.url, hashes)
            assert (known["entity"].able, known["background"].able) == (False, True)
            assert ledger.abilities.of(pod.url, hashes | {"entity": "changed"}).get("entity") is None
        again = await clinic.examine(pod, ask=False)
    assert able(again) == {name: one.able for name, one in known.items()}
    assert (again.jobs, again.asked_at) == (0, None)


async def test_a_probe_is_in_the_books_with_what_it_cost(clinic):
    async with clinic.pod(exec_seconds=0.05) as pod:
        found = await clinic.examine(pod)
    [row] = clinic.rows()
    assert (row["game"], row["asset_type"], row["status"]) == ("doctor", "probe", "failed")
    assert row["error_class"] == "validation_failed"
    assert row["cost_estimate_usd"] == found.cost_usd
    assert found.cost_usd is not None
    assert found.cost_usd > 0
    with Ledger.open(clinic.settings.ledger_url) as ledger:
        assert ledger.open_attempts() == []


async def test_an_examination_that_is_interrupted_leaves_a_probe_that_settling_finds(clinic):
    begun, go_on = threading.Event(), threading.Event()

    def slow(job_input: Any) -> Any:
        begun.set()
        go_on.wait(30)
        return render(job_input)

    async with clinic.pod(worker=slow) as pod:
        examining = asyncio.create_task(clinic.examine(pod))
        await asyncio.to_thread(begun.wait, 30)
        examining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await examining
        with Ledger.open(clinic.settings.ledger_url) as ledger:
            [left] = ledger.open_attempts()
        assert left.job_id == pod.executions()[0].job_id
        go_on.set()
        done = await settle_everything(clinic.settings, Clock(), wait=True)
    assert (done.settled, done.remaining) == (1, {})
    assert [row["error_class"] for row in clinic.rows()] == ["validation_failed"]


async def test_an_interruption_between_the_post_and_its_answer_loses_no_job_id(clinic):
    begun = threading.Event()

    def noted(job_input: Any) -> Any:
        begun.set()
        return render(job_input)

    slow = Faults((Rule(Kind.SLOW_TRICKLE, operation="run", size_bytes=1, seconds=0.02),))
    async with clinic.pod(worker=noted, faults=slow) as pod:
        examining = asyncio.create_task(clinic.examine(pod))
        await asyncio.to_thread(begun.wait, 30)
        examining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await examining
        with Ledger.open(clinic.settings.ledger_url) as ledger:
            assert [one.job_id for one in ledger.open_attempts()] == [pod.executions()[0].job_id]


async def test_a_probe_whose_answer_is_lost_is_told_and_found_again_by_settling(clinic):
    async with clinic.pod(faults=Faults((Rule(Kind.LOST_ANSWER, times=1),))) as pod:
        found = await clinic.examine(pod)
        assert (found.exit_code, found.abilities) == (1, ())
        assert "no answer came" in found.checks[-1].words
        assert "`assetmill settle` finds it" in found.checks[-1].hint
        done = await settle_everything(clinic.settings, Clock(), wait=True)
        assert (done.settled, done.remaining) == (1, {})
        assert [row["job_id"] for row in clinic.rows()] == [pod.executions()[0].job_id]


async def test_a_probe_keeps_to_the_budget_of_the_month(clinic, settings_with):
    clinic.settings = settings_with(ASSETMILL_MONTH_BUDGET_USD="0.0001", ASSETMILL_GPU_POOL="ADA_24")
    async with clinic.pod() as pod:
        with pytest.raises(BudgetExceeded):
            await clinic.examine(pod)
        assert pod.executions() == ()
    assert clinic.rows() == []


async def test_a_worker_that_draws_instead_of_refusing_is_not_taken_at_its_word(clinic):
    async with clinic.pod(worker=lambda _: {"images": []}) as pod:
        found = await clinic.examine(pod)
    assert set(able(found).values()) == {None}
    assert "no worker-comfyui that is known here" in found.abilities[0].why
    assert found.exit_code == 1


async def test_a_worker_whose_comfyui_was_not_up_yet_is_asked_once_more(clinic):
    answers = iter(["ComfyUI server (127.0.0.1:8188) not reachable after multiple retries."])

    def starting(job_input: Any) -> Any:
        error = next(answers, None)
        return {"error": error} if error else render(job_input)

    async with clinic.pod(worker=starting) as pod:
        found = await clinic.examine(pod)
    assert (set(able(found).values()), found.jobs) == ({True}, 2)


async def test_a_worker_that_never_tells_is_unknown_and_not_asked_for_ever(clinic):
    async with clinic.pod(worker=lambda _: {"error": "Job processing failed"}) as pod:
        found = await clinic.examine(pod)
    assert set(able(found).values()) == {None}
    assert found.jobs == 1


async def test_a_key_that_is_refused_sends_no_job_and_ends_with_4(clinic):
    config = PodConfig(endpoint_id="ep", api_key="another-key-0123456789")
    async with running_pod(config, render, Clock()) as pod:
        found = await clinic.examine(pod)
        assert pod.executions() == ()
    assert (found.exit_code, found.refused) == (4, True)
    assert "refused the key" in found.checks[0].words
    assert clinic.key.get_secret_value() not in json.dumps(found.as_json())


async def test_an_endpoint_that_does_not_exist_ends_with_4(clinic):
    async with clinic.pod() as pod:
        pod.url = pod.url.replace("/ep", "/other")
        found = await clinic.examine(pod)
    assert (found.exit_code, found.checks[0].state) == (4, State.BAD)


async def test_no_job_is_sent_where_no_worker_could_ever_take_it(clinic):
    async with clinic.pod(faults=Faults(max_workers=0)) as pod:
        found = await clinic.examine(pod)
    assert found.jobs == 0
    assert [check.state for check in found.checks if check.name == "workers"] == [State.BAD]
    assert found.exit_code == 1


async def test_price_pool_and_workers_are_told(clinic, settings_with):
    clinic.settings = settings_with(ASSETMILL_MAX_WORKERS="3")
    async with clinic.pod(workers=2) as pod:
        found = await clinic.examine(pod, ask=False)
    checks = {check.name: check for check in found.checks}
    assert "$0.00031 a worker's second on ADA_24" in checks["price"].words
    assert checks["workers"].words.startswith("at most 2 workers")
    assert "ASSETMILL_MAX_WORKERS is 3" in checks["workers"].hint
    assert found.cost_usd == Decimal(0)


async def test_a_comfyui_server_shows_its_nodes_so_that_no_job_is_needed(clinic):
    lacks = frozenset({"BiRefNetRMBG", FLUX})
    async with running_comfyui(ComfyConfig(lacks=lacks), Clock()) as server:
        found = await examine(clinic.settings, resolve_endpoint(clinic.settings, f"comfyui+{server.url}"), Clock())
    by_name = {one.workflow: one for one in found.abilities}
    assert set(by_name["entity"].missing) == lacks
    assert by_name["background"].why == f"it has no model {FLUX} in models/checkpoints"
    assert (found.jobs, found.exit_code, clinic.rows()) == (0, 1, [])
    with Ledger.open(clinic.settings.ledger_url) as ledger:
        assert {one.ability.workflow for one in ledger.abilities.read(f"comfyui+{server.url}")} == set(by_name)


async def test_a_comfyui_server_that_is_not_there_is_told(clinic):
    found = await examine(clinic.settings, resolve_endpoint(clinic.settings, "comfyui+http://127.0.0.1:9"), Clock())
    assert (found.exit_code, found.refused, found.checks[0].state) == (1, False, State.BAD)


async def test_scenario_tells_by_dry_runs_what_a_pipeline_can_do_and_what_it_costs(clinic, settings_with):
    clinic.settings = settings_with(SCENARIO_API_KEY="a-key-of-ours", SCENARIO_SECRET_API_KEY="a-secret-of-ours")
    async with running_scenario(ScenarioConfig(api_key="a-key-of-ours", secret="a-secret-of-ours"), Clock()) as server:
        found = await examine(clinic.settings, resolve_endpoint(clinic.settings, f"scenario+{server.url}"), Clock())
    ways = {way.name: way for way in found.ways}
    assert ways["entity"].able is True
    assert (ways["parallax (depth)"].able, ways["parallax (depth)"].workflow) == (False, None)
    assert {one.able for one in found.abilities} == {True}
    assert all(one.units for one in found.abilities)
    assert (found.exit_code, found.jobs, clinic.rows()) == (0, 0, []), "what no pipeline makes is no fault of it"
    with Ledger.open(clinic.settings.ledger_url) as ledger:
        assert len(ledger.abilities.read(f"scenario+{server.url}")) == len(found.abilities)


async def test_scenario_that_refuses_the_keys_ends_with_4_and_one_that_is_away_with_1(clinic, settings_with):
    clinic.settings = settings_with(SCENARIO_API_KEY="a-key-of-ours", SCENARIO_SECRET_API_KEY="another-secret")
    async with running_scenario(ScenarioConfig(api_key="a-key-of-ours", secret="a-secret-of-ours"), Clock()) as server:
        address = f"scenario+{server.url}"
        refused = await examine(clinic.settings, resolve_endpoint(clinic.settings, address), Clock())
    assert (refused.exit_code, refused.abilities) == (4, ())
    away = await examine(clinic.settings, resolve_endpoint(clinic.settings, address), Clock())
    assert (away.exit_code, away.checks[0].state) == (1, State.BAD)
    assert "another-secret" not in json.dumps([refused.as_json(), away.as_json()])
